//! A real `gatehouse serve` with its embedded gateway, for one test.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything that a busy machine does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The Python with dask-gateway-server, which `npm test` sets up.
pub(crate) fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the server is in the workspace");
    let python =
        std::env::var_os("GATEHOUSE_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    assert!(
        python.is_file(),
        "{} is not there: `npm test` makes it, or set GATEHOUSE_PYTHON",
        python.display()
    );
    python
}

/// A running server; killed when dropped, ended well by [`Server::end`].
pub(crate) struct Server {
    child: Child,
    pub(crate) home: Arc<tempfile::TempDir>,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) kernel_env: Value,
    pub(crate) client: reqwest::Client,
}

impl Server {
    /// Starts a server with a home and a state folder of its own.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        Self::start_in(args, &[])
    }

    /// Starts a server in an environment with these variables.
    pub(crate) fn start_in(args: &[&str], env: &[(String, String)]) -> Self {
        let home = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::start_at(home, "test", args, env)
    }

    /// Starts another server of the same user, with the same state folder.
    pub(crate) fn beside(&self, instance: &str, args: &[&str]) -> Self {
        Self::start_at(Arc::clone(&self.home), instance, args, &[])
    }

    /// Ends the server and starts it again where it was.
    pub(crate) fn restarted(mut self) -> Self {
        self.end();
        Self::start_at(Arc::clone(&self.home), "test", &[], &[])
    }

    fn start_at(
        home: Arc<tempfile::TempDir>,
        instance: &str,
        args: &[&str],
        env: &[(String, String)],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("DASK_")
                || text.starts_with("GATEHOUSE_")
                || text.starts_with("XDG_")
                || text.starts_with("JUPYTERHUB_")
            {
                command.env_remove(&name);
            }
        }
        let mut child = command
            .args([
                "serve",
                "--port",
                "0",
                "--ready-json",
                "--instance",
                instance,
                "--python",
            ])
            .arg(python())
            .arg("--state-dir")
            .arg(home.path().join("state"))
            .args(args)
            .env("HOME", home.path())
            .env("DASK_ROOT_CONFIG", home.path().join("no-dask"))
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let url = ready["url"].as_str().expect("a url");
        let (base, token) = url.split_once("?token=").expect("a token");
        rustls::crypto::ring::default_provider().install_default().ok();
        Self {
            child,
            home,
            url: base.to_owned(),
            token: token.to_owned(),
            kernel_env: ready["kernel_env"].clone(),
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("client"),
        }
    }

    /// A request with the token and the header that changes need.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header("x-gatehouse", "1")
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.request("GET", path).send().await.expect("an answer");
        let text = answer.text().await.expect("text");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"))
    }

    /// Asks until `found` is satisfied.
    pub(crate) async fn wait<T>(&self, path: &str, what: &str, found: impl Fn(&Value) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let value = self.json(path).await;
            if let Some(found) = found(&value) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what} did not come: {value}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Creates a cluster with `workers` workers and waits until they are there; returns its name.
    pub(crate) async fn cluster(&self, workers: u32) -> String {
        self.wait("api/v1/status", "the gateway", |s| {
            (s["gateway"]["state"] == "up").then_some(())
        })
        .await;
        let body = serde_json::json!({
            "options": {"profile": "Small Worker"}, "label": "test",
            "scaling": {"mode": "manual", "workers": workers},
        });
        let answer = self
            .request("POST", "api/v1/clusters")
            .json(&body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        let created: Value = answer.json().await.expect("json");
        assert_eq!(status, 201, "{created}");
        let name = created["name"].as_str().expect("a name").to_owned();
        let path = format!("api/v1/clusters/{name}");
        self.wait(&path, "the workers", |c| {
            (c["summary"]["workers"] == workers).then_some(())
        })
        .await;
        name
    }

    /// SIGTERM, and waits for the end; returns the exit status.
    pub(crate) fn end(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not end on SIGTERM");
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
    }

    /// Command lines of the processes that belong to this server's state folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = self.home.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let read = |file: &str| {
                let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let command = read("cmdline");
            if !command.is_empty() && (command.contains(&mark) || read("environ").contains(&mark)) {
                found.push(command);
            }
        }
        found
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its clusters are ended too: a test that failed must leave nothing.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
