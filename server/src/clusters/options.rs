//! The gateway's options, with what is known here besides: local defaults, bounds, what a choice means.

use protocol::rest::{OptionKind, OptionSpec, Options};

use super::{ClusterError, Clusters, GatewayOrigin};

impl Clusters {
    /// The gateway's options, with the local defaults of Dask's configuration laid over the site's.
    ///
    /// # Errors
    /// [`ClusterError::Gateway`].
    pub async fn options(&self) -> Result<Options, ClusterError> {
        let specs = self.0.client.options().await?;
        let advice = match &self.0.origin {
            GatewayOrigin::Embedded(embedded) => embedded.advice(),
            GatewayOrigin::Remote => crate::embedded::Advice::default(),
        };
        let options = specs
            .into_iter()
            .map(|spec| {
                let mut kind = serde_json::from_value(spec.spec).unwrap_or(OptionKind::Unknown);
                let mut notes = Vec::new();
                match &mut kind {
                    OptionKind::Select { options } => notes = advice.notes(&spec.field, options),
                    OptionKind::Float { min, .. } if matches!(self.0.origin, GatewayOrigin::Embedded(_)) => {
                        *min = min.or(advice.least(&spec.field));
                    }
                    _ => {}
                }
                let local = self.0.config.cluster_options.get(&spec.field);
                OptionSpec {
                    default: local.cloned().unwrap_or(spec.default),
                    spec: kind,
                    field: spec.field,
                    label: spec.label,
                    notes,
                }
            })
            .collect();
        Ok(Options {
            options,
            max_workers: advice.max_workers,
        })
    }
}
