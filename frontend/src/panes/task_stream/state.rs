//! What a scene knows between frames: window, rows, colours, pixels.

use std::rc::Rc;

use timeline::{Colors, Hit, Surface, View};

use super::camera::Camera;
use super::rows::Rows;
use super::scene::Parts;
use super::summary::Summary;
use crate::draw::blit::Strip;
use crate::draw::canvas::{Size, resize, set_style};
use crate::draw::gesture::Key;
use crate::draw::theme::Theme;
use crate::state::live::{Live, Stream};

/// Share of the window by which an arrow key moves it.
const STEP: f64 = 0.15;
/// Factor of a key's or button's zoom.
const ZOOM: f64 = 1.5;
/// How far an arrow key scrolls the rows, CSS pixels.
const SCROLL: f64 = 40.0;
/// Opacity, of 255, of what is not highlighted.
const DIMMED: u8 = 44;

/// Everything that a frame is painted from, but for the data.
pub(super) struct State {
    pub(super) camera: Camera,
    pub(super) theme: Theme,
    pub(super) size: Size,
    pub(super) rows: Rc<Rows>,
    /// Lanes and height that the rows were laid out for.
    pub(super) laid_out: (usize, f64),
    pub(super) scroll: f64,
    /// How far the names are scrolled.
    scrolled: f64,
    pub(super) colors: Colors,
    /// How many prefixes the colours are for, and which of them stands out.
    pub(super) colored: (usize, Option<u16>),
    pub(super) surface: Surface,
    pub(super) generation: u64,
    /// Prefix of the legend's entry under the pointer, and the one that was clicked.
    pub(super) pointed: Option<u16>,
    pub(super) pinned: Option<u16>,
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
    pub(super) theme_version: u32,
    /// Nothing has come yet.
    pub(super) blank: bool,
}

impl State {
    pub(super) fn new(theme: Theme) -> Self {
        Self {
            camera: Camera::new(js_sys::Date::now() * 1000.0),
            theme,
            size: Size::default(),
            rows: Rc::default(),
            laid_out: (0, 0.0),
            scroll: 0.0,
            scrolled: 0.0,
            colors: Colors::dask([]),
            colored: (0, None),
            surface: Surface::default(),
            generation: 0,
            pointed: None,
            pinned: None,
            visible: Vec::new(),
            strips: Vec::new(),
            pointer: None,
            hit: None,
            shown: Shown::default(),
            summary: None,
        }
    }

    pub(super) fn pressed(&mut self, key: Key) {
        let middle = f64::from(self.camera.view().width()) / 2.0;
        match key {
            Key::Left => self.camera.step(-STEP),
            Key::Right => self.camera.step(STEP),
            Key::Up => self.scroll -= SCROLL,
            Key::Down => self.scroll += SCROLL,
            Key::ZoomIn => self.camera.zoom(middle, ZOOM),
            Key::ZoomOut => self.camera.zoom(middle, 1.0 / ZOOM),
            Key::Fit => self.camera.fit(),
            Key::Follow => self.camera.follow(),
            Key::First => self.camera.jump(false),
            Key::Last => self.camera.jump(true),
        }
    }

    /// Which part of the rows is in view, from where to where, of 1.
    pub(super) fn part(&self) -> (f64, f64) {
        let whole = self.rows.height.max(self.size.height).max(1.0);
        (self.scroll / whole, (self.scroll + self.size.height) / whole)
    }

    /// Gives each prefix its colour; where one is highlighted, the others step back.
    fn color(&mut self, stream: &Stream) {
        let now = (stream.prefixes.len(), self.pointed.or(self.pinned));
        if self.colored == now {
            return;
        }
        self.colors = Colors::dask(stream.prefixes.iter().map(|total| total.prefix.color));
        if let Some(chosen) = now.1 {
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
        if self.colored.1 != now.1 {
            self.surface.invalidate();
        }
        self.colored = now;
    }

    /// Brings sizes, rows, colours and window up to date with the page and the data.
    pub(super) fn arrange(&mut self, parts: &Parts, live: &Live) {
        let size = Size::of(&parts.plot);
        if !size.is_empty() && size != self.size {
            resize(&parts.raster, size.width, size.height, size.ratio);
            resize(&parts.overlay, size.width, size.height, size.ratio);
            let whole = Size::of(&parts.body);
            resize(&parts.axis, whole.width, whole.height, size.ratio);
            self.camera.resize(parts.raster.width());
            self.size = size;
        }
        let stream = &live.stream;
        if live.generation != self.generation {
            self.generation = live.generation;
            self.surface.invalidate();
            self.laid_out = (0, 0.0);
            self.pinned = None;
        }
        self.color(stream);
        if self.laid_out != (stream.lanes.len(), self.size.height) {
            self.laid_out = (stream.lanes.len(), self.size.height);
            self.rows = Rc::new(Rows::layout(&stream.lanes, self.size.height));
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
