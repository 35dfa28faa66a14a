//! What Python's door tells of the clusters that jobs' code creates.

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::Jobs;
use crate::clock::now_ms;
use crate::proxy::gateway::JobClusters;

impl JobClusters for Jobs {
    fn asks(&self, job: String, options: Map<String, Value>) -> BoxFuture<'_, Result<i64, String>> {
        Box::pin(async move {
            let inner = &self.0;
            if !inner.active().contains_key(&job) {
                return Err(
                    "This kernel's job is over, so it can't have a new cluster. Run the job again.".into(),
                );
            }
            let host = inner
                .host()
                .ok_or("There are no clusters here to run the job on.")?;
            let known = host.listed().await?.into_iter().map(|cluster| cluster.name);
            let row = inner.owned.asking(&job, &options, known, now_ms()).await;
            tracing::info!(job, "a job's code asks for a cluster");
            row.map_err(|error| error.to_string())
        })
    }

    fn answered(&self, row: i64, cluster: Option<String>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let owned = &self.0.owned;
            let noted = match cluster {
                Some(name) => owned.named(row, &name).await,
                None => owned.done(row).await,
            };
            noted.map_err(|error| error.to_string())
        })
    }
}
