//! Asking for a new cluster.

use std::time::Duration;

use dask_gateway::ClusterStatus;
use futures_util::future::BoxFuture;
use protocol::guard::LeaseTerms;
use protocol::rest::{CreateCluster, OptionValues, Scaling};
use tokio::time::Instant;
use tracing::info;

use super::label::check_label;
use super::scaling::check_scaling;
use super::{ClusterError, Clusters};
use crate::store::StoreError;

/// Who is answered sooner that a cluster still starts was not made to wait for it.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Hears the name of a new cluster.
pub(crate) type Named = Box<dyn FnOnce(String) -> BoxFuture<'static, Result<(), StoreError>> + Send>;

impl Clusters {
    /// Asks for a cluster and returns its name.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] with the field, or [`ClusterError::Gateway`].
    pub async fn create(&self, request: CreateCluster) -> Result<String, ClusterError> {
        let form = crate::presets::form_of(&request);
        let name = self
            .create_named(request, Box::new(|_| Box::pin(async { Ok(()) })))
            .await?;
        self.presets().used(form).await;
        Ok(name)
    }

    /// As [`Clusters::create`], for a program and not from a form; `named` hears the name before anything else is done
    /// with it.
    ///
    /// # Errors
    /// As [`Clusters::create`], and what `named` says.
    pub(crate) async fn create_named(
        &self,
        request: CreateCluster,
        named: Named,
    ) -> Result<String, ClusterError> {
        let label = check_label(request.label)?;
        let scaling = request.scaling.unwrap_or(Scaling::Unknown);
        check_scaling(&scaling)?;
        if let Some(terms) = &request.lease {
            self.check_terms(terms)?;
        }
        let mut options = self.checked(&request.options).await?;
        self.guard_by_gateway(&mut options, request.lease.as_ref()).await;
        let (clusters, lease) = (self.clone(), request.lease);
        // A browser that leaves drops this request, but what was asked of the gateway is remembered all the same: a cluster
        // without its lease would end with nobody.
        let made = tokio::spawn(async move { clusters.make(options, label, scaling, lease, named).await });
        match made.await {
            Ok(made) => made,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    async fn make(
        &self,
        options: OptionValues,
        label: Option<String>,
        scaling: Scaling,
        lease: Option<LeaseTerms>,
        named: Named,
    ) -> Result<String, ClusterError> {
        let name = self.0.client.create(&options).await?;
        named(name.clone()).await?;
        info!(cluster = %name, "created a cluster");
        self.take_on(&name, label, scaling, lease).await?;
        Ok(name)
    }

    /// Notes a cluster that the gateway made for us, and asks for its size.
    ///
    /// # Errors
    /// As [`Clusters::create`].
    pub(super) async fn take_on(
        &self,
        name: &str,
        label: Option<String>,
        scaling: Scaling,
        lease: Option<LeaseTerms>,
    ) -> Result<(), ClusterError> {
        {
            let mut book = self.book();
            let note = book.note(name);
            note.created_by = Some(self.0.instance.clone());
            note.label.clone_from(&label);
        }
        let noted = self
            .0
            .store
            .add_cluster(name, label.as_deref(), &self.0.instance)
            .await;
        self.lease_new(name, lease).await?;
        noted?;
        if scaling != Scaling::Unknown {
            self.scale_when_it_runs(name, scaling).await?;
        }
        self.refresh().await;
        // Whoever asks the gateway from time to time asks more often from now on.
        self.wake();
        let (clusters, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move { clusters.await_start(&name).await });
        Ok(())
    }

    /// Lets the gateway say when a cluster has started, where it lets its callers wait: its size is asked for then.
    async fn await_start(&self, name: &str) {
        loop {
            let asked = Instant::now();
            let starts = self.0.client.started(name).await;
            self.refresh().await;
            let waits = matches!(starts, Ok(report) if report.status == ClusterStatus::Pending);
            // A gateway that answers at once lets nobody wait; the list is asked for from time to time all the same.
            if !waits || asked.elapsed() < LEAST_WAIT {
                return;
            }
        }
    }
}
