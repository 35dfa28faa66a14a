//! The guard of real servers: what a site's gateway is asked when one ends, one lease under the eyes of two, and a lease that
//! runs out on a real cluster.

mod common;

use std::time::{Duration, Instant};

use common::Server;
use gatehouse::state_dir::{Departure, Membership, StateDir};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A gateway with these clusters, all running; the next one that is made is `made`.
async fn gateway(names: &[&str], made: &str) -> MockServer {
    let gateway = MockServer::start().await;
    let answer = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    let reports: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| {
            let report = json!({"name": name, "status": "RUNNING", "start_time": 1_000, "options": {"idle_timeout": 90}});
            ((*name).to_owned(), report)
        })
        .collect();
    let options = json!({"cluster_options": [{
        "field": "idle_timeout", "label": "Idle timeout", "default": 0,
        "spec": {"type": "float", "min": 0, "max": null},
    }]});
    for (at, body) in [
        ("/api/v1/clusters/", Value::Object(reports)),
        ("/api/v1/options", options),
        ("/api/version", json!({"version": "2026.3.0"})),
    ] {
        Mock::given(method("GET"))
            .and(path(at))
            .respond_with(answer(body))
            .mount(&gateway)
            .await;
    }
    Mock::given(method("POST"))
        .and(path("/api/v1/clusters/"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"name": made})))
        .mount(&gateway)
        .await;
    gateway
}

async fn ends(gateway: &MockServer, name: &str, times: u64) {
    Mock::given(method("DELETE"))
        .and(path(format!("/api/v1/clusters/{name}")))
        .respond_with(ResponseTemplate::new(204))
        .expect(times)
        .named(name.to_owned())
        .mount(gateway)
        .await;
}

fn settings(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("gatehouse.yaml");
    std::fs::write(&path, text).expect("written");
    path.to_string_lossy().into_owned()
}

async fn send(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = server
        .request(method, path)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_say_what_ends_with_the_server() {
    let gateway = gateway(&["mine", "kept", "notebook", "adopted"], "mine").await;
    let mut server = Server::start_with(&["--gateway", &gateway.uri()]);
    let (status, _) = send(&server, "POST", "api/v1/clusters", json!({})).await;
    assert_eq!(status, 201);
    for (name, times) in [("mine", 1), ("kept", 0), ("notebook", 0), ("adopted", 1)] {
        ends(&gateway, name, times).await;
    }
    let leased = |name: &str, at_end: &str| {
        let (path, body) = (
            format!("api/v1/clusters/{name}/lease"),
            json!({"stops": true, "at_end": at_end}),
        );
        (path, body)
    };
    server
        .wait("api/v1/clusters", "leases", |list| {
            let all = list.as_array()?;
            (all.len() == 4 && all.iter().all(|cluster| !cluster["lease"].is_null())).then_some(())
        })
        .await;
    let notebook = server.json("api/v1/clusters/notebook").await["lease"].clone();
    assert_eq!(notebook["terms"]["at_end"], "keep", "{notebook}");
    assert_eq!(notebook["terms"]["stops"], false, "{notebook}");
    assert_eq!(
        notebook["enforced_by"], "gateway",
        "its own idle timeout: {notebook}"
    );
    assert!(
        notebook["note"]
            .as_str()
            .is_some_and(|note| note.contains("1 min 30 s")),
        "{notebook}"
    );
    for (name, at_end) in [("kept", "keep"), ("adopted", "stop")] {
        let (path, body) = leased(name, at_end);
        let (status, lease) = send(&server, "PUT", &path, body).await;
        assert_eq!(
            (status, &lease["terms"]["at_end"]),
            (200, &json!(at_end)),
            "{lease}"
        );
    }
    assert!(server.end().success());
    gateway.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_is_refused_with_the_field() {
    let gateway = gateway(&["one"], "one").await;
    let folder = tempfile::tempdir().expect("a folder");
    let text =
        "cost: {currency: EUR, worker_hour: 2, scheduler_hour: 1, budget: {day: 5}}\nguard: {warn: 60 s}\n";
    let config = settings(&folder, text);
    let mut server = Server::start_with(&["--gateway", &gateway.uri(), "--config", &config]);
    server
        .wait("api/v1/clusters/one", "the lease", |cluster| {
            cluster["lease"].is_object().then_some(())
        })
        .await;
    let short = json!({"idle_s": 60, "stops": true, "at_end": "stop"});
    let (status, error) = send(&server, "PUT", "api/v1/clusters/one/lease", short.clone()).await;
    assert_eq!(
        (status, &error["field"]),
        (422, &json!("lease.idle_s")),
        "{error}"
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|words| words.contains("longer than 1 min")),
        "{error}"
    );
    let (status, error) = send(&server, "POST", "api/v1/clusters", json!({"lease": short})).await;
    assert_eq!(status, 422, "{error}");
    let (status, error) = send(
        &server,
        "PUT",
        "api/v1/clusters/two/lease",
        json!({"stops": true, "at_end": "stop"}),
    )
    .await;
    assert_eq!(status, 404, "{error}");
    let (status, error) = send(
        &server,
        "PUT",
        "api/v1/clusters/one/lease",
        json!({"stops": true}),
    )
    .await;
    assert_eq!(status, 422, "{error}");

    // One cluster costs 1 an hour; with two workers it would be 5 more.
    let many = json!({"scaling": {"mode": "manual", "workers": 2}});
    let (status, error) = send(&server, "POST", "api/v1/clusters", many.clone()).await;
    assert_eq!((status, &error["code"]), (409, &json!("over_budget")), "{error}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|words| words.contains("6.00 EUR an hour")),
        "{error}"
    );
    let (status, made) = send(&server, "POST", "api/v1/clusters?over_budget=true", many).await;
    assert_eq!(status, 201, "{made}");
    let sent: Vec<Value> = gateway
        .received_requests()
        .await
        .expect("requests")
        .iter()
        // The size may be asked for already.
        .filter(|request| request.method.as_str() == "POST" && !request.url.path().ends_with("/scale"))
        .map(|request| request.body_json().expect("json"))
        .collect();
    // The gateway stands in for us after twice the default's hour.
    assert_eq!(sent, [json!({"cluster_options": {"idle_timeout": 7200.0}})]);
    ends(&gateway, "one", 1).await;
    assert!(server.end().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_runs_a_job_over_a_budget_is_asked() {
    let gateway = gateway(&[], "made").await;
    let folder = tempfile::tempdir().expect("a folder");
    let text = "cost: {currency: EUR, worker_hour: 2, scheduler_hour: 1, budget: {day: 5}}\n";
    let config = settings(&folder, text);
    let house = ["--gateway", &gateway.uri(), "--config", &config].map(str::to_owned);
    let mut server = Server::start_with(&house.each_ref().map(String::as_str));
    let job = |place: Value| json!({"work": {"kind": "snippet", "source": " "}, "place": place});
    let fresh =
        |workers: u32| job(json!({"kind": "fresh", "scaling": {"mode": "manual", "workers": workers}}));
    let (status, error) = send(&server, "POST", "api/v1/jobs", fresh(3)).await;
    assert_eq!((status, &error["code"]), (409, &json!("over_budget")), "{error}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|words| words.contains("7.00 EUR an hour")),
        "{error}"
    );
    // What is not over it, or wanted all the same, or needs no cluster, is looked at further: there is no code.
    for (path, body) in [
        ("api/v1/jobs", fresh(1)),
        ("api/v1/jobs?over_budget=true", fresh(3)),
        ("api/v1/jobs", job(json!({"kind": "none"}))),
    ] {
        let (status, error) = send(&server, "POST", path, body).await;
        assert_eq!((status, &error["field"]), (422, &json!("code")), "{error}");
    }
    assert!(server.end().success());

    let script = folder.path().join("job.py");
    std::fs::write(&script, "print(1)").expect("written");
    let run = async |more: &[&str], terminal: bool| {
        let mut command = tokio::process::Command::new(if terminal { "script" } else { server_program() });
        let mut words: Vec<String> = ["run", &script.to_string_lossy(), "--workers", "3", "--python"]
            .map(str::to_owned)
            .into();
        words.push(common::python().to_string_lossy().into_owned());
        words.extend([
            "--state-dir".to_owned(),
            folder.path().join("state").to_string_lossy().into_owned(),
        ]);
        words.extend(house.clone());
        words.extend(more.iter().map(|word| (*word).to_owned()));
        if terminal {
            let line = [&[server_program().to_owned()], words.as_slice()]
                .concat()
                .join(" ");
            command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        } else {
            command.args(words);
        }
        command
            .env("HOME", folder.path())
            .env("DASK_ROOT_CONFIG", folder.path().join("none"));
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        tokio::io::AsyncWriteExt::write_all(&mut stdin, b"n\n").await.ok();
        let output = child.wait_with_output().await.expect("it ends");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (status, said) = run(&[], false).await;
    assert!(
        status == Some(2) && said.contains("Say --over-budget to run the job"),
        "{status:?} {said}"
    );
    let (status, said) = run(&[], true).await;
    assert!(
        status == Some(2) && said.contains("all the same? [y/N]") && said.contains("was not begun"),
        "{status:?} {said}"
    );
    let made = async || {
        let requests = gateway.received_requests().await.expect("requests");
        requests
            .iter()
            .filter(|request| request.method.as_str() == "POST")
            .count()
    };
    assert_eq!(made().await, 0, "nobody agreed");
    // The gateway is asked, and has no room.
    Mock::given(method("POST"))
        .and(path("/api/v1/clusters/"))
        .respond_with(ResponseTemplate::new(422).set_body_json(json!({"error": "There is no room."})))
        .with_priority(1)
        .mount(&gateway)
        .await;
    let (status, said) = run(&["--over-budget"], false).await;
    assert!(
        status == Some(1) && said.contains("There is no room."),
        "{status:?} {said}"
    );
    assert_eq!(made().await, 1, "{said}");
}

fn server_program() -> &'static str {
    env!("CARGO_BIN_EXE_gatehouse")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_act_once_on_a_lease_that_both_see() {
    let gateway = gateway(&["shared"], "").await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = settings(&folder, "guard: {idle: never, warn: 2 s}\n");
    let uri = gateway.uri();
    let args = ["--gateway", &uri, "--config", &config];
    let mut one = Server::start_with(&args);
    let mut two = one.beside("other", &args);
    // It is listed as before: who asks for its end once more is counted.
    ends(&gateway, "shared", 1).await;
    // It began long ago, so its time is up as soon as the user was told.
    let terms = json!({"lifetime_s": 4, "stops": true, "at_end": "keep"});
    let place = "api/v1/clusters/shared/lease";
    one.wait("api/v1/clusters/shared", "the cluster", |cluster| {
        cluster["lease"].is_object().then_some(())
    })
    .await;
    let (status, lease) = send(&one, "PUT", place, terms).await;
    assert_eq!(status, 200, "{lease}");
    for server in [&one, &two] {
        server
            .wait("api/v1/clusters/shared", "the word", |cluster| {
                (cluster["lease"]["told"] == true).then_some(())
            })
            .await;
    }
    let what = |guard: &Value, what: &str| {
        let deeds = guard["deeds"].as_array().map(Vec::as_slice).unwrap_or_default();
        deeds.iter().filter(|deed| deed["what"] == what).count()
    };
    one.wait("api/v1/guard", "the deed", |guard| {
        (what(guard, "stopped") > 0).then_some(())
    })
    .await;
    // Three more rounds of both.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let guard = one.json("api/v1/guard").await;
    assert_eq!((what(&guard, "told"), what(&guard, "stopped")), (1, 1), "{guard}");
    assert!(one.end().success() && two.end().success());
    gateway.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_its_client_drops_is_carried_through() {
    let gateway = MockServer::start().await;
    let made = json!({"made": {"name": "made", "status": "RUNNING", "start_time": 1_000, "options": {}}});
    for (verb, place, body, after) in [
        ("GET", "/api/v1/clusters/", made, 0),
        ("GET", "/api/v1/options", json!({"cluster_options": []}), 0),
        ("GET", "/api/version", json!({"version": "2026.3.0"}), 0),
        ("POST", "/api/v1/clusters/", json!({"name": "made"}), 1500),
    ] {
        let answer = ResponseTemplate::new(200)
            .set_body_json(body)
            .set_delay(Duration::from_millis(after));
        let mock = Mock::given(method(verb)).and(path(place)).respond_with(answer);
        mock.mount(&gateway).await;
    }
    let mut server = Server::start_with(&["--gateway", &gateway.uri()]);
    let body = json!({"label": "dropped", "lease": {"lifetime_s": 7777, "stops": false, "at_end": "stop"}});
    let asked = server
        .request("POST", "api/v1/clusters")
        .json(&body)
        .timeout(Duration::from_millis(500))
        .send();
    assert!(asked.await.expect_err("nobody waits for it").is_timeout());
    let requests = gateway.received_requests().await.expect("requests");
    let was_asked = requests.iter().any(|request| request.method.as_str() == "POST");
    assert!(was_asked, "dropped before the gateway was asked");
    // Listed before, it had the lease of a cluster that was made elsewhere.
    let cluster = server
        .wait("api/v1/clusters/made", "the lease that was chosen", |cluster| {
            (cluster["lease"]["terms"]["lifetime_s"] == 7777).then(|| cluster.clone())
        })
        .await;
    assert_eq!(cluster["label"], "dropped");
    ends(&gateway, "made", 1).await;
    assert!(server.end().success(), "it ends with the server that made it");
    gateway.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_sees_who_lives_and_takes_no_lock_away() {
    let gateway = gateway(&[], "").await;
    let uri = gateway.uri();
    let mut server = Server::start_with(&["--gateway", &uri]);
    let dir = StateDir::open(&server.home.path().join("state")).expect("the folder");
    for _ in 0..3 {
        assert!(dir.instance_lives("test"), "asking lets go of nothing");
    }
    assert!(!dir.instance_lives("nobody"));
    let member = Membership::join(&dir, "here", None).await.expect("joined");
    assert!(!member.is_alone());
    assert!(matches!(member.leave().await.expect("left"), Departure::Others));
    server.kill();
    assert!(!dir.instance_lives("test"), "its lock ended with it");
    let heir = Membership::join(&dir, "test", None)
        .await
        .expect("its name is free");
    assert!(heir.is_alone());
    assert!(matches!(heir.leave().await.expect("left"), Departure::Last(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_cluster_is_stopped_after_it_was_told_of() {
    idles(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idleness_is_seen_without_the_feed_too() {
    idles(&["--scheduler-feed", "off"]).await;
}

async fn idles(args: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = settings(&folder, "guard: {idle: never, warn: 4 s}\n");
    let server = Server::start_with(&[&["--config", &config], args].concat());
    let name = server.cluster(1).await;
    let one = format!("api/v1/clusters/{name}");
    let began = Instant::now();
    let terms = json!({"idle_s": 8, "stops": true, "at_end": "keep"});
    let (status, lease) = send(&server, "PUT", &format!("{one}/lease"), terms).await;
    assert_eq!(status, 200, "{lease}");
    assert!(
        lease["note"]
            .as_str()
            .is_some_and(|note| note.contains("gateway on this machine ends with the last Gatehouse")),
        "keeping can't be promised: {lease}"
    );
    server
        .wait(&one, "the word", |cluster| {
            (cluster["lease"]["told"] == true).then_some(())
        })
        .await;
    let glance = server.json("api/v1/glance").await;
    assert_eq!(glance["told"][0]["offer"]["act"], "keep", "{glance}");
    server
        .wait("api/v1/guard", "the deed", |guard| {
            let stopped = &guard["deeds"][0];
            (stopped["what"] == "stopped" && stopped["cluster"] == name.as_str()).then_some(())
        })
        .await;
    assert!(
        began.elapsed() >= Duration::from_secs(4),
        "told before it was stopped"
    );
    server
        .wait("api/v1/clusters", "its end", |list| {
            list.as_array()?.is_empty().then_some(())
        })
        .await;
    server
        .wait("api/v1/guard", "what it used", |guard| {
            let hours = guard["usage"]["month"]["worker_hours"].as_f64()?;
            (hours > 0.0001).then_some(())
        })
        .await;
}
