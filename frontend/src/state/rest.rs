//! Requests to the server, with every failure as a sentence.

use gloo::net::http::{Method, RequestBuilder};
use protocol::guard::LeaseTerms;
use protocol::jobs::{CreateJob, Job, JobFile};
use protocol::kernels::Kernel;
use protocol::life::SetLabel;
use protocol::rest::{
    Adapt, ApiError, CSRF_HEADER, CreateCluster, Created, Options, Plot, Scale, Scaled, Scaling, Status,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use yew::AttrValue;

use super::json;
use super::socket::segment;

/// The server's REST interface below its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    base_url: AttrValue,
    /// Put behind what may exceed a budget: the user wants it all the same.
    price: &'static str,
}

impl Api {
    pub fn new(base_url: AttrValue) -> Self {
        Self { base_url, price: "" }
    }

    /// The same, for what the user wants although it exceeds a budget.
    pub fn over_budget(&self) -> Self {
        Self {
            price: "?over_budget=true",
            ..self.clone()
        }
    }

    /// Changes when a cluster ends by itself.
    pub async fn set_lease(&self, cluster: &str, terms: &LeaseTerms) -> Result<(), ApiError> {
        let path = format!("clusters/{}/lease", segment(cluster));
        self.send(Method::PUT, path, Some(write(terms)?))
            .await
            .map(|_| ())
    }

    /// Gives a cluster more time.
    pub async fn keep(&self, cluster: &str) -> Result<(), ApiError> {
        let path = format!("clusters/{}/keep", segment(cluster));
        self.send(Method::POST, path, None).await.map(|_| ())
    }

    pub async fn status(&self) -> Result<Status, ApiError> {
        read(self.send(Method::GET, "status".to_owned(), None).await?)
    }

    pub async fn options(&self) -> Result<Options, ApiError> {
        read(self.send(Method::GET, "options".to_owned(), None).await?)
    }

    pub async fn create_cluster(&self, request: &CreateCluster) -> Result<Created, ApiError> {
        read(
            self.send(
                Method::POST,
                format!("clusters{}", self.price),
                Some(write(request)?),
            )
            .await?,
        )
    }

    /// Scales or adapts, as `scaling` says; nothing is asked for [`Scaling::Unknown`].
    pub async fn set_scaling(&self, cluster: &str, scaling: &Scaling) -> Result<Scaled, ApiError> {
        let (verb, body) = match *scaling {
            Scaling::Unknown => return Ok(Scaled { warning: None }),
            Scaling::Manual { workers } => ("scale", write(&Scale { workers })?),
            Scaling::Adaptive { minimum, maximum } => ("adapt", write(&Adapt { minimum, maximum })?),
        };
        read(
            self.send(
                Method::POST,
                format!("clusters/{}/{verb}{}", segment(cluster), self.price),
                Some(body),
            )
            .await?,
        )
    }

    /// Sets the user's own name for a cluster; an empty one takes it away.
    pub async fn set_label(&self, cluster: &str, label: &str) -> Result<(), ApiError> {
        let label = Some(label.to_owned());
        let path = format!("clusters/{}/label", segment(cluster));
        self.send(Method::PUT, path, Some(write(&SetLabel { label })?))
            .await
            .map(|_| ())
    }

    pub async fn shut_down(&self, name: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, format!("clusters/{}", segment(name)), None)
            .await
            .map(|_| ())
    }

    /// The plots of a cluster's Bokeh dashboard.
    pub async fn plots(&self, cluster: &str) -> Result<Vec<Plot>, ApiError> {
        let path = format!("clusters/{}/plots", segment(cluster));
        read(self.send(Method::GET, path, None).await?)
    }

    /// What is asked of a cluster's scheduler: `path` below the cluster's, with its query.
    pub async fn ask(&self, cluster: &str, path: &str) -> Result<Value, ApiError> {
        self.get(format!("clusters/{}/{path}", segment(cluster))).await
    }

    /// What is at a path below the API's.
    pub async fn get(&self, path: String) -> Result<Value, ApiError> {
        json::tree(&self.send(Method::GET, path, None).await?).map_err(unreadable)
    }

    /// Asks for a change at a path below the API's, and gives the answer, `null` where that is empty.
    pub async fn change(
        &self,
        method: Method,
        path: String,
        body: Option<String>,
    ) -> Result<Value, ApiError> {
        let text = self.send(method, path, body).await?;
        Ok(json::tree(&text).unwrap_or_default())
    }

    /// Attaches to a scheduler; the answer is the attached one.
    pub async fn attach(&self, request: &Value) -> Result<(), ApiError> {
        let body = Some(json::write(request));
        self.send(Method::POST, "attached".to_owned(), body)
            .await
            .map(|_| ())
    }

    pub async fn detach(&self, id: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, format!("attached/{}", segment(id)), None)
            .await
            .map(|_| ())
    }

    pub async fn create_job(&self, request: &CreateJob) -> Result<Job, ApiError> {
        let path = format!("jobs{}", self.price);
        read(self.send(Method::POST, path, Some(write(request)?)).await?)
    }

    /// What a file below Jupyter's root is as a job.
    pub async fn job_file(&self, path: &str) -> Result<JobFile, ApiError> {
        let path = format!("jobs/file?path={}", segment(path));
        read(self.send(Method::GET, path, None).await?)
    }

    /// The kernels of the Jupyter Server, the default one first.
    pub async fn kernels(&self) -> Result<Vec<Kernel>, ApiError> {
        read(self.send(Method::GET, "kernels".to_owned(), None).await?)
    }

    /// One job, with the whole of its code.
    pub async fn job(&self, id: &str) -> Result<Job, ApiError> {
        read(
            self.send(Method::GET, format!("jobs/{}", segment(id)), None)
                .await?,
        )
    }

    pub async fn cancel_job(&self, id: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, format!("jobs/{}", segment(id)), None)
            .await
            .map(|_| ())
    }

    pub async fn delete_recording(&self, id: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, format!("recordings/{}", segment(id)), None)
            .await
            .map(|_| ())
    }

    /// Makes an export and tells its path and its bytes; with `to_jupyter` it is written into Jupyter's folder.
    pub async fn export(&self, id: &str, format: &str, to_jupyter: bool) -> Result<(String, u64), ApiError> {
        let path = format!("recordings/{}/export?about=true&format={format}", segment(id));
        let (method, body) = if to_jupyter {
            (Method::POST, Some("{}".to_owned()))
        } else {
            (Method::GET, None)
        };
        let tree = json::tree(&self.send(method, path, body).await?).unwrap_or_default();
        Ok((
            tree["path"].as_str().unwrap_or_default().to_owned(),
            tree["bytes"].as_u64().unwrap_or_default(),
        ))
    }

    /// Address of a piece of an export.
    pub fn export_piece(&self, id: &str, format: &str, piece: u32) -> String {
        let id = segment(id);
        format!(
            "{}api/v1/recordings/{id}/export?format={format}&piece={piece}",
            self.base_url
        )
    }

    /// Sends, and gives the answer's text, or its [`ApiError`] where it is one.
    async fn send(&self, method: Method, path: String, body: Option<String>) -> Result<String, ApiError> {
        let builder = RequestBuilder::new(&format!("{}api/v1/{path}", self.base_url))
            .method(method)
            .header(CSRF_HEADER, "1");
        let request = match body {
            Some(body) => builder.header("content-type", "application/json").body(body),
            None => builder.build(),
        };
        let response = request.map_err(unreachable)?.send().await.map_err(unreachable)?;
        let text = response.text().await;
        if response.ok() {
            return text.map_err(unreachable);
        }
        Err(json::read(&text.unwrap_or_default()).unwrap_or_else(|_| from_status(response.status())))
    }
}

fn write(body: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(body)
        .map_err(|cause| error("invalid", format!("The request could not be written: {cause}.")))
}

/// Reads an answer. One that should be JSON and is not is mostly a page that a proxy or a login put in its place.
fn read<T: DeserializeOwned>(text: String) -> Result<T, ApiError> {
    json::read(&text).map_err(unreadable)
}

fn unreadable(cause: json::Error) -> ApiError {
    gloo::console::warn!(format!("an answer could not be read: {cause}"));
    error(
        "unreadable",
        "The answer did not come from Gatehouse. You may have been logged out: reload the page and try again."
            .to_owned(),
    )
}

fn error(code: &str, message: String) -> ApiError {
    ApiError {
        code: code.to_owned(),
        message,
        field: None,
        request_id: String::new(),
    }
}

/// Browsers don't tell why.
fn unreachable(_: gloo::net::Error) -> ApiError {
    error(
        "network",
        "Gatehouse does not answer. Check that Jupyter (or “gatehouse serve”) still runs and that you are online, \
         then try again."
            .to_owned(),
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
            format!(
                "The Gatehouse server is not reachable (status {status}). It is restarted by itself; try again in a \
                 moment."
            ),
        ),
        _ => error(
            "unexpected",
            format!("The request failed with status {status}. Try again, or look in the server's log."),
        ),
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
