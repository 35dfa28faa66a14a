//! The task stream's canvases: what is in view, painted once a frame when something changed.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo::events::EventListener;
use timeline::{Colors, Hit, Surface, View};
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement, ResizeObserver};
use yew::Callback;

use super::camera::Camera;
use super::overlay::{self, Overlay};
use super::rows::Rows;
use super::summary::Summary;
use super::tip::Tip;
use crate::draw::axis::{Plot, draw_time_axis};
use crate::draw::blit::{Blitter, Strip};
use crate::draw::canvas::{Size, context, resize, set_style};
use crate::draw::frame::{FrameRequest, FrameTimes};
use crate::draw::gesture::{Gesture, Gestures, Key};
use crate::draw::theme::{Theme, ThemeWatch};
use crate::state::live::{Live, LiveClient, Stream, Subscription, Topics};

/// How far beside a rectangle the pointer still means it, CSS pixels.
const SLACK: f64 = 2.0;
/// Share of the window by which an arrow key moves it.
const STEP: f64 = 0.15;
/// Factor of a key's or button's zoom.
pub const ZOOM: f64 = 1.5;
/// How far an arrow key scrolls the rows, CSS pixels.
const SCROLL: f64 = 40.0;
/// Opacity, of 255, of what is not highlighted.
const DIMMED: u8 = 44;

/// The elements that a scene paints on and listens to.
#[derive(Clone)]
pub struct Parts {
    /// Around everything; the axis canvas covers it.
    pub body: HtmlElement,
    /// The plot's area; raster and overlay canvas cover it.
    pub plot: HtmlElement,
    pub axis: HtmlCanvasElement,
    pub raster: HtmlCanvasElement,
    pub overlay: HtmlCanvasElement,
    /// The workers' names, moved along when rows scroll.
    pub labels: HtmlElement,
}

/// What the scene tells the component around it.
#[derive(Clone)]
pub struct Outputs {
    pub summary: Callback<Summary>,
    pub rows: Callback<Rc<Rows>>,
    pub tip: Callback<Option<Tip>>,
}

struct State {
    camera: Camera,
    theme: Theme,
    size: Size,
    rows: Rc<Rows>,
    /// Lanes and height that the rows were laid out for.
    laid_out: (usize, f64),
    scroll: f64,
    colors: Colors,
    /// How many prefixes the colours are for, and which of them stands out.
    colored: (usize, Option<u16>),
    surface: Surface,
    generation: u64,
    /// Prefix of the legend's entry under the pointer, and the one that was clicked.
    pointed: Option<u16>,
    pinned: Option<u16>,
    visible: Vec<u16>,
    strips: Vec<Strip>,
    pointer: Option<(f64, f64)>,
    hit: Option<(u16, Hit)>,
    shown: Shown,
    summary: Option<Summary>,
}

/// What the canvases show, to tell whether they have to be painted again.
#[derive(Default, PartialEq)]
struct Shown {
    view: Option<View>,
    size: Option<Size>,
    strips: Vec<Strip>,
    hit: Option<(u16, Hit)>,
    theme_version: u32,
}

/// Where a scene shows what.
pub struct Geometry {
    pub view: View,
    pub following: bool,
    /// Of the plot.
    pub size: Size,
    pub rows: Rc<Rows>,
    /// How far the rows are scrolled, CSS pixels.
    pub scroll: f64,
}

/// The painter of one pane.
pub struct Scene {
    client: Rc<LiveClient>,
    parts: Parts,
    outputs: Outputs,
    contexts: (CanvasRenderingContext2d, CanvasRenderingContext2d),
    blitter: Blitter,
    state: RefCell<State>,
    theme_version: Cell<u32>,
    frame: FrameRequest,
    pub times: FrameTimes,
    kept: RefCell<Option<Kept>>,
}

/// Listeners that end with the scene.
struct Kept {
    _gestures: Gestures,
    _theme: ThemeWatch,
    _window: EventListener,
    _subscription: Subscription,
    observer: Option<ResizeObserver>,
    _observed: Closure<dyn FnMut()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
    }
}

impl Scene {
    /// Begins to paint; `None` where the browser gives no canvas.
    pub fn start(client: Rc<LiveClient>, parts: Parts, outputs: Outputs) -> Option<Rc<Self>> {
        let contexts = (context(&parts.raster)?, context(&parts.overlay)?);
        let blitter = Blitter::new()?;
        let theme = Theme::of(&parts.body);
        let scene = Rc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            Self {
                state: RefCell::new(State::new(theme)),
                client,
                outputs,
                contexts,
                blitter,
                theme_version: Cell::new(0),
                frame: FrameRequest::new(move |_| {
                    if let Some(scene) = weak.upgrade() {
                        scene.times.measure(|| scene.paint());
                    }
                }),
                times: FrameTimes::default(),
                kept: RefCell::default(),
                parts,
            }
        });
        scene.listen();
        scene.frame.request();
        Some(scene)
    }

    fn listen(self: &Rc<Self>) {
        let with = |act: fn(&Self)| {
            let weak = Rc::downgrade(self);
            move || {
                if let Some(scene) = weak.upgrade() {
                    act(&scene);
                }
            }
        };
        let weak = Rc::downgrade(self);
        let gestures = Gestures::on(&self.parts.plot, move |gesture| {
            if let Some(scene) = weak.upgrade() {
                scene.heard(gesture);
            }
        });
        let observed = Closure::<dyn FnMut()>::new(with(|scene| scene.frame.request()));
        let observer = ResizeObserver::new(observed.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            observer.observe(&self.parts.body);
        }
        let resized = with(|scene| scene.frame.request());
        let topics = Topics {
            tasks: true,
            ..Topics::default()
        };
        self.kept.replace(Some(Kept {
            _gestures: gestures,
            _theme: ThemeWatch::new(with(Self::theme_changed)),
            _window: EventListener::new(&gloo::utils::window(), "resize", move |_| resized()),
            _subscription: self.client.subscribe(topics, with(|scene| scene.frame.request())),
            observer,
            _observed: observed,
        }));
    }

    fn theme_changed(&self) {
        let mut state = self.state.borrow_mut();
        state.theme = Theme::of(&self.parts.body);
        self.theme_version.set(self.theme_version.get() + 1);
        drop(state);
        self.frame.request();
    }

    fn heard(&self, gesture: Gesture) {
        let mut state = self.state.borrow_mut();
        let ratio = state.size.ratio;
        match gesture {
            Gesture::Pan { dx, dy } => {
                if dx != 0.0 {
                    state.camera.pan(dx * ratio);
                }
                state.scroll -= dy;
            }
            Gesture::Zoom { x, factor } => state.camera.zoom(x * ratio, factor),
            Gesture::Dive { x, .. } => state.camera.zoom(x * ratio, 3.0),
            Gesture::Hover { x, y } => state.pointer = Some((x, y)),
            Gesture::Leave => state.pointer = None,
            Gesture::Key(key) => state.pressed(key),
        }
        drop(state);
        self.frame.request();
    }

    /// Does what a key would.
    pub fn press(&self, key: Key) {
        self.state.borrow_mut().pressed(key);
        self.frame.request();
    }

    /// Lets the tasks of a prefix stand out while the pointer is on its entry of the legend.
    pub fn point_at(&self, prefix: Option<u16>) {
        self.state.borrow_mut().pointed = prefix;
        self.frame.request();
    }

    /// Lets the tasks of a prefix stand out, or no longer.
    pub fn pin(&self, prefix: u16) {
        let mut state = self.state.borrow_mut();
        state.pinned = (state.pinned != Some(prefix)).then_some(prefix);
        drop(state);
        self.frame.request();
    }

    /// Shows a stretch of time, microseconds since the Unix epoch.
    pub fn show_between(&self, t0_us: f64, t1_us: f64) {
        self.state.borrow_mut().camera.show_between(t0_us, t1_us);
        self.frame.request();
    }

    /// Pulls the content along, CSS pixels, as a drag does.
    pub fn pan(&self, dx: f64) {
        self.heard(Gesture::Pan { dx, dy: 0.0 });
    }

    /// Zooms around the middle.
    pub fn zoom(&self, factor: f64) {
        let x = self.state.borrow().size.width / 2.0;
        self.heard(Gesture::Zoom { x, factor });
    }

    /// What will be painted next, and where.
    pub fn geometry(&self) -> Geometry {
        let mut state = self.state.borrow_mut();
        state.arrange(&self.parts, &self.client.read());
        Geometry {
            view: state.camera.view(),
            following: state.camera.following(),
            size: state.size,
            rows: Rc::clone(&state.rows),
            scroll: state.scroll,
        }
    }

    pub fn client(&self) -> &LiveClient {
        &self.client
    }

    /// The colours that rectangles have now.
    pub fn colors(&self) -> Colors {
        self.state.borrow().colors.clone()
    }

    fn paint(&self) {
        let live = self.client.read();
        let mut state = self.state.borrow_mut();
        let laid_out = state.laid_out;
        state.arrange(&self.parts, &live);
        let rows = (state.laid_out != laid_out).then(|| Rc::clone(&state.rows));
        if !state.size.is_empty() {
            self.paint_canvases(&mut state, &live);
        }
        let summary = Summary {
            pinned: state.pinned,
            ..Summary::of(&live, state.camera.following())
        };
        let summary =
            (state.summary.as_ref() != Some(&summary)).then(|| state.summary.insert(summary).clone());
        let tip = state.hit.zip(state.pointer).and_then(|((lane, hit), at)| {
            Tip::of(
                &live,
                lane,
                &hit,
                at,
                state.camera.view(),
                state.size,
                &state.colors,
            )
        });
        let asked = state.hit.map(|(_, hit)| hit.rect.record);
        drop((live, state));
        if let Some(record) = asked {
            self.client.ask_details(record);
        }
        if let Some(rows) = rows {
            self.outputs.rows.emit(rows);
        }
        if let Some(summary) = summary {
            self.outputs.summary.emit(summary);
        }
        self.outputs.tip.emit(tip);
    }

    fn paint_canvases(&self, state: &mut State, live: &Live) {
        let (view, size) = (state.camera.view(), state.size);
        let timeline = &live.stream.timeline;
        state.hit = state.pointer.and_then(|(x, y)| {
            let row = state.rows.at(y + state.scroll)?;
            let slack = (SLACK * size.ratio * view.us_per_px()) as i64;
            Some((
                row.lane,
                timeline.hit(row.lane, view.t_of(x * size.ratio) as i64, slack)?,
            ))
        });
        let now = Shown {
            view: Some(view),
            size: Some(size),
            strips: state.strips.clone(),
            hit: state.hit,
            theme_version: self.theme_version.get(),
        };
        let moved = now.view != state.shown.view
            || now.size != state.shown.size
            || now.theme_version != state.shown.theme_version;
        let painted = state
            .surface
            .update(timeline, &view, &state.visible, &state.colors);
        let raster = painted > 0 || moved || now.strips != state.shown.strips;
        if raster {
            let width = view.width() as usize;
            if let Err(error) =
                self.blitter
                    .draw(&self.contexts.0, state.surface.pixels(), width, &state.strips)
            {
                gloo::console::error!("the task stream could not be painted:", error);
            }
        }
        if moved {
            let plot = Plot {
                left: size.px(f64::from(self.parts.plot.offset_left())),
                top: size.px(f64::from(self.parts.plot.offset_top())),
                width: self.parts.raster.width() as i32,
                height: self.parts.raster.height() as i32,
            };
            if let Err(error) = draw_time_axis(&self.parts.axis, plot, view, &state.theme, size.ratio) {
                gloo::console::error!("the time axis could not be painted:", error);
            }
        }
        if raster || now.hit != state.shown.hit {
            overlay::draw(&Overlay {
                context: &self.contexts.1,
                live,
                view,
                lanes: &state.visible,
                strips: &state.strips,
                hit: state.hit,
                theme: &state.theme,
                colors: &state.colors,
                ratio: size.ratio,
            });
        }
        state.shown = now;
    }
}

impl State {
    fn new(theme: Theme) -> Self {
        Self {
            camera: Camera::new(js_sys::Date::now() * 1000.0),
            theme,
            size: Size::default(),
            rows: Rc::default(),
            laid_out: (0, 0.0),
            scroll: 0.0,
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

    fn pressed(&mut self, key: Key) {
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
    fn arrange(&mut self, parts: &Parts, live: &Live) {
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
        set_style(
            &parts.labels,
            "transform",
            &format!("translateY({}px)", -self.scroll),
        );
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
