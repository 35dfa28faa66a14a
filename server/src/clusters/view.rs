//! How a cluster looks from outside: the gateway's report, what we remember and what its scheduler says, in one.

use dask_gateway::{ClusterReport, ClusterStatus};
use protocol::life::Life;
use protocol::rest::{Cluster, ClusterState, LiveState, Scaling};

use super::{Book, GatewayOrigin, causes};

/// The list as the panel shows it, newest first.
pub(super) fn clusters(book: &Book, origin: &GatewayOrigin) -> Vec<Cluster> {
    let mut list: Vec<Cluster> = book
        .reports
        .values()
        .filter(|report| !book.dismissed.contains(&report.name))
        .map(|report| cluster(book, origin, report))
        .collect();
    list.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| a.name.cmp(&b.name)));
    list
}

fn cluster(book: &Book, origin: &GatewayOrigin, report: &ClusterReport) -> Cluster {
    let state = match report.status {
        ClusterStatus::Pending => ClusterState::Pending,
        ClusterStatus::Running => ClusterState::Running,
        ClusterStatus::Stopping => ClusterState::Stopping,
        ClusterStatus::Stopped => ClusterState::Stopped,
        ClusterStatus::Failed => ClusterState::Failed,
    };
    let note = book.remembered.get(&report.name);
    let watcher = book.watchers.get(&report.name);
    let seen = book.lives.get(&report.name);
    let failed = state == ClusterState::Failed;
    let waits = book.pending_scaling.get(&report.name);
    let said = watcher
        .map(|w| w.feed().asked().borrow().clone())
        .unwrap_or_default();
    // What waits is newest; what the scheduler itself says holds whoever asked.
    let scaling = waits
        .cloned()
        .or(said.scaling)
        .or_else(|| note.map(|n| n.scaling.clone()))
        .unwrap_or(Scaling::Unknown);
    let asked = match scaling {
        _ if state != ClusterState::Running || waits.is_some() => None,
        Scaling::Manual { workers } => Some(workers),
        Scaling::Adaptive { .. } | Scaling::Unknown => said.workers,
    };
    Cluster {
        name: report.name.clone(),
        label: note.and_then(|n| n.label.clone()),
        state,
        reason: failed.then(|| causes::failure(origin, report, seen)),
        started_at: report.start_time,
        stopped_at: report.stop_time,
        options: report.options.clone(),
        scaling,
        summary: watcher.and_then(|w| w.feed().summary().borrow().clone()),
        live: watcher.map_or(LiveState::Off, |w| w.feed().health().borrow().state),
        dashboard: (state == ClusterState::Running).then(|| format!("clusters/{}/status", report.name)),
        life: Life {
            since: seen.and_then(|seen| seen.since),
            asked,
            scaling_waits: waits.is_some(),
            problem: seen.and_then(|seen| seen.problem.clone()),
            not_ended: seen.is_some_and(|seen| seen.not_ended),
            tails: matches!(origin, GatewayOrigin::Embedded(_)) && state != ClusterState::Stopped,
        },
        lease: None,
        cost: None,
    }
}

/// The state in the middle of a sentence.
pub(super) fn state_word(state: ClusterState) -> &'static str {
    match state {
        ClusterState::Pending => "still starting",
        ClusterState::Running => "running",
        ClusterState::Stopping => "stopping",
        ClusterState::Stopped => "stopped",
        ClusterState::Failed => "failed",
    }
}
