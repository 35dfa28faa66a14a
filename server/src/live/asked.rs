//! How many workers a gateway's scheduler was asked for, read from its own log: the gateway does not tell, and this needs
//! no pickle. It is true whoever asked, and from wherever.

use std::time::Duration;

use dask_comm::LogEntry;
use protocol::life::UNBOUNDED;
use protocol::rest::Scaling;

/// Lines of the log that are read at a time: between two readings there are rarely more.
pub(super) const LINES: u64 = 64;

/// How often it is read, at least: an adapting scheduler decides every three seconds.
pub(super) const EVERY: Duration = Duration::from_secs(3);

/// What a scheduler was asked for, as far as its log tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Workers that it wants to have now.
    pub workers: Option<u32>,
    /// How that came about.
    pub scaling: Option<Scaling>,
}

impl Asked {
    /// Takes in the latest lines, the newest first; those that were read before change nothing.
    pub(super) fn read(&mut self, lines: &[LogEntry]) {
        // What was not said in a log that is whole was not asked.
        let from_the_start = (lines.len() as u64) < LINES;
        if from_the_start {
            *self = Self::default();
        }
        for line in lines.iter().rev() {
            self.take(&line.text, from_the_start);
        }
    }

    fn take(&mut self, line: &str, manual_unless_said: bool) {
        if let Some(rest) = after(line, "Requesting scale to ") {
            let Some(workers) = number(rest) else { return };
            self.workers = Some(workers);
            let manual = matches!(self.scaling, Some(Scaling::Manual { .. }))
                || (self.scaling.is_none() && manual_unless_said);
            if manual {
                self.scaling = Some(Scaling::Manual { workers });
            }
        } else if let Some(rest) = after(line, "Enabling adaptive scaling, minimum=") {
            let maximum = after(rest, "maximum=").and_then(number);
            self.scaling = Some(Scaling::Adaptive {
                minimum: number(rest).unwrap_or(0),
                maximum: maximum.unwrap_or(UNBOUNDED),
            });
        } else if after(line, "Disabling adaptive scaling").is_some() {
            self.scaling = self.workers.map(|workers| Scaling::Manual { workers });
        }
    }
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// The whole number at the beginning; Python writes `None` where there is no bound.
fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "2026-11-28 10:00:00,000 - dask_gateway.scheduler_preload - INFO - ";

    /// Lines in the order in which they were written, as the scheduler gives them.
    fn log(lines: &[&str]) -> Vec<LogEntry> {
        let entry = |line: &&str| LogEntry {
            level: "INFO".to_owned(),
            text: format!("{BEGIN}{line}"),
        };
        lines.iter().rev().map(entry).collect()
    }

    fn asked(lines: &[&str]) -> Asked {
        let mut asked = Asked::default();
        asked.read(&log(lines));
        asked
    }

    #[test]
    fn nothing_was_asked_of_a_new_scheduler() {
        assert_eq!(asked(&["Scheduler at: tls://127.0.0.1:1"]), Asked::default());
    }

    #[test]
    fn the_last_request_counts() {
        let seen = asked(&[
            "Requesting scale to 3 workers from 0",
            "Requesting scale to 1 workers from 3",
        ]);
        assert_eq!(seen.workers, Some(1));
        assert_eq!(seen.scaling, Some(Scaling::Manual { workers: 1 }));
    }

    #[test]
    fn adaptive_scaling_has_its_bounds_and_its_own_requests() {
        let seen = asked(&[
            "Enabling adaptive scaling, minimum=1, maximum=4",
            "Requesting scale to 2 workers from 0",
        ]);
        let bounds = Scaling::Adaptive {
            minimum: 1,
            maximum: 4,
        };
        assert_eq!((seen.workers, seen.scaling), (Some(2), Some(bounds)));
        let open = asked(&["Enabling adaptive scaling, minimum=None, maximum=None"]);
        let bounds = Scaling::Adaptive {
            minimum: 0,
            maximum: UNBOUNDED,
        };
        assert_eq!(open.scaling, Some(bounds));
    }

    #[test]
    fn what_adaptive_scaling_left_is_manual() {
        let adaptive = [
            "Enabling adaptive scaling, minimum=0, maximum=4",
            "Requesting scale to 2 workers from 0",
            "Disabling adaptive scaling",
        ];
        assert_eq!(asked(&adaptive).scaling, Some(Scaling::Manual { workers: 2 }));
        let mut then = adaptive.to_vec();
        then.push("Requesting scale to 3 workers from 2");
        assert_eq!(asked(&then).scaling, Some(Scaling::Manual { workers: 3 }));
    }

    #[test]
    fn lines_read_twice_change_nothing_and_a_log_that_is_cut_says_no_more_than_it_knows() {
        let lines = log(&[
            "Enabling adaptive scaling, minimum=0, maximum=4",
            "Requesting scale to 2 workers from 0",
        ]);
        let mut seen = Asked::default();
        seen.read(&lines);
        let before = seen.clone();
        let mut noise: Vec<&str> = vec!["noise"; LINES as usize - 1];
        noise.insert(0, "Requesting scale to 2 workers from 0");
        seen.read(&log(&noise));
        assert_eq!(seen, before);
        // Whether that was asked by a person or by adaptive scaling is beyond the lines.
        let mut fresh = Asked::default();
        fresh.read(&log(&noise));
        assert_eq!((fresh.workers, fresh.scaling), (Some(2), None));
    }
}
