//! When each error of a recording was raised, so that they can be shown as of any moment of it.

use std::collections::HashMap;

use protocol::live::{Details, ErrorGroup, Errors};

use super::Task;
use super::errors::group_of;

/// One erred task.
#[derive(Clone, Copy, Debug)]
struct Raised {
    at_us: i64,
    /// Place in [`History::groups`].
    group: u32,
    record: u64,
}

/// The errors of a recording in the order in which they were raised: 24 bytes each.
#[derive(Debug, Default)]
pub(super) struct History {
    groups: Vec<(String, String)>,
    places: HashMap<(String, String), u32>,
    raised: Vec<Raised>,
}

impl History {
    /// Takes the erred ones of `records` in, the first of which has the number `first_record`.
    pub(super) fn extend(&mut self, records: &[Task], first_record: u64) {
        for (record, number) in records.iter().zip(first_record..) {
            let Some(exception) = &record.error else { continue };
            let key = group_of(&record.prefix, exception);
            let next = self.groups.len() as u32;
            let group = *self.places.entry(key.clone()).or_insert(next);
            if group == next {
                self.groups.push(key);
            }
            self.raised.push(Raised {
                at_us: record.span().map_or(0, |(_, end)| end),
                group,
                record: number,
            });
        }
    }

    /// Everything was taken in.
    pub(super) fn finish(&mut self) {
        self.raised.sort_by_key(|raised| raised.at_us);
        self.places = HashMap::new();
    }

    /// `whole`, the errors of the whole recording, as they were at a moment; `details` finds what a record says of its key
    /// and worker.
    pub(super) fn at(&self, at_us: i64, whole: &Errors, details: impl Fn(u64) -> Option<Details>) -> Errors {
        let until = self.raised.partition_point(|raised| raised.at_us <= at_us);
        // How many of each group, the first and the last.
        let mut seen: HashMap<u32, (u64, Raised, Raised)> = HashMap::new();
        for raised in &self.raised[..until] {
            let entry = seen.entry(raised.group).or_insert((0, *raised, *raised));
            entry.0 += 1;
            entry.2 = *raised;
        }
        let mut groups: Vec<ErrorGroup> = seen
            .into_iter()
            .filter_map(|(group, (count, first, last))| {
                let (prefix, exception) = &self.groups[group as usize];
                let known = |g: &&ErrorGroup| g.prefix == *prefix && g.exception == *exception;
                let whole = whole.groups.iter().find(known)?;
                let mut now = ErrorGroup {
                    count,
                    first_us: first.at_us,
                    last_us: last.at_us,
                    record: last.record,
                    ..whole.clone()
                };
                if last.record != whole.record
                    && let Some(details) = details(last.record)
                {
                    // Its traceback is that of another task that raised the same; which task that one's came from is
                    // not told of this one.
                    (now.key, now.worker, now.cause) = (details.key, details.worker, None);
                }
                Some(now)
            })
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.record));
        Errors {
            groups,
            total: until as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::live::Action;

    use super::*;
    use crate::live::{Bar, ErrorLog};

    fn erred(key: &str, error: &str, end_us: i64) -> Task {
        Task {
            key: key.to_owned(),
            prefix: timeline::key_split(key),
            error: Some(error.to_owned()),
            traceback: Some("line 1".to_owned()),
            bars: vec![Bar {
                action: Action::Erred,
                start_us: end_us - 10,
                duration_us: 10,
            }],
            ..Task::default()
        }
    }

    #[test]
    fn errors_are_those_that_were_raised_until_then() {
        let records = [
            erred("inc-1", "ValueError('a')", 100),
            Task::default(),
            erred("inc-2", "ValueError('a')", 300),
            // Clocks of workers differ: the order of the records is not that of the moments.
            erred("inc-3", "KeyError('b')", 200),
        ];
        let (mut log, mut history) = (ErrorLog::default(), History::default());
        log.extend(&records, 10);
        history.extend(&records, 10);
        history.finish();
        let whole = log.errors();
        let details = |record| {
            Some(Details {
                record,
                key: format!("key of {record}"),
                worker: "tcp://a".to_owned(),
                type_name: None,
                nbytes: None,
                error: None,
            })
        };
        let at = |at_us| history.at(at_us, &whole, details);
        assert_eq!(at(99), Errors::default());
        let early = at(250);
        assert_eq!(early.total, 2);
        let seen: Vec<_> = early
            .groups
            .iter()
            .map(|g| (g.exception.as_str(), g.count, g.last_us, g.key.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("KeyError('b')", 1, 200, "inc-3"),
                ("ValueError('a')", 1, 100, "key of 10")
            ]
        );
        assert_eq!(at(300), whole, "at the end it is everything");
    }
}
