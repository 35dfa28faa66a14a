//! What Jupyter's last activity shows of jobs: a hub's culler goes by it.

use std::time::Duration;

use gatehouse::jobs::JupyterSource;
use protocol::jobs::{CreateJob, JobState, Work};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::house::{ended, jobs_in, jupyter_in, until_printed, until_state};

/// Some of our looks at a kernel, and many signs of life.
const MEANWHILE: Duration = Duration::from_secs(3);
const TOUCH: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_job_is_activity_and_what_watches_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let jupyter = jupyter_in(folder.path());
    // As on a hub, whose server is not ours.
    let (url, token) = jupyter.ensure().await.unwrap();
    let source = JupyterSource::External {
        url: url.clone(),
        token: token.clone(),
    };
    let jobs = jobs_in(folder.path(), "a", source).await;
    let client = gatehouse::outbound::client(&dask_gateway::HttpProxy::Off).unwrap();
    let last_activity = async || {
        let asked = client
            .get(format!("{url}api/status?no_track_activity=1"))
            .header("Authorization", format!("token {token}"));
        let status: Value = asked.send().await.unwrap().json().await.unwrap();
        status["last_activity"].as_str().unwrap().to_owned()
    };
    let moves = async || {
        let before = last_activity().await;
        tokio::time::sleep(MEANWHILE).await;
        last_activity().await != before
    };
    let alive = || {
        let stop = CancellationToken::new();
        tokio::spawn(jobs.clone().keep_jupyter_alive(TOUCH, stop.clone()));
        stop.drop_guard()
    };

    let touching = alive();
    assert!(!moves().await, "no job is there");
    drop(touching);

    let quiet = CreateJob {
        work: Work {
            source: "import time\nprint('begun', flush=True)\ntime.sleep(600)".into(),
            ..Work::default()
        },
        ..CreateJob::default()
    };
    let job = jobs.create(quiet).await.unwrap();
    until_printed(&jobs, &job.id, "begun").await;
    until_state(&jobs, &job.id, JobState::Running).await;
    // What the kernel said while it began has passed by then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!moves().await, "our looks at the kernel count");
    let touching = alive();
    assert!(moves().await, "a quiet job keeps the server alive");

    jobs.cancel(&job.id).await.unwrap();
    assert_eq!(ended(&jobs, &job.id).await.state, Some(JobState::Cancelled));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!moves().await, "a job that is over");
    drop(touching);
    jupyter.shutdown().await;
}
