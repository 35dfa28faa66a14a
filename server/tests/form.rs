//! What the form for a new cluster is made of and filled with, through the API: options, checks, presets.

mod common;

use common::Server;
use serde_json::{Value, json};
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn gateway() -> MockServer {
    let gateway = MockServer::start().await;
    let answer = |status, body| ResponseTemplate::new(status).set_body_json(body);
    Mock::given(path("/api/v1/options"))
        .respond_with(answer(
            200,
            json!({"cluster_options": [
                {"field": "profile", "label": "Profile", "default": "Small", "spec": {"type": "select", "options": ["Small", "Big"]}},
                {"field": "priority", "label": "Priority", "default": 1, "spec": {"type": "int", "min": 0, "max": 10}},
                {"field": "image", "label": "Image", "default": "site:1", "spec": {"type": "string"}},
            ]}),
        ))
        .mount(&gateway)
        .await;
    Mock::given(method("GET"))
        .and(path("/api/v1/clusters/"))
        .respond_with(answer(200, json!({})))
        .mount(&gateway)
        .await;
    Mock::given(path("/api/version"))
        .respond_with(answer(200, json!({"version": "2026.3.0"})))
        .mount(&gateway)
        .await;
    gateway
}

async fn ask(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = server
        .request(method, &format!("api/v1/{path}"))
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_passes_our_checks_reaches_the_gateway() {
    let gateway = gateway().await;
    // Every other request would be answered with 404, and fail the test.
    Mock::given(method("POST"))
        .and(path("/api/v1/clusters/"))
        .and(body_json(
            json!({"cluster_options": {"profile": "Big", "image": "mine:/home/me"}}),
        ))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"name": "made"})))
        .expect(1)
        .mount(&gateway)
        .await;
    let settings = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(settings.path(), "options: {profile: {values: {Big: 8 cores}}}\n").expect("written");
    let env = [
        ("DASK_GATEWAY__CLUSTER__OPTIONS__IMAGE", "mine:{PLACE}"),
        ("DASK_GATEWAY__CLUSTER__OPTIONS__PRIORITY", "99"),
        ("PLACE", "/home/me"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = settings.path().to_string_lossy().into_owned();
    let server = Server::start_in(&["--gateway", &gateway.uri(), "--config", &config], &env);

    let (_, options) = ask(&server, "GET", "options", Value::Null).await;
    let defaults: Vec<_> = options["options"]
        .as_array()
        .expect("options")
        .iter()
        .map(|option| (option["default"].clone(), option["local"].clone()))
        .collect();
    assert_eq!(
        defaults,
        [
            (json!("Small"), json!(false)),
            (json!(1), json!(false)),
            (json!("mine:/home/me"), json!(true))
        ]
    );
    assert_eq!(options["options"][0]["notes"], json!(["", "8 cores"]));
    let warning = options["warnings"][0].as_str().expect("a warning");
    assert!(
        warning.contains("priority must be <= 10.000000, got 99"),
        "{warning}"
    );

    for (options, field, words) in [
        (
            json!({"priority": 11}),
            "priority",
            "priority must be <= 10.000000, got 11.",
        ),
        (
            json!({"profile": "Huge"}),
            "profile",
            "'Huge' is not a valid option for profile.",
        ),
        (json!({"gpus": 1}), "gpus", "Unknown fields ['gpus']."),
    ] {
        let (status, refused) = ask(&server, "POST", "clusters", json!({"options": options})).await;
        assert_eq!(
            (status, refused["field"].as_str()),
            (422, Some(field)),
            "{refused}"
        );
        assert!(
            refused["message"]
                .as_str()
                .is_some_and(|said| said.starts_with(words)),
            "{refused}"
        );
    }
    let (status, presets) = ask(&server, "GET", "presets", Value::Null).await;
    assert_eq!((status, presets), (200, json!({"presets": [], "last": null})));

    let request =
        json!({"options": {"profile": "Big"}, "label": "one", "scaling": {"mode": "manual", "workers": 2}});
    let (status, made) = ask(&server, "POST", "clusters", request).await;
    assert_eq!((status, made), (201, json!({"name": "made"})));
    let (_, presets) = ask(&server, "GET", "presets", Value::Null).await;
    assert_eq!(
        presets["last"],
        json!({"options": {"profile": "Big"}, "scaling": {"mode": "manual", "workers": 2}}),
        "what was used last, without its label"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_are_made_changed_and_deleted() {
    let gateway = gateway().await;
    let server = Server::start_with(&["--gateway", &gateway.uri()]);
    let form = json!({"options": {"profile": "Big"}, "lease": {"idle": 600}});
    let (status, made) = ask(
        &server,
        "POST",
        "presets",
        json!({"name": " Taxi ", "form": form}),
    )
    .await;
    assert_eq!(
        (status, made["name"].as_str(), made["default"].as_bool()),
        (201, Some("Taxi"), Some(false))
    );
    assert_eq!(made["form"], form, "what this version does not know is kept");
    let id = made["id"].as_str().expect("an id");

    let (status, refused) = ask(&server, "POST", "presets", json!({"name": "taxi", "form": form})).await;
    assert_eq!(
        (status, refused["field"].as_str()),
        (422, Some("name")),
        "{refused}"
    );
    let (status, refused) = ask(&server, "POST", "presets", json!({"name": "x", "form": {}})).await;
    assert_eq!(
        (status, refused["field"].as_str()),
        (422, Some("form")),
        "{refused}"
    );
    let (status, _) = ask(&server, "PATCH", "presets/nope", json!({"name": "x"})).await;
    assert_eq!(status, 404);
    let (status, refused) = ask(&server, "PATCH", &format!("presets/{id}"), json!({"nam": "x"})).await;
    assert_eq!(status, 422, "{refused}");

    let change = json!({"name": "Rides", "default": true});
    let (status, changed) = ask(&server, "PATCH", &format!("presets/{id}"), change).await;
    assert_eq!(
        (status, changed["name"].as_str(), changed["default"].as_bool()),
        (200, Some("Rides"), Some(true))
    );
    let (status, _) = ask(&server, "DELETE", &format!("presets/{id}"), Value::Null).await;
    assert_eq!(status, 204);
    let (status, gone) = ask(&server, "DELETE", &format!("presets/{id}"), Value::Null).await;
    assert_eq!((status, gone["code"].as_str()), (404, Some("not_found")));

    let (status, unknown) = ask(&server, "GET", "options/for-kernel", Value::Null).await;
    assert_eq!(status, 422, "a kernel must be named: {unknown}");
}
