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
    let read =
        |load: &mut Load, s: u32| load.read(f64::from(s), &[("load", running(100)), ("sum", running(60))]);
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
