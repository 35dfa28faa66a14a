//! Asks before a budget is exceeded, and does what a notice offers.

use protocol::events::Notice;
use protocol::guard::{Offer, OfferedAct};
use protocol::jobs::{CreateJob, Job};
use protocol::rest::{ApiError, CreateCluster, Created, Scaled, Scaling};
use wasm_bindgen_futures::spawn_local;

use super::super::context::Panel;

impl Panel {
    /// Creates a cluster; where it would exceed a budget, the user is asked first.
    pub async fn create_cluster(&self, request: &CreateCluster) -> Result<Created, ApiError> {
        let api = self.store.api();
        match api.create_cluster(request).await {
            Err(error) if self.wants(&error, "Create it all the same?", "Create").await => {
                api.over_budget().create_cluster(request).await
            }
            answer => answer,
        }
    }

    /// Creates a job; where its cluster would exceed a budget, the user is asked first.
    pub async fn create_job(&self, request: &CreateJob) -> Result<Job, ApiError> {
        let api = self.store.api();
        match api.create_job(request).await {
            Err(error) if self.wants(&error, "Run it all the same?", "Run").await => {
                api.over_budget().create_job(request).await
            }
            answer => answer,
        }
    }

    /// Scales a cluster; where that would exceed a budget, the user is asked first.
    pub async fn set_scaling(&self, cluster: &str, scaling: &Scaling) -> Result<Scaled, ApiError> {
        let api = self.store.api();
        match api.set_scaling(cluster, scaling).await {
            Err(error) if self.wants(&error, "Scale it all the same?", "Scale").await => {
                api.over_budget().set_scaling(cluster, scaling).await
            }
            answer => answer,
        }
    }

    async fn wants(&self, error: &ApiError, question: &str, action: &str) -> bool {
        error.code == "over_budget"
            && self
                .host
                .confirm(question.to_owned(), error.message.clone(), action.to_owned())
                .await
    }

    /// Shows a notice of the server's, with what it offers to do.
    pub fn show_notice(&self, notice: Notice) {
        let Some(offer) = notice.offer else {
            return self.host.notify(notice.level, &notice.message);
        };
        let panel = self.clone();
        spawn_local(async move {
            let words = match offer.act {
                OfferedAct::Keep => "Keep",
                OfferedAct::Stop => "Shut down",
            };
            let wanted = panel.host.offer(
                notice.level,
                notice.message,
                words.to_owned(),
                offer.until,
                offer.cluster.clone(),
            );
            if wanted.await {
                panel.accept_offer(&offer).await;
            }
        });
    }

    async fn accept_offer(&self, offer: &Offer) {
        let api = self.store.api();
        let answer = match offer.act {
            OfferedAct::Keep => api.keep(&offer.cluster).await,
            OfferedAct::Stop => api.shut_down(&offer.cluster).await,
        };
        if let Err(error) = answer {
            self.fail(&error.message);
        }
    }
}
