//! Rows of pixels at any zoom: exact ones where they are ready within a frame, until then the last ones stretched.

use timeline::{Colors, Rgba, Surface, Timeline, View};

use crate::draw::frame::now;

/// How long a frame may paint, milliseconds: the rest of it belongs to the browser, the axis and what lies over the rows.
const SLICE_MS: f64 = 6.0;

/// The rows that are shown, and those of another zoom that are being painted.
#[derive(Default)]
pub(super) struct Picture {
    shown: Surface,
    coming: Surface,
    /// The window that `coming` is painted for.
    target: Option<View>,
}

/// What an update did.
pub(super) struct Painted {
    /// The rows have other pixels than before.
    pub(super) changed: bool,
    /// The rows are those of the window; otherwise more of them are ready with the next frame.
    pub(super) exact: bool,
}

impl Picture {
    /// Paint everything at the next update: the colours changed.
    pub(super) fn invalidate(&mut self) {
        self.shown.invalidate();
        self.coming.invalidate();
        self.target = None;
    }

    pub(super) fn pixels(&self) -> &[Rgba] {
        self.shown.pixels()
    }

    /// Which columns of the rows belong into a window: the first one, and how many.
    pub(super) fn columns(&self, view: &View) -> (f64, f64) {
        let width = f64::from(view.width());
        let Some(shown) = self.shown.view() else {
            return (0.0, width);
        };
        let scale = view.us_per_px() / shown.us_per_px();
        (
            view.t_of(0.0) / shown.us_per_px() - shown.first() as f64,
            width * scale,
        )
    }

    pub(super) fn update(
        &mut self,
        timeline: &Timeline,
        view: &View,
        lanes: &[u16],
        colors: &Colors,
    ) -> Painted {
        if self.shown.is_near(view, lanes) || !self.shown.can_stretch(view, lanes) {
            self.target = None;
            let painted = self.shown.update(timeline, view, lanes, colors);
            return Painted {
                changed: painted > 0,
                exact: true,
            };
        }
        let end = now() + SLICE_MS;
        // What is being painted is finished even if the window has moved on: else a long gesture would never show it.
        let target = *self.target.get_or_insert(*view);
        let ready = self
            .coming
            .advance(timeline, &target, lanes, colors, &mut || now() < end);
        if !ready {
            return Painted {
                changed: false,
                exact: false,
            };
        }
        std::mem::swap(&mut self.shown, &mut self.coming);
        self.target = None;
        let exact = self.shown.is_near(view, lanes);
        if exact {
            self.shown.update(timeline, view, lanes, colors);
        }
        Painted { changed: true, exact }
    }
}
