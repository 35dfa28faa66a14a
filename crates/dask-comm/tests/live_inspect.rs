//! What is asked of a scheduler when somebody looks, and its feed: against the newest distributed and against 2023.1.0.

#[path = "common/cluster.rs"]
mod cluster;
mod common;

use std::time::Duration;

use cluster::{Cluster, Dask};
use common::Process;
use dask_comm::{CommError, ProfileNode, SchedulerState, TaskStreamCursor};

/// Tasks that compute for a while, one that errs and one that errs because of it, and one that fits on no worker.
const WORK: &str = r#"
import sys, time
from distributed import Client, wait
def slowly(x):
    end = time.time() + 0.05
    while time.time() < end:
        pass
    return x
def boom(x):
    raise ValueError("boom")
with Client(sys.argv[1]) as client:
    client.wait_for_workers(1)
    futures = client.map(slowly, range(40), pure=False)
    bad = client.submit(boom, 1, key="boom-1")
    futures += [bad, client.submit(slowly, bad, key="slowly-after")]
    wait(futures)
    futures += [client.submit(slowly, 1, key="nowhere-1", resources={"GPU": 1})]
    client.publish_dataset(futures=futures)
    time.sleep(1)
"#;

#[tokio::test]
async fn the_newest_answers() {
    answers(Dask::Newest).await;
}

#[tokio::test]
async fn the_oldest_answers() {
    answers(Dask::Oldest).await;
}

async fn answers(dask: Dask) {
    let cluster = Cluster::start(dask);
    let mut connection = cluster.connect().await;
    let mut cursor = TaskStreamCursor::new(connection.versions().await.expect("versions").distributed);
    cursor.arm(&mut connection).await.expect("arms");
    cluster.run(WORK);

    let records = cursor.poll(&mut connection).await.expect("polls").records;
    assert_eq!(records.len(), 41, "40 that computed and the one that raised");
    let boom = records
        .iter()
        .find(|record| record.key == "boom-1")
        .expect("the erred one");
    assert_eq!(boom.error.as_deref(), Some("ValueError('boom')"));
    assert_eq!(boom.cause.as_deref(), Some("boom-1"));
    let traceback = boom.traceback.as_deref().unwrap_or_default();
    assert!(traceback.contains("in boom"), "{traceback}");

    let story = connection.story("boom-1").await.expect("a story");
    let last = story.last().expect("transitions");
    assert_eq!((last.from.as_str(), last.to.as_str()), ("processing", "erred"));
    assert!(last.at > 1e9 && !last.stimulus.is_empty(), "{last:?}");
    assert_eq!(connection.story("never-heard-of").await.expect("an answer"), []);

    let groups = cluster
        .connect()
        .await
        .task_groups()
        .await
        .expect("groups")
        .groups;
    let of = |prefix: &str| {
        groups
            .iter()
            .filter(|group| group.prefix == prefix)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("boom")[0].states["erred"], 1);
    assert_eq!(of("slowly-after")[0].dependencies, [of("boom")[0].name.clone()]);
    assert!(of("slowly").iter().map(|group| group.seconds).sum::<f64>() > 1.0);
    let stake = cluster.connect().await.stake().await.expect("what is at stake");
    assert_eq!(
        (
            stake.workers,
            stake.tasks_running,
            stake.tasks_in_memory,
            stake.clients
        ),
        (1, 1, 40, 0)
    );
    assert!(stake.bytes >= 40, "{stake:?}");

    let log = connection.logs(100).await.expect("logs");
    assert!(
        log.iter()
            .any(|line| line.level == "INFO" && line.text.contains("Scheduler at")),
        "{log:?}"
    );
    let identity = connection.identity().await.expect("identity");
    let worker = identity.workers[0].address.clone();
    let log = connection.worker_logs(&worker, 100).await.expect("logs");
    assert!(
        log.iter().any(|line| line.text.contains("Start worker at")),
        "{log:?}"
    );

    // Samples reach the scheduler about once a second.
    let mut whole = connection.profile(None, None).await.expect("a profile");
    for _ in 0..50 {
        if find(&whole, "slowly").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        whole = connection.profile(None, None).await.expect("a profile");
    }
    let frame = find(&whole, "slowly").expect("what ran most");
    assert!(frame.line > 0 && !frame.file.is_empty(), "{frame:?}");
    let part = connection
        .profile(Some(&worker), Some("slowly"))
        .await
        .expect("a profile");
    assert!(0 < part.count && part.count <= whole.count);
    let none = connection
        .profile(None, Some("nothing"))
        .await
        .expect("a profile");
    assert_eq!(none.count, 0);

    let (mut feed, first) = cluster
        .connect()
        .await
        .feed(Duration::from_millis(100))
        .await
        .expect("a feed");
    check_state(&first, &worker);
    check_state(&feed.next().await.expect("goes on"), &worker);
    connection.identity().await.expect("the other connection goes on");
}

fn find<'a>(node: &'a ProfileNode, function: &str) -> Option<&'a ProfileNode> {
    if node.function == function {
        return Some(node);
    }
    node.children.iter().find_map(|child| find(child, function))
}

fn check_state(state: &SchedulerState, worker: &str) {
    let of = |prefix: &str, task_state: &str| {
        let (_, counts) = state
            .prefixes
            .iter()
            .find(|(name, _)| name == prefix)
            .expect(prefix);
        counts.get(task_state).copied().unwrap_or(0)
    };
    assert_eq!((of("slowly", "memory"), of("boom", "erred")), (40, 1));
    assert_eq!(of("nowhere", "no-worker"), 1);
    let seen = state.workers[worker];
    assert!(seen.managed > 0 && seen.managed < 1_000_000, "{seen:?}");
    assert!(
        seen.unmanaged_old + seen.unmanaged_recent > 10_000_000,
        "{seen:?}"
    );
    assert!(seen.idle && !seen.saturated && seen.processing == 0, "{seen:?}");
}

#[tokio::test]
async fn a_site_may_refuse_the_feed() {
    let blocked = ("DASK_DISTRIBUTED__SCHEDULER__BLOCKED_HANDLERS", "['feed']");
    let cluster = Cluster::start_with(Dask::Newest, &[blocked]);
    let refused = cluster.connect().await.feed(Duration::from_secs(1)).await;
    assert!(matches!(refused, Err(CommError::Remote { .. })), "{refused:?}");
    // On 2023.1.0 pickle can be switched off as a whole; the operation then returns without a word.
    let no_pickle = ("DASK_DISTRIBUTED__SCHEDULER__PICKLE", "False");
    let cluster = Cluster::start_with(Dask::Oldest, &[no_pickle]);
    let refused = cluster.connect().await.feed(Duration::from_secs(1)).await;
    assert!(
        matches!(
            refused,
            Err(CommError::UnexpectedReply { .. } | CommError::Closed { .. })
        ),
        "{refused:?}"
    );
}

/// Two clients that stay for a while, one with a name of its own; the second leaves when it is told to.
const CLIENTS: &str = r#"
import sys, time
from pathlib import Path
from distributed import Client
stays, leaves = Client(sys.argv[1]), Client(sys.argv[1], name="leaving")
future = stays.submit(sum, [1, 2])
future.result()
Path("stays").write_text(stays.id)
while not Path("leave").exists():
    time.sleep(0.05)
leaves.close()
Path("left").touch()
while not Path("end").exists():
    time.sleep(0.05)
stays.close()
"#;

#[tokio::test]
async fn clients_and_versions_of_the_newest() {
    clients_and_versions(Dask::Newest).await;
}

#[tokio::test]
async fn clients_and_versions_of_the_oldest() {
    clients_and_versions(Dask::Oldest).await;
}

async fn clients_and_versions(dask: Dask) {
    let cluster = Cluster::start(dask);
    let address = cluster.address.to_string();
    let dir = cluster.dir.path();
    let mut python = Process::start(&dask.python(), dir, "clients", &[], &["-c", CLIENTS, &address]);
    let id = python.wait_for("the clients", || {
        std::fs::read_to_string(dir.join("stays"))
            .ok()
            .filter(|id| !id.is_empty())
    });

    let mut told = cluster.connect().await.clients_by_feed().await.expect("clients");
    let mut connection = cluster.connect().await;
    connection.since_when(&mut told).await.expect("times");
    assert_eq!(told.len(), 2, "{told:?}");
    let stays = told
        .iter()
        .find(|client| client.id == id)
        .expect("the one that stays");
    assert_eq!(stays.wants, Some(1));
    assert!(
        stays.since.is_some_and(|at| at > 1e9) && stays.last_seen.is_some_and(|at| at > 1e9),
        "{stays:?}"
    );
    assert!(
        stays
            .address
            .as_deref()
            .is_some_and(|address| address.starts_with("tcp://127.0.0.1:")),
        "{stays:?}"
    );
    let own = connection.versions().await.expect("versions");
    assert_eq!(stays.versions.as_ref(), Some(&own), "one environment for all");

    std::fs::write(dir.join("leave"), "").expect("told");
    python.wait_for("the one that leaves", || dir.join("left").exists().then_some(()));
    let left = connection.clients_by_events().await.expect("clients");
    assert_eq!(
        left.iter().map(|client| client.id.as_str()).collect::<Vec<_>>(),
        [id.as_str()]
    );
    assert_eq!(left[0].since, stays.since);
    std::fs::write(dir.join("end"), "").expect("told");

    let workers = connection.worker_versions().await.expect("versions");
    assert_eq!(workers.into_values().collect::<Vec<_>>(), [own]);
}

#[tokio::test]
async fn where_the_feed_is_blocked_the_clients_are_counted_all_the_same() {
    let blocked = [("DASK_DISTRIBUTED__SCHEDULER__BLOCKED_HANDLERS", r#"["feed"]"#)];
    let cluster = Cluster::start_with(Dask::Newest, &blocked);
    let refused = cluster.connect().await.clients_by_feed().await;
    assert!(matches!(refused, Err(CommError::Remote { .. })), "{refused:?}");
    assert_eq!(
        cluster.connect().await.clients_by_events().await.expect("none"),
        []
    );
}
