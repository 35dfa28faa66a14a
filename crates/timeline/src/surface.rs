//! Rows of pixels that are kept from frame to frame: only what moved in, or changed, is painted again.

use crate::raster::{Colors, Columns, LAYERS, Painter, Rgba};
use crate::timeline::Timeline;
use crate::view::View;

/// One row of pixels for each shown lane, top to bottom.
#[derive(Debug, Default)]
pub struct Surface {
    view: Option<View>,
    lanes: Vec<u16>,
    /// For each row that is painted already, what was.
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

    /// The window that the rows show.
    pub fn view(&self) -> Option<View> {
        self.view
    }

    /// Whether an update to this window and these lanes has most of it painted already.
    pub fn is_near(&self, view: &View, lanes: &[u16]) -> bool {
        self.has(view, lanes) && self.moved(view).unsigned_abs() < u64::from(view.width())
    }

    /// Whether the rows are all painted and of these lanes, so that until there are better ones they can be shown at another
    /// zoom.
    pub fn can_stretch(&self, view: &View, lanes: &[u16]) -> bool {
        self.lanes == lanes
            && self.seen.len() == lanes.len()
            && self.view.is_some_and(|old| old.width() == view.width())
    }

    /// Whether all rows are painted, of these lanes and at this zoom.
    fn has(&self, view: &View, lanes: &[u16]) -> bool {
        self.can_stretch(view, lanes) && self.view.is_some_and(|old| old.same_scale(view))
    }

    fn moved(&self, view: &View) -> i64 {
        self.view.map_or(0, |old| view.first() - old.first())
    }

    /// Forgets all rows and takes on a window.
    fn begin(&mut self, view: &View, lanes: &[u16]) {
        self.columns = Some(Columns::new(view));
        self.view = Some(*view);
        self.lanes = lanes.to_vec();
        self.seen.clear();
        self.pixels.clear();
        self.pixels.resize(view.width() as usize * lanes.len(), [0; 4]);
    }

    /// Paints a window anew a few rows at a time: at least one, and more as long as `more` allows it. Returns whether all
    /// are painted. Another window than at the last call, or other lanes, begin from the top.
    pub fn advance(
        &mut self,
        timeline: &Timeline,
        view: &View,
        lanes: &[u16],
        colors: &Colors,
        more: &mut dyn FnMut() -> bool,
    ) -> bool {
        if self.view != Some(*view) || self.lanes != lanes || self.columns.is_none() {
            self.begin(view, lanes);
        }
        let width = view.width() as usize;
        let Some(columns) = &self.columns else { return true };
        while let Some(&lane) = lanes.get(self.seen.len()) {
            let top = self.seen.len() * width;
            let row = &mut self.pixels[top..top + width];
            self.seen.push(Seen::of(timeline, lane));
            self.painter.paint(timeline, lane, columns, 0..width, colors, row);
            if !more() {
                break;
            }
        }
        self.seen.len() == lanes.len()
    }

    /// Brings the rows up to date with timeline, view and lanes. Returns how many pixels were painted.
    pub fn update(&mut self, timeline: &Timeline, view: &View, lanes: &[u16], colors: &Colors) -> usize {
        let width = view.width() as usize;
        if !self.is_near(view, lanes) {
            self.begin(view, lanes);
            self.advance(timeline, view, lanes, colors, &mut || true);
            return self.pixels.len();
        }
        let moved = self.moved(view);
        if moved != 0 || self.columns.is_none() {
            self.columns = Some(Columns::new(view));
        }
        self.view = Some(*view);
        let Some(columns) = &self.columns else { return 0 };
        let entered = shift_rows(&mut self.pixels, width, moved);
        let mut painted = 0;
        for ((row, &lane), seen) in self.pixels.chunks_exact_mut(width).zip(lanes).zip(&mut self.seen) {
            let now = Seen::of(timeline, lane);
            let changed = seen.changed(&now, timeline, lane, columns);
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
