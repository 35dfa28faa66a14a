//! How long tasks will take yet, as the pace of the last while suggests.
//!
//! What ended is counted by the records of the task stream and not by the tasks' states: a scheduler forgets a task whose
//! result nobody wants any more, and it would seem never to have been done.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use protocol::live::{Progress, TimeLeft};
use tokio::time::Instant;

/// The pace is that of so long, or of as many tasks as run at once where these took longer.
const WINDOW: Duration = Duration::from_secs(20);
/// What is less says nothing of a pace.
const FEWEST: u64 = 3;
const SHORTEST: Duration = Duration::from_secs(3);
/// As many tasks as run at once must have ended, or so many: the first to end are the short ones.
const MANY: u64 = 32;
/// Moments that are kept of each prefix, and how far apart every other one is at least. In each of them a task ended, so that they
/// hold [`MANY`] tasks however slow these are, and [`WINDOW`] however fast.
const MOMENTS: usize = MANY as usize + 1;
const APART: Duration = Duration::from_secs(2);

/// Nothing can run for so long, or nothing ended for so long and for much longer than usual: there is no pace.
const PAUSE: Duration = Duration::from_secs(3);
const STALL: Duration = Duration::from_secs(10);
/// So long after all should be done the pace was not the true one.
const OVERDUE: f64 = 5.0;
/// Seconds; nobody has seen enough to say more than that.
const LONGEST: f64 = 30.0 * 86_400.0;

/// Seconds that a task counts at least: what a scheduler takes for one.
const LEAST: f64 = 1e-3;
/// A task counts so many times the mean of those before it at most: a clock that was set makes tasks of hours.
const MOST: f64 = 10.0;

/// Tasks that ended, and their weight in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Done {
    tasks: u64,
    seconds: f64,
}

impl Done {
    fn add(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.seconds += other.seconds;
    }

    fn since(self, before: Self) -> Self {
        Self {
            tasks: self.tasks - before.tasks,
            seconds: self.seconds - before.seconds,
        }
    }

    /// Seconds of one task; `None` where none is known.
    fn mean(self) -> Option<f64> {
        (self.tasks > 0).then(|| (self.seconds / self.tasks as f64).max(LEAST))
    }
}

/// How much ended by when.
#[derive(Debug)]
struct Track {
    done: Done,
    /// Where the pace is taken from; the first one is where it begins.
    moments: VecDeque<(Instant, Done)>,
    /// When there was last anything that runs or could.
    ran_at: Instant,
}

impl Track {
    /// What ended before, which has no part in the pace.
    fn new(done: Done, now: Instant) -> Self {
        Self {
            done,
            moments: VecDeque::from([(now, done)]),
            ran_at: now,
        }
    }

    /// Takes in what ended until `now`; `runs`: whether anything runs or could.
    fn take(&mut self, ended: Done, runs: bool, now: Instant) {
        if ended.tasks > 0 {
            let stalled = self.is_stalled(now);
            self.done.add(ended);
            if stalled {
                self.moments.clear();
            }
            let last_but_one = self.moments.len().checked_sub(2).map(|at| self.moments[at].0);
            if last_but_one.is_some_and(|before| now.duration_since(before) < APART) {
                self.moments.pop_back();
            }
            self.moments.push_back((now, self.done));
            if self.moments.len() > MOMENTS {
                self.moments.pop_front();
            }
        }
        if runs || ended.tasks > 0 {
            self.ran_at = now;
        } else if self.has_paused(now) {
            self.moments.clear();
            self.moments.push_back((now, self.done));
        }
    }

    fn has_paused(&self, now: Instant) -> bool {
        now.duration_since(self.ran_at) >= PAUSE
    }

    /// Whether nothing ended for much longer than it ever took.
    fn is_stalled(&self, now: Instant) -> bool {
        let times = || self.moments.iter().map(|(at, _)| *at);
        let longest = times().zip(times().skip(1)).map(|(a, b)| b - a).max();
        // Before the first one ended nobody knows how long one takes.
        let longest = longest.unwrap_or(Duration::MAX / 2);
        times()
            .next_back()
            .is_some_and(|last| now.duration_since(last) > STALL.max(longest * 2))
    }

    /// What ended in the last while until the last one did, in how many seconds, and when that was. `at_once`: how many
    /// run beside each other.
    fn pace(&self, at_once: u64, now: Instant) -> Option<(Done, f64, Instant)> {
        let (last, done) = *self.moments.back()?;
        if self.has_paused(now) || self.is_stalled(now) {
            return None;
        }
        let enough = at_once.clamp(FEWEST, MANY);
        let suits =
            |(at, before): &&(Instant, Done)| last - *at >= WINDOW && done.tasks - before.tasks >= enough;
        let (from, before) = self.moments.iter().rev().find(suits).or(self.moments.front())?;
        let (took, ended) = (last - *from, done.since(*before));
        (ended.tasks >= enough && took >= SHORTEST).then_some((ended, took.as_secs_f64(), last))
    }
}

/// Follows the tasks of one scheduler.
#[derive(Debug, Default)]
pub(super) struct Estimator {
    /// By prefix, where any is left; so no more than a frame of progress names.
    tracks: HashMap<String, Track>,
    /// All tasks together, each with the mean weight of its prefix.
    all: Option<Track>,
    /// By prefix, since the last reading.
    ended: HashMap<String, Done>,
}

impl Estimator {
    /// A task of that prefix ended that was computed for so many seconds.
    pub(super) fn ended(&mut self, prefix: &str, seconds: f64) {
        let before = self.tracks.get(prefix).map(|track| track.done);
        let usual = before.filter(|done| done.tasks >= FEWEST).and_then(Done::mean);
        let one = Done {
            tasks: 1,
            seconds: usual.map_or(seconds, |mean| seconds.min(mean * MOST)),
        };
        match self.ended.get_mut(prefix) {
            Some(ended) => ended.add(one),
            None => {
                self.ended.insert(prefix.to_owned(), one);
            }
        }
    }

    /// What is left of the tasks that are in these states now, after all that [`Self::ended`]; `threads` of the workers run
    /// them.
    ///
    /// A prefix takes as long as its remaining tasks do at the pace at which its own ended. Prefixes run beside each other
    /// and wait for each other, so that neither their sum nor the longest is what all take together. Of these the
    /// remaining seconds of compute count (each task as the mean of its prefix, or of all tasks where none of its prefix
    /// has ended yet), at the pace at which such seconds were worked off: the workers' true parallelism, with all that
    /// they do beside computing. Where all tasks take equally long, that is the pace of
    /// the counts.
    pub(super) fn read(&mut self, progress: &Progress, threads: u64, now: Instant) -> TimeLeft {
        let ended = std::mem::take(&mut self.ended);
        let mut before = std::mem::take(&mut self.tracks);
        let mut left = TimeLeft::default();
        for prefix in &progress.prefixes {
            let counts = &prefix.counts;
            let remaining = counts.remaining();
            if remaining == 0 {
                left.prefixes.push(None);
                continue;
            }
            let new = ended.get(&prefix.name).copied().unwrap_or_default();
            let (name, track) = match before.remove_entry(&prefix.name) {
                Some((name, mut track)) => {
                    track.take(new, counts.processing + counts.queued > 0, now);
                    (name, track)
                }
                None => (prefix.name.clone(), Track::new(new, now)),
            };
            let pace = track.pace(counts.processing.min(threads), now);
            left.prefixes.push(pace.and_then(|(done, took, last)| {
                seconds(remaining as f64 * took / done.tasks as f64, now - last)
            }));
            self.tracks.insert(name, track);
        }
        let told = left.prefixes.iter().rposition(Option::is_some);
        left.prefixes.truncate(told.map_or(0, |at| at + 1));
        left.all = self.read_all(progress, &ended, threads, now);
        left
    }

    fn read_all(
        &mut self,
        progress: &Progress,
        ended: &HashMap<String, Done>,
        threads: u64,
        now: Instant,
    ) -> Option<u32> {
        let totals = &progress.totals;
        if totals.remaining() == 0 {
            self.all = None;
            return None;
        }
        let mean = |name: &str| self.tracks.get(name).and_then(|track| track.done.mean());
        let mut new = Done::default();
        for (name, ended) in ended {
            let each = mean(name).or(ended.mean()).unwrap_or(LEAST);
            new.add(Done {
                tasks: ended.tasks,
                seconds: each * ended.tasks as f64,
            });
        }
        let all = match &mut self.all {
            Some(all) => {
                all.take(new, totals.processing + totals.queued > 0, now);
                all
            }
            None => self.all.insert(Track::new(new, now)),
        };
        let unknown = all.done.mean().unwrap_or(LEAST);
        // A frame does not name more prefixes than one reads.
        let mut unnamed = totals.remaining();
        let mut work = 0.0;
        for prefix in &progress.prefixes {
            let remaining = prefix.counts.remaining();
            unnamed = unnamed.saturating_sub(remaining);
            work += remaining as f64 * mean(&prefix.name).unwrap_or(unknown);
        }
        work += unnamed as f64 * unknown;
        let (done, took, last) = all.pace(totals.processing.min(threads), now)?;
        seconds(work * took / done.seconds, now - last)
    }
}

/// What is left of so many seconds after another while, as precise as one reads it: by the second below a minute, by five
/// below ten, then by the minute.
fn seconds(estimate: f64, since: Duration) -> Option<u32> {
    let left = estimate - since.as_secs_f64();
    if !(-OVERDUE..=LONGEST).contains(&left) {
        return None;
    }
    let step = match left {
        ..59.5 => 1.0,
        ..597.5 => 5.0,
        _ => 60.0,
    };
    Some((((left / step).round() * step) as u32).max(1))
}

#[cfg(test)]
mod tests;
