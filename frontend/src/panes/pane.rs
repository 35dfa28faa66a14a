//! The pane around a plot: header, controls, canvas or table or list, tooltip, legend, notices.

use std::rc::Rc;

use gloo::timers::callback::Interval;
use serde_json::Value;
use web_sys::{Element, HtmlCanvasElement, HtmlElement, HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use super::PlotProps;
use super::chrome::{Standing, Tone, Tool, empty, header, notice, worded};
use super::inspect::{Hook, expose_plot};
use super::painter::{Look, Painter};
use super::plot::{Body, Cell, Data, Feed, Plot, Table, Tip};
use super::table::{self, Window};
use super::view::{Change, View};
use crate::draw::scale::Unit;
use crate::panel::widgets::banner;
use crate::state::live::{Link, LiveClient};
use crate::state::rest::Api;
use crate::state::socket::Task;
use protocol::events::NoticeLevel;

/// Between two questions where they are repeated by themselves, milliseconds.
const AUTO_MS: u32 = 5_000;
/// Rows that the summary for screen readers names.
const READ_OUT: usize = 24;

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
    /// What is pointed at fills the plot.
    Zoom,
    Window(Window),
    Fetched(Result<Value, String>),
    Tick,
}

pub struct PlotPane {
    look: Rc<Look>,
    root: NodeRef,
    body: NodeRef,
    canvas: NodeRef,
    painter: Option<Rc<Painter>>,
    hook: Option<Hook>,
    pointed: Option<usize>,
    window: Window,
    question: Option<Task>,
    asked: bool,
    failed: Option<String>,
    repeat: Option<Interval>,
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
            _ => return false,
        };
        event.prevent_default();
        self.pointed = pointed;
        true
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
            plot: super::plot::find(name),
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
            repeat: None,
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
                    aria-label={drawn.then_some("Plot: arrow keys go through its values")}
                    role={drawn.then_some("group")}
                >
                    <canvas
                        ref={self.canvas.clone()}
                        class={classes!("gh-canvas", "gh-canvas--flow", (!drawn).then_some("gh-canvas--off"), plot.zooms().then_some("gh-canvas--zooms"))}
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

    /// Buttons in the header.
    fn tools(&self, view: &View, change: &Callback<Change>) -> Html {
        let plot = self.look.plot;
        let press = |what: Change| change.reform(move |_: MouseEvent| what.clone());
        let refresh = Tool {
            icon: "M13.2 6.5A5.5 5.5 0 1 0 13.5 9M13.5 2.8v3.9H9.6",
            label: "Ask the scheduler again",
            stays: None,
            testid: "refresh-plot",
        };
        let auto = Tool {
            icon: "M8 4.5V8l2.5 1.8M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2",
            label: "Ask again every 5 seconds",
            stays: Some(("Auto", view.auto)),
            testid: "auto-refresh",
        };
        let whole = Tool {
            icon: "M2 6V2h4M14 6V2h-4M2 10v4h4M14 10v4h-4",
            label: "Show everything (Escape)",
            stays: None,
            testid: "zoom-reset",
        };
        let table = Tool {
            icon: "M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10",
            label: "Show the numbers as a table",
            stays: Some(("Table", view.table)),
            testid: "as-table",
        };
        html! {
            <>
                if view.focus > 0 {
                    {whole.view(press(Change::Focus(0)))}
                }
                if plot.source(view).is_some() {
                    {refresh.view(press(Change::Refresh))}
                    {auto.view(press(Change::Auto(!view.auto)))}
                }
                if plot.body() == Body::Canvas {
                    {table.view(press(Change::Table(!view.table)))}
                }
            </>
        }
    }

    /// What the user may choose, below the header.
    fn bar(&self, data: &Data<'_>, change: &Callback<Change>) -> Html {
        let (plot, view) = (self.look.plot, data.view);
        let controls = plot.controls();
        let search = controls.search || (view.table && plot.body() == Body::Canvas);
        if controls.worker.is_none() && controls.choice.is_none() && !search {
            return Html::default();
        }
        let workers = data.workers();
        let workers = workers
            .iter()
            .map(|worker| (worker.address.clone(), format!("Worker {}", worker.name)))
            .collect();
        let choices = plot
            .choices(data)
            .into_iter()
            .map(|choice| (choice.clone(), choice))
            .collect();
        let oninput = change.reform(|event: InputEvent| {
            Change::Search(event.target_unchecked_into::<HtmlInputElement>().value())
        });
        html! {
            <div class="gh-pane-bar">
                {select("Worker", "choose-worker", controls.worker, workers, &view.worker, change.reform(Change::Worker))}
                {select("What is shown", "choose", controls.choice, choices, &view.choice, change.reform(Change::Choice))}
                if search {
                    <input
                        class="gh-input"
                        type="search"
                        placeholder="Filter"
                        aria-label="Words to look for"
                        value={view.search.clone()}
                        {oninput}
                        data-testid="filter"
                    />
                }
            </div>
        }
    }

    /// A light on what is pointed at.
    fn highlight(&self) -> Html {
        let spots = self.look.spots.borrow();
        let Some((area, _)) = self.pointed.and_then(|at| spots.get(at)) else {
            return Html::default();
        };
        let style = format!(
            "left:{:.1}px;top:{:.1}px;width:{:.1}px;height:{:.1}px",
            area.x,
            area.y,
            area.w.max(1.0),
            area.h
        );
        html! { <i class="gh-spot" {style} /> }
    }

    /// What is pointed at, in words.
    fn tip(&self, table: &Table) -> Html {
        let spots = self.look.spots.borrow();
        let (Some((area, tip)), Some(body)) = (
            self.pointed.and_then(|at| spots.get(at)),
            self.body.cast::<HtmlElement>(),
        ) else {
            return Html::default();
        };
        let x = area.x + (area.w / 2.0).min(f64::from(body.client_width()) / 2.0);
        let y = area.y + area.h / 2.0 - f64::from(body.scroll_top());
        let (flip_x, flip_y) = beyond_middle(&body, x, y);
        let style = format!(
            "left:{:.0}px;top:{:.0}px;transform:translate({},{})",
            x + f64::from(body.offset_left()),
            y + f64::from(body.offset_top()),
            if flip_x { "calc(-100% - 14px)" } else { "14px" },
            if flip_y { "calc(-100% - 10px)" } else { "10px" },
        );
        let content = match tip {
            Tip::Words(words) => html! { <strong>{words.clone()}</strong> },
            Tip::Row(row) => match table.rows.get(*row) {
                Some(row) => facts(table, row),
                None => return Html::default(),
            },
        };
        html! { <div class="gh-tip" {style} role="tooltip" data-testid="tip">{content}</div> }
    }
}

/// Whether a place in a plot lies in the right half of the pane, and in its lower half.
fn beyond_middle(body: &HtmlElement, x: f64, y: f64) -> (bool, bool) {
    let pane = body.closest(".gh-pane").ok().flatten();
    let pane = pane.as_ref().map_or_else(
        || body.get_bounding_client_rect(),
        Element::get_bounding_client_rect,
    );
    let own = body.get_bounding_client_rect();
    (
        own.left() + x > pane.left() + pane.width() / 2.0,
        own.top() + y > pane.top() + pane.height() / 2.0,
    )
}

/// A row of the table, one below the other.
fn facts(table: &Table, row: &[Cell]) -> Html {
    let mut cells = row.iter().zip(table.columns);
    let name = cells
        .next()
        .map(|(cell, (_, unit))| cell.say(*unit))
        .unwrap_or_default();
    let told = cells.filter(|(cell, (_, unit))| match cell {
        Cell::Nothing => false,
        Cell::Text(text) => !text.is_empty(),
        Cell::Number(number) => *unit != Unit::Some || *number != 0.0,
    });
    html! {
        <>
            <div class="gh-tip-head"><strong>{name}</strong></div>
            <dl>{ for told.map(|(cell, (name, unit))| html! { <><dt>{*name}</dt><dd>{cell.say(*unit)}</dd></> }) }</dl>
        </>
    }
}

/// The plot in words, for who does not see it.
fn sentence(table: &Table, figures: &[super::plot::Figure], title: &str, cluster: &str) -> String {
    let mut text = format!("{title} of cluster {cluster}: ");
    if table.rows.is_empty() {
        text.push_str("nothing to show.");
        return text;
    }
    let said: Vec<_> = figures
        .iter()
        .map(|(number, name, _)| format!("{number} {name}"))
        .collect();
    text.push_str(&said.join(", "));
    for row in table.rows.iter().take(READ_OUT) {
        for (n, (cell, (name, unit))) in row.iter().zip(table.columns).take(3).enumerate() {
            let before = if n == 0 { ". " } else { ", " };
            let name = if n == 0 { "" } else { name };
            text.push_str(&format!("{before}{name} {}", cell.say(*unit)));
        }
    }
    text.push('.');
    text
}

fn legend(plot: &dyn Plot) -> Html {
    html! {
        <footer class="gh-legend">
            { for plot.legend().iter().map(|(color, name)| html! {
                <span class="gh-legend-entry">
                    if *color != "transparent" {
                        <span class="gh-swatch" style={format!("background:{color}")} />
                    }
                    <span class="gh-legend-name">{*name}</span>
                </span>
            }) }
        </footer>
    }
}

/// A choice of values by their words; nothing where there is nothing to choose.
fn select(
    label: &'static str,
    testid: &'static str,
    none: Option<&'static str>,
    mut choices: Vec<(String, String)>,
    chosen: &str,
    choose: Callback<String>,
) -> Html {
    let Some(none) = none else {
        return Html::default();
    };
    // What was chosen stays to be seen when it is gone.
    if !chosen.is_empty() && choices.iter().all(|(value, _)| value != chosen) {
        choices.push((chosen.to_owned(), chosen.to_owned()));
    }
    choices.insert(0, (String::new(), none.to_owned()));
    let onchange = choose.reform(|event: Event| event.target_unchecked_into::<HtmlSelectElement>().value());
    html! {
        <select class="gh-input" aria-label={label} {onchange} data-testid={testid}>
            { for choices.into_iter().map(|(value, words)| {
                let selected = value == chosen;
                html! { <option key={value.clone()} {value} {selected}>{words}</option> }
            }) }
        </select>
    }
}
