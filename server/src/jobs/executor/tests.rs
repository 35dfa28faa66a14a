//! What becomes of jobs whose clusters do not do what was hoped for.

mod early;
mod remains;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use protocol::guard::Spent;
use protocol::jobs::{Job, JobState, JobSummary, OnMismatch, Place, PlaceKind};
use protocol::life::Life;
use protocol::rest::{
    Cluster, ClusterState, ClusterSummary, CreateCluster, LiveState, OptionValues, Scaling,
};
use protocol::versions::{Agreement, VersionRow, VersionTable};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::host::{ClusterHost, Stretch, Trace};
use super::super::record::job;
use super::super::{Jobs, JupyterSource, Limits, Listed, Step};
use super::cluster::standing;
use crate::clusters::Named;

/// Clusters that do as they are told here.
#[derive(Default)]
struct Fakes {
    /// Why a cluster is refused, in turn; then they are made.
    refusals: Mutex<Vec<&'static str>>,
    /// The gateway never comes to the end of its start.
    starts_for_ever: bool,
    workers: u32,
    /// Of clusters that were made.
    state: Option<ClusterState>,
    mismatches: Vec<String>,
    spent: Option<Spent>,
    summary: Option<JobSummary>,
    done: Mutex<Vec<String>>,
}

impl Fakes {
    fn note(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }

    fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }
}

fn cluster(state: ClusterState, workers: u32) -> Cluster {
    Cluster {
        name: "made".into(),
        label: Some("sum".into()),
        state,
        reason: Some("No room.".into()),
        started_at: None,
        stopped_at: None,
        options: OptionValues::new(),
        scaling: Scaling::Unknown,
        summary: Some(ClusterSummary {
            workers,
            ..ClusterSummary::default()
        }),
        live: LiveState::Off,
        dashboard: None,
        life: Life::default(),
        lease: None,
        cost: None,
    }
}

impl ClusterHost for Fakes {
    fn max_workers(&self) -> Option<u32> {
        None
    }

    fn started(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.starts_for_ever {
                self.note("starts".into());
                std::future::pending().await
            }
        })
    }

    fn create(&self, _: CreateCluster, named: Named) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            let refusal = self.refusals.lock().unwrap().pop();
            if let Some(refusal) = refusal {
                self.note("refused".into());
                return Err(refusal.into());
            }
            self.note("made".into());
            named("made".into()).await.unwrap();
            Ok("made".into())
        })
    }

    fn adopt<'a>(&'a self, name: &'a str, _: CreateCluster) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.note(format!("adopted {name}"));
            Ok(())
        })
    }

    fn find<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<Cluster>> {
        Box::pin(async move { Some(cluster(self.state?, self.workers)) })
    }

    fn look_at<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Cluster>> {
        self.find(name)
    }

    fn listed(&self) -> BoxFuture<'_, Result<Vec<Listed>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.note(format!("stopped {name}"));
            Ok(())
        })
    }

    fn know_kernel<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn versions<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> BoxFuture<'a, Result<VersionTable, String>> {
        let row = |explanation: &String| VersionRow {
            package: "numpy".into(),
            agreement: Agreement::Breaks,
            explanation: Some(explanation.clone()),
            ..VersionRow::default()
        };
        let table = VersionTable {
            rows: self.mismatches.iter().map(row).collect(),
            ..VersionTable::default()
        };
        Box::pin(async move { Ok(table) })
    }

    fn catch_up<'a>(&'a self, name: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.note(format!("heard {name} out")) })
    }

    fn spent<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Spent>, String>> {
        Box::pin(async { Ok(self.spent.clone()) })
    }

    fn currency(&self) -> Option<String> {
        Some("EUR".into())
    }

    fn trace<'a>(
        &'a self,
        _: &'a str,
        stretches: &'a [Stretch],
    ) -> BoxFuture<'a, Result<Option<Trace>, String>> {
        Box::pin(async move {
            let Some(summary) = self.summary.clone() else {
                return Ok(None);
            };
            let all: Vec<_> = stretches.iter().map(|stretch| stretch.cluster.as_str()).collect();
            self.note(format!("traced {}", all.join(" ")));
            Ok(Some(Trace {
                summary,
                ..Trace::default()
            }))
        })
    }

    fn write_tasks<'a>(
        &'a self,
        _: &'a [Stretch],
        target: &'a std::path::Path,
    ) -> BoxFuture<'a, Result<u64, String>> {
        Box::pin(async move {
            self.note("wrote tasks".into());
            std::fs::write(target, "tasks").unwrap();
            Ok(self.summary.as_ref().map_or(0, |summary| summary.tasks))
        })
    }

    fn kernel_env(&self, _: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// A job on a fresh cluster, as it ended where there is no Jupyter Server.
async fn ended(fakes: &Arc<Fakes>, change: impl FnOnce(&mut Job)) -> Job {
    ended_in(&tempfile::tempdir().unwrap(), fakes, change).await
}

async fn ended_in(folder: &tempfile::TempDir, fakes: &Arc<Fakes>, change: impl FnOnce(&mut Job)) -> Job {
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    jobs.tell_host(Arc::clone(fakes) as _);
    let mut wanted = job("1", 10);
    (wanted.cluster, wanted.cluster_label) = (None, None);
    wanted.request.place = Place {
        kind: PlaceKind::Fresh,
        ..Place::default()
    };
    change(&mut wanted);
    jobs.0.records.insert(&wanted).await.unwrap();
    jobs.drive(jobs.0.record("1").await.unwrap());
    jobs.0.tasks.close();
    jobs.0.tasks.wait().await;
    assert_eq!(
        jobs.0.owned.of("1").await.unwrap(),
        [],
        "nothing belongs to it any more"
    );
    let job = jobs.get("1").await.unwrap();
    assert!(job.state.is_over(), "{job:?}");
    assert_eq!(job.doing, None, "it does nothing any more");
    job
}

/// A job on a fresh cluster that was asked for and waited for, and why that was given up.
async fn waited(fakes: &Arc<Fakes>, change: impl FnOnce(&mut Job)) -> (Job, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    jobs.tell_host(Arc::clone(fakes) as _);
    let mut wanted = job("1", 10);
    (wanted.cluster, wanted.cluster_label) = (None, None);
    wanted.request.place = Place {
        kind: PlaceKind::Fresh,
        ..Place::default()
    };
    change(&mut wanted);
    jobs.0.records.insert(&wanted).await.unwrap();
    let mut run = super::Run {
        jobs: &jobs.0,
        job: wanted,
        kernel: None,
        client: None,
        cells: 0,
        cancel: CancellationToken::new(),
    };
    run.find_cluster(Step::Queued).await.unwrap();
    let stop = run.await_cluster(&mut None).await.err();
    (run.job, stop.map(|stop| stop.to_string()))
}

#[tokio::test]
async fn a_cluster_that_is_refused_is_asked_for_as_often_as_was_said() {
    let fakes = Arc::new(Fakes {
        refusals: Mutex::new(vec!["Not now.", "Not yet.", "No."]),
        ..Fakes::default()
    });
    let job = ended(&fakes, |job| job.request.retries = 1).await;
    assert_eq!((job.state, job.attempt), (JobState::Failed, 2));
    assert_eq!(job.error.as_deref(), Some("Not yet."));
    assert_eq!(fakes.done(), ["refused", "refused"]);
}

#[tokio::test]
async fn a_gateway_that_starts_is_waited_for_until_the_job_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    let fakes = Arc::new(Fakes {
        starts_for_ever: true,
        ..Fakes::default()
    });
    jobs.tell_host(Arc::clone(&fakes) as _);
    let mut wanted = job("1", 10);
    wanted.cluster = None;
    wanted.request.place = Place {
        kind: PlaceKind::Fresh,
        ..Place::default()
    };
    jobs.0.records.insert(&wanted).await.unwrap();
    jobs.drive(jobs.0.record("1").await.unwrap());
    while fakes.done().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    jobs.cancel("1").await.unwrap();
    jobs.0.tasks.close();
    jobs.0.tasks.wait().await;
    assert_eq!(jobs.get("1").await.unwrap().state, JobState::Cancelled);
    assert_eq!(fakes.done(), ["starts"], "no cluster was asked for");
}

#[tokio::test]
async fn no_attempt_begins_when_the_time_of_all_is_up() {
    for (limit_s, attempts) in [(Some(1), 1), (Some(u64::MAX), 3), (None, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        let mut long = job("1", 10);
        (long.request.retries, long.request.time_limit_s) = (2, limit_s);
        jobs.0.records.insert(&long).await.unwrap();
        // It began in 1970, and fails for want of a Jupyter Server.
        let begun = jobs.0.records.prepare("1", Step::StartKernel, 10).await;
        jobs.drive(begun.unwrap().unwrap());
        jobs.0.tasks.close();
        jobs.0.tasks.wait().await;
        let job = jobs.get("1").await.unwrap();
        assert_eq!(
            (job.state, job.attempt),
            (JobState::Failed, attempts),
            "{limit_s:?}"
        );
    }
}

#[tokio::test]
async fn no_cluster_is_asked_for_where_the_kernel_is_not_there() {
    let jupyter = MockServer::start().await;
    let none = json!({ "default": "python3", "kernelspecs": {} });
    Mock::given(method("GET"))
        .and(path("/api/kernelspecs"))
        .respond_with(ResponseTemplate::new(200).set_body_json(none))
        .mount(&jupyter)
        .await;
    let folder = tempfile::tempdir().unwrap();
    let source = JupyterSource::External {
        url: jupyter.uri(),
        token: "t".into(),
    };
    let jobs = Jobs::beside(folder.path(), "a", Limits::default(), source).await;
    let fakes = Arc::new(Fakes::default());
    jobs.tell_host(Arc::clone(&fakes) as _);
    let mut wanted = job("1", 10);
    (wanted.cluster, wanted.request.place) = (
        None,
        Place {
            kind: PlaceKind::Fresh,
            ..Place::default()
        },
    );
    wanted.request.kernel = Some("nope".into());
    jobs.0.records.insert(&wanted).await.unwrap();
    jobs.drive(jobs.0.record("1").await.unwrap());
    jobs.0.tasks.close();
    jobs.0.tasks.wait().await;
    let job = jobs.get("1").await.unwrap();
    let error = job.error.unwrap();
    assert!(error.starts_with("The kernel nope does not exist"), "{error}");
    assert_eq!(fakes.done(), Vec::<String>::new());
}

#[tokio::test]
async fn who_begins_anew_lines_up_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    let mut events = jobs.0.events.subscribe();
    let enter = |id: &str| jobs.0.queue.enter(&job(id, 1), Step::Queued);
    let _others = ["a", "b", "c"].map(enter);
    let mut again = job("1", 1);
    again.request.retries = 1;
    jobs.0.records.insert(&again).await.unwrap();
    jobs.drive(jobs.0.record("1").await.unwrap());
    let behind = enter("behind");
    let mut told = async |attempt: u32, position: Option<u32>, over: bool| {
        let fits = |job: &Job| (job.attempt, job.position, job.state.is_over()) == (attempt, position, over);
        while !fits(&events.recv().await.unwrap()) {}
    };
    // Its first attempt fails for want of a Jupyter Server.
    told(2, Some(1), false).await;
    drop(behind);
    told(2, None, true).await;
}

#[tokio::test]
async fn a_cluster_that_does_not_come_is_given_up_and_stopped() {
    let fakes = Arc::new(Fakes {
        state: Some(ClusterState::Running),
        workers: 1,
        ..Fakes::default()
    });
    let (job, error) = waited(&fakes, |job| {
        (job.request.place.wait_for, job.request.place.wait_limit_s) = (Some(3), Some(0));
    })
    .await;
    let error = error.unwrap();
    assert!(
        error.contains("not ready within 0 s (Waits for workers: 1 of 3)"),
        "{error}"
    );
    assert!(error.contains("ask for fewer workers"), "{error}");
    assert_eq!(job.cluster_label.as_deref(), Some("sum"));

    let failed = Arc::new(Fakes {
        state: Some(ClusterState::Failed),
        ..Fakes::default()
    });
    let error = ended(&failed, |_| {}).await.error.unwrap();
    assert_eq!(error, "Cluster made ended before the code could begin. No room.");
    assert_eq!(failed.done(), ["made", "heard made out", "stopped made"]);
}

#[tokio::test]
async fn versions_that_do_not_fit_are_shown_or_stop_the_job() {
    let fakes = || {
        Arc::new(Fakes {
            state: Some(ClusterState::Running),
            workers: 1,
            mismatches: vec!["numpy differs.".into()],
            ..Fakes::default()
        })
    };
    let stop = |job: &mut Job| job.request.on_mismatch = OnMismatch::Stop;
    let error = waited(&fakes(), stop).await.1.unwrap();
    assert!(
        error.contains("don't fit each other: numpy differs. Choose another kernel"),
        "{error}"
    );
    let (shown, error) = waited(&fakes(), |_| {}).await;
    assert_eq!(
        (shown.mismatches, error),
        (vec!["numpy differs.".to_owned()], None)
    );
}

#[tokio::test]
async fn what_could_not_be_stopped_is_stopped_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::unavailable(folder.path(), "a").await;
    let fakes = Arc::new(Fakes::default());
    jobs.tell_host(Arc::clone(&fakes) as _);
    let owned = &jobs.0.owned;
    let row = owned.asking("gone", &OptionValues::new(), [], 1).await.unwrap();
    owned.named(row, "left").await.unwrap();
    jobs.0.records.insert(&job("runs", 1)).await.unwrap();
    let row = owned.asking("runs", &OptionValues::new(), [], 1).await.unwrap();
    owned.named(row, "used").await.unwrap();
    jobs.0.stop_left_clusters().await;
    assert_eq!(fakes.done(), ["stopped left"]);
    assert_eq!(owned.of("gone").await.unwrap(), []);
    assert_eq!(owned.of("runs").await.unwrap().len(), 1);
}

#[test]
fn the_code_begins_with_all_workers() {
    let waits = |cluster: Option<Cluster>, wanted| standing(cluster.as_ref(), "c", wanted);
    let running = |workers| Some(cluster(ClusterState::Running, workers));
    assert!(
        waits(Some(cluster(ClusterState::Pending, 0)), 1)
            .unwrap()
            .is_some()
    );
    assert_eq!(
        waits(running(2), 4).unwrap().as_deref(),
        Some("Waits for workers: 2 of 4")
    );
    assert_eq!(waits(running(4), 4).unwrap(), None);
    assert!(waits(running(0), 1).unwrap().is_some());
    assert_eq!(waits(running(0), 0).unwrap(), None);
    let failed = waits(Some(cluster(ClusterState::Failed, 0)), 1).unwrap_err();
    assert!(failed.to_string().contains("No room."), "{failed}");
    assert!(waits(None, 1).unwrap_err().to_string().contains("is gone"));
}
