//! Errors as the API gives them: the right status, a stable code, a sentence, and the request's id for the log.

use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use dask_gateway::GatewayError;
use http::{HeaderValue, StatusCode, header};
use protocol::rest::ApiError;
use tracing::{error, info};

use crate::attached::AttachError;
use crate::clusters::ClusterError;
use crate::jobs::JobError;
use crate::kernels::KernelError;
use crate::live::InspectError;
use crate::proxy::dashboard::DashboardError;
use crate::recordings::RecordingError;
use dask_comm::CommError;

/// An error on its way out.
#[derive(Debug)]
pub(super) struct HttpError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
}

impl HttpError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: None,
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn invalid(field: Option<String>, message: impl Into<String>) -> Self {
        Self {
            field,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
        }
    }

    fn unreadable(why: &str) -> Self {
        let message = format!("The request can't be read: {why}. The OpenAPI document shows what it takes.");
        Self::invalid(None, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// The sentence alone, for a person who opened an address: in a pane, JSON would be shown as it is.
    pub(super) fn in_words(self) -> Response {
        let words = self.message.clone();
        let mut response = self.into_response();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        // A name in it comes from the address: it must not become a page of ours.
        let as_is = HeaderValue::from_static("nosniff");
        response
            .headers_mut()
            .insert(header::X_CONTENT_TYPE_OPTIONS, as_is);
        *response.body_mut() = words.into();
        response
    }

    pub(super) fn internal(detail: &dyn std::fmt::Display) -> Self {
        error!(%detail, "a request failed inside");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong inside Gatehouse. Its log says more, under this request's id.",
        )
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let request_id = uuid::Uuid::new_v4().simple().to_string();
        info!(
            request_id,
            status = self.status.as_u16(),
            code = self.code,
            message = ?self.message,
            "refused"
        );
        let body = ApiError {
            code: self.code.to_owned(),
            message: self.message,
            field: self.field,
            request_id,
        };
        (self.status, Json(body)).into_response()
    }
}

impl From<ClusterError> for HttpError {
    fn from(error: ClusterError) -> Self {
        let message = error.to_string();
        match error {
            ClusterError::NotFound(_) => Self::not_found(message),
            ClusterError::WrongState(_) => Self::new(StatusCode::CONFLICT, "wrong_state", message),
            ClusterError::Invalid { field, .. } => Self::invalid(field, message),
            ClusterError::OverBudget(_) => Self::new(StatusCode::CONFLICT, "over_budget", message),
            ClusterError::Store(detail) => Self::internal(&detail),
            ClusterError::Gateway(error) => match error {
                GatewayError::NotFound { .. } => Self::not_found(message),
                GatewayError::NotRunning { .. } => Self::new(StatusCode::CONFLICT, "wrong_state", message),
                GatewayError::Invalid { field, .. } => Self::invalid(field, message),
                GatewayError::Forbidden { .. } => Self::forbidden(message),
                GatewayError::Timeout { .. } | GatewayError::Upstream { status: 504, .. } => {
                    Self::new(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", message)
                }
                // Not 401: that would say that our own token is wrong.
                GatewayError::Unauthorized(_) => {
                    Self::new(StatusCode::BAD_GATEWAY, "gateway_unauthorized", message)
                }
                _ => Self::new(StatusCode::BAD_GATEWAY, "gateway", message),
            },
        }
    }
}

impl From<AttachError> for HttpError {
    fn from(error: AttachError) -> Self {
        let message = error.to_string();
        match error {
            AttachError::NotFound(_) => Self::not_found(message),
            AttachError::Invalid { field, .. } => Self::invalid(Some(field.to_owned()), message),
            AttachError::WrongState(_) => Self::new(StatusCode::CONFLICT, "wrong_state", message),
            AttachError::Store(detail) => Self::internal(&detail),
        }
    }
}

impl From<KernelError> for HttpError {
    fn from(error: KernelError) -> Self {
        let message = error.to_string();
        match error {
            KernelError::NotFound(_) => Self::not_found(message),
            KernelError::NotPython { .. } | KernelError::NoInterpreter { .. } => Self::invalid(None, message),
            KernelError::Jupyter(_) | KernelError::Interpreter { .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "jupyter", message)
            }
        }
    }
}

impl From<InspectError> for HttpError {
    fn from(error: InspectError) -> Self {
        let message = error.to_string();
        match error {
            InspectError::NoWorker(_) => Self::not_found(message),
            InspectError::Refused(_) => Self::new(StatusCode::CONFLICT, "scheduler_refuses", message),
            InspectError::Comm(CommError::Timeout { .. }) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "scheduler_timeout", message)
            }
            InspectError::Comm(_) => Self::new(StatusCode::BAD_GATEWAY, "scheduler", message),
        }
    }
}

impl From<DashboardError> for HttpError {
    fn from(error: DashboardError) -> Self {
        let message = error.to_string();
        match error {
            DashboardError::BadPath => Self::not_found(message),
            DashboardError::Unreachable(_) => Self::new(StatusCode::BAD_GATEWAY, "dashboard", message),
            DashboardError::Login(_) => Self::new(StatusCode::BAD_GATEWAY, "dashboard_login", message),
            DashboardError::NoPlots => Self::new(StatusCode::BAD_GATEWAY, "dashboard_without_plots", message),
        }
    }
}

impl From<RecordingError> for HttpError {
    fn from(error: RecordingError) -> Self {
        let message = error.to_string();
        match error {
            RecordingError::NotFound(_) => Self::not_found(message),
            RecordingError::Invalid { field, .. } => Self::invalid(Some(field.to_owned()), message),
            RecordingError::WrongState(_) => Self::new(StatusCode::CONFLICT, "wrong_state", message),
            RecordingError::Data(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", message),
            RecordingError::Store(detail) => Self::internal(&detail),
        }
    }
}

impl From<JobError> for HttpError {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::NotFound(_) => Self::not_found(message),
            JobError::Invalid { field, .. } => Self::invalid(Some(field.to_owned()), message),
            JobError::WrongState(_) => Self::new(StatusCode::CONFLICT, "wrong_state", message),
            JobError::Jupyter(_) => Self::new(StatusCode::BAD_GATEWAY, "jupyter", message),
            JobError::Store(detail) => Self::internal(&detail),
        }
    }
}

/// Query parameters whose errors are ours too.
pub(super) struct Asked<T>(pub T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> axum::extract::FromRequestParts<S> for Asked<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, HttpError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(HttpError::unreadable(&rejection.body_text())),
        }
    }
}

/// A JSON body whose errors are ours too.
pub(super) struct Body<T>(pub T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> axum::extract::FromRequest<S> for Body<T> {
    type Rejection = HttpError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, HttpError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(HttpError::unreadable(&rejection.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_says_has_its_status() {
        let upstream = |status| GatewayError::Upstream {
            address: String::new(),
            status,
            text: String::new(),
        };
        let message = String::new;
        for (error, status, code) in [
            (GatewayError::NotFound { message: message() }, 404, "not_found"),
            (GatewayError::Forbidden { message: message() }, 403, "forbidden"),
            (
                GatewayError::NotRunning { message: message() },
                409,
                "wrong_state",
            ),
            (
                GatewayError::Invalid {
                    message: message(),
                    field: None,
                },
                422,
                "invalid",
            ),
            (GatewayError::Unauthorized(message()), 502, "gateway_unauthorized"),
            (
                GatewayError::Timeout {
                    address: message(),
                    seconds: 15,
                },
                504,
                "gateway_timeout",
            ),
            (upstream(504), 504, "gateway_timeout"),
            (upstream(500), 502, "gateway"),
            (GatewayError::Config(message()), 502, "gateway"),
        ] {
            let found = HttpError::from(ClusterError::from(error));
            assert_eq!((found.status.as_u16(), found.code), (status, code));
        }
    }
}
