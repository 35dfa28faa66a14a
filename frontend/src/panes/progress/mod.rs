//! Progress: tasks by key prefix and state, with Dask's bars.

pub mod bars;
pub mod segments;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo::events::EventListener;
use protocol::live::{PrefixProgress, Progress, Topics};
use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, HtmlElement, MouseEvent, ResizeObserver};
use yew::prelude::*;

use super::PlotProps;
use super::chrome::{Standing, empty, figure, header};
use super::inspect::expose_progress;
use crate::draw::canvas::{Size, resize};
use crate::draw::frame::{FrameRequest, FrameTimes};
use crate::draw::theme::{Theme, ThemeWatch};
use crate::draw::units::{count, plural};
use crate::state::live::{LiveClient, Subscription, use_live};
use bars::Grid;
pub use segments::states;

/// What the component shows around the canvas.
#[derive(Clone, PartialEq)]
struct Shown {
    standing: Standing,
    progress: Option<Rc<Progress>>,
}

/// The painter of one pane.
pub struct Bars {
    client: Rc<LiveClient>,
    body: HtmlElement,
    canvas: HtmlCanvasElement,
    theme: RefCell<Theme>,
    /// What the canvas shows, to paint it only when that is something else.
    painted: RefCell<Option<(Rc<Progress>, Size)>>,
    grid: Cell<Option<Grid>>,
    frame: FrameRequest,
    pub times: FrameTimes,
    shown: Callback<Shown>,
    kept: RefCell<Option<Kept>>,
}

struct Kept {
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

impl Bars {
    fn start(
        client: Rc<LiveClient>,
        body: HtmlElement,
        canvas: HtmlCanvasElement,
        shown: Callback<Shown>,
    ) -> Rc<Self> {
        let bars = Rc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            Self {
                theme: RefCell::new(Theme::of(&body)),
                client,
                body,
                canvas,
                painted: RefCell::default(),
                grid: Cell::default(),
                frame: FrameRequest::new(move |_| {
                    if let Some(bars) = weak.upgrade() {
                        bars.times.measure(|| bars.paint());
                    }
                }),
                times: FrameTimes::default(),
                shown,
                kept: RefCell::default(),
            }
        });
        let with = |act: fn(&Self)| {
            let weak = Rc::downgrade(&bars);
            move || {
                if let Some(bars) = weak.upgrade() {
                    act(&bars);
                }
            }
        };
        let request = |bars: &Self| bars.frame.request();
        let observed = Closure::<dyn FnMut()>::new(with(request));
        let observer = ResizeObserver::new(observed.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            observer.observe(&bars.body);
        }
        let resized = with(request);
        let topics = Topics {
            progress: true,
            ..Topics::default()
        };
        bars.kept.replace(Some(Kept {
            _theme: ThemeWatch::new(with(|bars| {
                bars.theme.replace(Theme::of(&bars.body));
                bars.painted.replace(None);
                bars.frame.request();
            })),
            _window: EventListener::new(&gloo::utils::window(), "resize", move |_| resized()),
            _subscription: bars.client.subscribe(topics, with(request)),
            observer,
            _observed: observed,
        }));
        bars.frame.request();
        bars
    }

    /// What the scheduler told last.
    pub fn progress(&self) -> Option<Rc<Progress>> {
        self.client.read().progress.clone()
    }

    fn paint(&self) {
        let (standing, progress) = {
            let live = self.client.read();
            (Standing::of(&live), live.progress.clone())
        };
        let size = Size::of(&self.body);
        if let Some(progress) = progress.clone().filter(|_| !size.is_empty()) {
            let now = (progress, size);
            let same = self
                .painted
                .borrow()
                .as_ref()
                .is_some_and(|(p, s)| Rc::ptr_eq(p, &now.0) && *s == size);
            if !same {
                let grid = Grid::new(now.0.prefixes.len(), size.width);
                resize(&self.canvas, size.width, grid.height(), size.ratio);
                if let Err(error) = bars::draw(&self.canvas, &now.0, grid, &self.theme.borrow(), size.ratio) {
                    gloo::console::error!("progress could not be painted:", error);
                }
                self.grid.set(Some(grid));
                self.painted.replace(Some(now));
            }
        }
        self.shown.emit(Shown { standing, progress });
    }

    /// The prefix whose bar is at a place of the canvas.
    fn at(&self, x: f64, y: f64) -> Option<PrefixProgress> {
        let n = self.grid.get()?.at(x, y)?;
        self.painted.borrow().as_ref()?.0.prefixes.get(n).cloned()
    }
}

#[component]
pub fn ProgressPane(props: &PlotProps) -> Html {
    let client = use_live(&props.base_url, &props.cluster);
    let (root, body, canvas) = (use_node_ref(), use_node_ref(), use_node_ref());
    let shown = use_state_eq(|| {
        let live = client.read();
        Shown {
            standing: Standing::of(&live),
            progress: live.progress.clone(),
        }
    });
    let pointed = use_state_eq(|| None::<(PrefixProgress, f64, f64)>);
    let painter = use_mut_ref(|| None::<Rc<Bars>>);
    {
        let (root, body, canvas, painter) = (root.clone(), body.clone(), canvas.clone(), Rc::clone(&painter));
        let setter = shown.setter();
        use_effect_with((), move |()| {
            let shown = Callback::from(move |now| setter.set(now));
            let started = body
                .cast::<HtmlElement>()
                .zip(canvas.cast::<HtmlCanvasElement>())
                .map(|(body, canvas)| Bars::start(client, body, canvas, shown));
            let hook = started
                .as_ref()
                .zip(root.cast::<HtmlElement>())
                .map(|(b, root)| expose_progress(&root, b));
            *painter.borrow_mut() = started;
            move || {
                drop(hook);
                painter.borrow_mut().take();
            }
        });
    }
    let onmousemove = {
        let (painter, pointed) = (Rc::clone(&painter), pointed.setter());
        Callback::from(move |event: MouseEvent| {
            let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
            let found = painter.borrow().as_ref().and_then(|bars| bars.at(x, y));
            pointed.set(found.map(|prefix| (prefix, x, y)));
        })
    };
    let onmouseleave = {
        let pointed = pointed.setter();
        Callback::from(move |_: MouseEvent| pointed.set(None))
    };
    let progress = shown.progress.clone().unwrap_or_default();
    let nothing = progress.prefixes.is_empty();
    html! {
        <section
            ref={root}
            class="gh-pane gh-progress"
            aria-label={format!("Progress of {}", props.label)}
            data-testid="pane-progress"
            data-cluster={props.cluster.clone()}
        >
            {header("Progress", props, &shown.standing, figures(&progress), Html::default())}
            <div ref={body} class="gh-progress-body">
                <canvas
                    ref={canvas}
                    class={classes!("gh-canvas", "gh-canvas--flow", nothing.then_some("gh-canvas--off"))}
                    role="img"
                    aria-label={sentence(&progress, &props.label)}
                    data-testid="bars"
                    {onmousemove}
                    {onmouseleave}
                />
                { for (*pointed).as_ref().map(|(prefix, x, y)| tip(prefix, *x, *y)) }
                if nothing {
                    {empty(
                        &shown.standing,
                        "No tasks",
                        "The scheduler holds no tasks at the moment. Run something on this cluster: each kind of task gets a bar.",
                    )}
                }
            </div>
            if !nothing {
                <footer class="gh-legend">{legend()}</footer>
            }
        </section>
    }
}

/// Dask's title of the plot: all, and how many in each state.
fn figures(progress: &Progress) -> Html {
    let totals = &progress.totals;
    html! {
        <>
            {figure(totals.all(), "total", false)}
            // Second, because what comes last is not seen where it is narrow.
            if totals.erred > 0 {
                {figure(totals.erred, "erred", true)}
            }
            {figure(totals.memory, "in memory", false)}
            {figure(totals.processing, "processing", false)}
            {figure(totals.waiting, "waiting", false)}
            {figure(totals.queued, "queued", false)}
            if totals.no_worker > 0 {
                {figure(totals.no_worker, "without a worker", false)}
            }
        </>
    }
}

/// The plot in words, for who does not see it.
fn sentence(progress: &Progress, cluster: &str) -> String {
    let (totals, n) = (&progress.totals, progress.prefixes.len() as u64);
    if n == 0 {
        return format!("Progress of cluster {cluster}: no tasks.");
    }
    let bars = progress
        .prefixes
        .iter()
        .take(24)
        .map(|p| format!("{}: {} of {}", p.name, p.counts.done(), p.counts.all()));
    format!(
        "Progress of cluster {cluster}: {} of {} done, {} processing, {}. {}.",
        count(totals.done()),
        plural(totals.all(), "task"),
        count(totals.processing),
        plural(totals.erred, "error"),
        bars.collect::<Vec<_>>().join(", "),
    )
}

fn tip(prefix: &PrefixProgress, x: f64, y: f64) -> Html {
    let done = prefix.counts.done() as f64 / prefix.counts.all().max(1) as f64;
    html! {
        <div class="gh-tip" style={format!("left:{:.0}px;top:{:.0}px", x + 14.0, y + 14.0)} role="tooltip">
            <div class="gh-tip-head">
                <strong>{prefix.name.clone()}</strong>
                <span class="gh-tip-duration">{format!("{:.0} %", (100.0 * done).floor())}</span>
            </div>
            <dl>
                { for states(&prefix.counts).iter().filter(|(_, n)| *n > 0).map(|(name, n)| html! {
                    <><dt>{*name}</dt><dd>{count(*n)}</dd></>
                }) }
            </dl>
        </div>
    }
}

fn legend() -> Html {
    let entry = |class: &'static str, name: &'static str| {
        html! {
            <span class="gh-legend-entry">
                <span class={classes!("gh-swatch", class)} />
                <span class="gh-legend-name">{name}</span>
            </span>
        }
    };
    html! {
        <>
            {entry("gh-swatch--released", "released")}
            {entry("gh-swatch--memory", "in memory")}
            {entry("gh-swatch--erred", "erred")}
            {entry("gh-swatch--processing", "processing")}
            {entry("gh-swatch--queued", "queued")}
            {entry("gh-swatch--no-worker", "without a worker")}
            {entry("gh-swatch--waiting", "waiting")}
        </>
    }
}
