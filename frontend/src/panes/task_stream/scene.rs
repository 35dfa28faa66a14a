//! The task stream's canvases: what is in view, painted once a frame when something changed.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo::events::EventListener;
use gloo::timers::callback::Timeout;
use protocol::live::Topics;
use timeline::{Colors, Located, View};
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement, ResizeObserver};
use yew::Callback;

use super::aside::Aside;
use super::overlay::{self, Overlay};
use super::rows::Rows;
use super::settle::Matter;
use super::state::{Shown, State};
use super::story::{Place, Story};
use super::summary::Summary;
use super::tip::Tip;
use crate::draw::axis::TimeAxis;
use crate::draw::blit::Blitter;
use crate::draw::canvas::{Size, clear, context};
use crate::draw::frame::{FrameRequest, FrameTimes, now};
use crate::draw::gesture::{Gesture, Gestures, Key};
use crate::draw::scale::zone_us;
use crate::draw::theme::{Theme, ThemeWatch};
use crate::state::live::{Live, LiveClient, Subscription};
use crate::state::socket::Task;

/// How far beside a rectangle the pointer still means it, CSS pixels.
pub(super) const SLACK: f64 = 2.0;
/// How long the pointer rests on a rectangle before its details are asked for, milliseconds.
const REST_MS: u32 = 60;
/// How long after the last step of a drag or a zoom the rectangle under the pointer is told of again, milliseconds.
const CALM_MS: f64 = 120.0;
/// The elements that a scene paints on and listens to.
#[derive(Clone)]
pub struct Parts {
    /// Around everything; the axis canvas covers its lower end.
    pub body: HtmlElement,
    /// The plot's area; the raster canvas covers it.
    pub plot: HtmlElement,
    pub axis: HtmlCanvasElement,
    pub raster: HtmlCanvasElement,
    /// The workers' names, moved along when rows scroll.
    pub labels: HtmlElement,
}

/// What the controls around a plot ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// What a key would do.
    Press(Key),
    /// The pointer is on the legend's entry of a prefix, or on none: its tasks stand out.
    Point(Option<u16>),
    /// The tasks of a prefix are among those that are shown, or no longer.
    Prefix(String),
    /// Only workers with this in their name or address are shown.
    Workers(String),
    /// Nothing is filtered.
    Everything,
    /// A drag marks a stretch of time, or no longer.
    Select,
    /// Other colours.
    Palette,
    /// Shows a rectangle.
    Go(Located),
}

/// What the scene tells the component around it.
#[derive(Clone)]
pub struct Outputs {
    pub summary: Callback<Summary>,
    pub rows: Callback<Rc<Rows>>,
    pub tip: Callback<Option<Tip>>,
    pub aside: Callback<Option<Rc<Aside>>>,
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
    pub(super) this: Weak<Self>,
    pub(super) place: Place,
    pub(super) client: Rc<LiveClient>,
    pub(super) parts: Parts,
    pub(super) outputs: Outputs,
    context: CanvasRenderingContext2d,
    blitter: Blitter,
    pub(super) state: RefCell<State>,
    theme_version: Cell<u32>,
    /// Something came since the last frame.
    news: Cell<bool>,
    frame: FrameRequest,
    pub times: FrameTimes,
    kept: RefCell<Option<Kept>>,
    /// When the user last moved the window, milliseconds of the page's clock.
    moved_at: Cell<f64>,
    calming: RefCell<Option<Timeout>>,
    /// Record under the pointer, whose details are asked for when it rests there.
    resting: RefCell<Option<(u64, Timeout)>>,
    pub(super) settling: RefCell<Option<Timeout>>,
    pub(super) matter: RefCell<Option<Matter>>,
    pub(super) story: RefCell<Story>,
    pub(super) asking: RefCell<Option<Task>>,
    /// What the side box shows.
    pub(super) aside: RefCell<Option<Rc<Aside>>>,
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
    pub fn start(client: Rc<LiveClient>, place: Place, parts: Parts, outputs: Outputs) -> Option<Rc<Self>> {
        let context = context(&parts.raster)?;
        let blitter = Blitter::new()?;
        let theme = Theme::of(&parts.body);
        let scene = Rc::new_cyclic(|weak: &Weak<Self>| {
            let this = weak.clone();
            let weak = weak.clone();
            Self {
                this,
                state: RefCell::new(State::new(theme, &place)),
                place,
                client,
                outputs,
                context,
                blitter,
                theme_version: Cell::new(0),
                news: Cell::new(true),
                frame: FrameRequest::new(move |_| {
                    if let Some(scene) = weak.upgrade() {
                        scene.times.measure(|| scene.paint());
                    }
                }),
                times: FrameTimes::default(),
                kept: RefCell::default(),
                moved_at: Cell::new(f64::NEG_INFINITY),
                calming: RefCell::default(),
                resting: RefCell::default(),
                settling: RefCell::default(),
                matter: RefCell::default(),
                story: RefCell::default(),
                asking: RefCell::default(),
                aside: RefCell::default(),
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
            _subscription: self.client.subscribe(topics, with(Self::heard_news)),
            observer,
            _observed: observed,
        }));
    }

    fn heard_news(&self) {
        self.news.set(true);
        self.frame.request();
    }

    fn theme_changed(&self) {
        let mut state = self.state.borrow_mut();
        state.theme = Theme::of(&self.parts.body);
        self.theme_version.set(self.theme_version.get() + 1);
        drop(state);
        self.frame.request();
    }

    /// Paints with the next frame.
    pub(super) fn request(&self) {
        self.frame.request();
    }

    /// The user moves the window: a tooltip about whatever slides along below the pointer would only flicker.
    pub(super) fn moves(&self) {
        self.moved_at.set(now());
        if self.calming.borrow().is_none() {
            self.calm_later(CALM_MS);
        }
    }

    fn calm_later(&self, after_ms: f64) {
        let weak = Weak::clone(&self.this);
        let calm = move || {
            let Some(scene) = weak.upgrade() else { return };
            let left = scene.moved_at.get() + CALM_MS - now();
            if left > 0.0 {
                scene.calm_later(left);
            } else {
                scene.calming.take();
                scene.request();
            }
        };
        self.calming
            .replace(Some(Timeout::new(after_ms.ceil() as u32, calm)));
    }

    /// Fills the screen with the pane, or no longer.
    pub(super) fn full_screen(&self) {
        let document = gloo::utils::document();
        if document.fullscreen_element().is_some() {
            document.exit_fullscreen();
        } else if let Ok(Some(pane)) = self.parts.body.closest(".gh-pane") {
            // A browser that refuses leaves everything as it is.
            pane.request_fullscreen().ok();
        }
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
        state.arrange(&self.parts, &live);
        let rows = std::mem::take(&mut state.rows_new).then(|| Rc::clone(&state.rows));
        // Out of sight it has no place: what is painted then lies elsewhere when it is seen again.
        if !state.size.is_empty() && self.parts.plot.client_width() > 0 {
            self.paint_canvases(&mut state, &live);
        }
        let summary = self.summary(&mut state, &live);
        let matter = Matter::of(&state, &live);
        let told = state.hit.filter(|_| self.calming.borrow().is_none());
        let tip = told.zip(state.pointer).and_then(|((lane, hit), at)| {
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
        let asked = told.map(|(_, hit)| hit.rect.record);
        drop((live, state));
        self.settle_later(matter);
        self.ask(asked);
        if let Some(rows) = rows {
            self.outputs.rows.emit(rows);
        }
        if let Some(summary) = summary {
            self.outputs.summary.emit(summary);
        }
        self.outputs.tip.emit(tip);
    }

    /// What is told around the plot, where it is something else than before.
    fn summary(&self, state: &mut State, live: &Live) -> Option<Summary> {
        let controls = state.controls();
        let same = |told: &Summary| told.controls == controls;
        if !self.news.replace(false) && state.summary.as_ref().is_some_and(same) {
            return None;
        }
        let summary = Summary::of(live, controls);
        (state.summary.as_ref() != Some(&summary)).then(|| state.summary.insert(summary).clone())
    }

    /// Asks for the details of what the pointer rests on.
    fn ask(&self, record: Option<u64>) {
        if self.resting.borrow().as_ref().map(|(record, _)| *record) == record {
            return;
        }
        let client = Rc::downgrade(&self.client);
        self.resting.replace(record.map(|record| {
            let ask = move || {
                if let Some(client) = client.upgrade() {
                    client.ask_details(record);
                }
            };
            (record, Timeout::new(REST_MS, ask))
        }));
    }

    fn paint_canvases(&self, state: &mut State, live: &Live) {
        let (view, size) = (state.camera.view(), state.size);
        let timeline = &live.stream.timeline;
        state.hit = state.pointer.and_then(|(x, y)| {
            let row = state.rows.at(y + state.scroll)?;
            let slack = (SLACK * size.ratio * view.us_per_px()) as i64;
            Some((
                row.lane,
                timeline.hit(row.lane, view.t_of(x * size.ratio) as i64, slack, &state.colors)?,
            ))
        });
        let now = Shown {
            view: Some(view),
            size: Some(size),
            strips: state.strips.clone(),
            hit: state.hit,
            brush: state.brush,
            picked: state.picked,
            moment: live.at,
            theme_version: self.theme_version.get(),
            blank: timeline.bounds().is_none(),
        };
        let moved = now.view != state.shown.view
            || now.size != state.shown.size
            || now.theme_version != state.shown.theme_version;
        let painted = state
            .picture
            .update(timeline, &view, &state.visible, &state.colors);
        // Without data there is no time, and a notice stands alone.
        let axis = (!now.blank).then(|| TimeAxis::new(view, size.ratio, zone_us()));
        if painted.changed || now != state.shown {
            let loaded = if painted.changed {
                self.blitter.load(state.picture.pixels(), view.width() as usize)
            } else {
                Ok(())
            };
            if let Err(error) = loaded.and_then(|()| self.paint_plot(state, live, axis.as_ref())) {
                gloo::console::error!("the task stream could not be painted:", error);
            }
        }
        if !painted.exact {
            self.frame.request();
        }
        match axis {
            None => {
                if let Some(axis) = context(&self.parts.axis) {
                    clear(&axis);
                }
            }
            Some(axis) if moved || state.shown.blank => {
                let left = size.px(f64::from(self.parts.plot.offset_left()));
                if let Err(error) = axis.draw(&self.parts.axis, left, &state.theme, size.ratio) {
                    gloo::console::error!("the time axis could not be painted:", error);
                }
            }
            Some(_) => {}
        }
        state.shown = now;
    }

    /// Grid, rows, and what lies over them.
    fn paint_plot(&self, state: &State, live: &Live, axis: Option<&TimeAxis>) -> Result<(), JsValue> {
        let (view, size, context) = (state.camera.view(), state.size, &self.context);
        clear(context);
        if let Some(axis) = axis {
            axis.draw_grid(context, &state.theme, size.ratio);
        }
        let width = f64::from(view.width());
        let columns = state.picture.columns(&view);
        self.blitter.draw(context, &state.strips, columns, width)?;
        overlay::draw(&Overlay {
            context,
            live,
            view,
            lanes: &state.visible,
            strips: &state.strips,
            hit: state.hit,
            brush: state.brush,
            picked: state.picked,
            theme: &state.theme,
            colors: &state.colors,
            ratio: size.ratio,
            part: state.part(),
        });
        Ok(())
    }
}
