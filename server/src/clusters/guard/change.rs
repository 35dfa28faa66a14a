//! Leases as people change them: terms for a new cluster, other terms, more time.

use protocol::guard::{AtEnd, Lease, LeaseTerms, Limit};
use protocol::rest::{ClusterState, OptionValues};
use tracing::warn;

use super::lease::{LeaseRow, Origin};
use super::{Watched, gateway, lease, store};
use crate::clock::now_ms;
use crate::clusters::{ClusterError, Clusters, view};
use crate::store::StoreError;

impl Clusters {
    /// Gives a cluster that was just made its lease; without terms, the configured ones.
    pub(in crate::clusters) async fn lease_new(
        &self,
        name: &str,
        terms: Option<LeaseTerms>,
    ) -> Result<(), StoreError> {
        let row = LeaseRow {
            cluster: name.to_owned(),
            owner: Some(self.0.instance.clone()),
            terms: terms.unwrap_or_else(|| self.0.guard.rules.own()),
            origin: if terms.is_some() {
                Origin::Chosen
            } else {
                Origin::Default
            },
            kept_at: None,
            ends_at: None,
            told_at: None,
            version: 1,
        };
        store::put(&self.0.store, self.0.client.address(), row.clone(), true).await?;
        self.0.guard.rows().insert(name.to_owned(), row);
        Ok(())
    }

    /// Sets the gateway's own idle timeout as a second guard, where an option carries one and the user left it at its default:
    /// later than the lease's limit, so that keeping a cluster still means something.
    pub(in crate::clusters) async fn guard_by_gateway(
        &self,
        options: &mut OptionValues,
        terms: Option<&LeaseTerms>,
    ) {
        let terms = terms.copied().unwrap_or_else(|| self.0.guard.rules.own());
        let Some(idle_s) = terms.idle_s.filter(|_| terms.stops) else {
            return;
        };
        let specs = match self.0.client.options().await {
            Ok(specs) => specs,
            // What is wrong with the gateway is said when the cluster is asked for.
            Err(error) => return warn!(%error, "the gateway's idle timeout can't be set"),
        };
        let specs = specs.iter().map(|spec| (&spec.field, &spec.default, &spec.spec));
        if let Some((field, value)) = gateway::second_guard(specs, options, idle_s) {
            options.insert(field, value);
        }
    }

    /// Terms that can be kept, or why not.
    pub(in crate::clusters) fn check_terms(&self, terms: &LeaseTerms) -> Result<(), ClusterError> {
        lease::check(terms, self.0.guard.rules.warn_s())
    }

    /// Changes when a cluster ends by itself.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`], [`ClusterError::WrongState`] where it ends already, [`ClusterError::Invalid`].
    pub async fn set_lease(&self, name: &str, terms: LeaseTerms) -> Result<Lease, ClusterError> {
        self.check_terms(&terms)?;
        let row = self.lease_row(name).await?;
        let lives = |owner: &String| (self.0.guard.lives)(owner);
        let row = LeaseRow {
            // Who wants it to end with a server means this one, unless it belongs to another that lives.
            owner: match terms.at_end {
                AtEnd::Stop => row.owner.filter(lives).or_else(|| Some(self.0.instance.clone())),
                AtEnd::Keep => row.owner,
            },
            terms,
            origin: Origin::Chosen,
            kept_at: None,
            ends_at: None,
            told_at: None,
            ..row
        };
        self.change_lease(row).await
    }

    /// Gives a cluster more time: its idleness counts from now on, and its lifetime ends an hour from now at the earliest.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`]; [`ClusterError::WrongState`] where it ends already, and where the gateway's own timeout
    /// is what ends it.
    pub async fn keep(&self, name: &str) -> Result<Lease, ClusterError> {
        let row = self.lease_row(name).await?;
        let seen = self
            .seen(name)
            .ok_or_else(|| ClusterError::NotFound(name.to_owned()))?;
        if row.due(seen).is_some_and(|due| due.limit == Limit::Gateway) && !lease::has_limit(&row.terms) {
            return Err(ClusterError::WrongState(
                "The gateway's own idle timeout can't be put off from here. Work on the cluster does it."
                    .to_owned(),
            ));
        }
        let lease = self.change_lease(row.kept(seen, now_ms())).await?;
        let message = format!("You kept cluster {}.", self.called(name));
        self.done(name, "kept", message).await?;
        Ok(lease)
    }

    async fn change_lease(&self, row: LeaseRow) -> Result<Lease, ClusterError> {
        let name = row.cluster.clone();
        store::put(&self.0.store, self.0.client.address(), row.clone(), true).await?;
        // What the next round reads is this with a higher version.
        self.0.guard.rows().insert(name.clone(), row);
        self.0.dirty.notify_one();
        self.lease_view(&name).ok_or(ClusterError::NotFound(name))
    }

    async fn lease_row(&self, name: &str) -> Result<LeaseRow, ClusterError> {
        let cluster = self.find(name).await?;
        if !matches!(cluster.state, ClusterState::Pending | ClusterState::Running) {
            return Err(ClusterError::WrongState(format!(
                "Cluster {name} is {}; its lease has no meaning any more.",
                view::state_word(cluster.state)
            )));
        }
        let row = self.0.guard.rows().get(name).cloned();
        Ok(row.unwrap_or_else(|| {
            let cluster = self.watched().into_iter().find(|cluster| cluster.name == name);
            self.default_lease(&cluster.unwrap_or(Watched {
                name: name.to_owned(),
                running: false,
                created_by: None,
                gateway_s: None,
                started_at: None,
                idle: None,
            }))
        }))
    }
}
