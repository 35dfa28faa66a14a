//! The embedded gateway's files in the state folder.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::environments::Environment;
use super::process::Mark;
use super::settings::EmbeddedSettings;
use crate::state_dir::{StateDir, random_hex, write_private};

/// Outside the range that systems give to outgoing connections, so that the port is still free after a restart.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A gateway that was just killed holds its port for a moment.
const PORT_WAIT: Duration = Duration::from_secs(3);

/// Paths below `gateway/`.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn new(dir: &StateDir) -> Self {
        Self {
            folder: dir.gateway(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn record(&self) -> PathBuf {
        self.folder.join("gateway.json")
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.folder.join("settings.json")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.folder.join("config.py")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("gateway.sqlite")
    }

    pub(super) fn clusters(&self) -> PathBuf {
        self.folder.join("clusters")
    }

    pub(super) fn failure(&self, cluster: &str) -> PathBuf {
        self.folder.join("failed").join(format!("{cluster}.json"))
    }

    /// Held while the files are made ready, so that two servers that start at once don't choose two ports.
    pub(super) fn prepare_lock(&self) -> PathBuf {
        self.folder.join("prepare.lock")
    }

    /// Writes the gateway's configuration and what it reads.
    pub(super) fn write_config(
        &self,
        python: &Path,
        environments: &[Environment],
        settings: &EmbeddedSettings,
    ) -> io::Result<()> {
        let profiles: Vec<_> = settings
            .profiles
            .iter()
            .map(
                |(name, profile)| json!({"name": name, "threads": profile.threads, "memory": profile.memory}),
            )
            .collect();
        let settings = json!({
            "python": python, "environments": environments, "profiles": profiles, "max_workers": settings.max_workers,
        });
        write_private(&self.settings(), &serde_json::to_vec_pretty(&settings)?)?;
        write_private(
            &self.folder.join("dask_process.py"),
            include_bytes!("dask_process.py"),
        )?;
        write_private(&self.config(), include_bytes!("gateway_config.py"))
    }
}

/// What must stay the same from one gateway process to the next.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Public port on the loopback address: HTTP API, dashboards and schedulers.
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) encrypt_key: String,
    /// The running gateway.
    pub(super) process: Option<Mark>,
}

impl Record {
    /// Reads the record; `None` where there is none that can be used.
    pub(super) fn read(files: &Files) -> Option<Self> {
        let bytes = std::fs::read(files.record()).ok()?;
        serde_json::from_slice(&bytes)
            .inspect_err(|_hides_secrets| {
                tracing::warn!("gateway.json can't be understood: the embedded gateway begins anew");
            })
            .ok()
    }

    pub(super) fn create() -> io::Result<Self> {
        Ok(Self {
            port: choose_port()?,
            user: user_name(|name| std::env::var(name).ok()),
            // Begins with letters, so that neither Python nor YAML takes it for a number.
            password: format!("gh{}", random_hex()),
            encrypt_key: STANDARD.encode(rand::rng().random::<[u8; 32]>()),
            process: None,
        })
    }

    pub(super) fn write(&self, files: &Files) -> io::Result<()> {
        write_private(&files.record(), &serde_json::to_vec(self)?)
    }

    /// The recorded process, if it lives and is this folder's gateway: numbers are given out again.
    pub(super) fn running(&self, files: &Files) -> Option<Mark> {
        let config = files.config();
        self.process.filter(|mark| {
            mark.is_alive() && super::process::command_holds(mark.pid, &config.to_string_lossy())
        })
    }
}

/// A free port to keep.
pub(super) fn choose_port() -> io::Result<u16> {
    let mut rng = rand::rng();
    let free = (0..200)
        .map(|_| rng.random_range(PORTS))
        .find(|port| is_free(*port));
    free.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::AddrInUse,
            "no free port was found between 20000 and 32000",
        )
    })
}

/// Whether nothing listens on a loopback port.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// As [`is_free`], with a moment for one that is just ending.
pub(super) fn becomes_free(port: u16) -> bool {
    let deadline = Instant::now() + PORT_WAIT;
    loop {
        if is_free(port) {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The user's own name, where it passes unchanged through Dask's environment variables and basic authentication.
fn user_name(env: impl Fn(&str) -> Option<String>) -> String {
    let name = ["LOGNAME", "USER"]
        .into_iter()
        .find_map(|name| env(name).filter(|value| !value.is_empty()));
    name.filter(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
            && !matches!(name.to_lowercase().as_str(), "none" | "null" | "true" | "false")
    })
    .unwrap_or_else(|| "gatehouse".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_user_names_are_taken() {
        for (name, user) in [
            ("alice", "alice"),
            ("a.b-c_1", "a.b-c_1"),
            ("123", "gatehouse"),
            ("none", "gatehouse"),
            ("DOM\\bob", "gatehouse"),
            ("é", "gatehouse"),
            ("", "gatehouse"),
        ] {
            assert_eq!(user_name(|_| Some(name.to_owned())), user, "{name}");
        }
    }

    #[test]
    fn the_record_comes_back() {
        let temp = tempfile::tempdir().unwrap();
        let files = Files::new(&StateDir::open(temp.path()).unwrap());
        assert!(Record::read(&files).is_none());
        let record = Record::create().unwrap();
        record.write(&files).unwrap();
        let again = Record::read(&files).unwrap();
        assert_eq!(
            (record.port, &record.password, &record.encrypt_key),
            (again.port, &again.password, &again.encrypt_key)
        );
        assert!(PORTS.contains(&again.port));
        std::fs::write(files.record(), "{").unwrap();
        assert!(Record::read(&files).is_none());
    }

    #[test]
    fn a_taken_port_is_seen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        drop(listener);
        assert!(becomes_free(port));
    }
}
