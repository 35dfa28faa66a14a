//! The list of clusters when a gateway's reports are odd: one that can't be read, one that is gone, a scheduler that is out
//! of reach, a size that waits. The gateway is made up, so that its answers can be.

mod common;

use std::sync::{Arc, Mutex};

use common::Server;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// A gateway whose list is what a test puts there, and what it was asked for.
struct Gateway {
    server: MockServer,
    list: Arc<Mutex<Value>>,
}

impl Gateway {
    async fn start(list: Value) -> Self {
        let gateway = Self {
            server: MockServer::start().await,
            list: Arc::new(Mutex::new(list)),
        };
        let shown = gateway.list.clone();
        gateway
            .answer("GET", "/api/v1/clusters/", move |_: &Request| {
                ResponseTemplate::new(200).set_body_json(&*shown.lock().expect("the list"))
            })
            .await;
        gateway
            .answer("GET", "/api/version", |_: &Request| {
                ResponseTemplate::new(200).set_body_json(json!({"version": "2026.3.0"}))
            })
            .await;
        gateway
    }

    async fn answer(&self, verb: &str, place: &str, with: impl wiremock::Respond + 'static) {
        let mock = Mock::given(method(verb)).and(path(place)).respond_with(with);
        mock.mount(&self.server).await;
    }

    fn lists(&self, list: Value) {
        *self.list.lock().expect("the list") = list;
    }

    /// Bodies of the requests to a place, in order.
    async fn asked(&self, place: &str) -> Vec<Value> {
        let requests = self.server.received_requests().await.expect("recorded");
        let to = requests.iter().filter(|request| request.url.path() == place);
        to.map(|request| request.body_json().unwrap_or(Value::Null))
            .collect()
    }
}

fn report(name: &str, status: &str) -> Value {
    json!({"name": name, "status": status, "start_time": 1_795_334_509_547_i64, "stop_time": null, "options": {}})
}

fn state_of(list: &Value, name: &str) -> Option<String> {
    let found = list.as_array()?.iter().find(|cluster| cluster["name"] == name)?;
    Some(found["state"].as_str()?.to_owned())
}

/// A job that waits for its cluster would lose the seconds between two quiet looks.
#[tokio::test(flavor = "multi_thread")]
async fn what_starts_is_looked_at_often_though_no_panel_is_open() {
    let gateway = Gateway::start(json!({})).await;
    gateway
        .answer("GET", "/api/v1/options", |_: &Request| {
            ResponseTemplate::new(200).set_body_json(json!({"cluster_options": []}))
        })
        .await;
    gateway
        .answer("POST", "/api/v1/clusters/", |_: &Request| {
            ResponseTemplate::new(201).set_body_json(json!({"name": "new"}))
        })
        .await;
    let server = Server::start_with(&["--gateway", &gateway.server.uri()]);
    server
        .wait("api/v1/status", "the gateway", |status| {
            (status["gateway"]["state"] == "up").then_some(())
        })
        .await;
    gateway.lists(json!({"new": report("new", "PENDING")}));
    let made = server.request("POST", "api/v1/clusters").json(&json!({}));
    assert_eq!(made.send().await.expect("an answer").status(), 201);
    let before = gateway.asked("/api/v1/clusters/").await.len();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let looks = gateway.asked("/api/v1/clusters/").await.len() - before;
    assert!(looks >= 3, "{looks} looks in 3 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_cluster_hides_no_other() {
    let mut broken_scheduler = report("unwatchable", "RUNNING");
    broken_scheduler["tls_cert"] = json!("no certificate");
    broken_scheduler["tls_key"] = json!("no key");
    let gateway = Gateway::start(json!({
        "good": report("good", "PENDING"), "once": report("once", "RUNNING"), "unwatchable": broken_scheduler,
    }))
    .await;
    let server = Server::start_with(&["--gateway", &gateway.server.uri()]);
    let both = |list: &Value| {
        (state_of(list, "good")? == "PENDING" && state_of(list, "once")? == "RUNNING").then_some(())
    };
    server.wait("api/v1/clusters", "the clusters", both).await;
    let problem = server
        .wait(
            "api/v1/clusters/unwatchable",
            "what is wrong with it",
            |cluster| cluster["life"]["problem"].as_str().map(str::to_owned),
        )
        .await;
    assert!(problem.contains("can't be watched"), "{problem}");
    assert!(!problem.contains("no key"), "{problem}");

    // One report is broken now; its cluster is asked about, and that can't be read either.
    let odd = json!({"name": "once", "status": "SLEEPING"});
    gateway
        .answer("GET", "/api/v1/clusters/once", {
            let odd = odd.clone();
            move |_: &Request| ResponseTemplate::new(200).set_body_json(&odd)
        })
        .await;
    gateway.lists(json!({"good": report("good", "RUNNING"), "once": odd, "strange": []}));
    let message = server
        .wait("api/v1/status", "the word that it can't be read", |status| {
            status["gateway"]["message"].as_str().map(str::to_owned)
        })
        .await;
    assert!(message.contains("can't be read"), "{message}");
    let list = server
        .wait("api/v1/clusters", "the good one's new state", |list| {
            (state_of(list, "good")? == "RUNNING").then(|| list.clone())
        })
        .await;
    assert_eq!(
        state_of(&list, "once").as_deref(),
        Some("RUNNING"),
        "as it was known last"
    );

    gateway.lists(json!({"good": report("good", "RUNNING"), "once": report("once", "STOPPING")}));
    server
        .wait("api/v1/status", "that all is well", |status| {
            (status["gateway"]["message"].is_null()).then_some(())
        })
        .await;
    server
        .wait("api/v1/clusters", "the other one's new state", |list| {
            (state_of(list, "once")? == "STOPPING").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_leaves_the_list_is_shown_as_it_ended() {
    let gateway = Gateway::start(json!({"a": report("a", "RUNNING"), "b": report("b", "RUNNING")})).await;
    let mut ended = report("a", "STOPPED");
    ended["stop_time"] = json!(1_795_334_600_000_i64);
    gateway
        .answer("GET", "/api/v1/clusters/a", move |_: &Request| {
            ResponseTemplate::new(200).set_body_json(&ended)
        })
        .await;
    // Of the other it knows nothing any more.
    gateway
        .answer("GET", "/api/v1/clusters/b", |_: &Request| {
            ResponseTemplate::new(404).set_body_json(json!({"error": "Cluster b not found"}))
        })
        .await;
    let server = Server::start_with(&["--gateway", &gateway.server.uri()]);
    server
        .wait("api/v1/clusters", "both", |list| state_of(list, "b"))
        .await;
    let label = json!({"label": "mine"});
    let labelled = server.request("PUT", "api/v1/clusters/a/label").json(&label);
    assert_eq!(labelled.send().await.expect("an answer").status(), 204);

    gateway.lists(json!({}));
    let stopped = server
        .wait("api/v1/clusters", "their end", |list| {
            let over = state_of(list, "a")? == "STOPPED" && state_of(list, "b")? == "STOPPED";
            over.then(|| list.clone())
        })
        .await;
    let a = stopped
        .as_array()
        .and_then(|list| list.iter().find(|c| c["name"] == "a"))
        .expect("listed");
    assert_eq!(
        (&a["stopped_at"], &a["label"]),
        (&json!(1_795_334_600_000_i64), &json!("mine"))
    );
    server
        .wait("api/v1/clusters", "their leaving", |list| {
            list.as_array()?.is_empty().then_some(())
        })
        .await;
    let gone = server.request("PUT", "api/v1/clusters/a/label").json(&label);
    assert_eq!(gone.send().await.expect("an answer").status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_asked_for_while_pending_is_asked_of_the_gateway_once_it_runs() {
    let gateway = Gateway::start(json!({"a": report("a", "PENDING")})).await;
    let limit = "Scale request of 9 workers would exceed resource limit of 3 workers. Scaling to 3 instead.";
    gateway
        .answer("POST", "/api/v1/clusters/a/scale", move |_: &Request| {
            ResponseTemplate::new(200).set_body_json(json!({"ok": false, "msg": limit}))
        })
        .await;
    let server = Server::start_with(&["--gateway", &gateway.server.uri()]);
    server
        .wait("api/v1/clusters", "it", |list| state_of(list, "a"))
        .await;
    for workers in [4, 9] {
        let asked = server
            .request("POST", "api/v1/clusters/a/scale")
            .json(&json!({"workers": workers}));
        assert_eq!(asked.send().await.expect("an answer").status(), 200);
    }
    let cluster = server
        .wait("api/v1/clusters/a", "what waits", |cluster| {
            let newest = cluster["scaling"] == json!({"mode": "manual", "workers": 9});
            newest.then(|| cluster.clone())
        })
        .await;
    assert_eq!(cluster["life"]["scaling_waits"], true);
    assert_eq!(
        gateway.asked("/api/v1/clusters/a/scale").await,
        Vec::<Value>::new()
    );

    gateway.lists(json!({"a": report("a", "RUNNING")}));
    let cluster = server
        .wait("api/v1/clusters/a", "the limit", |cluster| {
            cluster["life"]["problem"].is_string().then(|| cluster.clone())
        })
        .await;
    assert_eq!(
        gateway.asked("/api/v1/clusters/a/scale").await,
        [json!({"count": 9})]
    );
    assert_eq!(cluster["life"]["problem"], limit);
    assert_eq!(cluster["life"]["not_ended"], false);
    assert_eq!(cluster["scaling"], json!({"mode": "manual", "workers": 3}));
    assert_eq!(cluster["life"]["scaling_waits"], false);
    // A scheduler that was never reached is no reason to promise that nothing is lost.
    let stake = server.json("api/v1/clusters/a/at-stake").await;
    assert!(
        stake["stale"]
            .as_str()
            .is_some_and(|words| words.contains("not known")),
        "{stake}"
    );
    let tails = server.json("api/v1/clusters/a/tails").await;
    assert!(
        tails["message"]
            .as_str()
            .is_some_and(|words| words.contains("Logs")),
        "{tails}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_that_the_gateway_refuses_stays_on_the_card() {
    let gateway = Gateway::start(json!({"a": report("a", "RUNNING")})).await;
    gateway
        .answer("DELETE", "/api/v1/clusters/a", |_: &Request| {
            ResponseTemplate::new(500).set_body_string("500 Internal Server Error")
        })
        .await;
    let server = Server::start_with(&["--gateway", &gateway.server.uri()]);
    server
        .wait("api/v1/clusters", "it", |list| state_of(list, "a"))
        .await;
    let answer = server
        .request("DELETE", "api/v1/clusters/a")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 502);
    let problem = server
        .wait("api/v1/clusters/a", "the problem", |cluster| {
            let life = &cluster["life"];
            life["problem"]
                .as_str()
                .filter(|_| life["not_ended"] == true)
                .map(str::to_owned)
        })
        .await;
    assert!(
        problem.contains("could not be shut down") && problem.contains("again"),
        "{problem}"
    );
}
