//! Requests to the server, with every failure as a sentence.

use gloo::net::http::{Method, RequestBuilder, Response};
use protocol::rest::{
    Adapt, ApiError, CSRF_HEADER, Cluster, CreateCluster, CreateJob, Created, Job, Options, Scale, Scaled,
    Scaling, Status,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use yew::AttrValue;

use super::json;
use super::socket::segment;

/// The server's REST interface below its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    base_url: AttrValue,
}

impl Api {
    pub fn new(base_url: AttrValue) -> Self {
        Self { base_url }
    }

    pub async fn status(&self) -> Result<Status, ApiError> {
        self.call(Method::GET, "status", None::<&()>).await
    }

    pub async fn options(&self) -> Result<Options, ApiError> {
        self.call(Method::GET, "options", None::<&()>).await
    }

    pub async fn create_cluster(&self, request: &CreateCluster) -> Result<Created, ApiError> {
        self.call(Method::POST, "clusters", Some(request)).await
    }

    /// Scales or adapts, as `scaling` says; nothing is asked for [`Scaling::Unknown`].
    pub async fn set_scaling(&self, cluster: &str, scaling: &Scaling) -> Result<Scaled, ApiError> {
        let path = format!("clusters/{}", segment(cluster));
        match *scaling {
            Scaling::Unknown => Ok(Scaled { warning: None }),
            Scaling::Manual { workers } => {
                self.call(Method::POST, &format!("{path}/scale"), Some(&Scale { workers }))
                    .await
            }
            Scaling::Adaptive { minimum, maximum } => {
                self.call(
                    Method::POST,
                    &format!("{path}/adapt"),
                    Some(&Adapt { minimum, maximum }),
                )
                .await
            }
        }
    }

    pub async fn cluster(&self, name: &str) -> Result<Cluster, ApiError> {
        self.call(Method::GET, &format!("clusters/{}", segment(name)), None::<&()>)
            .await
    }

    pub async fn shut_down(&self, name: &str) -> Result<(), ApiError> {
        self.send(
            Method::DELETE,
            &format!("clusters/{}", segment(name)),
            None::<&()>,
        )
        .await
        .map(|_| ())
    }

    pub async fn create_job(&self, request: &CreateJob) -> Result<Job, ApiError> {
        self.call(Method::POST, "jobs", Some(request)).await
    }

    /// One job, with the whole of its code.
    pub async fn job(&self, id: &str) -> Result<Job, ApiError> {
        self.call(Method::GET, &format!("jobs/{}", segment(id)), None::<&()>)
            .await
    }

    pub async fn cancel_job(&self, id: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, &format!("jobs/{}", segment(id)), None::<&()>)
            .await
            .map(|_| ())
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, ApiError> {
        let response = self.send(method, path, body).await?;
        let text = response.text().await.map_err(|error| unreachable(&error))?;
        json::read(&text).map_err(|error| not_ours(response.status(), &error))
    }

    /// Sends and turns an error answer into its [`ApiError`].
    async fn send<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Response, ApiError> {
        let builder = RequestBuilder::new(&format!("{}api/v1/{path}", self.base_url))
            .method(method)
            .header(CSRF_HEADER, "1");
        let request = match body {
            Some(body) => builder.json(body),
            None => builder.build(),
        };
        let response = request
            .map_err(|error| unreachable(&error))?
            .send()
            .await
            .map_err(|error| unreachable(&error))?;
        if response.ok() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(json::read(&text).unwrap_or_else(|_| from_status(response.status())))
    }
}

fn error(code: &str, message: String) -> ApiError {
    ApiError {
        code: code.to_owned(),
        message,
        field: None,
        request_id: String::new(),
    }
}

fn unreachable(_: &gloo::net::Error) -> ApiError {
    error(
        "network",
        "Gatehouse does not answer. Check that Jupyter (or “gatehouse serve”) still runs and that you are online, \
         then try again."
            .to_owned(),
    )
}

/// An answer that should be JSON and is not: mostly a page that a proxy or a login put in its place.
fn not_ours(status: u16, cause: &serde_json::Error) -> ApiError {
    gloo::console::warn!(format!(
        "an answer with status {status} could not be read: {cause}"
    ));
    error(
        "unreadable",
        "The answer did not come from Gatehouse. You may have been logged out: reload the page and try again.".to_owned(),
    )
}

/// A sentence for an error answer without one of ours in it: something before the server answered.
fn from_status(status: u16) -> ApiError {
    match status {
        401 | 403 => error(
            "unauthorized",
            "You are not logged in here any more. Reload the page; a standalone page needs the address with the token \
             that “gatehouse serve” printed."
                .to_owned(),
        ),
        404 => error(
            "not_found",
            "The Gatehouse server was not found at its address. Restart Jupyter if it was updated, then reload the page."
                .to_owned(),
        ),
        500 | 502..=504 => error(
            "unavailable",
            format!("The Gatehouse server is not reachable (status {status}). It is restarted by itself; try again in a moment."),
        ),
        _ => error("unexpected", format!("The request failed with status {status}. Try again, or look in the server's log.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_others_become_sentences_to_act_on() {
        assert!(from_status(401).message.contains("Reload"));
        assert!(from_status(502).message.contains("restarted by itself"));
        assert!(from_status(418).message.contains("418"));
    }
}
