//! Kernels whose `Gateway()` finds something else than we do: looked for while a panel is open, and told to it.

use std::sync::Arc;
use std::time::Duration;

use dask_gateway::{KernelSpec, differences};
use protocol::kernels::KernelNote;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Kernels, Listed};

/// Kernelspecs and files of configuration change seldom.
const EVERY: Duration = Duration::from_secs(60);

/// The package without which there is no `Gateway()` to go astray.
const CLIENT: &str = "dask-gateway";

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

    async fn note(&self, listed: Listed) -> Option<KernelNote> {
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
            Ok(differences) => differences.iter().map(ToString::to_string).collect(),
            Err(error) => vec![format!("Gateway() fails in this kernel: {error}")],
        }
    }
}

/// Where the difference is made, as far as it can be seen from outside.
fn remedy(listed: &Listed, prefix: Option<&str>) -> String {
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
