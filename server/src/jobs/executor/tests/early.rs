//! A kernel that starts while its cluster does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::jobs::{JobState, Place, PlaceKind};
use protocol::rest::ClusterState;
use tokio::sync::broadcast;

use super::super::super::channels::{Channels, KernelEvent};
use super::super::super::jupyter::{JupyterClient, JupyterSource};
use super::super::super::record::{KernelIds, job};
use super::super::super::{Jobs, JobsConfig, Limits, Step};
use super::Fakes;
use crate::embedded::jupyter::{PrivateJupyter, PrivateJupyterConfig};
use crate::store::Store;

const PATIENCE: Duration = Duration::from_secs(60);

fn python() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    std::env::var_os("GATEHOUSE_PYTHON").map_or_else(own, PathBuf::from)
}

/// The kernel of a job that waits for the workers of its cluster.
async fn waiting(jobs: &Jobs, id: &str) -> KernelIds {
    let waits = async {
        loop {
            let record = jobs.0.record(id).await.unwrap();
            assert!(record.step <= Step::AwaitCluster, "{record:?}");
            let tells = record.job.doing.as_deref() == Some("Waits for workers: 0 of 1");
            if let Some(ids) = record.kernel.filter(|_| tells) {
                assert_eq!(record.step, Step::AwaitCluster);
                return ids;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap()
}

/// Lets the kernel run `code`; the error that it raised.
async fn raised(client: &JupyterClient, ids: &KernelIds, code: &str) -> Option<String> {
    let mut channels = Channels::open(client, &ids.kernel).await.unwrap();
    let asked = channels.execute(code, false, false).await.unwrap();
    let replied = async {
        loop {
            if let Some(KernelEvent::Replied { request, error, .. }) = channels.next().await
                && request == asked
            {
                return error;
            }
        }
    };
    tokio::time::timeout(PATIENCE, replied).await.unwrap()
}

#[tokio::test]
async fn its_kernel_makes_itself_ready_while_its_cluster_starts() {
    let folder = tempfile::tempdir().unwrap();
    let jupyter = Arc::new(PrivateJupyter::new(PrivateJupyterConfig {
        python: python(),
        folder: folder.path().join("jupyter"),
        root: Some(folder.path().to_owned()),
        kernel_env: [].into(),
    }));
    let config = JobsConfig {
        folder: folder.path().join("jobs"),
        instance: "a".into(),
        limits: Limits::default(),
    };
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    let source = JupyterSource::Private(Arc::clone(&jupyter));
    let jobs = Jobs::new(store, config, source.clone(), broadcast::channel(64).0).unwrap();
    let fakes = Arc::new(Fakes {
        state: Some(ClusterState::Running),
        ..Fakes::default()
    });
    jobs.tell_host(Arc::clone(&fakes) as _);
    let mut wanted = job("1", 10);
    (wanted.cluster, wanted.cluster_label) = (None, None);
    wanted.request.place = Place {
        kind: PlaceKind::Fresh,
        ..Place::default()
    };
    wanted.request.environment = [("DASK_GATEHOUSE_MARK".to_owned(), "7".to_owned())].into();
    wanted.request.folder = Some(folder.path().join("jobs").to_string_lossy().into_owned());
    std::fs::create_dir(folder.path().join("jobs")).unwrap();
    jobs.0.records.insert(&wanted).await.unwrap();
    jobs.drive(jobs.0.record("1").await.unwrap());

    let ids = waiting(&jobs, "1").await;
    let client = JupyterClient::new(jobs.0.http.clone(), source.endpoint().await.unwrap());
    // Dask is imported, and saw the job's environment and folder.
    let code = "import os, sys; from pathlib import Path; dask = sys.modules['dask_gateway'] and sys.modules['dask']\n\
                assert dask.config.get('gatehouse-mark') == 7 and Path.cwd().name == 'jobs', os.getcwd()";
    // Nobody says in which order two connections' requests come.
    let ready = async {
        while raised(&client, &ids, code).await.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    assert!(!jobs.0.output_path("1", 1).exists(), "its code has not begun");
    let session = "gatehouse-job-1";
    assert_eq!(client.find_session(session).await.unwrap(), Some(ids.clone()));

    jobs.cancel("1").await.unwrap();
    jobs.0.tasks.close();
    tokio::time::timeout(PATIENCE, jobs.0.tasks.wait()).await.unwrap();
    assert_eq!(jobs.get("1").await.unwrap().state, JobState::Cancelled);
    assert_eq!(client.find_session(session).await.unwrap(), None);
    assert_eq!(client.kernel_state(&ids.kernel).await.unwrap(), None);
    assert_eq!(fakes.done(), ["made", "heard made out", "stopped made"]);
    jupyter.shutdown().await;
    assert!(!jupyter.is_running().await);
}
