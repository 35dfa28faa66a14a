//! Python's door: a loopback listener that passes the gateway's API on, unchanged.
//!
//! Reports pass with their TLS keys, because Python needs them; that is why no browser ever gets this address. The
//! client's own credentials are used, never ours, so the door admits nobody whom the gateway refuses. Its address holds
//! no secret: `print(gateway)` writes it into notebooks. A request that comes before the gateway is up waits for it.
//! A job's kernel has a path of its own, `jobs/{id}/api/…`: a cluster that is asked for there belongs to the job.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::future::BoxFuture;
use http::response::Parts;
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use tracing::warn;

use super::headers::strip_hop_by_hop;
use super::place;
use super::rescale::{self, Rescaled};

/// Where clusters are created.
const CLUSTERS: &str = "/api/v1/clusters";

/// Largest request that Python's client has reason to send.
const MAX_BODY: usize = 16 << 20;

/// How long a request waits for a gateway that is not listening (yet, or for the moment).
const PATIENCE: Duration = Duration::from_secs(40);

/// Where the door leads, and who is told of changes.
pub struct Door {
    /// Address of the gateway, without a trailing slash.
    pub target: String,
    pub client: reqwest::Client,
    /// Called after a request that may have changed a cluster.
    pub changed: Box<dyn Fn() + Send + Sync>,
    /// Called with what a cluster was asked for, once the gateway accepted it.
    pub scaled: Box<dyn Fn(Rescaled) + Send + Sync>,
    /// Called with the cluster that a request is to end, before the gateway hears of it: what it did last is lost with it.
    pub ending: Box<Ending>,
    /// Notes the clusters of jobs.
    pub jobs: Box<dyn JobClusters>,
}

/// What hears a cluster out.
pub type Ending = dyn Fn(&str) -> BoxFuture<'static, ()> + Send + Sync;

/// Who notes which clusters belong to jobs.
pub trait JobClusters: Send + Sync {
    /// A job's code asks for a cluster with these options; a row is named, or why it may not be asked for, in a sentence.
    fn asks(&self, job: String, options: Map<String, Value>) -> BoxFuture<'_, Result<i64, String>>;

    /// The gateway gave the cluster of a row this name, or none where it refused.
    fn answered(&self, row: i64, cluster: Option<String>) -> BoxFuture<'_, Result<(), String>>;
}

/// The routes of Python's door.
pub fn router(door: Door) -> Router {
    Router::new()
        .route("/api/{*path}", any(pass))
        .route("/jobs/{job}/api/{*path}", any(pass_for_job))
        .with_state(Arc::new(door))
}

async fn pass(State(door): State<Arc<Door>>, request: Request) -> Response {
    forward(&door, request, None).await
}

async fn pass_for_job(
    State(door): State<Arc<Door>>,
    Path((job, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    forward(&door, request, Some(job)).await
}

async fn forward(door: &Door, request: Request, job: Option<String>) -> Response {
    let (parts, body) = request.into_parts();
    // The path is taken as it was sent: decoding and encoding it again could change it.
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let own = job.as_deref().map_or(0, |job| "/jobs/".len() + job.len());
    let asked = path.get(own..).unwrap_or_default();
    let path = asked.split_once('?').map_or(asked, |(path, _query)| path);
    if place::climbs(path) || !path.starts_with("/api/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let url = format!("{}{asked}", door.target);
    let mut headers = parts.headers;
    strip_hop_by_hop(&mut headers);
    let body = match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(_too_long_or_lost) => {
            let text = "Gatehouse passes at most 16 MiB on to the Dask Gateway. Send a smaller request.";
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
    };
    let creates = parts.method == Method::POST && path.trim_end_matches('/') == CLUSTERS;
    let row = match job.filter(|_| creates) {
        Some(job) => match door.jobs.asks(job, options_of(&body)).await {
            Ok(row) => Some(row),
            Err(sentence) => return refusal(StatusCode::CONFLICT, &sentence),
        },
        None => None,
    };
    if parts.method == Method::DELETE
        && let Some(cluster) = path
            .strip_prefix(CLUSTERS)
            .and_then(|rest| rest.strip_prefix('/'))
    {
        (door.ending)(cluster).await;
    }
    let answer = send_patiently(door, &parts.method, &url, &headers, &body).await;
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        (door.changed)();
    }
    match answer {
        Ok(answer) if let Some(row) = row => relay_created(answer, row, door).await,
        Ok(answer) if parts.method == Method::POST && answer.status() == StatusCode::OK => {
            match rescale::asked(path, &body) {
                Some(asked) => relay_and_tell(answer, asked, door).await,
                None => relay(answer),
            }
        }
        Ok(answer) => relay(answer),
        Err(error) => {
            warn!(error = %error.without_url(), "the gateway did not answer Python's door");
            let text = "Gatehouse could not reach its Dask Gateway. Its panel shows the state of the gateway; try again when it is up.";
            refusal(StatusCode::BAD_GATEWAY, text)
        }
    }
}

/// An answer of our own, in the form that Dask's client reads from the gateway.
fn refusal(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": text }))).into_response()
}

/// Sends the request; where nobody listens yet nothing was sent, so trying again is safe for every method.
async fn send_patiently(
    door: &Door,
    method: &Method,
    url: &str,
    headers: &http::HeaderMap,
    body: &Bytes,
) -> reqwest::Result<reqwest::Response> {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = door
            .client
            .request(method.clone(), url)
            .headers(headers.clone())
            .body(body.clone())
            .send()
            .await;
        match answer {
            Err(error) if error.is_connect() && tokio::time::Instant::now() < give_up => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            // The gateway's own proxy answers so in its first half second, before it knows its routes.
            Ok(answer)
                if answer.status() == StatusCode::NOT_FOUND
                    && answer
                        .headers()
                        .get(http::header::CONTENT_TYPE)
                        .is_none_or(|t| t != "application/json; charset=utf-8")
                    && !gateway_is_up(door).await
                    && tokio::time::Instant::now() < give_up =>
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answer => return answer,
        }
    }
}

async fn gateway_is_up(door: &Door) -> bool {
    let health = door
        .client
        .get(format!("{}/api/health", door.target))
        .send()
        .await;
    health.is_ok_and(|answer| answer.status().is_success())
}

fn relay(answer: reqwest::Response) -> Response {
    let mut response = http::Response::<reqwest::Body>::from(answer).map(Body::new);
    strip_hop_by_hop(response.headers_mut());
    response
}

/// As [`relay`], and tells what a cluster was asked for: the answer says whether a limit made less of it.
async fn relay_and_tell(answer: reqwest::Response, asked: Rescaled, door: &Door) -> Response {
    let text = "The Dask Gateway's answer broke off. Gatehouse's panel shows what the cluster has; scale it again where it is wrong.";
    match whole(answer, text).await {
        Ok((parts, body)) => {
            (door.scaled)(asked.answered(&body));
            Response::from_parts(parts, Body::from(body))
        }
        Err(refused) => refused,
    }
}

/// As [`relay`], and notes the name of the cluster that a job's code created before the code hears it.
async fn relay_created(answer: reqwest::Response, row: i64, door: &Door) -> Response {
    let text = "The Dask Gateway's answer broke off. The cluster, if there is one, ends with the job.";
    let (parts, body) = match whole(answer, text).await {
        Ok(whole) => whole,
        Err(refused) => return refused,
    };
    let name = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|answer| Some(answer.get("name")?.as_str()?.to_owned()))
        // The gateway asks for credentials first, and is asked again with them.
        .filter(|_| parts.status.is_success());
    if let Err(error) = door.jobs.answered(row, name).await {
        warn!(error, "a cluster that a job's code created could not be noted");
    }
    Response::from_parts(parts, Body::from(body))
}

/// All of an answer, which is short; where it breaks off, a refusal with this `text`.
async fn whole(answer: reqwest::Response, text: &str) -> Result<(Parts, Bytes), Response> {
    let mut answer = http::Response::<reqwest::Body>::from(answer);
    strip_hop_by_hop(answer.headers_mut());
    let (parts, body) = answer.into_parts();
    match axum::body::to_bytes(Body::new(body), MAX_BODY).await {
        Ok(body) => Ok((parts, body)),
        Err(error) => {
            warn!(%error, "the gateway's answer broke off at Python's door");
            Err(refusal(StatusCode::BAD_GATEWAY, text))
        }
    }
}

fn options_of(body: &[u8]) -> Map<String, Value> {
    let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
    body.get("cluster_options")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;
    use wiremock::matchers::{body_string, header, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn door(target: String) -> Router {
        router(Door {
            target,
            client: crate::outbound::client(&dask_gateway::HttpProxy::Off).expect("client"),
            changed: Box::new(|| {}),
            scaled: Box::new(|_| {}),
            ending: Box::new(|_| Box::pin(async {})),
            jobs: Box::new(Noted::default()),
        })
    }

    /// What was noted, in order.
    #[derive(Clone, Default)]
    struct Noted(Arc<std::sync::Mutex<Vec<String>>>);

    impl Noted {
        fn add(&self, text: String) {
            self.0.lock().expect("nobody panics with it").push(text);
        }
    }

    impl JobClusters for Noted {
        fn asks(&self, job: String, options: Map<String, Value>) -> BoxFuture<'_, Result<i64, String>> {
            Box::pin(async move {
                self.add(format!("{job} asks with {}", Value::Object(options)));
                if job == "over" {
                    Err("The job is over.".into())
                } else {
                    Ok(7)
                }
            })
        }

        fn answered(&self, row: i64, cluster: Option<String>) -> BoxFuture<'_, Result<(), String>> {
            Box::pin(async move {
                self.add(format!("{row} is {cluster:?}"));
                Ok(())
            })
        }
    }

    #[tokio::test]
    async fn clusters_of_a_jobs_code_are_noted_before_it_hears_of_them() {
        let gateway = MockServer::start().await;
        let answer = |status, body: &str| ResponseTemplate::new(status).set_body_string(body);
        Mock::given(method("POST"))
            .and(path("/api/v1/clusters/"))
            .respond_with(answer(201, "{\"name\": \"c\"}"))
            .up_to_n_times(1)
            .mount(&gateway)
            .await;
        Mock::given(method("POST"))
            .and(path("/api/v1/clusters/"))
            .respond_with(answer(401, "who are you?"))
            .mount(&gateway)
            .await;
        let noted = Noted::default();
        let door = router(Door {
            target: gateway.uri(),
            client: crate::outbound::client(&dask_gateway::HttpProxy::Off).expect("client"),
            changed: Box::new(|| {}),
            scaled: Box::new(|_| {}),
            ending: Box::new(|_| Box::pin(async {})),
            jobs: Box::new(noted.clone()),
        });
        let mut statuses = Vec::new();
        for path in [
            "/jobs/one/api/v1/clusters/",
            "/jobs/one/api/v1/clusters/",
            "/jobs/over/api/v1/clusters/",
            "/jobs/one/clusters/c/status",
        ] {
            let body = Body::from("{\"cluster_options\": {\"a\": 1}}");
            let request = Request::post(path).body(body).expect("request");
            let response = door.clone().oneshot(request).await.expect("response");
            statuses.push(response.status().as_u16());
        }
        assert_eq!(statuses, [201, 401, 409, 404]);
        let noted = noted.0.lock().expect("nobody panics with it").clone();
        assert_eq!(
            noted,
            [
                "one asks with {\"a\":1}",
                "7 is Some(\"c\")",
                "one asks with {\"a\":1}",
                "7 is None",
                "over asks with {\"a\":1}",
            ]
        );
    }

    #[tokio::test]
    async fn a_cluster_is_heard_out_before_the_gateway_ends_it() {
        let gateway = MockServer::start().await;
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let order = Arc::clone(&heard);
        Mock::given(path("/api/v1/clusters/c"))
            .respond_with(move |request: &wiremock::Request| {
                order.lock().expect("one writer").push(request.method.to_string());
                ResponseTemplate::new(204)
            })
            .mount(&gateway)
            .await;
        let order = Arc::clone(&heard);
        let door = router(Door {
            target: gateway.uri(),
            client: crate::outbound::client(&dask_gateway::HttpProxy::Off).expect("client"),
            changed: Box::new(|| {}),
            scaled: Box::new(|_| {}),
            ending: Box::new(move |cluster| {
                order.lock().expect("one writer").push(format!("hears {cluster}"));
                Box::pin(async {})
            }),
            jobs: Box::new(Noted::default()),
        });
        for (method, way) in [("GET", ""), ("DELETE", ""), ("DELETE", "/jobs/1")] {
            let request = Request::builder()
                .method(method)
                .uri(format!("{way}/api/v1/clusters/c"))
                .body(Body::empty())
                .expect("a request");
            let answer = door.clone().oneshot(request).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        }
        assert_eq!(
            *heard.lock().expect("all is over"),
            ["GET", "hears c", "DELETE", "hears c", "DELETE"]
        );
    }

    #[tokio::test]
    async fn passes_requests_unchanged() {
        let gateway = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/api/v1/clusters/"))
            .and(query_param("a", "../b c"))
            .and(header("authorization", "Basic abc"))
            .and(body_string("{}"))
            .respond_with(
                ResponseTemplate::new(422)
                    .set_body_string("{\"error\": \"no\"}")
                    .insert_header("set-cookie", "x=y"),
            )
            .mount(&gateway)
            .await;
        let request = Request::post("/api/v1/clusters/?a=../b%20c")
            .header("authorization", "Basic abc")
            .body(Body::from("{}"))
            .expect("request");
        let response = door(gateway.uri()).oneshot(request).await.expect("response");
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(response.headers()["set-cookie"], "x=y");
        let body = axum::body::to_bytes(response.into_body(), 1000)
            .await
            .expect("body");
        assert_eq!(body, "{\"error\": \"no\"}");
    }

    #[tokio::test]
    async fn only_the_api_is_behind_it() {
        let gateway = MockServer::start().await;
        for path in [
            "/",
            "/clusters/a/status",
            "/wrong/api/version",
            "/api/../clusters/a/status",
            "/api/%2e%2E/clusters/a/status",
        ] {
            let request = Request::get(path).body(Body::empty()).expect("request");
            let response = door(gateway.uri()).oneshot(request).await.expect("response");
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
        assert!(gateway.received_requests().await.expect("recorded").is_empty());
    }

    #[tokio::test]
    async fn waits_for_a_gateway_that_is_not_up_yet() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        let address = listener.local_addr().expect("address");
        drop(listener);
        let door = door(format!("http://{address}"));
        let asked =
            tokio::spawn(door.oneshot(Request::get("/api/version").body(Body::empty()).expect("request")));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let gateway = MockServer::builder()
            .listener(std::net::TcpListener::bind(address).expect("same port"))
            .start()
            .await;
        Mock::given(path("/api/version"))
            .respond_with(ResponseTemplate::new(200))
            .mount(&gateway)
            .await;
        assert_eq!(
            asked.await.expect("task").expect("response").status(),
            StatusCode::OK
        );
    }
}
