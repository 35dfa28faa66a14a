//! The task stream: what every worker thread did, when, in Dask's colours.

pub mod camera;
pub mod overlay;
pub mod rows;
pub mod scene;
mod state;
pub mod summary;
pub mod tip;

use std::rc::Rc;

use protocol::live::Prefix;
use web_sys::{HtmlCanvasElement, HtmlElement};
use yew::prelude::*;

use super::PlotProps;
use super::chrome::{Figure, Header, Tool, ToolButton, empty};
use super::inspect::expose_stream;
use crate::draw::gesture::Key;
use crate::draw::units::{count, plural, short_count};
use crate::state::live::use_live;
use rows::Rows;
pub use scene::Scene;
use scene::{Outputs, Parts};
use summary::Summary;
use timeline::{Colors, Rgba};
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
    let press = |key: Key| {
        let scene = Rc::clone(&scene);
        Callback::from(move |_: MouseEvent| {
            if let Some(scene) = &*scene.borrow() {
                scene.press(key);
            }
        })
    };
    let onpoint = {
        let scene = Rc::clone(&scene);
        use_callback((), move |prefix, ()| {
            if let Some(scene) = &*scene.borrow() {
                scene.point_at(prefix);
            }
        })
    };
    let onpin = {
        let scene = Rc::clone(&scene);
        use_callback((), move |prefix, ()| {
            if let Some(scene) = &*scene.borrow() {
                scene.pin(prefix);
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
            <Header
                title="Task Stream"
                label={props.label.clone()}
                cluster={props.cluster.clone()}
                standing={summary.standing.clone()}
                figures={figures(&summary)}
            >
                <ToolButton tool={Tool::ZoomIn} label="Zoom in (+)" onclick={press(Key::ZoomIn)} testid="zoom-in" />
                <ToolButton tool={Tool::ZoomOut} label="Zoom out (\u{2212})" onclick={press(Key::ZoomOut)} testid="zoom-out" />
                <ToolButton tool={Tool::Fit} label="Show everything (0)" onclick={press(Key::Fit)} testid="fit" />
                <ToolButton
                    tool={Tool::Follow}
                    label={if summary.following { "Following the newest tasks" } else { "Follow the newest tasks (F)" }}
                    text={if summary.following { "Following" } else { "Follow" }}
                    pressed={summary.following}
                    onclick={press(Key::Follow)}
                    testid="follow"
                />
            </Header>
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
                    {notice(&summary)}
                </div>
            </div>
            <Legend summary={(*summary).clone()} {onpoint} {onpin} />
        </section>
    }
}

fn figures(summary: &Summary) -> Html {
    if summary.tasks == 0 {
        return Html::default();
    }
    html! {
        <>
            <Figure value={count(summary.tasks)} name={if summary.tasks == 1 { "task" } else { "tasks" }} />
            <Figure value={summary.workers.to_string()} name={if summary.workers == 1 { "worker" } else { "workers" }} />
            <Figure value={summary.threads.to_string()} name={if summary.threads == 1 { "thread" } else { "threads" }} />
            if summary.erred > 0 {
                <Figure value={count(summary.erred)} name="erred" bad={true} />
            }
        </>
    }
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
fn notice(summary: &Summary) -> Html {
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

#[derive(Clone, PartialEq, Properties)]
struct LegendProps {
    summary: Summary,
    /// Prefix whose entry the pointer is on.
    onpoint: Callback<Option<u16>>,
    onpin: Callback<u16>,
}

/// Colours and what they stand for; an entry lets its tasks stand out.
#[component]
fn Legend(props: &LegendProps) -> Html {
    let summary = &props.summary;
    let dask = Colors::dask([]);
    let prefix = |(id, (prefix, tasks)): (usize, &(Prefix, u64))| {
        let id = id as u16;
        let point = |to: Option<u16>| {
            let onpoint = props.onpoint.clone();
            Callback::from(move |_: MouseEvent| onpoint.emit(to))
        };
        let onpin = props.onpin.clone();
        html! {
            <button
                key={prefix.name.clone()}
                type="button"
                class="gh-legend-entry"
                title={format!("{}: {}. Click to keep it highlighted.", prefix.name, plural(*tasks, "task"))}
                aria-pressed={if summary.pinned == Some(id) { "true" } else { "false" }}
                onmouseenter={point(Some(id))}
                onmouseleave={point(None)}
                onclick={move |_| onpin.emit(id)}
            >
                <span class="gh-swatch" style={format!("background:{}", css(Colors::prefix(prefix.color)))} />
                <span class="gh-legend-name">{prefix.name.clone()}</span>
                <span class="gh-legend-count">{short_count(*tasks)}</span>
            </button>
        }
    };
    let other = |shown: bool, color: Rgba, name: &'static str| {
        let entry = html! {
            <span key={format!("action {name}")} class="gh-legend-entry">
                <span class="gh-swatch" style={format!("background:{}", css(color))} />
                <span class="gh-legend-name">{name}</span>
            </span>
        };
        if shown { entry } else { Html::default() }
    };
    let [transfer, disk, deserialize] = summary.others;
    html! {
        <footer class="gh-legend">
            { for summary.legend.iter().enumerate().map(prefix) }
            if summary.unnamed > 0 {
                <span class="gh-legend-entry">{format!("+{} more", summary.unnamed)}</span>
            }
            {other(transfer, dask.transfer, "transfer")}
            {other(disk, dask.disk, "disk")}
            {other(deserialize, dask.deserialize, "deserialize")}
            {other(summary.erred > 0, dask.erred, "erred")}
        </footer>
    }
}

fn css([r, g, b, a]: Rgba) -> String {
    format!("rgba({r},{g},{b},{})", f64::from(a) / 255.0)
}
