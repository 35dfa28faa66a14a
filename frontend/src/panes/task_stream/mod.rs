//! The task stream: what every worker thread did, when, in Dask's colours.

pub mod camera;
mod legend;
pub mod overlay;
pub mod rows;
pub mod scene;
mod state;
pub mod summary;
pub mod tip;

use std::rc::Rc;

use web_sys::{HtmlCanvasElement, HtmlElement};
use yew::prelude::*;

use super::PlotProps;
use super::chrome::{Tool, empty, figure, header};
use super::inspect::expose_stream;
use crate::draw::gesture::Key;
use crate::draw::units::plural;
use crate::state::live::use_live;
use legend::legend;
use rows::Rows;
pub use scene::Scene;
use scene::{Act, Outputs, Parts};
use summary::Summary;
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
    overlay: NodeRef,
    labels: NodeRef,
}

impl Nodes {
    fn parts(&self) -> Option<Parts> {
        Some(Parts {
            body: self.body.cast::<HtmlElement>()?,
            plot: self.plot.cast::<HtmlElement>()?,
            axis: self.axis.cast::<HtmlCanvasElement>()?,
            raster: self.raster.cast::<HtmlCanvasElement>()?,
            overlay: self.overlay.cast::<HtmlCanvasElement>()?,
            labels: self.labels.cast::<HtmlElement>()?,
        })
    }
}

#[component]
pub fn TaskStreamPane(props: &PlotProps) -> Html {
    let client = use_live(&props.base_url, &props.cluster);
    let nodes = (*use_memo((), |()| Nodes::default())).clone();
    let tips = (*use_memo((), |()| TipLink::default())).clone();
    let summary = use_state_eq(|| Summary::of(&client.read(), true));
    let rows = use_state_eq(Rc::<Rows>::default);
    let scene = use_mut_ref(|| None::<Rc<Scene>>);
    {
        let (nodes, tips, scene) = (nodes.clone(), tips.clone(), Rc::clone(&scene));
        let (summary, rows) = (summary.setter(), rows.setter());
        use_effect_with((), move |()| {
            let outputs = Outputs {
                summary: Callback::from(move |now| summary.set(now)),
                rows: Callback::from(move |now| rows.set(now)),
                tip: Callback::from(move |tip| tips.show(tip)),
            };
            let started = nodes
                .parts()
                .and_then(|parts| Scene::start(client, parts, outputs));
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
            {header("Task Stream", props, &summary.standing, figures(&summary), tools(&summary, &act))}
            <div ref={nodes.body.clone()} class="gh-stream-body">
                <div class="gh-stream-gutter" aria-hidden="true">
                    <div ref={nodes.labels.clone()}>{ for rows.groups.iter().map(label) }</div>
                </div>
                <canvas ref={nodes.axis.clone()} class="gh-canvas" data-testid="axis" aria-hidden="true" />
                <div
                    ref={nodes.plot.clone()}
                    class="gh-stream-plot"
                    tabindex="0"
                    role="img"
                    aria-label={sentence}
                    aria-description="Arrow keys move, plus and minus zoom, 0 shows everything, F follows the newest tasks."
                >
                    <canvas ref={nodes.raster.clone()} class="gh-canvas" data-testid="raster" />
                    <canvas ref={nodes.overlay.clone()} class="gh-canvas" data-testid="overlay" />
                    <TipBox link={tips} />
                    {over_plot(&summary)}
                </div>
            </div>
            {legend(&summary, &act)}
        </section>
    }
}

fn figures(summary: &Summary) -> Html {
    if summary.tasks == 0 {
        return Html::default();
    }
    let one_or =
        |n: u64, one: &'static str, more: &'static str| figure(n, if n == 1 { one } else { more }, false);
    html! {
        <>
            {one_or(summary.tasks, "task", "tasks")}
            {one_or(summary.workers as u64, "worker", "workers")}
            {one_or(summary.threads as u64, "thread", "threads")}
            if summary.erred > 0 {
                {figure(summary.erred, "erred", true)}
            }
        </>
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
    let follow = Tool {
        icon: "M13.5 3v10M2.5 8h8M7.5 4.8 10.7 8l-3.2 3.2",
        label: if summary.following {
            "Following the newest tasks"
        } else {
            "Follow the newest tasks (F)"
        },
        stays: Some((
            if summary.following { "Following" } else { "Follow" },
            summary.following,
        )),
        testid: "follow",
    };
    html! {
        <>
            {tool(Key::ZoomIn, "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14M7 5v4M5 7h4", "Zoom in (+)", "zoom-in")}
            {tool(Key::ZoomOut, "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14M5 7h4", "Zoom out (\u{2212})", "zoom-out")}
            {tool(Key::Fit, "M2 3v10M14 3v10M4.5 8h7M6.5 5.8 4.3 8l2.2 2.2M9.5 5.8 11.7 8l-2.2 2.2", "Show everything (0)", "fit")}
            {follow.view(on(act, Act::Press(Key::Follow)))}
        </>
    }
}

/// Does it on a mouse event.
fn on(act: &Callback<Act>, what: Act) -> Callback<MouseEvent> {
    act.reform(move |_| what)
}

/// A worker's name beside its rows.
fn label(group: &rows::Group) -> Html {
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
    html! { <div key={group.address.clone()} {class} {style} {title}><span>{group.name.clone()}</span></div> }
}

/// What is said over an empty plot.
fn over_plot(summary: &Summary) -> Html {
    if let Some(share) = summary.loading {
        return html! {
            <div class="gh-stream-loading" role="progressbar" aria-label="Loading history">
                <i style={format!("width:{:.0}%", share * 100.0)} />
            </div>
        };
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
