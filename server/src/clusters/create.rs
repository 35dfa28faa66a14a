//! Asking for a new cluster.

use protocol::guard::LeaseTerms;
use protocol::presets::FormValues;
use protocol::rest::{CreateCluster, OptionValues, Scaling};
use tracing::info;

use super::label::check_label;
use super::scaling::check_scaling;
use super::{ClusterError, Clusters};

impl Clusters {
    /// Asks for a cluster and returns its name.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] with the field, or [`ClusterError::Gateway`].
    pub async fn create(&self, request: CreateCluster) -> Result<String, ClusterError> {
        let form = crate::presets::form_of(&request);
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
        let made = tokio::spawn(async move { clusters.make(options, label, scaling, lease, form).await });
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
        form: FormValues,
    ) -> Result<String, ClusterError> {
        let name = self.0.client.create(&options).await?;
        info!(cluster = %name, "created a cluster");
        {
            let mut book = self.book();
            let note = book.note(&name);
            note.created_by = Some(self.0.instance.clone());
            note.label.clone_from(&label);
        }
        let noted = self
            .0
            .store
            .add_cluster(&name, label.as_deref(), &self.0.instance)
            .await;
        self.lease_new(&name, lease).await?;
        noted?;
        if scaling != Scaling::Unknown {
            self.scale_when_it_runs(&name, scaling).await?;
        }
        self.presets().used(form).await;
        self.refresh().await;
        Ok(name)
    }
}
