use super::*;

async fn records(instance: &str, folder: &tempfile::TempDir) -> Records {
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    Records::new(store, instance.into())
}

#[tokio::test]
async fn keeps_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let records = records("a", &folder).await;
    records.insert(&job("1", 10)).await.unwrap();
    let ids = KernelIds {
        session: "s".into(),
        kernel: "k".into(),
    };
    let failed = Outcome::failed("It broke.");

    let started = records
        .prepare("1", Step::StartKernel, 11)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (started.step, started.job.state),
        (Step::StartKernel, JobState::Starting)
    );
    let waits = records.has_kernel("1", &ids).await.unwrap().unwrap();
    assert_eq!((waits.step, waits.kernel), (Step::AwaitCluster, Some(ids)));
    let sent = records.prepare("1", Step::Execute, 12).await.unwrap().unwrap();
    assert_eq!((sent.step, sent.job.started_at), (Step::Execute, Some(11)));
    assert_eq!(
        records.running("1").await.unwrap().unwrap().job.state,
        JobState::Running
    );
    assert_eq!(
        records.cancelling("1").await.unwrap().unwrap().job.state,
        JobState::Cancelling
    );
    // Neither of these takes a cancellation back.
    assert_eq!(
        records.running("1").await.unwrap().unwrap().job.state,
        JobState::Cancelling
    );
    assert_eq!(
        records
            .prepare("1", Step::StartKernel, 99)
            .await
            .unwrap()
            .unwrap()
            .job
            .state,
        JobState::Cancelling
    );

    let closing = records.close("1", &failed).await.unwrap().unwrap();
    assert_eq!(
        (closing.step, closing.outcome),
        (Step::Close, Some(JobState::Failed))
    );
    assert!(!closing.job.state.is_over());
    let over = records.over("1", &failed, 20).await.unwrap().unwrap();
    assert_eq!(
        (over.step, over.job.state, over.job.error),
        (Step::Over, JobState::Failed, failed.error)
    );
    assert_eq!((over.job.started_at, over.job.ended_at), (Some(11), Some(20)));
    assert_eq!(
        records.cancelling("1").await.unwrap().unwrap().job.state,
        JobState::Failed
    );
}

#[tokio::test]
async fn gives_each_left_job_to_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let dead = records("dead", &folder).await;
    for (id, at) in [("2", 20), ("1", 10), ("3", 30)] {
        dead.insert(&job(id, at)).await.unwrap();
    }
    dead.over("3", &Outcome::succeeded(), 31).await.unwrap();
    let (a, b) = (records("a", &folder).await, records("b", &folder).await);
    assert_eq!(a.unsettled_instances().await.unwrap(), ["dead"]);
    let (by_a, by_b) = tokio::join!(a.adopt("dead"), b.adopt("dead"));
    let (by_a, by_b) = (by_a.unwrap(), by_b.unwrap());
    assert!(by_a.is_empty() != by_b.is_empty(), "{by_a:?} {by_b:?}");
    let ids: Vec<_> = by_a
        .iter()
        .chain(&by_b)
        .map(|record| record.job.id.as_str())
        .collect();
    assert_eq!(ids, ["1", "2"]);
    let listed: Vec<_> = a.list().await.unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(listed, ["3", "2", "1"]);
    let labels: Vec<_> = a
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|job| job.cluster_label)
        .collect();
    assert_eq!(labels[0].as_deref(), Some("etl"));
}
