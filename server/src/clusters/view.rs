//! How a cluster looks from outside: the gateway's report, what we remember and what its scheduler says, in one.

use dask_gateway::{ClusterReport, ClusterStatus};
use protocol::rest::{Cluster, ClusterState, LiveState, Scaling};

use super::{Book, GatewayOrigin};

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
    Cluster {
        name: report.name.clone(),
        label: note.and_then(|n| n.label.clone()),
        state,
        reason: (state == ClusterState::Failed).then(|| failure(origin, &report.name)),
        started_at: report.start_time,
        stopped_at: report.stop_time,
        options: report.options.clone(),
        scaling: book
            .pending_scaling
            .get(&report.name)
            .cloned()
            .or_else(|| note.map(|n| n.scaling.clone()))
            .unwrap_or(Scaling::Unknown),
        summary: watcher.and_then(|w| w.feed().summary().borrow().clone()),
        live: watcher.map_or(LiveState::Off, |w| w.feed().health().borrow().state),
        dashboard: (state == ClusterState::Running).then(|| format!("clusters/{}/status", report.name)),
        lease: None,
        cost: None,
    }
}

/// Why a cluster failed, in a sentence: the gateway does not tell, but the embedded one's files do.
fn failure(origin: &GatewayOrigin, name: &str) -> String {
    let seen = match origin {
        GatewayOrigin::Embedded(embedded) => embedded.failure_reason(name),
        GatewayOrigin::Remote => None,
    };
    seen.unwrap_or_else(|| {
        "The scheduler did not start or did not stay. The usual causes are an environment without dask, distributed or \
         dask-gateway, and too little memory: try another environment or profile."
            .to_owned()
    })
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
