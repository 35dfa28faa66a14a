//! The OpenAPI document of the browser's door, made from the handlers.

use axum::Json;
use utoipa::OpenApi;

use super::{
    about, attached, clusters, dashboards, events, inspect, jobs, leases, life, presets, recordings, status,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Gatehouse", description = "The browser's door. Live data is binary: see the crate `protocol`."),
    paths(
        status::health,
        status::status,
        serve,
        clusters::options,
        presets::for_kernel,
        presets::list,
        presets::create,
        presets::change,
        presets::delete,
        clusters::list,
        clusters::create,
        clusters::get,
        clusters::delete,
        clusters::scale,
        clusters::adapt,
        clusters::live,
        inspect::groups,
        life::set_label,
        life::at_stake,
        life::tails,
        leases::set,
        leases::keep,
        leases::guard,
        leases::glance,
        inspect::profile,
        inspect::logs,
        inspect::story,
        about::clients,
        about::versions,
        dashboards::plots,
        attached::list,
        attached::attach,
        attached::get,
        attached::detach,
        about::kernels,
        about::kernel_notes,
        jobs::list,
        jobs::create,
        jobs::file,
        jobs::get,
        jobs::cancel,
        jobs::output,
        jobs::notebook,
        jobs::report,
        jobs::tasks,
        recordings::list,
        recordings::get,
        recordings::delete,
        recordings::live,
        recordings::export,
        recordings::export_to_jupyter,
        events::events,
    ),
    tags(
        (name = "server", description = "How the server is"),
        (name = "clusters", description = "The gateway's options and clusters"),
        (name = "presets", description = "What fills the form for a new cluster beforehand"),
        (name = "attached", description = "Schedulers that are watched by their address"),
        (name = "kernels", description = "Kernels of the Jupyter Server, and what is in their environments"),
        (name = "guard", description = "When clusters end by themselves, and what they cost"),
        (name = "jobs", description = "Code that runs in a kernel of the Jupyter Server"),
        (name = "recordings", description = "What clusters did, kept after they are gone"),
        (name = "events", description = "What changed"),
    )
)]
struct Document;

/// The document that `server/openapi.json` must equal.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This API's description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "server", responses((status = 200)))]
pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

#[cfg(test)]
mod tests {
    /// Run with `GATEHOUSE_UPDATE_OPENAPI=1` to write the file after a change that is meant.
    #[test]
    fn the_checked_in_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let now = format!("{}\n", super::document().to_pretty_json().expect("serialises"));
        if std::env::var_os("GATEHOUSE_UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &now).expect("writes");
        }
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            checked_in == now,
            "server/openapi.json is out of date: GATEHOUSE_UPDATE_OPENAPI=1 cargo test -p gatehouse openapi"
        );
    }
}
