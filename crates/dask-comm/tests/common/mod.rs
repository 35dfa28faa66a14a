//! Real Python processes for tests: found, started, watched and ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Generous: two cores may be shared with a whole test run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The interpreter that has Dask and its gateway: `GATEHOUSE_PYTHON`, else the checkout's `.venv`.
pub(crate) fn python() -> PathBuf {
    if let Some(path) = std::env::var_os("GATEHOUSE_PYTHON") {
        return path.into();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    assert!(
        path.exists(),
        "this test needs Dask: set GATEHOUSE_PYTHON, or make `.venv` with `npm start`"
    );
    path
}

/// A Python process that ends with the test, however that ends.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `python` with these arguments and variables; what it prints lands in `dir/name.log`.
    pub(crate) fn start(
        python: &Path,
        dir: &Path,
        name: &str,
        environment: &[(&str, &str)],
        args: &[&str],
    ) -> Self {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log).expect("a log file");
        let child = Command::new(python)
            .args(args)
            .current_dir(dir)
            .env("HOME", dir)
            .env("DASK_CONFIG", dir.join("dask-config"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("python starts");
        Self { child, log }
    }

    /// Waits until `ready` gives something.
    ///
    /// Panics, with what the process printed, if it ends before or takes too long.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(value) = ready() {
                return value;
            }
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(
                ended.is_none(),
                "{what}: the process ended ({ended:?})\n{}",
                self.output()
            );
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}\n{}",
                self.output()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has; then kills it.
    pub(crate) fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a Python script to its end and returns what it prints.
pub(crate) fn run_script(python: &Path, dir: &Path, script: &str, args: &[&str]) -> String {
    let output = Command::new(python)
        .args(["-c", script])
        .args(args)
        .current_dir(dir)
        .env("HOME", dir)
        .env("DASK_CONFIG", dir.join("dask-config"))
        .output()
        .expect("python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the script failed ({}):\n{errors}",
        output.status
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}
