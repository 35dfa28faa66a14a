//! Who is connected to a scheduler, and which versions it and its workers have.

use std::collections::BTreeMap;

use dask_comm::{Client, CommError, Versions};
use protocol::clients::{ConnectedClient, SchedulerView};

use super::{InspectError, Inspector};

/// Begins the names of clients that tasks make on their worker.
const OF_WORKER: &str = "Client-worker-";

const FEED_OFF: &str = "Versions and addresses of the clients are not known, because the scheduler\u{2019}s feed is switched off \
                        (--scheduler-feed off).";
const FEED_REFUSED: &str = "Versions and addresses of the clients are not known, because the scheduler does not allow the \
                            \u{201c}feed\u{201d} operation.";

/// Who is connected.
#[derive(Debug)]
pub struct Connected {
    pub scheduler: SchedulerView,
    /// Port of the scheduler's dashboard.
    pub dashboard_port: Option<u16>,
    pub clients: Vec<ConnectedClient>,
    /// What is not known of them and why, in a sentence.
    pub limited: Option<&'static str>,
}

/// What scheduler and workers have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterVersions {
    pub scheduler: Versions,
    /// By the worker's name.
    pub workers: BTreeMap<String, Versions>,
    /// Names of workers that did not answer.
    pub silent: Vec<String>,
}

impl Inspector {
    /// The clients that are connected, those that came first before the others. We are not among them: what asks here
    /// does not register as a client.
    ///
    /// # Errors
    /// As [`Inspector::profile`].
    pub async fn clients(&self) -> Result<Connected, InspectError> {
        let (clients, limited) = self.connected().await?;
        let identity = ask!(self, scheduler => scheduler.identity())?;
        let mut clients: Vec<ConnectedClient> = clients.into_iter().map(shown).collect();
        clients.sort_by(|a, b| (a.connected_at, &a.id).cmp(&(b.connected_at, &b.id)));
        let workers = &identity.workers;
        Ok(Connected {
            scheduler: SchedulerView {
                id: identity.id,
                address: identity.address,
                started_at: identity.started.map(to_ms),
                workers: u32::try_from(workers.len()).unwrap_or(u32::MAX),
                threads: workers.iter().map(|worker| worker.nthreads).sum(),
                memory_limit: workers.iter().filter_map(|worker| worker.memory_limit).sum(),
            },
            dashboard_port: identity.dashboard_port,
            clients,
            limited,
        })
    }

    async fn connected(&self) -> Result<(Vec<Client>, Option<&'static str>), CommError> {
        if !self.feed_allowed {
            let clients = ask!(self, scheduler => scheduler.clients_by_events())?;
            return Ok((clients, Some(FEED_OFF)));
        }
        match self.connect().await?.clients_by_feed().await {
            Ok(mut clients) => {
                ask!(self, scheduler => scheduler.since_when(&mut clients))?;
                Ok((clients, None))
            }
            Err(error) if super::super::feeder::is_refusal(&error) => {
                let clients = ask!(self, scheduler => scheduler.clients_by_events())?;
                Ok((clients, Some(FEED_REFUSED)))
            }
            Err(error) => Err(error),
        }
    }

    /// Versions of the scheduler and of its workers.
    ///
    /// # Errors
    /// As [`Inspector::profile`].
    pub async fn versions(&self) -> Result<ClusterVersions, InspectError> {
        let scheduler = ask!(self, scheduler => scheduler.versions())?;
        let told = match ask!(self, scheduler => scheduler.worker_versions()) {
            // One that hangs keeps the others' answers back.
            Err(CommError::Timeout { .. }) => BTreeMap::new(),
            told => told?,
        };
        let identity = ask!(self, scheduler => scheduler.identity())?;
        let mut versions = ClusterVersions {
            scheduler,
            ..ClusterVersions::default()
        };
        for worker in identity.workers {
            match told.get(&worker.address) {
                Some(has) => {
                    versions.workers.insert(worker.name, has.clone());
                }
                None => versions.silent.push(worker.name),
            }
        }
        Ok(versions)
    }
}

fn shown(client: Client) -> ConnectedClient {
    let versions = client.versions.unwrap_or_default();
    let package = |name: &str| versions.packages.get(name).cloned();
    ConnectedClient {
        of_worker: client.id.starts_with(OF_WORKER),
        connected_at: client.since.map(to_ms),
        last_seen_at: client.last_seen.map(to_ms),
        address: client.address,
        results: client.wants,
        dask: package("dask"),
        distributed: package("distributed"),
        python: Some(versions.python).filter(|python| !python.is_empty()),
        id: client.id,
    }
}

/// Seconds as Dask has them, in milliseconds.
fn to_ms(seconds: f64) -> i64 {
    (seconds * 1e3) as i64
}
