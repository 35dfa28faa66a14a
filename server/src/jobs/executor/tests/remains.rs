//! What remains of a job: summary, cost, notebook and report, also where there is none.

use super::*;

#[tokio::test]
async fn a_notebook_that_is_not_there_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    assert!(
        jobs.notebook("none")
            .await
            .unwrap_err()
            .to_string()
            .contains("no job none")
    );
    jobs.0.records.insert(&job("1", 1)).await.unwrap();
    let said = jobs.notebook("1").await.unwrap_err().to_string();
    assert_eq!(said, "The executed notebook is there when the job is over.");
    let cancelled = crate::jobs::step::Outcome::cancelled();
    jobs.0.records.over("1", &cancelled, 2).await.unwrap();
    let said = jobs.notebook("1").await.unwrap_err().to_string();
    assert_eq!(said, "The job has no notebook: its code never began.");
}

#[tokio::test]
async fn what_its_clusters_did_and_cost_remains_of_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let summary = JobSummary {
        tasks: 7,
        prefixes: vec![protocol::jobs::PrefixTime {
            name: "inc".into(),
            tasks: 7,
            ..Default::default()
        }],
        ..JobSummary::default()
    };
    let spent = Spent {
        amount: Some(0.5),
        worker_hours: 2.0,
        ..Spent::default()
    };
    let fakes = Arc::new(Fakes {
        state: Some(ClusterState::Running),
        workers: 1,
        summary: Some(summary.clone()),
        spent: Some(spent.clone()),
        ..Fakes::default()
    });
    let job = ended_in(&folder, &fakes, |_| {}).await;
    assert_eq!(
        (job.state, job.summary, job.cost),
        (JobState::Failed, Some(summary), Some(spent))
    );
    assert_eq!(
        fakes.done(),
        [
            "made",
            "heard made out",
            "stopped made",
            "traced made",
            "wrote tasks"
        ]
    );
    let tasks = job.tasks.unwrap();
    assert_eq!(std::fs::read_to_string(&tasks).unwrap(), "tasks");
    // It never began, and has a report that says why.
    let report = job.report.unwrap();
    assert!(report.ends_with("report.html"), "{report}");
    let report = std::fs::read_to_string(report).unwrap();
    for words in ["There is none.", "0.5000 EUR", ">inc</th>"] {
        assert!(report.contains(words), "{words} is not in {report}");
    }
    assert_eq!(job.notebook, None);
}

#[tokio::test]
async fn of_too_many_tasks_there_is_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let summary = JobSummary {
        tasks: 1_000_001,
        ..JobSummary::default()
    };
    let fakes = Arc::new(Fakes {
        state: Some(ClusterState::Running),
        workers: 1,
        summary: Some(summary),
        ..Fakes::default()
    });
    // That of a server that died is no better.
    let left = folder.path().join("jobs/1/tasks.parquet");
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, "tasks").unwrap();
    let job = ended_in(&folder, &fakes, |job| {
        job.tasks = Some("gatehouse-jobs/old.parquet".into())
    })
    .await;
    assert_eq!(job.tasks, None);
    assert!(!left.exists() && !fakes.done().contains(&"wrote tasks".to_owned()));
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    let said = jobs.tasks("1").await.unwrap_err().to_string();
    assert!(said.contains("too many for one"), "{said}");
}

#[tokio::test]
async fn on_a_cluster_that_goes_on_running_the_difference_is_the_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    let spent = |hours| {
        Some(Spent {
            worker_hours: hours,
            ..Spent::default()
        })
    };
    let fakes = Arc::new(Fakes {
        spent: spent(3.5),
        summary: Some(JobSummary::default()),
        ..Fakes::default()
    });
    jobs.tell_host(Arc::clone(&fakes) as _);
    // A server that died while the code ran noted when it began, and what was used by then.
    let begun = job("1", 10);
    jobs.0.records.insert(&begun).await.unwrap();
    let ids = super::super::KernelIds {
        session: "s".into(),
        kernel: "k".into(),
    };
    jobs.0.records.has_kernel("1", &ids).await.unwrap();
    jobs.0.records.prepare("1", Step::Execute, 15).await.unwrap();
    let before = spent(3.0);
    let begins = jobs.0.stretches.begins("1", 1, "c", before.as_ref(), 20);
    begins.await.unwrap();
    jobs.drive(jobs.0.record("1").await.unwrap());
    jobs.0.tasks.close();
    jobs.0.tasks.wait().await;

    let job = jobs.get("1").await.unwrap();
    assert_eq!(job.cost, spent(0.5));
    assert_eq!(fakes.done(), ["heard c out", "traced c"]);
    assert_eq!(job.tasks, None, "there were no tasks");
    let stretches = jobs.0.stretches.of("1").await.unwrap();
    assert!(
        stretches[0].shared && stretches[0].to_ms > Some(20),
        "{stretches:?}"
    );
}

#[tokio::test]
async fn a_report_and_a_table_that_are_not_there_are_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    for said in [
        jobs.report("none").await.unwrap_err().to_string(),
        jobs.tasks("none").await.unwrap_err().to_string(),
    ] {
        assert!(said.contains("no job none"), "{said}");
    }
    jobs.0.records.insert(&job("1", 1)).await.unwrap();
    let said = jobs.report("1").await.unwrap_err().to_string();
    assert_eq!(said, "The report is there when the job is over.");
    let said = jobs.tasks("1").await.unwrap_err().to_string();
    assert_eq!(said, "The table of tasks is there when the job is over.");
    jobs.0
        .records
        .over("1", &crate::jobs::step::Outcome::cancelled(), 2)
        .await
        .unwrap();
    let said = jobs.report("1").await.unwrap_err().to_string();
    assert!(said.contains("older than reports are"), "{said}");
    let said = jobs.tasks("1").await.unwrap_err().to_string();
    assert!(said.contains("No tasks were recorded"), "{said}");
}
