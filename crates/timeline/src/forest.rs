//! Rectangles in order of arrival under a tree of summaries: appended in constant time, dropped in blocks from the front.
//!
//! Every summary holds the earliest start and the latest end below it, so no order of start times is needed: a late or
//! early rectangle widens the summaries above it and is still found. What does arrive nearly sorted, as the tasks of one
//! thread do, is found in logarithmic time.

use std::collections::VecDeque;

use crate::rect::{Kind, Rect, pack_duration, unpack_duration};

/// Children of a summary.
const FAN: usize = 16;
/// Rectangles of a block, the unit of eviction: a whole subtree of two levels. The last block of every forest stays, so
/// that it is small where there are thousands of lanes.
pub(crate) const BLOCK: usize = FAN * FAN;
/// The level that has one summary for each block.
const BLOCK_LEVEL: usize = 1;

/// The rectangles of one layer of one lane. Positions count from the first one ever appended.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    blocks: VecDeque<Block>,
    evicted_blocks: usize,
    /// Level 0 summarises rectangles; each higher one the level below; the last has at most [`FAN`] summaries.
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Block {
    start: Vec<i64>,
    duration: Vec<u32>,
    kind: Vec<Kind>,
    record: Vec<u32>,
}

#[derive(Debug, Default)]
struct Level {
    /// Summaries dropped from the front.
    evicted: usize,
    nodes: VecDeque<Node>,
}

/// What is known of a run of rectangles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Sum of durations, overlaps counted twice.
    pub(crate) busy: i64,
    pub(crate) count: u32,
    /// The first of the longest.
    pub(crate) longest: i64,
    pub(crate) longest_kind: Kind,
    pub(crate) longest_at: u32,
}

/// A rectangle as a traversal meets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) kind: Kind,
    pub(crate) at: u32,
}

/// What a traversal does with a summary.
pub(crate) enum Step {
    /// Nothing below is wanted, or the summary was enough.
    Over,
    /// Look at what it summarises.
    Into,
}

/// Something that looks at rectangles in order of arrival, some of them as summaries only.
pub(crate) trait Visit {
    fn node(&mut self, node: &Node) -> Step;
    fn leaf(&mut self, leaf: Leaf);
}

impl Visit for &mut dyn Visit {
    fn node(&mut self, node: &Node) -> Step {
        (**self).node(node)
    }

    fn leaf(&mut self, leaf: Leaf) {
        (**self).leaf(leaf);
    }
}

impl Node {
    fn of(leaf: &Leaf) -> Self {
        let duration = leaf.end - leaf.start;
        Self {
            start: leaf.start,
            end: leaf.end,
            busy: duration,
            count: 1,
            longest: duration,
            longest_kind: leaf.kind,
            longest_at: leaf.at,
        }
    }

    /// Takes in what comes later.
    fn add(&mut self, later: &Node) {
        self.start = self.start.min(later.start);
        self.end = self.end.max(later.end);
        self.busy += later.busy;
        self.count += later.count;
        if later.longest > self.longest {
            self.longest = later.longest;
            self.longest_kind = later.longest_kind;
            self.longest_at = later.longest_at;
        }
    }
}

impl Level {
    fn get(&self, position: usize) -> Option<&Node> {
        self.nodes.get(position.checked_sub(self.evicted)?)
    }

    fn end(&self) -> usize {
        self.evicted + self.nodes.len()
    }

    /// The summary of the children from `first` on, as far as they are here.
    fn summary(&self, first: usize) -> Option<Node> {
        let mut sum: Option<Node> = None;
        for position in first.max(self.evicted)..(first + FAN).min(self.end()) {
            match (&mut sum, self.get(position)) {
                (Some(sum), Some(node)) => sum.add(node),
                (None, Some(node)) => sum = Some(*node),
                (_, None) => {}
            }
        }
        sum
    }
}

impl Forest {
    /// Position of the first rectangle that is still here.
    pub(crate) fn first(&self) -> usize {
        self.evicted_blocks * BLOCK
    }

    /// Position that the next rectangle will get.
    pub(crate) fn end(&self) -> usize {
        match self.blocks.back() {
            Some(last) => self.first() + (self.blocks.len() - 1) * BLOCK + last.start.len(),
            None => self.first(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.end() - self.first()
    }

    pub(crate) fn push(&mut self, rect: &Rect, record: u32) {
        let at = self.end();
        if at.is_multiple_of(BLOCK) {
            if let Some(full) = self.blocks.back_mut() {
                full.shrink();
            }
            self.blocks.push_back(Block::default());
        }
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        let kind = Kind::new(rect.prefix, rect.action);
        let duration = pack_duration(rect.duration_us);
        block.start.push(rect.start_us);
        block.duration.push(duration);
        block.kind.push(kind);
        block.record.push(record);
        let leaf = Leaf {
            start: rect.start_us,
            end: end_of(rect.start_us, duration),
            kind,
            at: at as u32,
        };
        self.summarise(at, &Node::of(&leaf));
    }

    /// Adds a new rectangle to the last summary of every level.
    fn summarise(&mut self, at: usize, node: &Node) {
        let mut position = at;
        for level in &mut self.levels {
            position /= FAN;
            if position == level.end() {
                level.nodes.push_back(*node);
            } else if let Some(last) = level.nodes.back_mut() {
                last.add(node);
            }
        }
        if self.levels.last().is_none_or(|top| top.nodes.len() > FAN) {
            self.grow();
        }
    }

    /// Puts another level on top.
    fn grow(&mut self) {
        let Some(top) = self.levels.last() else {
            let mut level = Level::default();
            if let Some(leaf) = self.leaf(self.first()) {
                level.evicted = self.first() / FAN;
                level.nodes.push_back(Node::of(&leaf));
            }
            self.levels.push(level);
            return;
        };
        let first = top.evicted / FAN;
        let nodes = (first..top.end().div_ceil(FAN))
            .filter_map(|parent| top.summary(parent * FAN))
            .collect();
        self.levels.push(Level {
            evicted: first,
            nodes,
        });
    }

    /// Drops the oldest block. The one that is being filled stays; then nothing happens and the answer is `false`.
    pub(crate) fn evict_block(&mut self) -> bool {
        if self.blocks.len() < 2 {
            return false;
        }
        self.blocks.pop_front();
        self.evicted_blocks += 1;
        let mut first = self.first();
        for k in 0..self.levels.len() {
            let (below, here) = self.levels.split_at_mut(k);
            let level = &mut here[0];
            while level.evicted < first / FAN {
                level.nodes.pop_front();
                level.evicted += 1;
            }
            // A block is a whole subtree: only above it can a summary have lost some of its children.
            let partly = !first.is_multiple_of(FAN);
            first /= FAN;
            if let (true, Some(below), Some(node)) = (partly, below.last(), level.nodes.front_mut())
                && let Some(sum) = below.summary(first * FAN)
            {
                *node = sum;
            }
        }
        true
    }

    /// Earliest start and latest end.
    pub(crate) fn bounds(&self) -> Option<(i64, i64)> {
        let top = self.levels.last()?;
        top.nodes
            .iter()
            .map(|n| (n.start, n.end))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Latest end of the oldest block, where there is more than one: up to then history is lost if it goes.
    pub(crate) fn oldest_end(&self) -> Option<i64> {
        Some(self.levels.get(BLOCK_LEVEL)?.nodes.front()?.end)
    }

    pub(crate) fn leaf(&self, at: usize) -> Option<Leaf> {
        let (block, slot) = self.slot(at)?;
        let start = *block.start.get(slot)?;
        Some(Leaf {
            start,
            end: end_of(start, block.duration[slot]),
            kind: block.kind[slot],
            at: at as u32,
        })
    }

    /// The rectangle at a position; its record number as it was stored.
    pub(crate) fn get(&self, at: usize) -> Option<(Rect, u32)> {
        let (block, slot) = self.slot(at)?;
        let kind = *block.kind.get(slot)?;
        let rect = Rect {
            start_us: block.start[slot],
            duration_us: unpack_duration(block.duration[slot]),
            prefix: kind.prefix(),
            action: kind.action(),
            record: 0,
        };
        Some((rect, block.record[slot]))
    }

    fn slot(&self, at: usize) -> Option<(&Block, usize)> {
        let behind = at.checked_sub(self.first())?;
        Some((self.blocks.get(behind / BLOCK)?, behind % BLOCK))
    }

    /// Positions whose stored record number is `record`.
    pub(crate) fn positions_of(&self, record: u32) -> impl Iterator<Item = usize> {
        let first = self.first();
        self.blocks.iter().enumerate().flat_map(move |(b, block)| {
            let base = first + b * BLOCK;
            block
                .record
                .iter()
                .enumerate()
                .filter(move |(_, r)| **r == record)
                .map(move |(slot, _)| base + slot)
        })
    }

    /// Lets `visitor` look at what touches the time from `from` up to, not including, `to`, in order of arrival.
    pub(crate) fn visit(&self, from: i64, to: i64, visitor: &mut impl Visit) {
        let Some(top) = self.levels.last() else { return };
        for position in top.evicted..top.end() {
            self.visit_node(self.levels.len() - 1, position, from, to, visitor);
        }
    }

    /// As [`Forest::visit`], compiled once for all visitors but the raster's: that keeps the browser's module small.
    #[inline(never)]
    pub(crate) fn look(&self, from: i64, to: i64, mut visitor: &mut dyn Visit) {
        self.visit(from, to, &mut visitor);
    }

    fn visit_node(&self, level: usize, position: usize, from: i64, to: i64, visitor: &mut impl Visit) {
        let Some(node) = self.levels[level].get(position) else {
            return;
        };
        if node.end <= from || node.start >= to {
            return;
        }
        if matches!(visitor.node(node), Step::Over) {
            return;
        }
        let first = position * FAN;
        if level > 0 {
            for child in first..first + FAN {
                self.visit_node(level - 1, child, from, to, visitor);
            }
            return;
        }
        let Some((block, slot)) = self.slot(first.max(self.first())) else {
            return;
        };
        let last = (slot + FAN).min(block.start.len());
        let run = block.start[slot..last]
            .iter()
            .zip(&block.duration[slot..last])
            .zip(&block.kind[slot..last]);
        for (offset, ((&start, &duration), &kind)) in run.enumerate() {
            let end = end_of(start, duration);
            if end > from && start < to {
                visitor.leaf(Leaf {
                    start,
                    end,
                    kind,
                    at: (first + offset) as u32,
                });
            }
        }
    }

    /// Earliest start and latest end of the rectangles from a position on.
    pub(crate) fn bounds_since(&self, position: usize) -> Option<(i64, i64)> {
        (position.max(self.first())..self.end())
            .filter_map(|at| self.leaf(at))
            .map(|leaf| (leaf.start, leaf.end))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Bytes that the rectangles and summaries take.
    pub(crate) fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(Block::bytes).sum();
        let nodes: usize = self
            .levels
            .iter()
            .map(|level| level.nodes.capacity() * size_of::<Node>())
            .sum();
        blocks + nodes
    }
}

impl Block {
    fn shrink(&mut self) {
        self.start.shrink_to_fit();
        self.duration.shrink_to_fit();
        self.kind.shrink_to_fit();
        self.record.shrink_to_fit();
    }

    fn bytes(&self) -> usize {
        self.start.capacity() * 8
            + (self.duration.capacity() + self.kind.capacity() + self.record.capacity()) * 4
    }
}

fn end_of(start: i64, packed_duration: u32) -> i64 {
    start + unpack_duration(packed_duration).max(1) as i64
}
