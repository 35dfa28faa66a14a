//! A real scheduler with one worker.

use std::path::{Path, PathBuf};

use dask_comm::{Address, Connection, Timeouts};

use crate::common::{Process, python, run_script};

/// Which of the two environments runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "not every test takes both")]
pub(crate) enum Dask {
    Newest,
    /// distributed 2023.1.0, the oldest that we know how to speak to.
    Oldest,
}

impl Dask {
    /// The newest, and the oldest where its environment is there: `GATEHOUSE_OLD_PYTHON`, else the checkout's
    /// `.venv-2023.1`, which `npm test` makes.
    pub(crate) fn python(self) -> PathBuf {
        if self == Self::Newest {
            return python();
        }
        if let Some(path) = std::env::var_os("GATEHOUSE_OLD_PYTHON") {
            return path.into();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv-2023.1/bin/python");
        assert!(
            path.exists(),
            "this test needs distributed 2023.1.0: set GATEHOUSE_OLD_PYTHON, or make `.venv-2023.1` with `npm test`"
        );
        path
    }
}

pub(crate) struct Cluster {
    dask: Dask,
    // Ended in this order.
    _worker: Process,
    _scheduler: Process,
    pub(crate) address: Address,
    pub(crate) dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) fn start(dask: Dask) -> Self {
        Self::start_with(dask, &[])
    }

    /// With these variables in the scheduler's environment.
    pub(crate) fn start_with(dask: Dask, environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("scheduler.json");
        let file_arg = file.to_str().expect("UTF-8");
        let mut scheduler = Process::start(
            &dask.python(),
            dir.path(),
            "scheduler",
            environment,
            &[
                "-m",
                "distributed.cli.dask_scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--dashboard-address",
                "127.0.0.1:0",
                "--scheduler-file",
                file_arg,
            ],
        );
        let address = scheduler.wait_for("the scheduler's file", || address_in(&file));
        let worker = Process::start(
            &dask.python(),
            dir.path(),
            "worker",
            &[],
            &[
                "-m",
                "distributed.cli.dask_worker",
                &address,
                "--host",
                "127.0.0.1",
                "--no-nanny",
                "--no-dashboard",
                "--nthreads",
                "2",
                "--memory-limit",
                "1GiB",
                "--name",
                "7",
                "--local-directory",
                ".",
            ],
        );
        Self {
            dask,
            _worker: worker,
            _scheduler: scheduler,
            address: address.parse().expect("an address"),
            dir,
        }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::connect(&self.address, None, Timeouts::default())
            .await
            .expect("connects")
    }

    pub(crate) fn run(&self, script: &str) -> String {
        run_script(
            &self.dask.python(),
            self.dir.path(),
            script,
            &[&self.address.to_string()],
        )
    }
}

fn address_in(scheduler_file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(scheduler_file).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(json["address"].as_str()?.to_owned())
}
