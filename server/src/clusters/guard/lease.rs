//! The arithmetic of leases: when a cluster's time is up, and what to do about it now. No clock, no I/O.

use protocol::guard::{AtEnd, Enforcer, LeaseTerms, Limit};

use super::settings::LONGEST_S;
use crate::clock::words;
use crate::clusters::ClusterError;
use crate::live::Activity;

/// Where a lease's terms come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The user chose them.
    Chosen,
    /// The configuration's, for a cluster that was made through Gatehouse.
    Default,
    /// The configuration's, for one that was made elsewhere.
    Elsewhere,
}

/// A lease as the store holds it. Times are Unix times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseRow {
    pub(super) cluster: String,
    /// The server whose end is the cluster's, where its terms say so.
    pub(super) owner: Option<String>,
    pub(super) terms: LeaseTerms,
    pub(super) origin: Origin,
    /// When the user wanted to keep it: idleness counts from there.
    pub(super) kept_at: Option<i64>,
    /// When its lifetime ends, where the user put that off.
    pub(super) ends_at: Option<i64>,
    /// When the user was told that its time is nearly up.
    pub(super) told_at: Option<i64>,
    /// Raised by each change of the user's: who acts on an older one acts on nothing.
    pub(super) version: i64,
}

/// What is seen of a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) activity: Activity,
    pub(super) started_at: Option<i64>,
    /// Seconds of the gateway's own idle timeout.
    pub(super) gateway_s: Option<u64>,
}

/// When a limit is reached if nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: i64,
    pub(super) limit: Limit,
}

/// What there is to do about a cluster now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, and what the user was told holds.
    Wait,
    /// The user was told and it is no longer so: it works again, or was given more time.
    Forget,
    /// Tell the user.
    Tell(Due),
    Stop(Due),
}

impl LeaseRow {
    /// The limit that is reached first, the gateway's own included.
    pub(super) fn due(&self, seen: Seen) -> Option<Due> {
        let gateway = idle_since(seen).zip(seen.gateway_s).map(|(since, s)| Due {
            at: after(since, s),
            limit: Limit::Gateway,
        });
        let all = [self.own_due(seen), gateway].into_iter().flatten();
        all.min_by_key(|due| due.at)
    }

    /// The first of the limits that the lease itself sets.
    fn own_due(&self, seen: Seen) -> Option<Due> {
        let idle = idle_since(seen).zip(self.terms.idle_s).map(|(since, s)| Due {
            at: after(since.max(self.kept_at.unwrap_or(i64::MIN)), s),
            limit: Limit::Idle,
        });
        let lifetime = self.terms.lifetime_s.and_then(|s| {
            let at = self.ends_at.or(seen.started_at.map(|at| after(at, s)))?;
            Some(Due {
                at,
                limit: Limit::Lifetime,
            })
        });
        [idle, lifetime].into_iter().flatten().min_by_key(|due| due.at)
    }

    /// What to do at `now`; the user is told `warn_ms` before anything happens. `away_ms` is how long nobody guarded: what
    /// ran out meanwhile was to be told then, and nobody was there.
    pub(super) fn step(&self, seen: Seen, now: i64, warn_ms: i64, away_ms: i64) -> Step {
        let Some(due) = self.due(seen) else {
            // A scheduler that can't be asked for a moment is no news: what the user was told holds.
            let unknown = seen.activity == Activity::Unknown;
            return if self.told_at.is_some() && !unknown {
                Step::Forget
            } else {
                Step::Wait
            };
        };
        // What nobody acts on is told when it is so, and what is acted on before.
        let acted_on = due.limit == Limit::Gateway || self.terms.stops;
        // A short limit is told half way, or each pause between two computations would be told.
        let limit_s = match due.limit {
            Limit::Idle => self.terms.idle_s,
            Limit::Lifetime => self.terms.lifetime_s,
            Limit::Gateway => seen.gateway_s,
        };
        let half = after(0, limit_s.unwrap_or(u64::MAX)) / 2;
        let warn_ms = warn_ms.min(half);
        let tell_at = if acted_on {
            due.at.saturating_sub(warn_ms)
        } else {
            due.at
        };
        let own = self.own_due(seen).filter(|_| self.terms.stops);
        let unguarded = away_ms >= warn_ms;
        match (self.told_at, own) {
            (None, Some(own)) if unguarded && own.at <= now => Step::Stop(own),
            (None, _) if now < tell_at => Step::Wait,
            (None, _) => Step::Tell(due),
            // Another server may see its idleness begin later, which takes nothing back.
            (Some(told), _) if now < tell_at && idle_since(seen).is_none_or(|since| since > told) => {
                Step::Forget
            }
            (Some(told), Some(own)) if now >= own.at.max(told.saturating_add(warn_ms)) => Step::Stop(own),
            (Some(_), _) => Step::Wait,
        }
    }

    /// The lease with more time: idleness counts from now on, and a lifetime that is nearly over is an hour longer, or
    /// as much as it was where that is less.
    pub(super) fn kept(&self, seen: Seen, now: i64) -> Self {
        let lifetime = self.terms.lifetime_s.map(|s| {
            let ends = self.ends_at.or(seen.started_at.map(|at| after(at, s)));
            ends.unwrap_or(now).max(after(now, s.min(3600)))
        });
        Self {
            kept_at: Some(now),
            ends_at: lifetime,
            told_at: None,
            ..self.clone()
        }
    }

    /// Whether the cluster is to be stopped when the server `instance` ends; `lives` tells of others.
    pub(super) fn ends_with(&self, instance: &str, lives: impl Fn(&str) -> bool) -> bool {
        let ours = |owner: &str| owner == instance || !lives(owner);
        self.terms.at_end == AtEnd::Stop && self.owner.as_deref().is_some_and(ours)
    }

    pub(super) fn enforcer(&self, gateway_s: Option<u64>) -> Enforcer {
        match (self.terms.stops && has_limit(&self.terms), gateway_s) {
            (true, _) => Enforcer::Gatehouse,
            (false, Some(_)) => Enforcer::Gateway,
            (false, None) => Enforcer::Nobody,
        }
    }
}

pub(super) fn has_limit(terms: &LeaseTerms) -> bool {
    terms.idle_s.or(terms.lifetime_s).is_some()
}

fn idle_since(seen: Seen) -> Option<i64> {
    match seen.activity {
        Activity::Idle { since_ms } => Some(since_ms),
        Activity::Busy | Activity::Unknown => None,
    }
}

fn after(at: i64, seconds: u64) -> i64 {
    at.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// A limit must leave time to tell the user, and none is longer than a year.
pub(super) fn check(terms: &LeaseTerms, warn_s: u64) -> Result<(), ClusterError> {
    for (field, limit) in [
        ("lease.idle_s", terms.idle_s),
        ("lease.lifetime_s", terms.lifetime_s),
    ] {
        let Some(limit) = limit else { continue };
        let least = if terms.stops { warn_s } else { 0 };
        if limit <= least || limit > LONGEST_S {
            return Err(ClusterError::Invalid {
                field: Some(field.to_owned()),
                message: if limit > LONGEST_S {
                    "The limit is longer than a year; choose a shorter one, or none.".to_owned()
                } else {
                    format!(
                        "The limit must be longer than {}: so long before, you are told.",
                        words(least)
                    )
                },
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARN: i64 = 300_000;
    const MINUTE: i64 = 60_000;

    fn lease(idle_s: Option<u64>, lifetime_s: Option<u64>, stops: bool) -> LeaseRow {
        LeaseRow {
            cluster: "c".into(),
            owner: Some("lab".into()),
            terms: LeaseTerms {
                idle_s,
                lifetime_s,
                stops,
                at_end: AtEnd::Stop,
            },
            origin: Origin::Chosen,
            kept_at: None,
            ends_at: None,
            told_at: None,
            version: 1,
        }
    }

    fn seen(activity: Activity) -> Seen {
        Seen {
            activity,
            started_at: Some(0),
            gateway_s: None,
        }
    }

    const fn idle(since_ms: i64) -> Activity {
        Activity::Idle { since_ms }
    }

    #[test]
    fn an_idle_cluster_is_told_of_and_then_stopped() {
        let mut row = lease(Some(3600), None, true);
        let step = |row: &LeaseRow, now| row.step(seen(idle(0)), now, WARN, 0);
        let due = Due {
            at: 60 * MINUTE,
            limit: Limit::Idle,
        };
        assert_eq!(step(&row, 54 * MINUTE), Step::Wait);
        assert_eq!(step(&row, 55 * MINUTE), Step::Tell(due));
        row.told_at = Some(55 * MINUTE);
        assert_eq!(step(&row, 59 * MINUTE), Step::Wait);
        assert_eq!(step(&row, 60 * MINUTE), Step::Stop(due));
    }

    #[test]
    fn nobody_is_stopped_without_having_been_told_for_long_enough() {
        let mut row = lease(Some(3600), None, true);
        // The limit was set when it was idle for two hours.
        let now = 120 * MINUTE;
        assert!(matches!(row.step(seen(idle(0)), now, WARN, 0), Step::Tell(_)));
        row.told_at = Some(now);
        assert_eq!(row.step(seen(idle(0)), now + WARN - 1, WARN, 0), Step::Wait);
        assert!(matches!(
            row.step(seen(idle(0)), now + WARN, WARN, 0),
            Step::Stop(_)
        ));
    }

    #[test]
    fn work_and_silence_are_no_idleness() {
        let mut row = lease(Some(600), None, true);
        for activity in [Activity::Busy, Activity::Unknown] {
            assert_eq!(
                row.step(seen(activity), 1000 * MINUTE, WARN, i64::MAX),
                Step::Wait
            );
        }
        row.told_at = Some(5 * MINUTE);
        assert_eq!(row.step(seen(Activity::Busy), 9 * MINUTE, WARN, 0), Step::Forget);
        // Idle again, but only of late.
        assert_eq!(
            row.step(seen(idle(9 * MINUTE)), 10 * MINUTE, WARN, 0),
            Step::Forget
        );
    }

    #[test]
    fn a_lifetime_ends_even_at_work() {
        let row = lease(None, Some(3600), true);
        let due = Due {
            at: 60 * MINUTE,
            limit: Limit::Lifetime,
        };
        assert_eq!(row.due(seen(Activity::Busy)), Some(due));
        assert_eq!(row.due(seen(Activity::Unknown)), Some(due));
    }

    #[test]
    fn the_nearer_limit_counts() {
        let row = lease(Some(600), Some(3600), true);
        let limit = |since| row.due(seen(idle(since))).unwrap().limit;
        assert_eq!(limit(0), Limit::Idle);
        assert_eq!(limit(55 * MINUTE), Limit::Lifetime);
    }

    #[test]
    fn keeping_counts_anew() {
        let row = lease(Some(600), Some(3600), true);
        let kept = row.kept(seen(idle(0)), 8 * MINUTE);
        assert_eq!(
            kept.due(seen(idle(0))),
            Some(Due {
                at: 18 * MINUTE,
                limit: Limit::Idle
            })
        );
        // An hour from the moment it was kept: that is later than the hour it had.
        assert_eq!(kept.ends_at, Some(68 * MINUTE));
        let long = lease(None, Some(10 * 3600), true);
        assert_eq!(
            long.kept(seen(idle(0)), MINUTE).ends_at,
            Some(600 * MINUTE),
            "never less than before"
        );
        let busy_since = kept.due(seen(idle(30 * MINUTE))).unwrap();
        assert_eq!(busy_since.at, 40 * MINUTE, "work after it counts as ever");
    }

    #[test]
    fn who_only_wants_to_know_is_only_told() {
        let mut row = lease(Some(600), None, false);
        assert_eq!(row.step(seen(idle(0)), 9 * MINUTE, WARN, 0), Step::Wait);
        assert!(matches!(
            row.step(seen(idle(0)), 10 * MINUTE, WARN, i64::MAX),
            Step::Tell(_)
        ));
        row.told_at = Some(10 * MINUTE);
        assert_eq!(
            row.step(seen(idle(0)), 10_000 * MINUTE, WARN, i64::MAX),
            Step::Wait
        );
    }

    #[test]
    fn what_ran_out_while_nobody_guarded_is_stopped_at_once() {
        let row = lease(Some(3600), None, true);
        let step = |now, away| row.step(seen(idle(0)), now, WARN, away);
        assert!(matches!(step(70 * MINUTE, 30 * MINUTE), Step::Stop(_)));
        // Away for a moment only: the user was still to be told.
        assert!(matches!(step(70 * MINUTE, MINUTE), Step::Tell(_)));
        assert!(matches!(step(58 * MINUTE, 30 * MINUTE), Step::Tell(_)));
    }

    #[test]
    fn the_gateways_own_timeout_is_told_and_left_to_it() {
        let mut row = lease(Some(3600), None, true);
        let seen = Seen {
            gateway_s: Some(1800),
            ..seen(idle(0))
        };
        let due = Due {
            at: 30 * MINUTE,
            limit: Limit::Gateway,
        };
        assert_eq!(row.step(seen, 25 * MINUTE, WARN, 0), Step::Tell(due));
        row.told_at = Some(25 * MINUTE);
        assert_eq!(row.step(seen, 31 * MINUTE, WARN, i64::MAX), Step::Wait);
        // It did not act; the lease's own limit holds all the same.
        assert!(matches!(row.step(seen, 60 * MINUTE, WARN, 0), Step::Stop(_)));
        // Keeping it does not move the gateway.
        assert_eq!(row.kept(seen, 26 * MINUTE).due(seen), Some(due));
    }

    #[test]
    fn only_a_servers_own_end_is_the_clusters() {
        let row = lease(None, None, true);
        assert!(row.ends_with("lab", |_| true));
        assert!(!row.ends_with("other", |_| true));
        assert!(row.ends_with("other", |_| false), "its own server is dead");
        let keep = LeaseRow {
            terms: LeaseTerms {
                at_end: AtEnd::Keep,
                ..row.terms
            },
            ..row.clone()
        };
        assert!(!keep.ends_with("lab", |_| true));
        let nobodys = LeaseRow { owner: None, ..row };
        assert!(!nobodys.ends_with("lab", |_| false));
    }

    #[test]
    fn somebody_enforces_it_or_nobody_does() {
        let of = |row: LeaseRow, gateway_s| row.enforcer(gateway_s);
        assert_eq!(of(lease(Some(600), None, true), Some(9)), Enforcer::Gatehouse);
        assert_eq!(of(lease(Some(600), None, false), Some(9)), Enforcer::Gateway);
        assert_eq!(of(lease(Some(600), None, false), None), Enforcer::Nobody);
        assert_eq!(of(lease(None, None, true), None), Enforcer::Nobody);
    }

    #[test]
    fn limits_leave_time_to_tell() {
        let check = |idle_s, stops| check(&lease(idle_s, None, stops).terms, 300).map_err(|e| e.to_string());
        assert!(check(Some(301), true).is_ok());
        assert!(check(None, true).is_ok());
        assert!(check(Some(10), false).is_ok());
        assert!(check(Some(300), true).unwrap_err().contains("5 min"));
        assert!(check(Some(0), false).is_err());
        assert!(check(Some(u64::MAX), true).unwrap_err().contains("a year"));
    }
}
