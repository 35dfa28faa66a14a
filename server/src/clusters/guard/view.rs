//! Leases as panels show them, and the guard's sentences.

use protocol::guard::{AtEnd, Enforcer, Glance, Lease, Limit, Offer, OfferedAct, Told};
use protocol::names::title;
use protocol::rest::{Cluster, ClusterState};

use super::lease::{Due, LeaseRow, Origin};
use crate::clock::words;
use crate::clusters::{Clusters, GatewayOrigin};
use crate::live::Activity;

/// What keeping can't promise beside the embedded gateway.
pub(in crate::clusters) const EMBEDDED_KEEP: &str =
    "The gateway on this machine ends with the last Gatehouse that uses it, and its clusters end with it.";

impl Clusters {
    /// Adds leases and costs to the list.
    pub(in crate::clusters) fn dress(&self, list: &mut [Cluster]) {
        for cluster in list {
            if matches!(cluster.state, ClusterState::Pending | ClusterState::Running) {
                cluster.lease = self.lease_view(&cluster.name);
            }
            cluster.cost = self.cluster_cost(cluster);
        }
    }

    /// What a status bar shows.
    pub fn glance(&self) -> Glance {
        let list = self.list();
        let rows = self.0.guard.rows().clone();
        let running = list
            .iter()
            .filter(|cluster| cluster.state == ClusterState::Running);
        let told = running.filter_map(|cluster| {
            let row = rows.get(&cluster.name)?;
            let (told_at, due) = (row.told_at?, row.due(self.seen(&cluster.name)?)?);
            Some(Told {
                id: format!("{} {told_at}", cluster.name),
                message: told_words(
                    title(cluster.label.as_deref(), &cluster.name),
                    row,
                    due,
                    self.warn_ms(),
                ),
                offer: self.offer(row, told_at, due),
            })
        });
        Glance {
            clusters: u32::try_from(list.iter().filter(|cluster| cluster.state.is_active()).count())
                .unwrap_or(u32::MAX),
            usage: self.usage(),
            told: told.collect(),
        }
    }

    /// What can be done with one click where the user was told.
    pub(super) fn offer(&self, row: &LeaseRow, told_at: i64, due: Due) -> Option<Offer> {
        let (act, until) = match due.limit {
            Limit::Gateway => return None,
            _ if row.terms.stops => {
                let until = due.at.max(told_at.saturating_add(self.warn_ms()));
                (OfferedAct::Keep, Some(until))
            }
            _ => (OfferedAct::Stop, None),
        };
        Some(Offer {
            cluster: row.cluster.clone(),
            act,
            until,
        })
    }

    pub(super) fn lease_view(&self, name: &str) -> Option<Lease> {
        let row = self.0.guard.rows().get(name).cloned()?;
        let seen = self.seen(name)?;
        let due = row.due(seen);
        let embedded = matches!(self.0.origin, GatewayOrigin::Embedded(_));
        Some(Lease {
            terms: row.terms,
            enforced_by: row.enforcer(seen.gateway_s),
            note: note(&row, seen.gateway_s, embedded),
            idle_since: match seen.activity {
                Activity::Idle { since_ms } => Some(since_ms),
                Activity::Busy | Activity::Unknown => None,
            },
            due_at: due.map(|due| match row.told_at {
                Some(told) if row.terms.stops && due.limit != Limit::Gateway => {
                    due.at.max(told.saturating_add(self.warn_ms()))
                }
                _ => due.at,
            }),
            limit: due.map(|due| due.limit),
            // As in `LeaseRow::step`: a scheduler that can't be asked for a moment takes nothing back.
            told: row.told_at.is_some() && (due.is_some() || seen.activity == Activity::Unknown),
        })
    }
}

/// Who enforces the lease, and what the end of the server means, in sentences.
fn note(row: &LeaseRow, gateway_s: Option<u64>, embedded: bool) -> String {
    let mut note = match row.enforcer(gateway_s) {
        Enforcer::Gatehouse => "Gatehouse stops it while Gatehouse runs.".to_owned(),
        Enforcer::Gateway => String::new(),
        Enforcer::Nobody if row.origin == Origin::Elsewhere && row.terms.idle_s.is_some() => {
            "It was not made in the panel: you are told when it idles, and nobody stops it.".to_owned()
        }
        Enforcer::Nobody => "Nobody stops it by itself.".to_owned(),
    };
    if let Some(seconds) = gateway_s {
        let also = if note.is_empty() {
            ""
        } else {
            ", whether Gatehouse runs or not"
        };
        push(
            &mut note,
            &format!(
                "The gateway stops it after {} without work{also}.",
                words(seconds)
            ),
        );
    }
    match row.terms.at_end {
        _ if embedded && row.terms.at_end == AtEnd::Keep => push(&mut note, EMBEDDED_KEEP),
        AtEnd::Keep => push(&mut note, "It goes on when Gatehouse ends."),
        AtEnd::Stop => push(
            &mut note,
            "It is stopped when the Gatehouse that it belongs to ends.",
        ),
    }
    note
}

fn push(note: &mut String, sentence: &str) {
    if !note.is_empty() {
        note.push(' ');
    }
    note.push_str(sentence);
}

pub(super) fn limit_word(limit: Limit) -> &'static str {
    match limit {
        Limit::Idle => "idle",
        Limit::Lifetime => "lifetime",
        Limit::Gateway => "gateway",
    }
}

/// What the user is told before a cluster is stopped, or when it idles.
pub(super) fn told_words(called: &str, row: &LeaseRow, due: Due, warn_ms: i64) -> String {
    let warn = words(u64::try_from(warn_ms / 1000).unwrap_or_default());
    match due.limit {
        Limit::Idle if row.terms.stops => {
            let limit = words(row.terms.idle_s.unwrap_or_default());
            format!("Cluster {called} idles and is stopped in {warn}: its limit is {limit} without work.")
        }
        Limit::Idle => {
            let limit = words(row.terms.idle_s.unwrap_or_default());
            format!("Cluster {called} has had no work for {limit}. Stop it if nobody needs it.")
        }
        Limit::Lifetime if row.terms.stops => {
            let limit = words(row.terms.lifetime_s.unwrap_or_default());
            format!("Cluster {called} is stopped in {warn}: it was to run {limit} at most.")
        }
        Limit::Lifetime => {
            let limit = words(row.terms.lifetime_s.unwrap_or_default());
            format!("Cluster {called} has run for {limit}. Stop it if nobody needs it.")
        }
        Limit::Gateway => format!(
            "Cluster {called} idles, and the gateway will stop it in about {warn}. Only work on it prevents that."
        ),
    }
}

pub(super) fn stopped_words(called: &str, row: &LeaseRow, due: Due) -> String {
    match due.limit {
        Limit::Lifetime => format!(
            "Cluster {called} was stopped: it had run as long as it was to, {}.",
            words(row.terms.lifetime_s.unwrap_or_default())
        ),
        Limit::Idle | Limit::Gateway => format!(
            "Cluster {called} was stopped: it had no work for {}.",
            words(row.terms.idle_s.unwrap_or_default())
        ),
    }
}

#[cfg(test)]
mod tests {
    use protocol::guard::LeaseTerms;

    use super::*;

    fn row(stops: bool, at_end: AtEnd, origin: Origin) -> LeaseRow {
        LeaseRow {
            cluster: "c".into(),
            owner: None,
            terms: LeaseTerms {
                idle_s: Some(1800),
                lifetime_s: None,
                stops,
                at_end,
            },
            origin,
            kept_at: None,
            ends_at: None,
            told_at: None,
            version: 1,
        }
    }

    #[test]
    fn a_lease_says_who_enforces_it() {
        let own = row(true, AtEnd::Stop, Origin::Chosen);
        assert_eq!(
            note(&own, None, false),
            "Gatehouse stops it while Gatehouse runs. It is stopped when the Gatehouse that it belongs to ends."
        );
        assert!(
            note(&own, Some(3600), false).contains("The gateway stops it after 1 h without work, whether")
        );
        let told = row(false, AtEnd::Keep, Origin::Elsewhere);
        assert!(note(&told, None, false).contains("nobody stops it. It goes on"));
        assert!(note(&told, Some(60), false).starts_with("The gateway stops it after 1 min without work."));
        assert!(note(&told, None, true).ends_with(EMBEDDED_KEEP));
    }
}
