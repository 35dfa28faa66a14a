//! What remains of jobs on a real cluster that goes on running: each has its own stretch of it, its cost, and a report.

mod common;

use common::Server;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};

const SETTINGS: &str = "cost:\n  currency: EUR\n  worker_hour: 3600\n";

/// Runs a snippet there and returns the job as it ended.
async fn run(server: &Server, place: Value, code: &str) -> Value {
    let body = json!({ "work": { "kind": "snippet", "source": code }, "place": place });
    let request = server.request("POST", "api/v1/jobs").json(&body);
    let created: Value = request
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("json");
    let path = format!("api/v1/jobs/{}", created["id"].as_str().expect("an id"));
    let early = server.request("GET", &format!("{path}/report")).send().await;
    let early = early.expect("an answer");
    assert_eq!(early.status(), 409, "{}", early.text().await.expect("text"));
    server
        .wait(&path, "the end of the job", |job| {
            let state = job["state"].as_str().expect("a state");
            ["succeeded", "failed"].contains(&state).then(|| job.clone())
        })
        .await
}

fn prefixes(job: &Value) -> Vec<(&str, u64)> {
    let prefixes = job["summary"]["prefixes"].as_array();
    let prefixes = prefixes.unwrap_or_else(|| panic!("no summary: {job}"));
    let tasks = |prefix: &Value| prefix["tasks"].as_u64().expect("a number");
    let mut found: Vec<_> = prefixes
        .iter()
        .map(|prefix| (prefix["name"].as_str().expect("a name"), tasks(prefix)))
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_job_has_its_own_stretch_of_a_shared_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("gatehouse.yaml");
    std::fs::write(&settings, SETTINGS).expect("written");
    let server = Server::start_with(&["--config", &settings.to_string_lossy()]);
    let cluster = server.cluster(1).await;
    let shared = json!({ "kind": "cluster", "cluster": cluster });

    let first = "
import time
def early(x):
    time.sleep(0.02)
    return x
client.gather(client.map(early, range(50)))
time.sleep(1)
";
    let first = run(&server, shared.clone(), first).await;
    assert_eq!(first["state"], "succeeded", "{first}");
    assert_eq!(prefixes(&first), [("early", 50)]);

    // Its last tasks end in the moment in which it does.
    let second = "
def late(x):
    return x
def wrong(x):
    raise ValueError('<on purpose>')
client.gather(client.map(late, range(30)))
client.submit(wrong, 1).result()
";
    let second = run(&server, shared, second).await;
    assert_eq!(second["state"], "failed", "{second}");
    assert_eq!(prefixes(&second), [("late", 30), ("wrong", 1)]);
    let summary = &second["summary"];
    assert_eq!(
        (&summary["shared"], &summary["erred"], &summary["peak_workers"]),
        (&json!(true), &json!(1), &json!(1))
    );
    assert_eq!(summary["recordings"], first["summary"]["recordings"]);
    assert!(
        summary["peak_worker_memory"].as_u64() > Some(1 << 20),
        "{summary}"
    );
    for job in [&first, &second] {
        let (amount, hours) = (
            job["cost"]["amount"].as_f64(),
            job["cost"]["worker_hours"].as_f64(),
        );
        let (amount, hours) = amount.zip(hours).unwrap_or_else(|| panic!("no cost: {job}"));
        // A worker costs one a second, and there was one; the cluster was there for longer than each job.
        let span = job["ended_at"].as_f64().zip(job["started_at"].as_f64());
        let seconds = span.map_or(0.0, |(to, from)| (to - from) / 1000.0);
        assert!((amount - hours * 3600.0).abs() < 0.1, "{job}");
        assert!(amount > 0.0 && amount < seconds + 1.0, "{seconds} s: {job}");
    }

    let path = format!("api/v1/jobs/{}/report", second["id"].as_str().expect("an id"));
    let report = server.request("GET", &path).send().await.expect("an answer");
    assert_eq!(report.status(), 200);
    let header = |name: &str| report.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    let policy = header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none';") && policy.ends_with("; sandbox"),
        "{policy}"
    );
    let report = report.text().await.expect("text");
    for words in [
        "<b>31</b>tasks",
        ">late</th>",
        "ValueError(&#39;&lt;on purpose&gt;&#39;)",
        "The cluster was not the job",
        " EUR</b>cost",
        "<th scope=\"col\">Scheduler</th>",
        ">distributed</th>",
    ] {
        assert!(report.contains(words), "{words} is not in {report}");
    }
    assert!(!report.contains(">early</th>"));
    let path = format!("api/v1/jobs/{}/tasks", second["id"].as_str().expect("an id"));
    let table = server.request("GET", &path).send().await.expect("an answer");
    let header = |name: &str| table.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/vnd.apache.parquet");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let name = header("content-disposition");
    assert_eq!(name, "attachment; filename=\"def-late-x-tasks.parquet\"");
    let table = table.bytes().await.expect("a body");
    let part = server
        .request("GET", &path)
        .header("range", "bytes=-4")
        .send()
        .await;
    let part = part.expect("an answer");
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.expect("a body"), "PAR1");
    let file = SerializedFileReader::new(table).expect("Parquet");
    let mut keys: Vec<_> = file
        .get_row_iter(None)
        .expect("rows")
        .map(|row| row.expect("a row").get_string(2).expect("a prefix").clone())
        .collect();
    keys.dedup();
    assert_eq!(keys, ["late", "wrong"], "prefixes of its own tasks alone");
    assert_eq!(file.metadata().file_metadata().num_rows(), 31);

    for what in ["report", "tasks"] {
        let unknown = server
            .request("GET", &format!("api/v1/jobs/none/{what}"))
            .send()
            .await;
        assert_eq!(unknown.expect("an answer").status(), 404, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_costs_from_when_its_workers_come() {
    let server = Server::start_with(&[]);
    let code = "
import time
def slow(x):
    time.sleep(1.5)
client.gather(client.map(slow, range(4)))
";
    let place = json!({ "kind": "fresh", "scaling": { "mode": "manual", "workers": 1 } });
    let job = run(&server, place, code).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let compute_s = job["summary"]["compute_us"].as_f64().expect("a sum") / 1e6;
    let worker_s = job["cost"]["worker_hours"].as_f64().expect("hours") * 3600.0;
    // It has one thread. That it came is seen within a second or two.
    assert!(
        worker_s > compute_s - 2.0,
        "{worker_s} s for {compute_s} s: {job}"
    );
    let took = job["ended_at"].as_f64().zip(job["started_at"].as_f64());
    let took_s = took.map_or(0.0, |(to, from)| (to - from) / 1000.0);
    assert!(worker_s < took_s, "{worker_s} s in {took_s} s: {job}");
}
