//! Client of a Jupyter Server's REST interface: sessions and their kernels.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dask_gateway::KernelSpec;
use protocol::kernels::Kernel;
use protocol::rest::JupyterStatus;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::record::KernelIds;
use crate::embedded::jupyter::PrivateJupyter;

/// How long an answer may take. Shutting a stubborn kernel down takes Jupyter about 5 s, starting one a little.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The Jupyter Server whose kernels run the jobs.
#[derive(Clone)]
pub enum JupyterSource {
    /// The one that we live in, or that the user named.
    External { url: String, token: String },
    /// One of our own, started with the first job.
    Private(Arc<PrivateJupyter>),
    /// None, with a sentence that says why and what to do.
    Unavailable { message: String },
}

impl JupyterSource {
    pub(super) fn status(&self) -> JupyterStatus {
        let (private, message) = match self {
            Self::External { url, .. } => (false, parse_url(url).err()),
            Self::Private(jupyter) => (true, jupyter.problem()),
            Self::Unavailable { message } => (false, Some(message.clone())),
        };
        // A private server that did not start is tried again with the next job.
        let available = message.is_none() || private;
        JupyterStatus {
            available,
            private,
            message,
        }
    }

    /// Where the server is; a private one is started where it does not run.
    pub(crate) async fn endpoint(&self) -> Result<Endpoint, JupyterError> {
        match self {
            Self::External { url, token } => Ok(Endpoint {
                url: parse_url(url).map_err(JupyterError::Unusable)?,
                token: token.clone(),
            }),
            Self::Private(jupyter) => {
                let (url, token) = jupyter.ensure().await.map_err(JupyterError::Unusable)?;
                Ok(Endpoint {
                    url: parse_url(&url).map_err(JupyterError::Unusable)?,
                    token,
                })
            }
            Self::Unavailable { message } => Err(JupyterError::Unusable(message.clone())),
        }
    }

    /// Whether it is one that people use, with files of theirs.
    pub(super) fn is_external(&self) -> bool {
        matches!(self, Self::External { .. })
    }

    /// Whether a kernel that an earlier server started can still live there.
    pub(crate) async fn may_hold_kernels(&self) -> bool {
        match self {
            Self::External { .. } => true,
            Self::Private(jupyter) => jupyter.is_running().await,
            Self::Unavailable { .. } => false,
        }
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| {
        format!("The Jupyter Server's address {text} is not a URL ({error}). Correct it.")
    })?;
    if url.scheme() != "http" {
        return Err(format!(
            "Jobs need a Jupyter Server at a plain http:// address on this machine; this one is at {}://. \
             Start Jupyter without its own certificate to run jobs.",
            url.scheme()
        ));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url.set_query(None);
    Ok(url)
}

/// A Jupyter Server's address and token.
#[derive(Clone)]
pub(crate) struct Endpoint {
    url: Url,
    token: String,
}

/// The token stays out of logs.
impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

/// What went wrong with the Jupyter Server, in a sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JupyterError {
    #[error("{0}")]
    Unusable(String),
    #[error(
        "The Jupyter Server that runs the jobs does not answer. Check that it still runs, then run the job again."
    )]
    Unreachable,
    #[error(
        "The Jupyter Server refused our token (HTTP {0}). Restart JupyterLab, or Gatehouse with the right token."
    )]
    Refused(u16),
    #[error(
        "The kernel {name} does not exist on the Jupyter Server, which has: {known}. Choose one of them, or install this one."
    )]
    UnknownKernel { name: String, known: String },
    #[error("The Jupyter Server could not start the kernel {0}. Choose another kernel, or install this one.")]
    NoSuchKernel(String),
    #[error("The Jupyter Server could not {action} (HTTP {status}): {message}")]
    Answer {
        action: &'static str,
        status: u16,
        message: String,
    },
    #[error("The connection to the job's kernel could not be opened: {0}. Run the job again.")]
    Channels(String),
}

/// Makes the client that all calls share. The server is on this machine, so no proxy is asked.
pub(crate) fn http_client() -> reqwest::Result<reqwest::Client> {
    // A second call finds the provider installed already, which is all that is wanted.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_LIMIT)
        .build()
}

/// Says that a request is no sign that somebody works: what culls idle servers goes by Jupyter's last activity.
const UNTRACKED: (&str, &str) = ("no_track_activity", "1");

/// What a kernel does, in Jupyter's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KernelState {
    Busy,
    Idle,
    /// It starts for the first time, or again after a death.
    Starting,
    Dead,
}

#[derive(Deserialize)]
struct SessionModel {
    id: String,
    path: String,
    kernel: Option<KernelModel>,
}

#[derive(Deserialize)]
struct KernelModel {
    id: String,
    #[serde(default)]
    execution_state: Option<String>,
}

/// A kernelspec with what Jupyter says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedKernel {
    pub(crate) shown: Kernel,
    pub(crate) language: String,
    pub(crate) spec: KernelSpec,
}

impl ListedKernel {
    /// Whether it is the one that starts under this name, in any case of its letters, or without a name.
    pub(crate) fn is_chosen_by(&self, name: Option<&str>) -> bool {
        match name {
            Some(name) => self.shown.name.eq_ignore_ascii_case(name),
            None => self.shown.default,
        }
    }

    /// Whether packages of Python can be in it.
    pub(crate) fn is_python(&self) -> bool {
        self.language.eq_ignore_ascii_case("python")
    }
}

#[derive(Deserialize)]
struct KernelspecsModel {
    #[serde(default)]
    default: String,
    kernelspecs: BTreeMap<String, KernelspecModel>,
}

#[derive(Deserialize)]
struct KernelspecModel {
    name: String,
    spec: SpecModel,
}

#[derive(Deserialize)]
struct SpecModel {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    language: String,
    #[serde(flatten)]
    rest: KernelSpec,
}

impl KernelspecModel {
    fn listed(self, default: &str) -> ListedKernel {
        let display_name = Some(self.spec.display_name).filter(|name| !name.is_empty());
        ListedKernel {
            shown: Kernel {
                default: self.name == default,
                display_name: display_name.unwrap_or_else(|| self.name.clone()),
                name: self.name,
            },
            language: self.spec.language,
            spec: self.spec.rest,
        }
    }
}

impl SessionModel {
    fn ids(self) -> Option<KernelIds> {
        Some(KernelIds {
            session: self.id,
            kernel: self.kernel?.id,
        })
    }
}

/// The REST side of a Jupyter Server.
#[derive(Clone, Debug)]
pub(crate) struct JupyterClient {
    http: reqwest::Client,
    endpoint: Endpoint,
}

impl JupyterClient {
    pub(crate) fn new(http: reqwest::Client, endpoint: Endpoint) -> Self {
        Self { http, endpoint }
    }

    /// Starts a kernel in a session whose path is `path`. Asking twice gives the same kernel.
    pub(super) async fn start_session(
        &self,
        path: &str,
        name: &str,
        kernel: Option<&str>,
    ) -> Result<KernelIds, JupyterError> {
        let kernel_model = kernel.map_or_else(|| json!({}), |name| json!({ "name": name }));
        let body = json!({ "path": path, "name": name, "type": "console", "kernel": kernel_model });
        let response = self.send(Method::POST, "api/sessions", Some(body)).await?;
        match (response.status(), kernel) {
            (StatusCode::NOT_IMPLEMENTED, Some(kernel)) => Err(JupyterError::NoSuchKernel(kernel.to_owned())),
            (status, _) if status.is_success() => {
                let session: SessionModel = read("start a kernel", response).await?;
                session.ids().ok_or_else(|| JupyterError::Answer {
                    action: "start a kernel",
                    status: status.as_u16(),
                    message: "the session it made has no kernel".into(),
                })
            }
            _ => Err(refusal("start a kernel", response).await),
        }
    }

    /// The session with this path, where there is one.
    pub(super) async fn find_session(&self, path: &str) -> Result<Option<KernelIds>, JupyterError> {
        let response = self.send(Method::GET, "api/sessions", None).await?;
        if !response.status().is_success() {
            return Err(refusal("list its sessions", response).await);
        }
        let sessions: Vec<SessionModel> = read("list its sessions", response).await?;
        Ok(sessions
            .into_iter()
            .find(|session| session.path == path)
            .and_then(SessionModel::ids))
    }

    /// The kernels that it can start, the default one first, then by name.
    pub(crate) async fn kernelspecs(&self) -> Result<Vec<ListedKernel>, JupyterError> {
        let response = self.send(Method::GET, "api/kernelspecs", None).await?;
        if !response.status().is_success() {
            return Err(refusal("list its kernels", response).await);
        }
        let model: KernelspecsModel = read("list its kernels", response).await?;
        let default = model.default;
        let mut listed: Vec<ListedKernel> = model
            .kernelspecs
            .into_values()
            .map(|kernel| kernel.listed(&default))
            .collect();
        listed.sort_by_key(|kernel| (!kernel.shown.default, kernel.shown.display_name.to_lowercase()));
        Ok(listed)
    }

    /// Sees to it that there is a kernelspec of this name, which Jupyter takes in any case of its letters.
    ///
    /// # Errors
    /// [`JupyterError::UnknownKernel`] where there is none.
    pub(super) async fn check_kernel(&self, name: &str) -> Result<(), JupyterError> {
        let listed = self.kernelspecs().await?;
        let known: Vec<_> = listed.iter().map(|kernel| kernel.shown.name.as_str()).collect();
        if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(JupyterError::UnknownKernel {
            name: name.to_owned(),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        })
    }

    /// What the kernel does; `None` where it is not there any more.
    pub(super) async fn kernel_state(&self, kernel: &str) -> Result<Option<KernelState>, JupyterError> {
        let response = self
            .send(Method::GET, &format!("api/kernels/{kernel}"), None)
            .await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(refusal("tell a kernel's state", response).await);
        }
        let model: KernelModel = read("tell a kernel's state", response).await?;
        Ok(Some(kernel_state(model.execution_state.as_deref())))
    }

    /// Interrupts what the kernel runs.
    pub(super) async fn interrupt(&self, kernel: &str) -> Result<(), JupyterError> {
        let response = self
            .send(Method::POST, &format!("api/kernels/{kernel}/interrupt"), None)
            .await?;
        if response.status().is_success() || response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(refusal("interrupt a kernel", response).await)
    }

    /// Ends a session with its kernel: asked first, then killed. One that is gone counts as ended.
    pub(super) async fn end_session(&self, ids: &KernelIds) -> Result<(), JupyterError> {
        for path in [
            format!("api/sessions/{}", ids.session),
            format!("api/kernels/{}", ids.kernel),
        ] {
            let response = self.send(Method::DELETE, &path, None).await?;
            match response.status() {
                status if status.is_success() => return Ok(()),
                // A session can be lost while its kernel lives; then the kernel is ended by its own name.
                StatusCode::NOT_FOUND | StatusCode::GONE => {}
                _ => return Err(refusal("shut a kernel down", response).await),
            }
        }
        Ok(())
    }

    /// Counts as activity, so that what culls idle servers leaves this one alone for a while.
    pub(super) async fn touch(&self) -> Result<(), JupyterError> {
        // Not `api/status`, which never counts.
        let url = self.join("api/kernels")?;
        let response = self.exchange(Method::GET, url, None).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(refusal("list its kernels", response).await)
    }

    pub(super) fn join(&self, path: &str) -> Result<Url, JupyterError> {
        self.endpoint.url.join(path).map_err(|error| {
            JupyterError::Unusable(format!("The Jupyter Server's address is wrong: {error}."))
        })
    }

    pub(super) fn authorization(&self) -> String {
        format!("token {}", self.endpoint.token)
    }

    /// Asks for something that does not count as activity.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<reqwest::Response, JupyterError> {
        let mut url = self.join(path)?;
        url.query_pairs_mut().append_pair(UNTRACKED.0, UNTRACKED.1);
        self.exchange(method, url, body).await
    }

    async fn exchange(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
    ) -> Result<reqwest::Response, JupyterError> {
        let mut request = self
            .http
            .request(method, url)
            .header(http::header::AUTHORIZATION, self.authorization());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| {
            tracing::debug!(error = %error.without_url(), "the Jupyter Server does not answer");
            JupyterError::Unreachable
        })?;
        match response.status() {
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(JupyterError::Refused(status.as_u16()))
            }
            _ => Ok(response),
        }
    }
}

pub(super) async fn read<T: serde::de::DeserializeOwned>(
    action: &'static str,
    response: reqwest::Response,
) -> Result<T, JupyterError> {
    let status = response.status().as_u16();
    response.json().await.map_err(|error| JupyterError::Answer {
        action,
        status,
        message: format!("its answer can't be read ({})", error.without_url()),
    })
}

pub(super) async fn refusal(action: &'static str, response: reqwest::Response) -> JupyterError {
    let status = response.status().as_u16();
    let message = response
        .json::<Value>()
        .await
        .ok()
        .and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| "it gave no reason; its log may".into());
    JupyterError::Answer {
        action,
        status,
        message,
    }
}

fn kernel_state(word: Option<&str>) -> KernelState {
    match word {
        Some("idle") => KernelState::Idle,
        Some("dead") => KernelState::Dead,
        Some("busy") => KernelState::Busy,
        _ => KernelState::Starting,
    }
}
