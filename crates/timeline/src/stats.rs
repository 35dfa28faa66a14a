//! What a stretch of time adds up to, its longest tasks, and the next error.

use crate::forest::{Forest, Leaf, Node, Step, Visit};
use crate::raster::{Colors, layer_of};
use crate::timeline::{Located, Timeline};
use protocol::live::Action;

/// What some lanes did from one moment to another; rectangles count with the part that lies between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By prefix id.
    pub prefixes: Vec<PrefixStats>,
    /// Microseconds of all lanes together, by [`Action`].
    pub spent_us: [i64; 6],
    /// Lanes that did something before the end and after the beginning: those that could have worked.
    pub lanes: u32,
    /// Microseconds in which such a lane did nothing at all, shown or not. What overlaps in a lane counts twice as busy.
    pub idle_us: i64,
}

/// The tasks of one prefix in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixStats {
    /// Those that raised included.
    pub tasks: u64,
    pub erred: u64,
    /// Microseconds of compute.
    pub busy_us: i64,
    /// The longest task's compute in whole, microseconds.
    pub longest_us: i64,
}

impl Stats {
    /// Microseconds of compute, of tasks that raised too.
    pub fn compute_us(&self) -> i64 {
        self.spent_us[Action::Compute as usize] + self.spent_us[Action::Erred as usize]
    }
}

impl Timeline {
    /// Adds up what is shown of these lanes from `from_us` up to, not including, `to_us`. Looks at every rectangle there.
    pub fn stats(&self, lanes: &[u16], from_us: i64, to_us: i64, shown: &Colors) -> Stats {
        let mut sum = Sum {
            from: from_us,
            to: to_us,
            shown,
            busy: 0,
            stats: Stats::default(),
        };
        for &lane in lanes {
            let alive = self
                .lane_bounds(lane)
                .is_some_and(|(start, end)| start < to_us && end > from_us);
            if let (true, Some(layers)) = (alive, self.layers(lane)) {
                sum.busy = 0;
                for forest in layers {
                    forest.look(from_us, to_us, &mut sum);
                }
                sum.stats.lanes += 1;
                sum.stats.idle_us += (to_us - from_us - sum.busy).max(0);
            }
        }
        sum.stats
    }

    /// The tasks with the longest compute of those shown that touch a stretch of time, longest first.
    pub fn longest(
        &self,
        lanes: &[u16],
        from_us: i64,
        to_us: i64,
        limit: usize,
        shown: &Colors,
    ) -> Vec<Located> {
        let mut top: Vec<Located> = Vec::new();
        for &lane in lanes {
            let Some(layers) = self.layers(lane) else { continue };
            for forest in [Action::Compute, Action::Erred].map(|action| &layers[layer_of(action)]) {
                let least = top
                    .get(limit.saturating_sub(1))
                    .map_or(0, |last| last.rect.duration_us as i64);
                let mut longest = Longest {
                    least,
                    limit,
                    shown,
                    found: Vec::new(),
                };
                forest.look(from_us, to_us, &mut longest);
                let rects = longest
                    .found
                    .into_iter()
                    .filter_map(|(_, at)| self.rect(forest, at as usize));
                top.extend(rects.map(|rect| Located { lane, rect }));
                top.sort_by_key(|located| std::cmp::Reverse(located.rect.duration_us));
                top.truncate(limit);
            }
        }
        top
    }

    /// The shown error that begins next after a moment, or the last before it where `back`; of errors that begin at once,
    /// lanes count up. `from` is a start and the lane it is in.
    pub fn next_error(&self, lanes: &[u16], from: (i64, u16), back: bool, shown: &Colors) -> Option<Located> {
        let mut best: Option<Located> = None;
        for &lane in lanes {
            let forest: &Forest = &self.layers(lane)?[layer_of(Action::Erred)];
            let mut next = Next {
                from,
                lane,
                back,
                shown,
                best: best.as_ref().map(|b| (b.rect.start_us, b.lane)),
                found: None,
            };
            let (begin, end) = if back {
                (i64::MIN, from.0.saturating_add(1))
            } else {
                (from.0, i64::MAX)
            };
            forest.look(begin, end, &mut next);
            if let Some(rect) = next.found.and_then(|at| self.rect(forest, at as usize)) {
                best = Some(Located { lane, rect });
            }
        }
        best
    }
}

struct Sum<'a> {
    from: i64,
    to: i64,
    shown: &'a Colors,
    /// Of the lane that is being looked at.
    busy: i64,
    stats: Stats,
}

impl Visit for Sum<'_> {
    fn node(&mut self, _: &Node) -> Step {
        Step::Into
    }

    fn leaf(&mut self, leaf: Leaf) {
        let (prefix, action) = (leaf.kind.prefix(), leaf.kind.action());
        let part = leaf.end.min(self.to) - leaf.start.max(self.from);
        self.busy += part;
        if !self.shown.shows(prefix) {
            return;
        }
        self.stats.spent_us[action as usize] += part;
        if matches!(action, Action::Compute | Action::Erred) {
            let id = usize::from(prefix);
            if self.stats.prefixes.len() <= id {
                self.stats.prefixes.resize(id + 1, PrefixStats::default());
            }
            let sum = &mut self.stats.prefixes[id];
            sum.tasks += 1;
            sum.erred += u64::from(action == Action::Erred);
            sum.busy_us += part;
            sum.longest_us = sum.longest_us.max(leaf.end - leaf.start);
        }
    }
}

/// Keeps the longest few.
struct Longest<'a> {
    least: i64,
    limit: usize,
    shown: &'a Colors,
    /// Duration and position, longest first.
    found: Vec<(i64, u32)>,
}

impl Visit for Longest<'_> {
    fn node(&mut self, node: &Node) -> Step {
        if node.longest > self.least {
            Step::Into
        } else {
            Step::Over
        }
    }

    fn leaf(&mut self, leaf: Leaf) {
        let duration = leaf.end - leaf.start;
        if duration > self.least && self.shown.shows(leaf.kind.prefix()) {
            let place = self.found.partition_point(|(longer, _)| *longer >= duration);
            self.found.insert(place, (duration, leaf.at));
            if self.found.len() > self.limit {
                self.found.pop();
                self.least = self.found.last().map_or(self.least, |(last, _)| *last);
            }
        }
    }
}

struct Next<'a> {
    from: (i64, u16),
    lane: u16,
    back: bool,
    shown: &'a Colors,
    best: Option<(i64, u16)>,
    found: Option<u32>,
}

impl Visit for Next<'_> {
    fn node(&mut self, node: &Node) -> Step {
        let worse = self.best.is_some_and(|(start, _)| {
            if self.back {
                node.end < start
            } else {
                node.start > start
            }
        });
        if worse { Step::Over } else { Step::Into }
    }

    fn leaf(&mut self, leaf: Leaf) {
        let at = (leaf.start, self.lane);
        let (beyond, nearer) = if self.back {
            (at < self.from, self.best.is_none_or(|best| at > best))
        } else {
            (at > self.from, self.best.is_none_or(|best| at < best))
        };
        if beyond && nearer && self.shown.shows(leaf.kind.prefix()) {
            self.best = Some(at);
            self.found = Some(leaf.at);
        }
    }
}
