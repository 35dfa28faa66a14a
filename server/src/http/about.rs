//! Routes that say who is connected to a cluster and which versions it has, and which kernels there are.

use axum::Json;
use axum::extract::{Path, State};
use protocol::attached::NAME_PREFIX;
use protocol::clients::ClientView;
use protocol::kernels::{Kernel, KernelNote};
use protocol::rest::ApiError;
use protocol::versions::VersionTable;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::error::{Asked, HttpError};
use crate::kernels::KernelVersions;
use crate::versions::{self, KernelSide};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct VersionsQuery {
    /// Name of a kernelspec to compare with; none where it is missing.
    kernel: Option<String>,
}

/// How Python connects to a cluster, and who is connected to its scheduler.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/clients", tag = "clusters", params(("name" = String, Path)),
    responses((status = 200, body = ClientView), (status = 404, body = ApiError),
    (status = 409, body = ApiError), (status = 502, body = ApiError), (status = 504, body = ApiError)))]
pub(super) async fn clients(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<ClientView>, HttpError> {
    let connected = app.inspector(&name).await?.clients().await?;
    let view = ClientView {
        scheduler: connected.scheduler,
        clients: connected.clients,
        limited: connected.limited.map(str::to_owned),
        ..ClientView::default()
    };
    Ok(Json(match name.strip_prefix(NAME_PREFIX) {
        Some(id) => {
            let attached = app.attached.get(id)?;
            ClientView {
                connection_method: "Direct".to_owned(),
                dashboard: connected
                    .dashboard_port
                    .and_then(|port| dashboard(&attached.address, port)),
                name: attached.address,
                ..view
            }
        }
        None => ClientView {
            connection_method: "Cluster object".to_owned(),
            cluster_type: Some("dask_gateway.GatewayCluster".to_owned()),
            dashboard: app.clusters.get(&name)?.dashboard,
            name,
            ..view
        },
    }))
}

/// Where the dashboard of a scheduler is that is reached directly.
fn dashboard(address: &str, port: u16) -> Option<String> {
    let (_, authority) = address.split_once("://")?;
    let (host, _) = authority.rsplit_once(':')?;
    Some(format!("http://{host}:{port}/status"))
}

/// Versions of a cluster's scheduler and workers, and of a kernel, side by side.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/versions", tag = "clusters",
    params(("name" = String, Path), VersionsQuery), responses((status = 200, body = VersionTable),
    (status = 404, body = ApiError), (status = 409, body = ApiError), (status = 502, body = ApiError),
    (status = 504, body = ApiError)))]
pub(super) async fn versions(
    State(app): State<App>,
    Path(name): Path<String>,
    Asked(query): Asked<VersionsQuery>,
) -> Result<Json<VersionTable>, HttpError> {
    let inspector = app.inspector(&name).await?;
    let kernel = async {
        let chosen = query.kernel.as_deref().filter(|kernel| !kernel.is_empty())?;
        // A kernel that can't be asked is a sentence beside the cluster's own versions.
        let (name, packages) = match app.kernels.find(chosen).await {
            Ok(listed) => (
                listed.shown.display_name.clone(),
                app.kernels.versions_of(&listed).await,
            ),
            Err(error) => (chosen.to_owned(), Err(error)),
        };
        Some(KernelSide {
            name,
            packages: packages
                .map(KernelVersions::into_packages)
                .map_err(|error| error.to_string()),
        })
    };
    let (cluster, kernel) = tokio::join!(inspector.versions(), kernel);
    Ok(Json(versions::table(&cluster?, kernel)))
}

/// The kernels of the Jupyter Server, the default one first; a private server is started for it.
#[utoipa::path(get, path = "/api/v1/kernels", tag = "kernels", responses((status = 200, body = Vec<Kernel>),
    (status = 502, body = ApiError)))]
pub(super) async fn kernels(State(app): State<App>) -> Result<Json<Vec<Kernel>>, HttpError> {
    Ok(Json(app.kernels.list().await?))
}

/// Kernels whose `Gateway()` finds something else than Gatehouse, as they were last looked through.
#[utoipa::path(get, path = "/api/v1/kernels/notes", tag = "kernels", responses((status = 200, body = Vec<KernelNote>)))]
pub(super) async fn kernel_notes(State(app): State<App>) -> Json<Vec<KernelNote>> {
    Json(app.kernels.notes().borrow().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_is_beside_its_scheduler() {
        for (address, found) in [
            ("tcp://node-1:8786", "http://node-1:8787/status"),
            ("tls://[::1]:40000", "http://[::1]:8787/status"),
        ] {
            assert_eq!(dashboard(address, 8787).as_deref(), Some(found));
        }
    }
}
