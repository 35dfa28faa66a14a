//! Kernels whose `Gateway()` finds something else than we do: looked for while a panel is open, and told to it.

use std::sync::Arc;
use std::time::Duration;

use dask_gateway::{KernelSpec, differences};
use protocol::kernels::KernelNote;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Kernels;
use crate::jobs::ListedKernel;

/// Kernelspecs and files of configuration change seldom.
const EVERY: Duration = Duration::from_secs(60);

/// The package without which there is no `Gateway()` to go astray.
const CLIENT: &str = "dask-gateway";

/// The key that says where the gateway is, and those that mostly follow from it: nothing more to say beside it.
const ADDRESS: &str = "gateway.address";
const FOLLOWS: [&str; 2] = ["gateway.proxy-address", "gateway.public-address"];

/// Somebody who reads the notes, until it is dropped.
pub struct Reader(Kernels);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.0.readers.send_modify(|readers| *readers -= 1);
    }
}

impl Kernels {
    /// The notes, changing as long as somebody reads them.
    pub fn notes(&self) -> watch::Receiver<Arc<Vec<KernelNote>>> {
        self.0.notes.subscribe()
    }

    /// Counts as one that reads the notes.
    pub fn reader(&self) -> Reader {
        self.0.readers.send_modify(|readers| *readers += 1);
        Reader(self.clone())
    }

    /// Looks through the kernels until `stop`: when the first reader comes, and again and again while there is one.
    pub async fn watch(self, stop: CancellationToken) {
        let mut readers = self.0.readers.subscribe();
        let looking = async {
            while readers.wait_for(|readers| *readers > 0).await.is_ok() {
                self.look().await;
                tokio::time::sleep(EVERY).await;
            }
        };
        stop.run_until_cancelled(looking).await;
    }

    async fn look(&self) {
        // A private server is not started for this.
        if !self.0.jupyter.may_hold_kernels().await {
            return;
        }
        let specs = match self.specs().await {
            Ok(specs) => specs,
            Err(error) => return debug!(%error, "the kernels can't be looked through"),
        };
        let mut notes = Vec::new();
        for listed in specs {
            notes.extend(self.note(listed).await);
        }
        self.0.notes.send_if_modified(|old| {
            let changed = **old != notes;
            if changed {
                *old = Arc::new(notes);
            }
            changed
        });
    }

    async fn note(&self, listed: ListedKernel) -> Option<KernelNote> {
        if !listed.is_python() {
            return None;
        }
        let kernels = self.clone();
        let spec = listed.spec.clone();
        let compared = tokio::task::spawn_blocking(move || kernels.compare(&spec));
        let differences = compared
            .await
            .inspect_err(|error| debug!(%error, "a kernel's configuration can't be compared"))
            .ok()?;
        if differences.is_empty() {
            return None;
        }
        // Only now: an interpreter is run for it.
        let versions = self.versions_of(&listed).await.ok();
        if versions
            .as_ref()
            .is_some_and(|has| !has.packages.contains_key(CLIENT))
        {
            return None;
        }
        let prefix = versions.map(|has| has.prefix.display().to_string());
        Some(KernelNote {
            remedy: remedy(&listed, prefix.as_deref()),
            kernel: listed.shown.name,
            display_name: listed.shown.display_name,
            differences,
        })
    }

    /// What `Gateway()` does otherwise there, in sentences; reads files.
    fn compare(&self, spec: &KernelSpec) -> Vec<String> {
        match differences(&self.0.ours, &self.0.sources, spec) {
            Ok(differences) => {
                let elsewhere = differences.iter().any(|difference| difference.key == ADDRESS);
                differences
                    .iter()
                    .filter(|difference| !(elsewhere && FOLLOWS.contains(&difference.key)))
                    .map(ToString::to_string)
                    .collect()
            }
            Err(error) => vec![format!("Gateway() fails in this kernel: {error}")],
        }
    }
}

/// Where the difference is made, as far as it can be seen from outside.
fn remedy(listed: &ListedKernel, prefix: Option<&str>) -> String {
    let variables: Vec<&str> = listed
        .spec
        .env
        .keys()
        .filter(|name| name.starts_with("DASK_"))
        .map(String::as_str)
        .collect();
    if !variables.is_empty() {
        return format!(
            "Its kernelspec {} sets {}: change that in its kernel.json, then start the kernel anew.",
            listed.shown.name,
            variables.join(", ")
        );
    }
    let place = prefix.map_or_else(
        || "etc/dask of its environment".to_owned(),
        |prefix| format!("{prefix}/etc/dask"),
    );
    format!(
        "Make it the same in {place} or in ~/.config/dask, then start the kernel anew and, where you changed what Gatehouse \
         reads, Gatehouse too."
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use dask_gateway::{ConfigSources, GatewayConfig};
    use serde_json::{Value, json};
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::{KernelError, KernelVersions};
    use super::*;
    use crate::jobs::JupyterSource;

    /// A program that answers as an interpreter without `dask-gateway`.
    fn bare(folder: &Path) -> PathBuf {
        let program = folder.join("python");
        let answer = r#"{"python": "3.12.1", "prefix": "/bare", "packages": {"dask": "1"}}"#;
        std::fs::write(&program, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    fn real() -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        std::env::var_os("GATEHOUSE_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from)
    }

    /// The kernels of a Jupyter Server that lists these kernelspecs.
    async fn kernels(specs: Value) -> (MockServer, Kernels) {
        let jupyter = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/api/kernelspecs"))
            .and(header("authorization", "token secret"))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({ "default": "python3", "kernelspecs": specs })),
            )
            .mount(&jupyter)
            .await;
        let source = JupyterSource::External {
            url: jupyter.uri(),
            token: "secret".to_owned(),
        };
        let mut sources = ConfigSources::of_process(None, Vec::new());
        sources.home = None;
        sources.env.insert("DASK_ROOT_CONFIG", "/nowhere");
        sources.env.insert("DASK_GATEWAY__ADDRESS", "http://ours:8000");
        let ours = GatewayConfig::of_python(&sources).unwrap();
        let kernels = Kernels::new(source, real(), sources, ours).unwrap();
        (jupyter, kernels)
    }

    async fn versions(kernels: &Kernels, name: &str) -> Result<KernelVersions, KernelError> {
        kernels.versions_of(&kernels.find(name).await?).await
    }

    fn spec(name: &str, language: &str, python: &str, env: &Value) -> Value {
        json!({
            "name": name,
            "spec": {
                "argv": [python, "-m", "ipykernel_launcher"],
                "display_name": name.to_uppercase(),
                "language": language,
                "env": env,
            },
            "resources": {},
        })
    }

    #[tokio::test]
    async fn only_kernels_that_go_astray_are_told_of() {
        let temp = tempfile::tempdir().unwrap();
        let bare = bare(temp.path()).to_string_lossy().into_owned();
        let away = json!({ "DASK_GATEWAY__ADDRESS": "http://elsewhere:8000", "OTHER": "1" });
        let broken = json!({ "DASK_GATEWAY__ADDRESS": "http://{NOT_SET_ANYWHERE}" });
        let (_jupyter, kernels) = kernels(json!({
            "away": spec("away", "python", "python", &away),
            "bare": spec("bare", "python", &bare, &away),
            "broken": spec("broken", "python", "python", &broken),
            "python3": spec("python3", "python", "python", &json!({})),
            "r": spec("r", "R", "R", &away),
        }))
        .await;
        let listed = kernels.list().await.unwrap();
        let names: Vec<_> = listed.iter().map(|kernel| kernel.name.as_str()).collect();
        assert_eq!(
            names,
            ["python3", "away", "bare", "broken", "r"],
            "the default one first"
        );
        assert!(listed[0].default && !listed[1].default);

        let mut notes = kernels.notes();
        let stop = CancellationToken::new();
        let watching = tokio::spawn(kernels.clone().watch(stop.clone()));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(notes.borrow().is_empty(), "nobody reads them yet");
        let _reader = kernels.reader();
        tokio::time::timeout(Duration::from_secs(60), notes.changed())
            .await
            .expect("looked through")
            .unwrap();
        let found = notes.borrow().to_vec();
        let told: Vec<_> = found.iter().map(|note| note.display_name.as_str()).collect();
        assert_eq!(told, ["AWAY", "BROKEN"]);
        assert_eq!(found[0].differences.len(), 1);
        assert!(
            found[0].differences[0].contains("http://elsewhere:8000")
                && found[0].differences[0].contains("http://ours:8000"),
            "{:?}",
            found[0].differences
        );
        assert!(
            found[0].remedy.contains("away sets DASK_GATEWAY__ADDRESS:"),
            "{}",
            found[0].remedy
        );
        assert!(
            found[1].differences[0].contains("NOT_SET_ANYWHERE"),
            "{:?}",
            found[1].differences
        );
        stop.cancel();
        watching.await.unwrap();
    }

    #[tokio::test]
    async fn what_can_not_be_looked_at_is_told() {
        let (_jupyter, kernels) = kernels(json!({
            "gone": spec("gone", "python", "/nowhere/bin/python", &json!({})),
            "r": spec("r", "R", "R", &json!({})),
        }))
        .await;
        for (name, words) in [
            ("nothing", "no kernel nothing"),
            ("r", "not Python"),
            ("gone", "/nowhere/bin/python"),
        ] {
            let error = versions(&kernels, name).await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let alone = Kernels::new(
            JupyterSource::Unavailable {
                message: "There is none.".to_owned(),
            },
            real(),
            ConfigSources::of_process(None, Vec::new()),
            GatewayConfig::default(),
        )
        .unwrap();
        let error = alone.list().await.unwrap_err();
        assert!(
            matches!(&error, KernelError::Jupyter(why) if why == "There is none."),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_interpreter_is_asked_once_in_a_while() {
        let temp = tempfile::tempdir().unwrap();
        let bare = bare(temp.path());
        let python = bare.to_string_lossy().into_owned();
        let (_jupyter, kernels) =
            kernels(json!({ "bare": spec("bare", "python", &python, &json!({})) })).await;
        let first = versions(&kernels, "bare").await.unwrap();
        assert_eq!(first.python, "3.12.1");
        std::fs::write(&bare, "#!/bin/sh\nexit 1\n").unwrap();
        assert_eq!(versions(&kernels, "bare").await.unwrap(), first, "remembered");
    }
}
