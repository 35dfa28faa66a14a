//! All lanes of a cluster: taking rectangles in, letting old ones go, finding one.

use protocol::live::Action;

use crate::forest::{Forest, Leaf, Node, Step, Visit};
use crate::raster::{Colors, LAYERS, layer_of};
use crate::rect::{MAX_TIME_US, Rect};

/// What the worker threads of one scheduler did.
#[derive(Debug, Default)]
pub struct Timeline {
    first_record: u64,
    records: u64,
    lanes: Vec<[Forest; LAYERS]>,
}

/// A rectangle under the pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub rect: Rect,
    /// Further rectangles of the lane in the same stretch of time.
    pub others: u64,
}

/// A rectangle and the lane it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    pub lane: u16,
    pub rect: Rect,
}

/// A rectangle that can't be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    #[error("rectangle for lane {lane}, but there are only {lanes}")]
    NoSuchLane { lane: u16, lanes: usize },
    #[error("rectangle at {0} µs, beyond any clock")]
    NoSuchTime(i64),
    #[error("rectangle of record {record}, too far from the first one, {first}")]
    NoSuchRecord { record: u64, first: u64 },
}

impl Timeline {
    /// An empty one; records are numbered from `first_record` on.
    pub fn new(first_record: u64) -> Self {
        Self {
            first_record,
            ..Self::default()
        }
    }

    /// Adds an empty lane and returns its number.
    pub fn add_lane(&mut self) -> u16 {
        let lane = u16::try_from(self.lanes.len()).unwrap_or(u16::MAX);
        if self.lanes.len() <= usize::from(u16::MAX) {
            self.lanes.push(Default::default());
        }
        lane
    }

    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Counts records that were taken in, with or without rectangles.
    pub fn add_records(&mut self, records: u64) {
        self.records += records;
    }

    /// Records taken in so far, those whose rectangles were evicted included.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Rectangles that are here.
    pub fn rects(&self) -> usize {
        self.lanes.iter().flatten().map(Forest::len).sum()
    }

    /// Bytes that rectangles and index take.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().flatten().map(Forest::bytes).sum::<usize>()
            + self.lanes.capacity() * size_of::<[Forest; LAYERS]>()
    }

    /// Takes a rectangle in. Any order of times works; one nearly sorted within a lane is fastest to draw.
    pub fn push(&mut self, lane: u16, rect: Rect) -> Result<(), TimelineError> {
        let lanes = self.lanes.len();
        let end = rect.start_us.checked_add_unsigned(rect.duration_us);
        if rect.start_us < -MAX_TIME_US || end.is_none_or(|end| end >= MAX_TIME_US) {
            return Err(TimelineError::NoSuchTime(rect.start_us));
        }
        let offset = rect
            .record
            .checked_sub(self.first_record)
            .and_then(|offset| u32::try_from(offset).ok());
        let Some(offset) = offset else {
            return Err(TimelineError::NoSuchRecord {
                record: rect.record,
                first: self.first_record,
            });
        };
        let Some(layers) = self.lanes.get_mut(usize::from(lane)) else {
            return Err(TimelineError::NoSuchLane { lane, lanes });
        };
        layers[layer_of(rect.action)].push(&rect, offset);
        Ok(())
    }

    /// Lets the oldest blocks go until at most `keep` rectangles are left, or only blocks that are still being filled.
    pub fn evict(&mut self, keep: usize) {
        let mut rects = self.rects();
        while rects > keep {
            let full = self
                .lanes
                .iter_mut()
                .flatten()
                .filter(|forest| forest.len() > crate::forest::BLOCK);
            let Some(oldest) = full.min_by_key(|forest| forest.oldest_end()) else {
                return;
            };
            let before = oldest.len();
            if !oldest.evict_block() {
                return;
            }
            rects -= before - oldest.len();
        }
    }

    /// Earliest start and latest end of all rectangles.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let all = self.lanes.iter().flatten().filter_map(Forest::bounds);
        all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Earliest start and latest end of a lane's rectangles.
    pub fn lane_bounds(&self, lane: u16) -> Option<(i64, i64)> {
        let all = self.layers(lane)?.iter().filter_map(Forest::bounds);
        all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The rectangle to name for a place: of those that are shown and touch the time within `slack_us` of `t_us`, one on the
    /// uppermost layer; there, one that holds `t_us` itself before the others, then the longest, then the earliest arrival.
    pub fn hit(&self, lane: u16, t_us: i64, slack_us: i64, shown: &Colors) -> Option<Hit> {
        let layers = self.layers(lane)?;
        let slack = slack_us.max(0);
        let find = |from: i64, to: i64| {
            layers.iter().rev().find_map(|forest| {
                let (at, _) = Finder::look(forest, from, to, shown).longest?;
                self.rect(forest, at as usize)
            })
        };
        let (from, to) = (t_us.saturating_sub(slack), t_us.saturating_add(slack + 1));
        let rect = find(t_us, t_us.saturating_add(1)).or_else(|| find(from, to))?;
        let touching: u64 = layers
            .iter()
            .map(|forest| Finder::look(forest, from, to, shown).count)
            .sum();
        Some(Hit {
            rect,
            others: touching.saturating_sub(1),
        })
    }

    pub(crate) fn rect(&self, forest: &Forest, at: usize) -> Option<Rect> {
        let (rect, offset) = forest.get(at)?;
        Some(Rect {
            record: self.first_record + u64::from(offset),
            ..rect
        })
    }

    /// The rectangles of a record, in no particular order; looks at all there are.
    pub fn locate(&self, record: u64) -> Vec<Located> {
        let offset = record
            .checked_sub(self.first_record)
            .and_then(|offset| u32::try_from(offset).ok());
        let Some(offset) = offset else { return Vec::new() };
        let mut found = Vec::new();
        for (lane, layers) in self.lanes.iter().enumerate() {
            for forest in layers {
                let rects = forest.positions_of(offset).filter_map(|at| self.rect(forest, at));
                found.extend(rects.map(|rect| Located {
                    lane: lane as u16,
                    rect,
                }));
            }
        }
        found
    }

    /// Shown errors of a lane that touch the time from `from_us` up to, not including, `to_us`, in order of arrival: at most
    /// `limit` of them.
    pub fn errors(&self, lane: u16, from_us: i64, to_us: i64, limit: usize, shown: &Colors) -> Vec<Rect> {
        self.list(lane, Action::Erred, (from_us, to_us), 0, limit, shown)
    }

    /// Shown compute rectangles of a lane, those of tasks that raised included, that last at least `least_us` and touch the
    /// time of `window`, its end not included: at most `limit` of them.
    pub fn long_computes(
        &self,
        lane: u16,
        window: (i64, i64),
        least_us: i64,
        limit: usize,
        shown: &Colors,
    ) -> Vec<Rect> {
        let mut long = self.list(lane, Action::Compute, window, least_us, limit, shown);
        let left = limit - long.len();
        long.extend(self.list(lane, Action::Erred, window, least_us, left, shown));
        long
    }

    fn list(
        &self,
        lane: u16,
        layer: Action,
        (from, to): (i64, i64),
        least: i64,
        limit: usize,
        shown: &Colors,
    ) -> Vec<Rect> {
        let Some(layers) = self.layers(lane) else {
            return Vec::new();
        };
        let forest = &layers[layer_of(layer)];
        let mut list = List {
            least,
            limit,
            shown,
            found: Vec::new(),
        };
        forest.look(from, to, &mut list);
        list.found
            .into_iter()
            .filter_map(|at| self.rect(forest, at as usize))
            .collect()
    }

    pub(crate) fn layers(&self, lane: u16) -> Option<&[Forest; LAYERS]> {
        self.lanes.get(usize::from(lane))
    }
}

/// Counts what is shown of a stretch of time and remembers the first of the longest.
struct Finder<'a> {
    from: i64,
    to: i64,
    shown: &'a Colors,
    count: u64,
    /// Position and duration.
    longest: Option<(u32, i64)>,
}

impl<'a> Finder<'a> {
    fn look(forest: &Forest, from: i64, to: i64, shown: &'a Colors) -> Self {
        let mut finder = Self {
            from,
            to,
            shown,
            count: 0,
            longest: None,
        };
        forest.look(from, to, &mut finder);
        finder
    }

    fn offer(&mut self, at: u32, duration: i64) {
        if self.longest.is_none_or(|(_, longest)| duration > longest) {
            self.longest = Some((at, duration));
        }
    }
}

impl Visit for Finder<'_> {
    fn node(&mut self, node: &Node) -> Step {
        if self.shown.only.is_some() || node.start < self.from || node.end > self.to {
            return Step::Into;
        }
        self.count += u64::from(node.count);
        self.offer(node.longest_at, node.longest);
        Step::Over
    }

    fn leaf(&mut self, leaf: Leaf) {
        if self.shown.shows(leaf.kind.prefix()) {
            self.count += 1;
            self.offer(leaf.at, leaf.end - leaf.start);
        }
    }
}

/// Collects what is shown and lasts long enough.
struct List<'a> {
    least: i64,
    limit: usize,
    shown: &'a Colors,
    found: Vec<u32>,
}

impl Visit for List<'_> {
    fn node(&mut self, node: &Node) -> Step {
        if node.longest < self.least || self.found.len() >= self.limit {
            Step::Over
        } else {
            Step::Into
        }
    }

    fn leaf(&mut self, leaf: Leaf) {
        let long = leaf.end - leaf.start >= self.least && self.found.len() < self.limit;
        if long && self.shown.shows(leaf.kind.prefix()) {
            self.found.push(leaf.at);
        }
    }
}
