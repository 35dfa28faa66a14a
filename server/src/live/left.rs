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
mod tests {
    use protocol::live::{PrefixProgress, StateCounts};

    use super::*;

    /// A scheduler with eight threads that is read at moments.
    struct Load {
        estimator: Estimator,
        start: Instant,
    }

    impl Load {
        fn new() -> Self {
            Self {
                estimator: Estimator::default(),
                start: Instant::now(),
            }
        }

        fn ended(&mut self, prefix: &str, tasks: u64, seconds: f64) {
            (0..tasks).for_each(|_| self.estimator.ended(prefix, seconds));
        }

        fn read(&mut self, at_s: f64, prefixes: &[(&str, StateCounts)]) -> TimeLeft {
            let mut progress = Progress::default();
            for (name, counts) in prefixes {
                progress.totals += *counts;
                progress.prefixes.push(PrefixProgress {
                    name: (*name).to_owned(),
                    color: 0,
                    counts: *counts,
                });
            }
            let now = self.start + Duration::from_secs_f64(at_s);
            self.estimator.read(&progress, 8, now)
        }

        /// What is left of `inc` alone, by itself and of all.
        fn inc(&mut self, at_s: f64, counts: StateCounts) -> (Option<u32>, Option<u32>) {
            let left = self.read(at_s, &[("inc", counts)]);
            (left.prefixes.first().copied().flatten(), left.all)
        }
    }

    /// So many tasks, up to eight of them processing, the others waiting behind them.
    fn running(remaining: u64) -> StateCounts {
        StateCounts {
            processing: remaining.min(8),
            waiting: remaining.saturating_sub(8),
            ..StateCounts::default()
        }
    }

    fn both(seconds: u32) -> (Option<u32>, Option<u32>) {
        (Some(seconds), Some(seconds))
    }

    /// Two tasks of `inc` end each second from 1 s on until `until_s`, of a thousand; what was said at each of them.
    fn steady(load: &mut Load, until_s: u64) -> Vec<(Option<u32>, Option<u32>)> {
        let mut said = vec![load.inc(0.0, running(1000))];
        for s in 1..=until_s {
            load.ended("inc", 2, 4.0);
            said.push(load.inc(s as f64, running(1000 - 2 * s)));
        }
        said
    }

    #[test]
    fn a_steady_pace_is_told_once_there_is_enough_of_it() {
        let said = steady(&mut Load::new(), 450);
        assert_eq!(said[..4], [(None, None); 4], "fewer than run at once");
        assert_eq!(said[4], both(500 - 5), "by five seconds");
        assert_eq!(said[200], both(300));
        assert_eq!(said[450], both(50));
    }

    #[test]
    fn tasks_that_come_raise_it_and_none_that_is_left_ends_it() {
        let mut load = Load::new();
        steady(&mut load, 10);
        assert_eq!(load.inc(10.0, running(60)), both(30));
        assert_eq!(load.inc(10.0, running(90)), both(45));
        let done = StateCounts {
            memory: 1000,
            ..StateCounts::default()
        };
        assert_eq!(load.read(10.5, &[("inc", done)]), TimeLeft::default());
        assert!(load.estimator.tracks.is_empty() && load.estimator.all.is_none());
    }

    #[test]
    fn the_pace_is_that_of_the_last_while() {
        let mut load = Load::new();
        steady(&mut load, 60);
        for s in 61..=85 {
            load.ended("inc", 10, 4.0);
            load.inc(f64::from(s), running(800));
        }
        assert_eq!(load.inc(85.0, running(100)), both(10));
    }

    #[test]
    fn one_that_stalls_says_nothing_and_begins_anew() {
        let mut load = Load::new();
        steady(&mut load, 60);
        assert_eq!(load.inc(65.0, running(40)), both(15), "what is under way goes on");
        assert_eq!(load.inc(71.0, running(400)), (None, None), "stalled");
        load.inc(371.0, running(400));
        for s in 372..=380 {
            load.ended("inc", 2, 4.0);
            load.inc(f64::from(s), running(400));
        }
        assert_eq!(
            load.inc(380.0, running(40)),
            both(20),
            "five minutes of nothing are no pace"
        );
    }

    #[test]
    fn one_that_waits_says_nothing_and_begins_anew() {
        let mut load = Load::new();
        steady(&mut load, 60);
        let waiting = StateCounts {
            waiting: 100,
            no_worker: 3,
            ..StateCounts::default()
        };
        assert_eq!(
            load.inc(62.0, waiting).0,
            Some(50),
            "between two tasks nothing may run"
        );
        for s in 63..200 {
            assert_eq!(load.inc(f64::from(s), waiting), (None, None), "{s}");
        }
        for s in 200..210 {
            load.ended("inc", 5, 4.0);
            load.inc(f64::from(s), running(50));
        }
        assert_eq!(load.inc(209.0, running(50)), both(10));
    }

    #[test]
    fn waves_of_long_tasks_count_down() {
        let mut load = Load::new();
        for s in 0..60 {
            assert_eq!(load.inc(f64::from(s), running(24)), (None, None), "{s}");
        }
        load.ended("inc", 3, 60.0);
        assert_eq!(
            load.inc(60.0, running(21)),
            (None, None),
            "those were the short ones"
        );
        load.ended("inc", 5, 60.0);
        assert_eq!(load.inc(60.5, running(16)), both(120));
        assert_eq!(load.inc(90.5, running(16)), both(90));
        load.ended("inc", 8, 60.0);
        assert_eq!(load.inc(120.5, running(8)), both(60));
        assert_eq!(load.inc(179.5, running(8)), both(1));
        load.ended("inc", 7, 60.0);
        assert_eq!(load.inc(180.5, running(1)), both(9));
        assert_eq!(load.inc(190.5, running(1)), both(1));
        assert_eq!(
            load.inc(200.5, running(1)),
            (None, None),
            "a single long one is not known"
        );
    }

    #[test]
    fn few_tasks_say_nothing() {
        let mut load = Load::new();
        load.inc(0.0, running(8));
        for s in 1..=3 {
            load.ended("inc", 1, 1.0);
            assert_eq!(load.inc(f64::from(s), running(8 - s as u64)), (None, None));
        }
    }

    #[test]
    fn tasks_that_are_forgotten_once_they_are_done_have_a_pace() {
        let mut load = Load::new();
        for s in 0..30 {
            load.inc(f64::from(s), running(100));
            load.ended("inc", 5, 1.0);
        }
        assert_eq!(load.inc(30.0, running(100)), both(20));
    }

    #[test]
    fn a_graph_that_is_cleared_leaves_nothing_behind() {
        let mut load = Load::new();
        steady(&mut load, 60);
        assert_eq!(load.read(61.0, &[]), TimeLeft::default());
        assert!(load.estimator.tracks.is_empty() && load.estimator.all.is_none());
        assert_eq!(
            load.inc(62.0, running(50)),
            (None, None),
            "the same prefix once more"
        );
    }

    #[test]
    fn what_ended_before_one_looked_is_no_pace() {
        let mut load = Load::new();
        load.ended("inc", 100_000, 1.0);
        for s in 0..10 {
            assert_eq!(load.inc(f64::from(s), running(100)), (None, None), "{s}");
        }
    }

    #[test]
    fn readings_without_time_between_them_say_nothing() {
        let mut load = Load::new();
        for _ in 0..50 {
            load.ended("inc", 5, 1.0);
            assert_eq!(load.inc(0.0, running(100)), (None, None));
        }
    }

    #[test]
    fn all_together_are_neither_the_sum_nor_the_longest() {
        let mut load = Load::new();
        let read = |load: &mut Load, s: u32| {
            load.read(f64::from(s), &[("load", running(100)), ("sum", running(60))])
        };
        let mut left = TimeLeft::default();
        for s in 0..=30 {
            left = read(&mut load, s);
            load.ended("load", 10, 0.3);
            load.ended("sum", 2, 1.5);
        }
        assert_eq!(left.prefixes, [Some(10), Some(30)]);
        // 100 x 0.3 s + 60 x 1.5 s at 6 s a second.
        assert_eq!(left.all, Some(20));
        // A worker's clock that is set makes a task of a day.
        load.ended("load", 1, 86_400.0);
        let set = read(&mut load, 31).all;
        assert!(set.is_some_and(|all| (18..=22).contains(&all)), "{set:?}");
    }

    #[test]
    fn a_prefix_that_has_not_begun_is_part_of_all() {
        let mut load = Load::new();
        let waiting = StateCounts {
            waiting: 50,
            ..StateCounts::default()
        };
        for s in 0..30 {
            load.read(f64::from(s), &[("inc", running(100)), ("sum", waiting)]);
            load.ended("inc", 5, 1.0);
        }
        let left = load.read(30.0, &[("sum", waiting), ("inc", running(100))]);
        assert_eq!((left.prefixes, left.all), (vec![None, Some(20)], Some(30)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut load = Load::new();
        for n in 0..5_000_u32 {
            let name = format!("prefix-{}", n / 50);
            load.read(f64::from(n) * 0.6, &[(&name, running(100)), ("inc", running(9))]);
            load.ended(&name, 3, 1.0);
            load.ended("inc", 3, 1.0);
        }
        let kept = &load.estimator;
        assert_eq!((kept.tracks.len(), kept.ended.len()), (2, 2));
        let tracks = kept.tracks.values().chain(&kept.all);
        assert!(tracks.map(|track| track.moments.len()).all(|n| n <= MOMENTS));
    }

    #[test]
    fn it_is_as_precise_as_one_reads_it() {
        let whole = |estimate| seconds(estimate, Duration::ZERO);
        for (estimate, said) in [
            (0.2, 1),
            (12.4, 12),
            (59.6, 60),
            (61.0, 60),
            (64.0, 65),
            (599.0, 600),
            (1000.0, 1020),
        ] {
            assert_eq!(whole(estimate), Some(said), "{estimate}");
        }
        assert_eq!(whole(1e9), None);
        assert_eq!(whole(f64::NAN), None);
        assert_eq!(seconds(10.0, Duration::from_secs(12)), Some(1));
        assert_eq!(seconds(10.0, Duration::from_secs(16)), None);
    }
}
