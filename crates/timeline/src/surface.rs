//! Rows of pixels that are kept from frame to frame: only what moved in, or changed, is painted again.

use crate::raster::{Colors, Columns, LAYERS, Painter, Rgba};
use crate::timeline::Timeline;
use crate::view::View;

/// One row of pixels for each shown lane, top to bottom.
#[derive(Debug, Default)]
pub struct Surface {
    view: Option<View>,
    lanes: Vec<u16>,
    seen: Vec<Seen>,
    pixels: Vec<Rgba>,
    columns: Option<Columns>,
    painter: Painter,
}

/// How much of a lane had arrived, and gone, when it was painted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    first: [usize; LAYERS],
    end: [usize; LAYERS],
}

impl Surface {
    /// Row after row, each as wide as the view.
    pub fn pixels(&self) -> &[Rgba] {
        &self.pixels
    }

    /// Paint everything at the next update: the colours changed.
    pub fn invalidate(&mut self) {
        self.view = None;
    }

    /// Brings the rows up to date with timeline, view and lanes. Returns how many pixels were painted.
    pub fn update(&mut self, timeline: &Timeline, view: &View, lanes: &[u16], colors: &Colors) -> usize {
        let width = view.width() as usize;
        let same_shape = self.lanes == lanes
            && self
                .view
                .is_some_and(|old| old.same_scale(view) && old.width() == view.width());
        let moved = self.view.map_or(0, |old| view.first() - old.first());
        let whole = !same_shape || moved.unsigned_abs() >= width as u64;
        if self.view != Some(*view) || self.columns.is_none() {
            self.columns = Some(Columns::new(view));
        }
        self.view = Some(*view);
        if whole {
            self.lanes = lanes.to_vec();
            self.seen = vec![Seen::default(); lanes.len()];
            self.pixels.clear();
            self.pixels.resize(width * lanes.len(), [0; 4]);
        }
        let Some(columns) = &self.columns else { return 0 };
        if width == 0 {
            return 0;
        }
        let entered = if whole {
            0..width
        } else {
            shift_rows(&mut self.pixels, width, moved)
        };
        let mut painted = 0;
        for ((row, &lane), seen) in self.pixels.chunks_exact_mut(width).zip(lanes).zip(&mut self.seen) {
            let now = Seen::of(timeline, lane);
            let changed = if whole {
                0..0
            } else {
                seen.changed(&now, timeline, lane, columns)
            };
            *seen = now;
            // Two ranges that touch are painted as one; apart, the space between them is left alone.
            let both = entered.start.min(changed.start)..entered.end.max(changed.end);
            let parts = match (entered.is_empty(), changed.is_empty()) {
                (true, true) => continue,
                (false, true) => [entered.clone(), 0..0],
                (true, false) => [changed, 0..0],
                (false, false) if both.len() <= entered.len() + changed.len() => [both, 0..0],
                (false, false) => [entered.clone(), changed],
            };
            for part in parts {
                painted += part.len();
                self.painter.paint(timeline, lane, columns, part, colors, row);
            }
        }
        painted
    }
}

impl Seen {
    fn of(timeline: &Timeline, lane: u16) -> Self {
        let mut seen = Self::default();
        for (layer, forest) in timeline.layers(lane).into_iter().flatten().enumerate() {
            seen.first[layer] = forest.first();
            seen.end[layer] = forest.end();
        }
        seen
    }

    /// The columns that look different since.
    fn changed(
        &self,
        now: &Self,
        timeline: &Timeline,
        lane: u16,
        columns: &Columns,
    ) -> std::ops::Range<usize> {
        if self == now {
            return 0..0;
        }
        if self.first != now.first {
            return 0..columns.len();
        }
        let mut changed = 0..0;
        for (layer, forest) in timeline.layers(lane).into_iter().flatten().enumerate() {
            if let Some((from, to)) = forest.bounds_since(self.end[layer]) {
                let touched = columns.touched_by(from, to);
                if changed.is_empty() {
                    changed = touched;
                } else if !touched.is_empty() {
                    changed = changed.start.min(touched.start)..changed.end.max(touched.end);
                }
            }
        }
        changed
    }
}

/// Moves every row's pixels `moved` columns to the left and returns the columns that have to be painted anew.
fn shift_rows(pixels: &mut [Rgba], width: usize, moved: i64) -> std::ops::Range<usize> {
    let by = moved.unsigned_abs() as usize;
    if by == 0 {
        return 0..0;
    }
    for row in pixels.chunks_exact_mut(width) {
        if moved > 0 {
            row.copy_within(by.., 0);
        } else {
            row.copy_within(..width - by, by);
        }
    }
    if moved > 0 { width - by..width } else { 0..by }
}
