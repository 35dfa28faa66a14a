//! The pane around a plot: header, controls, canvas or table or list, tooltip, legend, notices.

use std::rc::Rc;

use gloo::timers::callback::Interval;
use serde_json::Value;
use web_sys::{HtmlCanvasElement, HtmlElement};
use yew::prelude::*;

use super::PlotProps;
use super::around::{legend, sentence};
use super::chrome::{Standing, Tone, empty, header, notice, worded};
use super::inspect::{Hook, expose_plot};
use super::painter::{Look, Painter};
use super::plot::{Body, Data, Feed, Tip, find};
use super::stretch::TimeSpan;
use super::table::{self, Window};
use super::view::{Change, View};
use super::workers::Workers;
use crate::draw::gesture::{Gesture, Gestures};
use crate::draw::scale::Unit;
use crate::state::live::{Link, LiveClient};
use crate::state::rest::Api;
use crate::state::socket::Task;
use crate::ui::widgets::banner;
use protocol::events::NoticeLevel;

/// Between two questions where they are repeated by themselves, milliseconds.
const AUTO_MS: u32 = 5_000;

/// For who can't use a pointer.
const KEYS: &str = "Plot: arrow keys go through its values";
const KEYS_OF_TIME: &str =
    "Plot: arrow keys go through its values, plus and minus zoom, page keys move, 0 shows everything";

#[derive(Clone, PartialEq, Properties)]
pub struct PlotPaneProps {
    pub of: PlotProps,
    /// Name and title of the plot.
    pub name: &'static str,
    pub title: &'static str,
    /// Part of another pane: without a header of its own.
    #[prop_or_default]
    pub part: bool,
}

pub enum Msg {
    /// What is around the canvas has to follow it.
    Shown,
    Change(Change),
    /// The pointer is on a spot, or on none.
    Point(Option<usize>),
    Key(KeyboardEvent),
    /// Of a plot over time.
    Gesture(Gesture),
    /// What is pointed at fills the plot.
    Zoom,
    Window(Window),
    Fetched(Result<Value, String>),
    Tick,
}

pub struct PlotPane {
    pub(super) look: Rc<Look>,
    root: NodeRef,
    pub(super) body: NodeRef,
    canvas: NodeRef,
    painter: Option<Rc<Painter>>,
    hook: Option<Hook>,
    pub(super) pointed: Option<usize>,
    window: Window,
    question: Option<Task>,
    asked: bool,
    failed: Option<String>,
    /// When the answer came that is shown, microseconds since the Unix epoch.
    read_us: Option<f64>,
    repeat: Option<Interval>,
    gestures: Option<Gestures>,
}

impl PlotPane {
    /// Asks the scheduler what the plot wants to know, where it wants to know something.
    fn ask(&mut self, ctx: &Context<Self>) {
        let Some(path) = self.look.plot.source(&self.look.view.borrow()) else {
            return;
        };
        self.asked = true;
        let link = ctx.link().clone();
        let PlotProps {
            base_url, cluster, ..
        } = ctx.props().of.clone();
        self.question = Some(Task::spawn(async move {
            let answer = Api::new(base_url).ask(&cluster, &path).await;
            link.send_message(Msg::Fetched(answer.map_err(|error| error.message)));
        }));
    }

    fn change(&mut self, ctx: &Context<Self>, change: Change) {
        let look = Rc::clone(&self.look);
        let (before, after) = {
            let mut view = look.view.borrow_mut();
            let before = look.plot.source(&view);
            view.apply(change.clone());
            view.remember(look.name, &ctx.props().of.cluster);
            (before, look.plot.source(&view))
        };
        match change {
            Change::Refresh => self.ask(ctx),
            Change::Auto(_) => {
                self.repeat(ctx);
                self.ask(ctx);
            }
            Change::Search(_) | Change::Sort(_) => {
                if let Some(root) = self.root.cast::<HtmlElement>() {
                    table::to_top(&root);
                }
            }
            Change::Table(_) => self.window = Window::default(),
            _ => {}
        }
        if before != after {
            self.ask(ctx);
        }
        self.pointed = None;
        self.repaint();
    }

    fn repeat(&mut self, ctx: &Context<Self>) {
        let link = ctx.link().clone();
        self.repeat = self
            .look
            .view
            .borrow()
            .auto
            .then(|| Interval::new(AUTO_MS, move || link.send_message(Msg::Tick)));
    }

    fn repaint(&self) {
        self.look.changed();
        if let Some(painter) = &self.painter {
            painter.request();
        }
    }

    fn is_seen(&self) -> bool {
        let hidden = gloo::utils::document().hidden();
        !hidden
            && self
                .painter
                .as_ref()
                .is_some_and(|painter| !painter.size().is_empty())
    }

    fn key(&mut self, ctx: &Context<Self>, event: &KeyboardEvent) -> bool {
        if event.ctrl_key() || event.alt_key() || event.meta_key() {
            return false;
        }
        let spots = self.look.spots.borrow().len();
        let pointed = match (event.key().as_str(), self.pointed) {
            ("ArrowRight" | "ArrowDown", at) => {
                Some(at.map_or(0, |at| at + 1)).filter(|at| *at < spots).or(at)
            }
            ("ArrowLeft" | "ArrowUp", at) => at.map_or(spots.checked_sub(1), |at| Some(at.saturating_sub(1))),
            ("Home", _) => (spots > 0).then_some(0),
            ("End", _) => spots.checked_sub(1),
            ("Enter", at) => {
                self.zoom(ctx);
                at
            }
            ("Escape", Some(_)) => None,
            ("Escape", None) => {
                self.change(ctx, Change::Focus(0));
                None
            }
            (key, _) => {
                let Some(stretch) = self.time().and_then(|time| time.after_key(key)) else {
                    return false;
                };
                self.change(ctx, Change::Stretch(stretch));
                None
            }
        };
        event.prevent_default();
        self.pointed = pointed;
        true
    }

    /// The time axis of a plot over time.
    fn time(&self) -> Option<TimeSpan> {
        let width = self.painter.as_ref()?.size().width;
        self.look.with(|data| self.look.plot.time(data, width))
    }

    fn zoom(&mut self, ctx: &Context<Self>) {
        let spot = self
            .pointed
            .and_then(|at| self.look.spots.borrow().get(at).cloned());
        if let Some((_, Tip::Row(row))) = spot.filter(|_| self.look.plot.zooms()) {
            let there = self.look.view.borrow().focus == row;
            self.change(ctx, Change::Focus(if there { 0 } else { row }));
        }
    }
}

impl Component for PlotPane {
    type Message = Msg;
    type Properties = PlotPaneProps;

    fn create(ctx: &Context<Self>) -> Self {
        let PlotPaneProps { of, name, title, .. } = ctx.props();
        let look = Look {
            name,
            title,
            // Who names a plot has found its title before.
            plot: find(name).unwrap_or(&Workers),
            client: LiveClient::open(&of.base_url, &of.cluster),
            view: View::restored(name, &of.cluster).into(),
            fetched: Value::Null.into(),
            revision: 0.into(),
            spots: Vec::new().into(),
            times: Default::default(),
        };
        let mut pane = Self {
            look: Rc::new(look),
            root: NodeRef::default(),
            body: NodeRef::default(),
            canvas: NodeRef::default(),
            painter: None,
            hook: None,
            pointed: None,
            window: Window::default(),
            question: None,
            asked: false,
            failed: None,
            read_us: None,
            repeat: None,
            gestures: None,
        };
        pane.repeat(ctx);
        pane
    }

    fn rendered(&mut self, ctx: &Context<Self>, first: bool) {
        if !first {
            return;
        }
        let (root, body) = (self.root.cast::<HtmlElement>(), self.body.cast::<HtmlElement>());
        if let (Some(root), Some(body), Some(canvas)) = (root, body, self.canvas.cast::<HtmlCanvasElement>())
        {
            self.hook = Some(expose_plot(&root, &self.look));
            if self.look.plot.is_over_time() {
                let link = ctx.link().clone();
                let heard = move |gesture| match gesture {
                    Gesture::Zoom { .. } | Gesture::Pan { .. } | Gesture::Dive { .. } => {
                        link.send_message(Msg::Gesture(gesture));
                    }
                    _ => {}
                };
                self.gestures = Some(Gestures::on(&canvas, heard));
            }
            let shown = ctx.link().callback(|()| Msg::Shown);
            self.painter = Some(Painter::start(Rc::clone(&self.look), body, canvas, shown));
        }
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Shown => {
                // Before the cluster runs nobody could answer.
                if !self.asked && self.look.client.read().link == Link::Open {
                    self.ask(ctx);
                }
                true
            }
            Msg::Change(change) => {
                self.change(ctx, change);
                true
            }
            Msg::Point(at) => std::mem::replace(&mut self.pointed, at) != at,
            Msg::Key(event) => self.key(ctx, &event),
            Msg::Gesture(gesture) => {
                let stretch = self.time().and_then(|time| time.after(gesture));
                if let Some(stretch) = stretch {
                    self.change(ctx, Change::Stretch(stretch));
                }
                stretch.is_some()
            }
            Msg::Zoom => {
                self.zoom(ctx);
                false
            }
            Msg::Window(window) => std::mem::replace(&mut self.window, window) != window,
            Msg::Fetched(answer) => {
                self.question = None;
                match answer {
                    Ok(value) => {
                        self.failed = None;
                        self.read_us = Some(js_sys::Date::now() * 1000.0);
                        self.look.fetched.replace(value);
                        self.look.view.borrow_mut().focus = 0;
                        self.pointed = None;
                        self.repaint();
                    }
                    Err(message) => self.failed = Some(message),
                }
                true
            }
            Msg::Tick => {
                if self.question.is_none() && self.is_seen() {
                    self.ask(ctx);
                }
                false
            }
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        self.look.with(|data| self.show(ctx, data))
    }
}

impl PlotPane {
    fn show(&self, ctx: &Context<Self>, data: &Data<'_>) -> Html {
        let (look, props) = (&self.look, ctx.props());
        let (plot, view, link) = (look.plot, data.view, ctx.link());
        let standing = Standing::of(data.live);
        let limited = data
            .live
            .health
            .as_ref()
            .and_then(|health| health.limited.clone())
            .filter(|_| plot.feed() != Feed::Unused);
        let table = plot.table(data);
        let change = link.callback(Msg::Change);
        let body = match plot.body() {
            Body::Canvas if view.table => Body::Table,
            body => body,
        };
        let over = match &limited {
            Some(why) if plot.feed() == Feed::Needed => Some(notice(
                "The scheduler does not tell this".into(),
                why.clone().into(),
            )),
            _ if !table.rows.is_empty() => None,
            _ if self.question.is_some() => Some(notice("Asking the scheduler\u{2026}".into(), "".into())),
            _ if standing.tone == Tone::Good && !self.is_told(data) => {
                Some(notice("Waiting for the first figures\u{2026}".into(), "".into()))
            }
            _ if standing.tone == Tone::Recorded && data.live.span.is_none() => {
                Some(notice("Reading the recording\u{2026}".into(), "".into()))
            }
            _ if body == Body::List && standing.tone == Tone::Good && *data.fetched != Value::Null => None,
            _ => {
                let (title, text) = plot.empty();
                Some(empty(&standing, title, text))
            }
        };
        let drawn = body == Body::Canvas && over.is_none();
        let onmousemove = {
            let (look, link) = (Rc::clone(look), link.clone());
            Callback::from(move |event: MouseEvent| {
                let at = look.find(event.offset_x().into(), event.offset_y().into());
                link.send_message(Msg::Point(at));
            })
        };
        let said = plot.figures(data);
        let sentence = sentence(&table, &said, look.title, &props.of.label);
        let figures = html! {
            <>
                if let Some(why) = limited {
                    <span class="gh-standing gh-standing--waiting" title={why} data-testid="limited">{"Limited"}</span>
                }
                { for said.into_iter().map(worded) }
                if let Some(at) = self.read_us {
                    {worded((Unit::Time.say(at), "when it was read", false))}
                }
            </>
        };
        let window = link.callback(Msg::Window);
        html! {
            <section
                ref={self.root.clone()}
                class={if props.part { "gh-part" } else { "gh-pane" }}
                aria-label={format!("{} of {}", look.title, props.of.label)}
                data-testid={format!("{}-{}", if props.part { "part" } else { "pane" }, look.name)}
                data-cluster={props.of.cluster.clone()}
            >
                if props.part {
                    <h3 class="gh-part-head">{look.title}<span class="gh-pane-figures">{figures}</span></h3>
                } else {
                    {header(look.title, &props.of, &standing, figures, self.tools(view, &change))}
                    {self.bar(data, &change)}
                }
                if let Some(failed) = &self.failed {
                    {banner(NoticeLevel::Warning, "pane-failed", html! { <p>{failed.clone()}</p> }, Html::default())}
                }
                <div
                    ref={self.body.clone()}
                    class="gh-plot-body"
                    tabindex={drawn.then_some("0")}
                    onkeydown={drawn.then(|| link.callback(Msg::Key))}
                    onblur={link.callback(|_: FocusEvent| Msg::Point(None))}
                    aria-label={drawn.then_some(if plot.is_over_time() { KEYS_OF_TIME } else { KEYS })}
                    role={drawn.then_some("group")}
                >
                    <canvas
                        ref={self.canvas.clone()}
                        class={classes!("gh-canvas", "gh-canvas--flow", (!drawn).then_some("gh-canvas--off"), plot.zooms().then_some("gh-canvas--zooms"), plot.is_over_time().then_some("gh-canvas--time"))}
                        role="img"
                        aria-label={sentence}
                        data-testid="plot"
                        {onmousemove}
                        onmouseleave={link.callback(|_| Msg::Point(None))}
                        onclick={plot.zooms().then(|| link.callback(|_: MouseEvent| Msg::Zoom))}
                    />
                    if let Some(over) = over {
                        {over}
                    } else if body == Body::Table {
                        {table::view(&table, view, self.window, &change, &window)}
                    } else if body == Body::List {
                        {plot.list(data, &change)}
                    } else {
                        {self.highlight()}
                    }
                </div>
                if drawn {
                    {self.tip(&table)}
                }
                if body == Body::Canvas && !props.part && !plot.legend().is_empty() {
                    {legend(plot)}
                }
            </section>
        }
    }

    /// Whether everything that the plot listens for has come once.
    fn is_told(&self, data: &Data<'_>) -> bool {
        let (topics, live) = (self.look.plot.topics(), data.live);
        (!topics.workers || live.workers.is_some())
            && (!topics.progress || live.progress.is_some())
            && (!topics.errors || live.errors.is_some())
    }
}
