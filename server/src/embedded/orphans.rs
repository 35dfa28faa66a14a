//! Schedulers and workers that no gateway looks after any more.
//!
//! The gateway starts them in sessions of their own, so they outlive it; its database and `/proc` say which are whose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::files::Files;
use super::process::{self, Mark};

const GRACE: Duration = Duration::from_secs(4);

/// Set for every process of a cluster; it leads into the cluster's own folder.
const MARKER: &str = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE";

/// The gateway's `JobStatus`: from 5 on, a cluster or worker is over.
const STOPPED: i64 = 5;
const FAILED: i64 = 6;

/// What the gateway's database says of a cluster that is not over.
struct Recorded {
    scheduler: Option<u32>,
    workers: Vec<u32>,
}

/// Ends every process of a cluster that is over by the gateway's own account, and removes what it left on disk.
pub(super) async fn reap(files: &Files) -> io::Result<()> {
    let files = files.clone();
    let (strays, folders) = blocking(move || {
        let active: BTreeSet<String> = recorded(&files)?.into_keys().collect();
        let strays = living(&files)
            .into_iter()
            .filter(|(_, cluster)| !active.contains(cluster));
        let marks: Vec<Mark> = strays.map(|(pid, _)| Mark::of(pid)).collect();
        Ok((marks, folders(&files, &active)))
    })
    .await?;
    end(strays, folders).await;
    Ok(())
}

/// Before a gateway is started: clusters whose scheduler is gone are over. With `all`, every cluster is.
pub(super) async fn settle(files: &Files, all: bool) -> io::Result<()> {
    let for_blocking = files.clone();
    let lost = blocking(move || {
        let files = for_blocking;
        let ours: BTreeMap<u32, String> = living(&files).into_iter().collect();
        let alive = |pid: u32| match ours.get(&pid) {
            Some(_) => true,
            None => !process::has_proc() && is_of_a_cluster(pid),
        };
        let clusters = recorded(&files)?;
        let lost: Vec<String> = clusters
            .into_iter()
            .filter(|(_, cluster)| all || cluster.scheduler.is_some_and(|pid| !alive(pid)))
            .map(|(name, _)| name)
            .collect();
        close(&files, &lost, FAILED)?;
        Ok(lost)
    })
    .await?;
    for name in &lost {
        let why = if all {
            "the local gateway had to move to another port"
        } else {
            "its scheduler had ended when the local gateway was started again"
        };
        tracing::warn!(cluster = %name, why, "a cluster is lost");
        if let Err(error) = keep_reason(files, name, why) {
            tracing::warn!(%error, "the reason of a failure can't be kept");
        }
    }
    reap(files).await
}

/// After the gateway has ended for good: every process of every cluster ends, and the database says so.
pub(super) async fn end_everything(files: &Files) -> io::Result<()> {
    let for_blocking = files.clone();
    let (marks, folders) = blocking(move || {
        let files = for_blocking;
        let clusters = recorded(&files)?;
        let mut pids: BTreeSet<u32> = living(&files).into_iter().map(|(pid, _)| pid).collect();
        if !process::has_proc() {
            // No /proc: the recorded numbers must do.
            pids.extend(
                clusters
                    .values()
                    .flat_map(|cluster| cluster.scheduler.iter().chain(&cluster.workers)),
            );
        }
        close(&files, &clusters.into_keys().collect::<Vec<_>>(), STOPPED)?;
        let marks: Vec<Mark> = pids.into_iter().map(Mark::of).collect();
        Ok((marks, folders(&files, &BTreeSet::new())))
    })
    .await?;
    end(marks, folders).await;
    Ok(())
}

async fn end(marks: Vec<Mark>, folders: Vec<PathBuf>) {
    if !marks.is_empty() {
        tracing::info!(
            processes = marks.len(),
            "ending processes that clusters left behind"
        );
        process::end_all(marks, GRACE).await;
    }
    for folder in folders {
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %folder.display(), %error, "the folder of an ended cluster can't be removed");
        }
    }
}

fn keep_reason(files: &Files, cluster: &str, what: &str) -> io::Result<()> {
    let path = files.failure(cluster);
    crate::state_dir::private_folder(path.parent().unwrap_or(Path::new("/")))?;
    fs::write(
        path,
        serde_json::to_vec(&serde_json::json!({"what": what, "log": ""}))?,
    )
}

/// Processes of our clusters, each with its cluster's name.
fn living(files: &Files) -> Vec<(u32, String)> {
    let clusters = files.clusters();
    let cluster_of = |path: &Path| {
        let name = path.strip_prefix(&clusters).ok()?.components().next()?;
        Some(name.as_os_str().to_string_lossy().into_owned())
    };
    // Either is enough: user code may change the folder, and setproctitle overwrites the environment.
    let find = |pid: u32| {
        let marked = process::variable(pid, MARKER).and_then(|path| cluster_of(Path::new(&path)));
        marked.or_else(|| cluster_of(&fs::read_link(format!("/proc/{pid}/cwd")).ok()?))
    };
    process::all()
        .into_iter()
        .filter_map(|pid| Some((pid, find(pid)?)))
        .collect()
}

/// Without `/proc`: whether a recorded number still belongs to some cluster's process.
fn is_of_a_cluster(pid: u32) -> bool {
    Mark::of(pid).is_alive() && process::command_holds(pid, "distributed.cli.dask_")
}

/// Folders of clusters that are over.
fn folders(files: &Files, active: &BTreeSet<String>) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(files.clusters()) else {
        return Vec::new();
    };
    let over = entries
        .flatten()
        .filter(|entry| !active.contains(&*entry.file_name().to_string_lossy()));
    over.map(|entry| entry.path()).collect()
}

/// The clusters that are not over; none where there is no database yet.
fn recorded(files: &Files) -> io::Result<BTreeMap<String, Recorded>> {
    let Some(database) = open(files, OpenFlags::SQLITE_OPEN_READ_ONLY)? else {
        return Ok(BTreeMap::new());
    };
    let read = || -> rusqlite::Result<BTreeMap<String, Recorded>> {
        let pid = |state: Vec<u8>| {
            let state: Option<serde_json::Value> = serde_json::from_slice(&state).ok();
            state?
                .get("pid")?
                .as_u64()
                .and_then(|pid| u32::try_from(pid).ok())
        };
        let mut found = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut clusters = database.prepare("SELECT id, name, state FROM clusters WHERE status < ?1")?;
        let mut rows = clusters.query([STOPPED])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            names.insert(row.get::<_, i64>(0)?, name.clone());
            found.insert(
                name,
                Recorded {
                    scheduler: pid(row.get(2)?),
                    workers: Vec::new(),
                },
            );
        }
        let mut workers = database.prepare("SELECT cluster_id, state FROM workers WHERE status < ?1")?;
        let mut rows = workers.query([STOPPED])?;
        while let Some(row) = rows.next()? {
            let cluster = names
                .get(&row.get::<_, i64>(0)?)
                .and_then(|name| found.get_mut(name));
            if let (Some(cluster), Some(pid)) = (cluster, pid(row.get(1)?)) {
                cluster.workers.push(pid);
            }
        }
        Ok(found)
    };
    read().map_err(io::Error::other)
}

/// Says in the database that clusters are over. No gateway may be running: it holds the same in memory.
fn close(files: &Files, names: &[String], status: i64) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let Some(mut database) = open(files, OpenFlags::SQLITE_OPEN_READ_WRITE)? else {
        return Ok(());
    };
    let mut write = || -> rusqlite::Result<()> {
        let change = database.transaction()?;
        for name in names {
            let values = rusqlite::params![status, crate::clock::now_ms(), name];
            let workers = "UPDATE workers SET status = ?1, target = ?1, stop_time = ?2 \
                           WHERE cluster_id = (SELECT id FROM clusters WHERE name = ?3) AND status < 5";
            change.execute(workers, values)?;
            let values = rusqlite::params![status, crate::clock::now_ms(), name];
            let clusters =
                "UPDATE clusters SET status = ?1, target = ?1, stop_time = ?2 WHERE name = ?3 AND status < 5";
            change.execute(clusters, values)?;
        }
        change.commit()
    };
    write().map_err(io::Error::other)
}

/// The gateway's database, or `None` where it has not made one yet.
fn open(files: &Files, flags: OpenFlags) -> io::Result<Option<Connection>> {
    let path = files.database();
    // A file without pages is one that the gateway was about to fill.
    if fs::metadata(&path).map_or(0, |data| data.len()) == 0 {
        return Ok(None);
    }
    let connect = || -> rusqlite::Result<Option<Connection>> {
        let database = Connection::open_with_flags(&path, flags)?;
        database.busy_timeout(Duration::from_secs(5))?;
        let tables =
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('clusters', 'workers')";
        let tables: i64 = database.query_row(tables, [], |row| row.get(0))?;
        Ok((tables == 2).then_some(database))
    };
    connect().map_err(io::Error::other)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
