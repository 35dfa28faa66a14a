//! What was seen of each cluster while it was there: when its states began, whether it ever ran, what went wrong.

use std::collections::{BTreeMap, HashMap};

use dask_gateway::{ClusterReport, ClusterStatus};

/// How long a cluster is still shown after the gateway said that it is over, milliseconds.
pub(super) const LINGER_MS: i64 = 8_000;

/// What was seen of one cluster.
#[derive(Debug)]
pub(super) struct Seen {
    status: ClusterStatus,
    /// When that began, Unix time in milliseconds; `None` where it was so when we first looked.
    pub(super) since: Option<i64>,
    /// When it began to run, if it ever did.
    pub(super) ran_from: Option<i64>,
    /// When it may go, once it is over.
    gone_at: Option<i64>,
    /// What went wrong with the last change, in a sentence.
    pub(super) problem: Option<String>,
    /// Whether that is what its shutdown came to.
    pub(super) not_ended: bool,
}

/// What was seen of all clusters that are listed, by name.
#[derive(Debug, Default)]
pub(super) struct Lives(HashMap<String, Seen>);

impl Lives {
    pub(super) fn get(&self, name: &str) -> Option<&Seen> {
        self.0.get(name)
    }

    /// Notes what went wrong, or that nothing is wrong any more. What is not listed has no card to say it on.
    pub(super) fn set_problem(&mut self, name: &str, problem: Option<String>) {
        if let Some(seen) = self.0.get_mut(name) {
            seen.problem = problem;
            seen.not_ended = false;
        }
    }

    /// Notes why it could not be shut down.
    pub(super) fn set_not_ended(&mut self, name: &str, problem: String) {
        if let Some(seen) = self.0.get_mut(name) {
            seen.problem = Some(problem);
            seen.not_ended = true;
        }
    }

    /// Takes in the list as it is now, and forgets what is not in it.
    pub(super) fn take(&mut self, reports: &BTreeMap<String, ClusterReport>, now_ms: i64) {
        self.0.retain(|name, _| reports.contains_key(name));
        for (name, report) in reports {
            let over = report.status == ClusterStatus::Stopped;
            match self.0.get_mut(name) {
                Some(seen) if seen.status == report.status => {}
                Some(seen) => {
                    seen.status = report.status;
                    seen.since = Some(report.stop_time.unwrap_or(now_ms));
                    seen.gone_at = over.then_some(now_ms + LINGER_MS);
                    if report.status == ClusterStatus::Running {
                        seen.ran_from = Some(now_ms);
                    } else {
                        seen.problem = None;
                        seen.not_ended = false;
                    }
                }
                None => {
                    let seen = Seen {
                        status: report.status,
                        since: match report.status {
                            ClusterStatus::Pending => report.start_time,
                            ClusterStatus::Stopped | ClusterStatus::Failed => report.stop_time,
                            ClusterStatus::Running | ClusterStatus::Stopping => None,
                        },
                        ran_from: (report.status == ClusterStatus::Running)
                            .then_some(report.start_time)
                            .flatten(),
                        gone_at: over.then_some(now_ms + LINGER_MS),
                        problem: None,
                        not_ended: false,
                    };
                    self.0.insert(name.clone(), seen);
                }
            }
        }
    }

    /// Whether a cluster that is over is still shown.
    pub(super) fn lingers(&self, name: &str, now_ms: i64) -> bool {
        let until = self.get(name).and_then(|seen| seen.gone_at);
        until.is_some_and(|until| now_ms < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(status: ClusterStatus, stop_time: Option<i64>) -> BTreeMap<String, ClusterReport> {
        let report = ClusterReport {
            name: "a".to_owned(),
            status,
            start_time: Some(1_000),
            stop_time,
            options: serde_json::Map::new(),
            dashboard_route: None,
            tls: None,
        };
        BTreeMap::from([("a".to_owned(), report)])
    }

    #[test]
    fn states_begin_when_they_are_first_seen() {
        let mut lives = Lives::default();
        let since = |lives: &Lives| lives.get("a").expect("seen").since;
        lives.take(&list(ClusterStatus::Pending, None), 5_000);
        assert_eq!(since(&lives), Some(1_000));
        lives.take(&list(ClusterStatus::Running, None), 6_000);
        lives.take(&list(ClusterStatus::Running, None), 7_000);
        assert_eq!(since(&lives), Some(6_000));
        assert_eq!(lives.get("a").expect("seen").ran_from, Some(6_000));
        lives.take(&list(ClusterStatus::Stopped, Some(8_500)), 9_000);
        assert_eq!(since(&lives), Some(8_500));
        assert!(lives.lingers("a", 9_000 + LINGER_MS - 1));
        assert!(!lives.lingers("a", 9_000 + LINGER_MS));
    }

    #[test]
    fn a_state_that_nobody_saw_begin_has_no_time() {
        let mut lives = Lives::default();
        lives.take(&list(ClusterStatus::Running, None), 5_000);
        let seen = lives.get("a").expect("seen");
        assert_eq!((seen.since, seen.ran_from), (None, Some(1_000)));
    }

    #[test]
    fn a_problem_goes_with_the_state_that_had_it() {
        let mut lives = Lives::default();
        lives.take(&list(ClusterStatus::Running, None), 5_000);
        lives.set_problem("a", Some("No.".to_owned()));
        lives.take(&list(ClusterStatus::Running, None), 6_000);
        let said = |lives: &Lives| {
            let seen = lives.get("a").expect("seen");
            (seen.problem.clone(), seen.not_ended)
        };
        assert_eq!(said(&lives), (Some("No.".to_owned()), false));
        lives.set_not_ended("a", "It goes on.".to_owned());
        assert_eq!(said(&lives), (Some("It goes on.".to_owned()), true));
        lives.set_problem("a", Some("No.".to_owned()));
        assert!(!said(&lives).1, "another word is not of its shutdown");
        lives.set_not_ended("a", "It goes on.".to_owned());
        lives.take(&list(ClusterStatus::Stopping, None), 7_000);
        assert_eq!(said(&lives), (None, false));
        lives.take(&BTreeMap::new(), 8_000);
        assert!(lives.get("a").is_none());
    }
}
