//! What a scheduler has to do, told by itself: against the newest distributed and against 2023.1.0.

#[path = "common/cluster.rs"]
mod cluster;
mod common;

use std::time::Duration;

use cluster::{Cluster, Dask};

/// Computes and keeps the result.
const WORK: &str = r#"
import sys
from distributed import Client, wait
with Client(sys.argv[1]) as client:
    client.wait_for_workers(1)
    done = client.submit(sum, [1, 2], key="done-1")
    wait([done])
    client.publish_dataset(done=done)
"#;

/// Leaves a task behind that fits on no worker.
const STUCK: &str = r#"
import sys
from distributed import Client
with Client(sys.argv[1]) as client:
    client.publish_dataset(stuck=client.submit(sum, [3], key="stuck-1", resources={"GPU": 1}))
"#;

#[tokio::test]
async fn the_newest_tells() {
    tells(Dask::Newest).await;
}

#[tokio::test]
async fn the_oldest_tells() {
    tells(Dask::Oldest).await;
}

async fn tells(dask: Dask) {
    let cluster = Cluster::start(dask);
    let every = Duration::from_millis(200);
    cluster.run(WORK);
    let connection = cluster.connect().await;
    let (mut feed, first) = connection.work_feed(every).await.expect("a feed");
    assert_eq!(
        (first.waiting, first.processing),
        (0, 0),
        "a result in memory is no work"
    );
    assert!((0.0..60.0).contains(&first.quiet_s), "{first:?}");
    let second = feed.next().await.expect("another");
    assert!(second.quiet_s > first.quiet_s, "{first:?} {second:?}");

    cluster.run(STUCK);
    // What it said meanwhile comes first.
    let mut work = feed.next().await.expect("another");
    for _ in 0..200 {
        if work.waiting > 0 {
            break;
        }
        work = feed.next().await.expect("another");
    }
    assert_eq!((work.waiting, work.processing), (1, 0), "it waits for a worker");

    let mut other = cluster.connect().await;
    other.adaptive_target().await.expect("a number");
}
