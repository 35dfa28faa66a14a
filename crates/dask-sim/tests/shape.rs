//! The simulated scheduler's answers beside a real one's: it says nothing that a real one does not say, in the same types.

#[path = "../../dask-comm/tests/common/cluster.rs"]
mod cluster;
#[path = "../../dask-comm/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::{Cluster, Dask};
use dask_comm::value::get;
use dask_comm::{Address, Connection, Timeouts, Value};
use dask_sim::{Plan, Simulation};
use tokio::net::TcpListener;

/// An erred task, a transfer and a spill do not come about with one worker: only the erred one is looked for.
const WORK: &str = r#"
import sys
from distributed import Client, wait
def inc(x):
    return x + 1
def boom(x):
    raise ValueError("boom")
with Client(sys.argv[1]) as client:
    client.wait_for_workers(1)
    futures = client.map(inc, range(10), pure=False) + [client.submit(boom, 1)]
    wait(futures)
    client.publish_dataset(futures=futures)
    import time; time.sleep(1)
"#;

/// The fields of a value that are not named by data, with the type of each.
fn shape(value: &Value) -> BTreeMap<String, &'static str> {
    let mut fields = BTreeMap::new();
    let pairs = value.as_map().map(Vec::as_slice).unwrap_or_default();
    for (name, value) in pairs {
        let kind = match value {
            Value::Nil => "nil",
            Value::Integer(_) | Value::F32(_) | Value::F64(_) => "number",
            Value::String(_) => "text",
            Value::Binary(_) => "bytes",
            Value::Array(_) => "list",
            Value::Map(_) => "map",
            _ => "other",
        };
        fields.insert(name.as_str().unwrap_or_default().to_owned(), kind);
    }
    fields
}

/// Whether every field of `ours` is one of `theirs`, of the same type.
fn check(what: &str, ours: &Value, theirs: &Value) {
    let real = shape(theirs);
    assert!(!real.is_empty(), "{what}: the real one has no fields");
    for (field, kind) in shape(ours) {
        assert_eq!(real.get(&field), Some(&kind), "{what}.{field} of {real:?}");
    }
}

fn first(value: &Value) -> Value {
    match value {
        Value::Map(pairs) => pairs[0].1.clone(),
        Value::Array(items) => items[0].clone(),
        other => panic!("neither map nor list: {other}"),
    }
}

fn with_status(records: &Value, status: &str) -> Value {
    let records = records.as_array().expect("records");
    let found = records
        .iter()
        .find(|record| get(record, "status").and_then(Value::as_str) == Some(status));
    found.expect(status).clone()
}

/// The span of a record in which it computed.
fn computed(record: &Value) -> Value {
    let spans = get(record, "startstops")
        .and_then(Value::as_array)
        .expect("spans");
    let found = spans
        .iter()
        .find(|span| get(span, "action").and_then(Value::as_str) == Some("compute"));
    found.expect("it computed").clone()
}

#[tokio::test]
async fn what_it_says_a_real_one_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: Address = format!("tcp://{}", listener.local_addr().expect("an address"))
        .parse()
        .expect("an address");
    let simulation = Simulation::new(Plan {
        workers: 20,
        threads: 2,
        tasks_a_second: 50_000.0,
        lasts: Duration::from_millis(200),
    });
    tokio::spawn(simulation.serve(listener));
    let mut ours = Connection::connect(&address, None, Timeouts::default())
        .await
        .expect("connects");

    let cluster = Cluster::start(Dask::Newest);
    let mut theirs = cluster.connect().await;
    theirs.call("get_task_stream", []).await.expect("armed");
    cluster.run(WORK);

    let mut ask = async |op: &str| {
        let pair = (
            ours.call(op, []).await.expect("the simulated one"),
            theirs.call(op, []).await.expect("the real one"),
        );
        assert_ne!(pair.0, Value::Nil, "{op}");
        pair
    };
    let (our, their) = ask("identity").await;
    check("identity", &our, &their);
    let part = |value: &Value, path: &[&str]| {
        path.iter().fold(value.clone(), |value, name| {
            get(&value, name).expect(name).clone()
        })
    };
    let (our, their) = (
        first(&part(&our, &["workers"])),
        first(&part(&their, &["workers"])),
    );
    check("worker", &our, &their);
    let (our, their) = (part(&our, &["metrics"]), part(&their, &["metrics"]));
    check("metrics", &our, &their);
    for group in ["spilled_bytes", "transfer", "host_net_io", "host_disk_io"] {
        check(group, &part(&our, &[group]), &part(&their, &[group]));
    }
    let (our, their) = ask("versions").await;
    check("versions", &our, &their);
    let (our, their) = ask("get_task_prefix_states").await;
    check("prefix states", &first(&our), &first(&their));
    let (our, their) = ask("get_task_stream").await;
    assert_eq!(our.as_array().map(Vec::len), Some(10_000));
    for status in ["OK", "error"] {
        let (our, their) = (with_status(&our, status), with_status(&their, status));
        check(status, &our, &their);
        check("a span", &computed(&our), &computed(&their));
    }
    let (our, their) = ask("get_task_stream_index").await;
    assert!(our.is_u64() && their.is_u64());

    let feed = async |connection: Connection| {
        connection
            .feed(Duration::from_millis(50))
            .await
            .expect("a feed")
            .1
    };
    let (our, their) = (feed(ours).await, feed(theirs).await);
    assert_eq!((our.workers.len(), their.workers.len()), (20, 1));
    assert!(!our.prefixes.is_empty() && !their.prefixes.is_empty());
}
