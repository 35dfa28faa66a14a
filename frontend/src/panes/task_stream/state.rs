//! What a scene knows between frames: window, rows, colours, pixels.

use std::rc::Rc;

use timeline::{Colors, Hit, Located, View};

use super::camera::Camera;
use super::filter::{self, Filter};
use super::picture::Picture;
use super::rows::Rows;
use super::scene::Parts;
use super::story::Place;
use super::summary::{Controls, Summary};
use crate::draw::blit::Strip;
use crate::draw::canvas::{Size, resize, set_style};
use crate::draw::theme::Theme;
use crate::state::live::{Live, Stream};

/// Opacity, of 255, of what is not highlighted.
const DIMMED: u8 = 44;

/// Everything that a frame is painted from, but for the data.
pub(super) struct State {
    pub(super) camera: Camera,
    pub(super) theme: Theme,
    pub(super) size: Size,
    pub(super) rows: Rc<Rows>,
    /// The rows were laid out and nobody was told yet.
    pub(super) rows_new: bool,
    /// Threads, height and choice that the rows were laid out for.
    pub(super) laid_out: (usize, f64, u32),
    pub(super) scroll: f64,
    /// How far the names are scrolled.
    scrolled: f64,
    pub(super) colors: Colors,
    /// What the colours are for: how many prefixes, which of them stands out, which choice.
    pub(super) colored: (usize, Option<u16>, u32, bool),
    pub(super) picture: Picture,
    pub(super) generation: u64,
    /// Prefix of the legend's entry under the pointer.
    pub(super) pointed: Option<u16>,
    pub(super) filter: Filter,
    /// Colours that everybody can tell apart.
    pub(super) safe: bool,
    /// Counts changes of the two.
    pub(super) choice: u32,
    /// A drag marks a stretch of time instead of moving it.
    pub(super) selecting: bool,
    /// The side box is open.
    pub(super) open: bool,
    /// It opens soon, unless the click becomes a double one: the plot must not shrink in between.
    pub(super) opening: bool,
    /// The stretch of time that was marked, microseconds.
    pub(super) brush: Option<(i64, i64)>,
    /// The rectangle whose details are shown.
    pub(super) picked: Option<Located>,
    /// The window to begin with.
    window: Option<(f64, f64)>,
    pub(super) visible: Vec<u16>,
    pub(super) strips: Vec<Strip>,
    pub(super) pointer: Option<(f64, f64)>,
    pub(super) hit: Option<(u16, Hit)>,
    pub(super) shown: Shown,
    pub(super) summary: Option<Summary>,
}

/// What the canvases show, to tell whether they have to be painted again.
#[derive(Default, PartialEq)]
pub(super) struct Shown {
    pub(super) view: Option<View>,
    pub(super) size: Option<Size>,
    pub(super) strips: Vec<Strip>,
    pub(super) hit: Option<(u16, Hit)>,
    pub(super) brush: Option<(i64, i64)>,
    pub(super) picked: Option<Located>,
    /// The moment of a recording.
    pub(super) moment: Option<i64>,
    pub(super) theme_version: u32,
    /// Nothing has come yet.
    pub(super) blank: bool,
}

impl State {
    pub(super) fn new(theme: Theme, place: &Place) -> Self {
        let (filter, window) = filter::kept(&place.key());
        Self {
            camera: Camera::new(js_sys::Date::now() * 1000.0, place.is_recording()),
            theme,
            size: Size::default(),
            rows: Rc::default(),
            rows_new: false,
            laid_out: (0, 0.0, 0),
            scroll: 0.0,
            scrolled: 0.0,
            colors: Colors::dask([]),
            colored: (0, None, 0, false),
            picture: Picture::default(),
            generation: 0,
            pointed: None,
            filter,
            safe: filter::safe_palette(),
            choice: 0,
            selecting: false,
            open: false,
            opening: false,
            brush: None,
            picked: None,
            window,
            visible: Vec::new(),
            strips: Vec::new(),
            pointer: None,
            hit: None,
            shown: Shown::default(),
            summary: None,
        }
    }

    pub(super) fn controls(&self) -> Controls {
        Controls {
            following: self.camera.following(),
            filter: self.filter.clone(),
            safe: self.safe,
            dark: self.theme.dark,
            selecting: self.selecting,
            open: self.open,
        }
    }

    /// Lanes of all rows, those that are scrolled out of view included.
    pub(super) fn lanes(&self) -> Vec<u16> {
        self.rows.rows.iter().map(|row| row.lane).collect()
    }

    /// Which part of the rows is in view, from where to where, of 1.
    pub(super) fn part(&self) -> (f64, f64) {
        let whole = self.rows.height.max(self.size.height).max(1.0);
        (self.scroll / whole, (self.scroll + self.size.height) / whole)
    }

    /// Gives each prefix its colour; where one is highlighted, the others step back.
    fn color(&mut self, stream: &Stream) {
        let dark = self.theme.dark;
        let now = (stream.prefixes.len(), self.pointed, self.choice, dark);
        if self.colored == now {
            return;
        }
        let indices = stream.prefixes.iter().map(|total| total.prefix.color);
        self.colors = palette(self.safe, dark, indices);
        if !self.filter.prefixes.is_empty() {
            let names = stream.prefixes.iter().map(|total| &total.prefix.name);
            self.colors.only = Some(names.map(|name| self.filter.prefixes.contains(name)).collect());
        }
        if let Some(chosen) = self.pointed {
            for (id, color) in self.colors.prefixes.iter_mut().enumerate() {
                color[3] = if id == usize::from(chosen) { 255 } else { DIMMED };
            }
            for color in [
                &mut self.colors.transfer,
                &mut self.colors.disk,
                &mut self.colors.deserialize,
            ] {
                color[3] = DIMMED / 2;
            }
        }
        // A prefix that is new changes nothing that was painted.
        if (self.colored.1, self.colored.2, self.colored.3) != (now.1, now.2, now.3) {
            self.picture.invalidate();
        }
        self.colored = now;
    }

    /// Brings sizes, rows, colours and window up to date with the page and the data.
    pub(super) fn arrange(&mut self, parts: &Parts, live: &Live) {
        let size = Size::of(&parts.plot);
        if !size.is_empty() && size != self.size {
            resize(&parts.raster, size.width, size.height, size.ratio);
            let whole = Size::of(&parts.body);
            resize(&parts.axis, whole.width, whole.height - size.height, size.ratio);
            self.camera.resize(parts.raster.width());
            self.size = size;
            if let Some((t0, t1)) = self.window.take() {
                self.camera.show_between(t0, t1);
            }
        }
        let stream = &live.stream;
        if live.generation != self.generation {
            self.generation = live.generation;
            self.picture.invalidate();
            self.laid_out = (0, 0.0, 0);
            self.picked = None;
        }
        self.color(stream);
        let laid_out = (stream.threads.len(), self.size.height, self.choice);
        if self.laid_out != laid_out {
            self.laid_out = laid_out;
            self.rows_new = true;
            self.rows = Rc::new(Rows::layout(&stream.lanes, &self.filter, self.size.height));
        }
        self.camera.set_bounds(stream.timeline.bounds());
        self.scroll = self
            .scroll
            .clamp(0.0, (self.rows.height - self.size.height).max(0.0));
        if self.scrolled != self.scroll {
            self.scrolled = self.scroll;
            let transform = format!("translateY({}px)", -self.scroll);
            set_style(&parts.labels, "transform", &transform);
        }
        let seen = self
            .rows
            .rows
            .iter()
            .filter(|row| row.y + row.height > self.scroll && row.y < self.scroll + self.size.height);
        (self.visible, self.strips) = seen
            .map(|row| {
                let top = self.size.px(row.y - self.scroll);
                let bottom = self.size.px(row.y + row.height - self.scroll);
                (
                    row.lane,
                    Strip {
                        y: top,
                        height: (bottom - top).max(1),
                    },
                )
            })
            .unzip();
    }
}

/// The colours of prefixes, of which `indices` are places in Dask's palette.
pub(super) fn palette(safe: bool, dark: bool, indices: impl ExactSizeIterator<Item = u8>) -> Colors {
    let colors = if safe {
        Colors::safe(indices.len())
    } else {
        Colors::dask(indices)
    };
    if dark { colors.on_dark() } else { colors }
}
