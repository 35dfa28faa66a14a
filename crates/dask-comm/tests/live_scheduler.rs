//! Against a real scheduler and worker: what we read is what ran.

#[path = "common/cluster.rs"]
mod cluster;
mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::{Cluster, Dask};
use common::run_script;
use dask_comm::{CommError, Connection, TaskRecord, TaskStreamCursor, Value, Version};

/// 2000 plain tasks, 5 with tuple keys, one with a nested key, one that errs; their results stay on the cluster.
const WORK: &str = r#"
import sys
from distributed import Client, wait
def inc(x):
    return x + 1
def boom(x):
    raise ValueError(f"boom {x}")
with Client(sys.argv[1]) as client:
    client.wait_for_workers(1)
    futures = client.map(inc, range(2000), pure=False)
    futures += [client.submit(inc, i, key=("tup-abc", i)) for i in range(5)]
    futures += [client.submit(inc, 0, key=("odd", ("it's", 1.5)))]
    futures += [client.submit(boom, 1, key="boom-1")]
    wait(futures)
    client.publish_dataset(futures=futures)
"#;

async fn read_all(cursor: &mut TaskStreamCursor, connection: &mut Connection) -> Vec<TaskRecord> {
    let mut records = Vec::new();
    loop {
        let polled = cursor.poll(connection).await.expect("polls");
        assert_eq!(polled.lost, 0);
        records.extend(polled.records);
        if !polled.more {
            return records;
        }
    }
}

#[tokio::test]
async fn what_ran_is_what_we_read() {
    let cluster = Cluster::start(Dask::Newest);
    let mut connection = cluster.connect().await;
    let versions = connection.versions().await.expect("versions");
    assert!(
        versions.distributed >= Version::new(2026, 6, 0),
        "{}",
        versions.distributed
    );
    assert!(
        versions.python.starts_with("3.") && versions.packages.contains_key("dask"),
        "{versions:?}"
    );

    let mut by_index = TaskStreamCursor::new(versions.distributed);
    let mut by_time = TaskStreamCursor::new(Version::new(2023, 1, 0));
    by_time.arm(&mut connection).await.expect("arms");
    by_index.arm(&mut connection).await.expect("arms");
    assert_eq!(read_all(&mut by_index, &mut connection).await, []);
    assert_eq!(read_all(&mut by_time, &mut connection).await, []);

    // Read while it runs, so that every poll begins amid the stream.
    let (mut records, mut timed) = (Vec::new(), Vec::new());
    let mut polls = 0;
    let (dir, address) = (cluster.dir.path().to_owned(), cluster.address.to_string());
    let work = tokio::task::spawn_blocking(move || run_script(&common::python(), &dir, WORK, &[&address]));
    while !work.is_finished() {
        records.append(&mut read_all(&mut by_index, &mut connection).await);
        timed.append(&mut read_all(&mut by_time, &mut connection).await);
        polls += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    work.await.expect("the work is done");
    records.append(&mut read_all(&mut by_index, &mut connection).await);
    timed.append(&mut read_all(&mut by_time, &mut connection).await);
    assert!(polls > 1);
    assert_eq!(records, timed);
    check_records(&records);

    // Whoever comes later still finds them in the buffer.
    let mut late = cluster.connect().await;
    let mut late_cursor = TaskStreamCursor::new(versions.distributed);
    late_cursor.arm(&mut late).await.expect("arms");
    assert_eq!(read_all(&mut late_cursor, &mut late).await, records);
    late.close().await;

    let states: BTreeMap<_, _> = connection
        .get_task_prefix_states()
        .await
        .expect("states")
        .into_iter()
        .collect();
    assert_eq!(
        (
            states["inc"]["memory"],
            states["tup-abc"]["memory"],
            states["boom"]["erred"]
        ),
        (2000, 5, 1)
    );
    check_identity(&mut connection, &cluster).await;

    // The same again: only what is new comes.
    cluster.run(
        "import sys\nfrom distributed import Client\nwith Client(sys.argv[1]) as c:\n    c.submit(abs, -1).result()",
    );
    let more = read_all(&mut by_index, &mut connection).await;
    assert_eq!(more.len(), 1);
    assert_eq!(more, read_all(&mut by_time, &mut connection).await);
}

fn check_records(records: &[TaskRecord]) {
    assert_eq!(records.len(), 2007);
    let find = |key: &str| records.iter().find(|record| record.key == key).expect(key);
    let tuple = find("('tup-abc', 3)");
    assert_eq!(
        (tuple.typename.as_deref(), tuple.error.as_deref()),
        (Some("int"), None)
    );
    assert!(
        tuple.nbytes.is_some() && tuple.thread > 0 && tuple.worker.starts_with("tcp://127.0.0.1:"),
        "{tuple:?}"
    );
    let compute = tuple
        .startstops
        .iter()
        .find(|s| s.action == "compute")
        .expect("it computed");
    assert!(
        compute.start > 1e9 && compute.stop >= compute.start,
        "{compute:?}"
    );
    assert_eq!(find("('odd', (\"it's\", 1.5))").error, None);
    assert_eq!(find("boom-1").error.as_deref(), Some("ValueError('boom 1')"));
    assert_eq!(
        records
            .iter()
            .filter(|record| record.key.starts_with("inc-"))
            .count(),
        2000
    );
}

async fn check_identity(connection: &mut Connection, cluster: &Cluster) {
    // The worker's heartbeat after the tasks brings map keys that are tuples.
    let identity = loop {
        let identity = connection.identity().await.expect("identity");
        if identity
            .workers
            .iter()
            .any(|worker| worker.metrics.task_counts.memory > 0)
        {
            break identity;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(identity.id.starts_with("Scheduler-"), "{}", identity.id);
    assert_eq!(identity.address, cluster.address.to_string());
    assert!(identity.started.is_some());
    let [worker] = identity.workers.as_slice() else {
        panic!("one worker, not {identity:?}")
    };
    assert_eq!(
        (worker.name.as_str(), worker.nthreads, worker.memory_limit),
        ("7", 2, Some(1 << 30))
    );
    assert_eq!(worker.status, "running");
    assert!(worker.metrics.memory > 10_000_000, "{worker:?}");
}

#[tokio::test]
async fn errors_of_the_scheduler_leave_the_connection_usable() {
    let cluster = Cluster::start(Dask::Newest);
    let mut connection = cluster.connect().await;
    assert_eq!(
        connection.call("no_such_operation", []).await.expect("an answer"),
        Value::Nil
    );
    let error = connection
        .call("ncores", [("bogus", 1.into())])
        .await
        .expect_err("a TypeError");
    assert!(error.keeps_connection());
    let CommError::Remote {
        op,
        exception_text,
        traceback_text,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(op, "ncores");
    assert!(
        exception_text.contains("unexpected keyword argument 'bogus'"),
        "{exception_text}"
    );
    assert!(traceback_text.contains("File"), "{traceback_text}");
    assert!(connection.identity().await.is_ok());
}
