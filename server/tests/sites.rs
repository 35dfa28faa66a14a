//! Gateways as Nebari, DaskHub and a site with its own certificates run them, used from their files and environment
//! alone: real gateways, schedulers and workers; only the hub's answers and the login page are made up.

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use common::{PATIENCE, Server, python};
use serde_json::{Value, json};
use wiremock::matchers::{header, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn free_port(host: &str) -> String {
    let listener = TcpListener::bind((host, 0)).expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// A hub that knows two tokens: alice's, who has the role, and bob's.
async fn hub() -> MockServer {
    let hub = MockServer::start().await;
    for (token, name, groups) in [
        ("token alice-token", "alice", json!(["dask_gateway_developer"])),
        ("token bob-token", "bob", json!([])),
    ] {
        let user = json!({"kind": "user", "name": name, "groups": groups, "admin": false, "scopes": []});
        Mock::given(path("/hub/api/user"))
            .and(header("authorization", token))
            .respond_with(ResponseTemplate::new(200).set_body_json(user))
            .mount(&hub)
            .await;
    }
    hub
}

/// A site's gateway and where its parts are, as `host:port`.
struct Site {
    child: Child,
    temp: tempfile::TempDir,
    api: String,
    web: String,
    schedulers: String,
}

impl Site {
    async fn start(mut settings: Value) -> Self {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (api, web) = (free_port("127.0.0.1"), free_port("127.0.0.1"));
        // Another host, as far as anybody can tell.
        let schedulers = free_port("127.0.0.2");
        settings["api"] = api.clone().into();
        settings["web"] = web.clone().into();
        settings["schedulers"] = schedulers.clone().into();
        settings["clusters"] = temp.path().join("clusters").to_string_lossy().into();
        if settings.get("tls").is_some() {
            settings["tls"] = temp.path().to_string_lossy().into();
        }
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites/gateway.py");
        let child = Command::new(python())
            .args(["-m", "dask_gateway_server", "-f"])
            .arg(config)
            .env("GATEHOUSE_SITE", settings.to_string())
            .env("HOME", temp.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the site's gateway starts");
        let site = Self {
            child,
            temp,
            api,
            web,
            schedulers,
        };
        rustls::crypto::ring::default_provider().install_default().ok();
        let began = Instant::now();
        let health = format!("http://{}/api/health", site.api);
        while !reqwest::get(&health)
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            assert!(began.elapsed() < PATIENCE, "the site's gateway does not come up");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        site
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{api}", &self.api)
            .replace("{web}", &self.web)
            .replace("{schedulers}", &self.schedulers)
    }
}

impl Drop for Site {
    /// SIGTERM, upon which it stops its clusters too.
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        self.child.wait().ok();
    }
}

async fn gateway_state(server: &Server, state: &str) -> Value {
    let what = format!("the state {state}");
    server
        .wait("api/v1/status", &what, |status| {
            let gateway = &status["gateway"];
            (gateway["state"] == state).then(|| gateway.clone())
        })
        .await
}

/// Creates a cluster of one worker and waits until its scheduler has told us of it.
async fn cluster_of_one(server: &Server) -> String {
    let answer = server
        .request("POST", "api/v1/clusters")
        .json(&json!({"options": {}, "scaling": {"mode": "manual", "workers": 1}}))
        .send()
        .await
        .expect("an answer");
    let status = answer.status();
    let created: Value = answer.json().await.expect("json");
    assert_eq!(status, 201, "{created}");
    let name = created["name"].as_str().expect("a name").to_owned();
    server
        .wait(&format!("api/v1/clusters/{name}"), "the worker", |cluster| {
            (cluster["summary"]["workers"] == 1).then_some(())
        })
        .await;
    name
}

/// What Dask's own client sees in the same environment: the clusters' names, scheduler addresses and dashboard links.
fn as_python_sees(env: &[(String, String)]) -> Value {
    let code = "import json\nfrom dask_gateway import Gateway\nwith Gateway() as g:\n    \
        print(json.dumps([[c.name, c.scheduler_address, c.dashboard_link] for c in g.list_clusters()]))";
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(python())
        .args(["-W", "ignore", "-c", code])
        .envs(env.iter().map(|(name, value)| (name, value)))
        .env("HOME", home.path())
        .output()
        .expect("Python runs");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn variable(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn nebari_works_from_its_config_map() {
    let hub = hub().await;
    let hub_api = format!("{}/hub/api", hub.uri());
    let site =
        Site::start(json!({"hub": hub_api, "role": "dask_gateway_developer", "namespace": "dev"})).await;
    // Before everything that browsers see, Traefik asks Keycloak.
    let public = MockServer::start().await;
    let login = "https://nebari.example/auth/realms/nebari/protocol/openid-connect/auth?state=secret-state";
    Mock::given(path_regex("^/gateway/clusters/"))
        .respond_with(ResponseTemplate::new(307).insert_header("location", login))
        .mount(&public)
        .await;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let config_map = site
        .fill(include_str!("sites/nebari.json"))
        .replace("{public}", &public.uri());
    std::fs::write(folder.path().join("gateway.yaml"), config_map).expect("written");
    std::fs::write(folder.path().join("dashboard.yaml"), "").expect("written");
    let pod = |token: &str| {
        vec![
            variable("DASK_ROOT_CONFIG", folder.path().to_string_lossy()),
            variable("JUPYTERHUB_API_TOKEN", token),
        ]
    };

    let server = Server::start_in(&[], &pod("alice-token"));
    let gateway = gateway_state(&server, "up").await;
    assert_eq!(gateway["kind"], "remote");
    let name = cluster_of_one(&server).await;
    assert!(name.starts_with("dev."), "{name}");
    let seen = as_python_sees(&pod("alice-token"));
    assert_eq!(
        seen,
        json!([[
            name,
            format!("gateway://{}/{name}", site.schedulers),
            format!("{}/gateway/clusters/{name}/status", public.uri())
        ]])
    );
    // The link leads a browser to the login and back; through us there is no way, and nobody is sent there blindly.
    let dashboard = server
        .request("GET", &format!("clusters/{name}/status"))
        .send()
        .await
        .expect("an answer");
    let status = dashboard.status();
    assert!(status.is_client_error() || status.is_server_error(), "{status}");
    assert!(!dashboard.text().await.expect("text").contains("secret-state"));

    let without_role = Server::start_in(&[], &pod("bob-token"));
    let message = gateway_state(&without_role, "unauthorized").await["message"].to_string();
    assert!(
        message.contains("user does not have required dask_gateway roles")
            && message.contains("Ask whoever runs the site"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn daskhub_works_from_its_environment() {
    let hub = hub().await;
    let site =
        Site::start(json!({"hub": format!("{}/hub/api", hub.uri()), "prefix": "/services/dask-gateway"}))
            .await;
    let mut pod: Vec<(String, String)> = site
        .fill(include_str!("sites/daskhub.env"))
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| variable(name, value))
        .collect();
    pod.push(variable("JUPYTERHUB_API_TOKEN", "alice-token"));
    let server = Server::start_in(&[], &pod);
    gateway_state(&server, "up").await;
    let options = server.json("api/v1/options").await;
    assert!(
        options.to_string().contains("pangeo/pangeo-notebook:2024.01.15"),
        "the user's own image: {options}"
    );
    let name = cluster_of_one(&server).await;
    let cluster = server.json(&format!("api/v1/clusters/{name}")).await;
    assert_eq!(
        cluster["options"],
        json!({"image": "pangeo/pangeo-notebook:2024.01.15", "worker_cores": 2}),
        "{cluster}"
    );
    assert_eq!(
        as_python_sees(&pod),
        json!([[
            name,
            format!("gateway://{}/{name}", site.schedulers),
            format!("/services/dask-gateway/clusters/{name}/status")
        ]])
    );
    let dashboard = server
        .request("GET", &format!("clusters/{name}/individual-plots.json"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(dashboard.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sites_own_authority_is_trusted_once_it_is_named() {
    let site = Site::start(json!({"tls": true})).await;
    let ca = site.temp.path().join("ca.pem").to_string_lossy().into_owned();
    let address = variable("DASK_GATEWAY__ADDRESS", format!("https://{}", site.web));
    let stranger = Server::start_in(&[], std::slice::from_ref(&address));
    let named = Server::start_in(
        &[],
        &[
            address.clone(),
            variable("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", &ca),
        ],
    );
    let system = Server::start_in(&[], &[address, variable("SSL_CERT_FILE", &ca)]);
    let message = gateway_state(&stranger, "down").await["message"].to_string();
    assert!(
        message.contains("can't be trusted") && message.contains("SSL_CERT_FILE"),
        "{message}"
    );
    gateway_state(&named, "up").await;
    gateway_state(&system, "up").await;
}
