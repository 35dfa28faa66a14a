//! The task stream: what every worker thread did, when, in Dask's colours.

mod aside;
pub mod camera;
mod control;
pub mod filter;
mod legend;
pub mod overlay;
mod picture;
pub mod rows;
pub mod scene;
mod settle;
mod state;
pub mod story;
pub mod summary;
pub mod tip;

use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{HtmlCanvasElement, HtmlElement, HtmlInputElement};
use yew::prelude::*;

use super::PlotProps;
use super::chrome::{Tool, empty, figure, header, notice};
use super::inspect::expose_stream;
use crate::draw::gesture::Key;
use crate::draw::units::plural;
use crate::state::live::use_live;
use aside::Aside;
use legend::legend;
use rows::Rows;
pub use scene::Scene;
use scene::{Act, Outputs, Parts};
use story::Place;
use summary::{Controls, Summary};
pub use tip::action_name;
use tip::{TipBox, TipLink};

/// References to the elements that the scene paints on.
#[derive(Clone, Default, PartialEq)]
struct Nodes {
    root: NodeRef,
    body: NodeRef,
    plot: NodeRef,
    axis: NodeRef,
    raster: NodeRef,
    labels: NodeRef,
}

impl Nodes {
    fn parts(&self) -> Option<Parts> {
        Some(Parts {
            body: self.body.cast::<HtmlElement>()?,
            plot: self.plot.cast::<HtmlElement>()?,
            axis: self.axis.cast::<HtmlCanvasElement>()?,
            raster: self.raster.cast::<HtmlCanvasElement>()?,
            labels: self.labels.cast::<HtmlElement>()?,
        })
    }
}

#[component]
pub fn TaskStreamPane(props: &PlotProps) -> Html {
    let client = use_live(&props.base_url, &props.cluster);
    let nodes = (*use_memo((), |()| Nodes::default())).clone();
    let tips = (*use_memo((), |()| TipLink::default())).clone();
    let summary = use_state_eq(|| Summary::of(&client.read(), Controls::default()));
    let aside = use_state_eq(|| None::<Rc<Aside>>);
    let rows = use_state_eq(Rc::<Rows>::default);
    let scene = use_mut_ref(|| None::<Rc<Scene>>);
    {
        let (nodes, tips, scene) = (nodes.clone(), tips.clone(), Rc::clone(&scene));
        let (summary, rows, aside) = (summary.setter(), rows.setter(), aside.setter());
        let place = Place {
            base_url: props.base_url.clone(),
            cluster: props.cluster.clone(),
        };
        use_effect_with((), move |()| {
            let outputs = Outputs {
                summary: Callback::from(move |now| summary.set(now)),
                rows: Callback::from(move |now| rows.set(now)),
                tip: Callback::from(move |tip| tips.show(tip)),
                aside: Callback::from(move |now| aside.set(now)),
            };
            let started = nodes
                .parts()
                .and_then(|parts| Scene::start(client, place, parts, outputs));
            let hook = started
                .as_ref()
                .zip(nodes.root.cast::<HtmlElement>())
                .map(|(s, root)| expose_stream(&root, s));
            *scene.borrow_mut() = started;
            move || {
                drop(hook);
                scene.borrow_mut().take();
            }
        });
    }
    let act = {
        let scene = Rc::clone(&scene);
        use_callback((), move |act: Act, ()| {
            if let Some(scene) = &*scene.borrow() {
                scene.perform(act);
            }
        })
    };
    let sentence = summary.sentence(&props.label);
    html! {
        <section
            ref={nodes.root.clone()}
            class="gh-pane gh-stream"
            aria-label={format!("Task Stream of {}", props.label)}
            data-testid="pane-task-stream"
            data-cluster={props.cluster.clone()}
        >
            {header("Task Stream", props, &summary.standing, figures(&summary), html! { <>{search(&summary, &act)}{tools(&summary, &act)}</> })}
            <div class="gh-stream-main">
            <div ref={nodes.body.clone()} class="gh-stream-body">
                <div class="gh-stream-gutter" aria-hidden="true">
                    <div ref={nodes.labels.clone()}>{ for rows.groups.iter().map(|group| label(group, &act)) }</div>
                </div>
                <canvas ref={nodes.axis.clone()} class="gh-canvas gh-stream-axis" data-testid="axis" aria-hidden="true" />
                <div
                    ref={nodes.plot.clone()}
                    class={classes!("gh-stream-plot", summary.controls.selecting.then_some("gh-selecting"))}
                    tabindex="0"
                    role="img"
                    aria-label={sentence}
                    aria-description={KEYS}
                >
                    <canvas ref={nodes.raster.clone()} class="gh-canvas" data-testid="raster" />
                    <TipBox link={tips} />
                    {over_plot(&summary, &rows)}
                </div>
            </div>
            {aside::view(aside.as_deref(), &act)}
            </div>
            {legend(&summary, &act)}
        </section>
    }
}

/// For who can't use a pointer.
const KEYS: &str = "Arrow keys and page keys move, plus and minus zoom, 0 shows everything, F follows the newest tasks or \
    stands still, E goes to the next error and Shift+E to the one before, S shows statistics as a table, X fills the screen, \
    Escape takes back.";

fn figures(summary: &Summary) -> Html {
    if summary.tasks == 0 {
        return Html::default();
    }
    let one_or =
        |n: u64, one: &'static str, more: &'static str| figure(n, if n == 1 { one } else { more }, false);
    html! {
        <>
            {one_or(summary.tasks, "task", "tasks")}
            {one_or(summary.workers as u64, "worker seen", "workers seen")}
            {one_or(summary.threads as u64, "thread seen", "threads seen")}
            if summary.erred > 0 {
                {figure(summary.erred, "erred", true)}
            }
        </>
    }
}

/// A field for a part of workers' names, where there are several.
fn search(summary: &Summary, act: &Callback<Act>) -> Html {
    let workers = &summary.controls.filter.workers;
    if summary.workers < 2 && workers.is_empty() {
        return Html::default();
    }
    let oninput = act.reform(|event: InputEvent| {
        let field = event
            .target()
            .and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        Act::Workers(field.map_or_else(String::new, |field| field.value()))
    });
    html! {
        <input
            type="search"
            class="gh-stream-search"
            placeholder="Workers"
            aria-label="Show only workers with this in their name or address"
            value={workers.clone()}
            {oninput}
            data-testid="filter-workers"
        />
    }
}

fn tools(summary: &Summary, act: &Callback<Act>) -> Html {
    let tool = |key, icon, label, testid| {
        Tool {
            icon,
            label,
            stays: None,
            testid,
        }
        .view(on(act, Act::Press(key)))
    };
    let controls = &summary.controls;
    let lasting = |what: Act, icon, label, pressed: bool, testid| {
        Tool {
            icon,
            label,
            stays: Some(("", pressed)),
            testid,
        }
        .view(on(act, what))
    };
    let follow = Tool {
        icon: "M13.5 3v10M2.5 8h8M7.5 4.8 10.7 8l-3.2 3.2",
        label: if controls.following {
            "Following the newest tasks: stand still (F)"
        } else {
            "Follow the newest tasks (F)"
        },
        stays: Some((
            if controls.following { "Following" } else { "Follow" },
            controls.following,
        )),
        testid: "follow",
    };
    html! {
        <>
            {tool(Key::ZoomIn, "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14M7 5v4M5 7h4", "Zoom in (+)", "zoom-in")}
            {tool(Key::ZoomOut, "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14M5 7h4", "Zoom out (\u{2212})", "zoom-out")}
            {tool(Key::Fit, "M2 3v10M14 3v10M4.5 8h7M6.5 5.8 4.3 8l2.2 2.2M9.5 5.8 11.7 8l-2.2 2.2", "Show everything (0)", "fit")}
            if summary.erred > 0 {
                {tool(Key::PreviousError, "M9.5 3.5 5 8l4.5 4.5M12.5 4v5M12.5 11.3v.7", "Error before (Shift+E)", "error-previous")}
                {tool(Key::NextError, "M6.5 3.5 11 8l-4.5 4.5M3.5 4v5M3.5 11.3v.7", "Next error (E)", "error-next")}
            }
            {lasting(Act::Select, "M3.5 2.5v11M12.5 2.5v11M5.5 8h5", "Mark a stretch of time (Shift+drag)", controls.selecting, "select")}
            {lasting(Act::Press(Key::Statistics), "M2.5 13.5v-5M6.2 13.5v-9M9.8 13.5v-6.5M13.5 13.5v-11", "Statistics and tables (S)", controls.open, "statistics")}
            {lasting(Act::Palette, "M8 2.5a5.5 5.5 0 1 0 0 11zM8 5.5h5M8 8h5.5M8 10.5h5", "Colours that everybody can tell apart, and patterns", controls.safe, "palette")}
            {tool(Key::FullScreen, "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10", "Full screen (X)", "full-screen")}
            {follow.view(on(act, Act::Press(Key::Follow)))}
        </>
    }
}

/// Does it on a mouse event.
fn on(act: &Callback<Act>, what: Act) -> Callback<MouseEvent> {
    act.reform(move |_| what.clone())
}

/// A worker's name beside its rows.
fn label(group: &rows::Group, act: &Callback<Act>) -> Html {
    let style = format!("top:{:.1}px;height:{:.1}px", group.y, group.height);
    let title = format!(
        "{} \u{b7} {} \u{b7} {}",
        group.full_name,
        group.address,
        plural(group.threads as u64, "thread")
    );
    let class = classes!(
        "gh-stream-worker",
        (group.height < 11.0).then_some("gh-stream-worker--low")
    );
    let onclick = on(act, Act::Workers(group.full_name.clone()));
    html! { <div key={group.address.clone()} {class} {style} {title} {onclick}><span>{group.name.clone()}</span></div> }
}

/// What is said over an empty plot.
fn over_plot(summary: &Summary, rows: &Rows) -> Html {
    if let Some(share) = summary.loading {
        return html! {
            <div class="gh-stream-loading" role="progressbar" aria-label="Loading history">
                <i style={format!("width:{:.0}%", share * 100.0)} />
            </div>
        };
    }
    let wanted = &summary.controls.filter.workers;
    if summary.tasks > 0 && rows.groups.is_empty() && !wanted.is_empty() {
        return notice(
            "No such worker".into(),
            format!("No worker that did something has \u{201c}{wanted}\u{201d} in its name or address.")
                .into(),
        );
    }
    if summary.tasks > 0 {
        return Html::default();
    }
    empty(
        &summary.standing,
        "No tasks yet",
        "Run something on this cluster: tasks show up here as they finish. History starts when Gatehouse first reached the scheduler.",
    )
}
