//! Routes of what fills the form for a new cluster beforehand.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use protocol::presets::{ChangePreset, CreatePreset, KernelAdvice, Preset, Presets};
use protocol::rest::ApiError;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::error::{Asked, Body, HttpError};
use crate::kernels::KernelError;
use crate::presets::PresetError;

impl From<PresetError> for HttpError {
    fn from(error: PresetError) -> Self {
        let message = error.to_string();
        match error {
            PresetError::NotFound => Self::not_found(message),
            PresetError::Invalid { field, .. } => Self::invalid(Some(field.to_owned()), message),
            PresetError::Store(detail) => Self::internal(&detail),
        }
    }
}

/// Presets by name, and what was used last.
#[utoipa::path(get, path = "/api/v1/presets", tag = "presets", responses((status = 200, body = Presets)))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Presets>, HttpError> {
    Ok(Json(app.clusters.presets().list().await?))
}

/// Saves a form under a name that no other preset has.
#[utoipa::path(post, path = "/api/v1/presets", tag = "presets", request_body = CreatePreset,
    responses((status = 201, body = Preset), (status = 422, body = ApiError)))]
pub(super) async fn create(
    State(app): State<App>,
    Body(request): Body<CreatePreset>,
) -> Result<(StatusCode, Json<Preset>), HttpError> {
    let preset = app.clusters.presets().create(request).await?;
    Ok((StatusCode::CREATED, Json(preset)))
}

/// Renames a preset, saves over it, or makes it the one that the form begins with.
#[utoipa::path(patch, path = "/api/v1/presets/{id}", tag = "presets", params(("id" = String, Path)),
    request_body = ChangePreset, responses((status = 200, body = Preset), (status = 404, body = ApiError),
    (status = 422, body = ApiError)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(change): Body<ChangePreset>,
) -> Result<Json<Preset>, HttpError> {
    Ok(Json(app.clusters.presets().change(&id, change).await?))
}

/// Deletes a preset for good.
#[utoipa::path(delete, path = "/api/v1/presets/{id}", tag = "presets", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ApiError)))]
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, HttpError> {
    app.clusters.presets().delete(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which kernel.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KernelQuery {
    /// Name of its kernelspec.
    kernel: String,
}

/// Which of the gateway's environments a kernel runs in, and whether it has what it takes to use a cluster. Its
/// interpreter is asked; no kernel is.
#[utoipa::path(get, path = "/api/v1/options/for-kernel", tag = "presets", params(KernelQuery),
    responses((status = 200, body = KernelAdvice), (status = 404, body = ApiError), (status = 502, body = ApiError)))]
pub(super) async fn for_kernel(
    State(app): State<App>,
    Asked(query): Asked<KernelQuery>,
) -> Result<Json<KernelAdvice>, HttpError> {
    let listed = app.kernels.find(&query.kernel).await?;
    let kernel = listed.shown.display_name.clone();
    let advice = match app.kernels.versions_of(&listed).await {
        Ok(found) => app.clusters.advise(&kernel, &found).await?,
        // It runs elsewhere, perhaps with all that it needs: nothing to warn of.
        Err(error @ KernelError::NoInterpreter { .. }) => KernelAdvice {
            kernel,
            reason: Some(error.to_string()),
            ..KernelAdvice::default()
        },
        Err(error) => KernelAdvice {
            kernel,
            warning: Some(error.to_string()),
            ..KernelAdvice::default()
        },
    };
    Ok(Json(advice))
}
