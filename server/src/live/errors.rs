//! What went wrong on a cluster: erred task records in groups of the same prefix and exception, bounded.

use std::collections::HashMap;

use protocol::live::{ErrorGroup, Errors};

use super::Task;

/// Groups kept; the one whose latest error is the longest ago gives way.
const MAX_GROUPS: usize = 200;

/// Bytes of an exception's text, and of a traceback. The end of a traceback tells most.
const MAX_EXCEPTION: usize = 2_000;
const MAX_TRACEBACK: usize = 16_000;

/// The errors of one life of one scheduler.
#[derive(Debug, Default)]
pub struct ErrorLog {
    groups: HashMap<(String, String), ErrorGroup>,
    total: u64,
}

impl ErrorLog {
    /// Takes the erred ones of `records` in, the first of which has the number `first_record`; whether there were any.
    pub fn extend(&mut self, records: &[Task], first_record: u64) -> bool {
        let before = self.total;
        for (record, number) in records.iter().zip(first_record..) {
            if let Some(exception) = &record.error {
                self.push(record, exception, number);
            }
        }
        self.total > before
    }

    fn push(&mut self, record: &Task, exception: &str, number: u64) {
        self.total += 1;
        let at_us = record.span().map_or(0, |(_, end)| end);
        let key = group_of(&record.prefix, exception);
        if !self.groups.contains_key(&key) && self.groups.len() == MAX_GROUPS {
            let oldest = self.groups.iter().min_by_key(|(_, group)| group.record);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.groups.remove(&oldest);
            }
        }
        let group = self.groups.entry(key.clone()).or_insert_with(|| ErrorGroup {
            color: timeline::color_index(&key.0),
            prefix: key.0,
            exception: key.1,
            first_us: at_us,
            ..ErrorGroup::default()
        });
        group.count += 1;
        group.last_us = group.last_us.max(at_us);
        group.record = number;
        group.traceback = tail(record.traceback.as_deref().unwrap_or_default(), MAX_TRACEBACK).to_owned();
        group.cause = record.cause.clone().filter(|cause| *cause != record.key);
        group.key.clone_from(&record.key);
        group.worker.clone_from(&record.worker);
    }

    /// What there is, the latest first.
    pub fn errors(&self) -> Errors {
        let mut groups: Vec<_> = self.groups.values().cloned().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.record));
        Errors {
            groups,
            total: self.total,
        }
    }
}

/// Prefix and text by which an exception is told from others.
pub(super) fn group_of(prefix: &str, exception: &str) -> (String, String) {
    (prefix.to_owned(), head(exception, MAX_EXCEPTION).to_owned())
}

/// The first bytes of a text, whole characters.
fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The last bytes of a text, whole characters.
fn tail(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

#[cfg(test)]
mod tests {
    use protocol::live::Action;

    use super::*;
    use crate::live::Bar;

    fn erred(key: &str, error: &str) -> Task {
        Task {
            key: key.to_owned(),
            prefix: timeline::key_split(key),
            error: Some(error.to_owned()),
            traceback: Some("Traceback\u{2026} line 1".to_owned()),
            cause: Some("load-1".to_owned()),
            bars: vec![Bar {
                action: Action::Erred,
                start_us: 1_000_000,
                duration_us: 1_500_000,
            }],
            ..Task::default()
        }
    }

    #[test]
    fn the_same_exception_of_a_prefix_is_one_group() {
        let mut log = ErrorLog::default();
        let fine = Task::default();
        assert!(!log.extend(std::slice::from_ref(&fine), 0));
        let records = [
            erred("inc-1", "ValueError('a')"),
            fine,
            erred("inc-2", "ValueError('a')"),
            erred("inc-3", "KeyError('b')"),
        ];
        assert!(log.extend(&records, 10));
        let errors = log.errors();
        assert_eq!(errors.total, 3);
        let seen: Vec<_> = errors
            .groups
            .iter()
            .map(|group| {
                (
                    group.exception.as_str(),
                    group.count,
                    group.record,
                    group.key.as_str(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("KeyError('b')", 1, 13, "inc-3"),
                ("ValueError('a')", 2, 12, "inc-2")
            ]
        );
        assert_eq!(
            (errors.groups[0].last_us, errors.groups[0].cause.as_deref()),
            (2_500_000, Some("load-1"))
        );
    }

    #[test]
    fn neither_groups_nor_texts_grow_without_bound() {
        let mut log = ErrorLog::default();
        let records: Vec<_> = (0..MAX_GROUPS + 50)
            .map(|i| Task {
                traceback: Some("\u{e9}".repeat(MAX_TRACEBACK)),
                ..erred("inc-1", &format!("{i} {}", "\u{e9}".repeat(MAX_EXCEPTION)))
            })
            .collect();
        log.extend(&records, 0);
        let errors = log.errors();
        assert_eq!(
            (errors.groups.len(), errors.total),
            (MAX_GROUPS, MAX_GROUPS as u64 + 50)
        );
        assert!(errors.groups[0].exception.starts_with("249 "));
        assert!(
            errors
                .groups
                .iter()
                .all(|g| g.exception.len() <= MAX_EXCEPTION && g.traceback.len() <= MAX_TRACEBACK)
        );
    }
}
