//! What all panes have around their plot: header, standing of the connection, toolbar buttons, notices.

use protocol::rest::LiveState;
use yew::prelude::*;

use crate::draw::units::count;
use crate::state::live::{Link, Live};

/// How well the pane hears its scheduler, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub tone: Tone,
    pub text: &'static str,
    /// More, on hover.
    pub hint: String,
    /// Records that nobody can bring back.
    pub lost: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Waiting,
    Bad,
    Off,
}

impl Standing {
    pub fn of(live: &Live) -> Self {
        let health = live.health.as_ref();
        let (tone, text, hint) = match (&live.link, health.map(|health| health.state)) {
            (Link::Connecting, _) | (Link::Open, None) => {
                (Tone::Waiting, "Connecting…", "The connection is being made.")
            }
            (Link::Starting, _) => (
                Tone::Waiting,
                "Cluster starting…",
                "The cluster does not run yet. Its tasks show as soon as it does.",
            ),
            (Link::Lost, _) => (
                Tone::Bad,
                "Reconnecting…",
                "The connection to the Gatehouse server was lost. It is tried again by itself.",
            ),
            (Link::Gone, _) => (
                Tone::Off,
                "Cluster gone",
                "The cluster was shut down. What is shown stays until the pane is closed.",
            ),
            (Link::Outdated, _) => (
                Tone::Bad,
                "Reload the page",
                "The Gatehouse server was updated: reload the page to match it.",
            ),
            (Link::Open, Some(LiveState::Live)) => (Tone::Good, "Live", "The scheduler answers."),
            (Link::Open, Some(LiveState::Busy)) => (
                Tone::Waiting,
                "Scheduler busy",
                "The scheduler has not answered for a while, as when it takes in a big graph. Nothing is lost.",
            ),
            (Link::Open, Some(LiveState::Connecting)) => (
                Tone::Waiting,
                "Connecting to the scheduler…",
                "The scheduler is being reached.",
            ),
            (Link::Open, Some(LiveState::Lost)) => (
                Tone::Bad,
                "Scheduler lost",
                "The scheduler does not answer. It is tried again by itself.",
            ),
            (Link::Open, Some(LiveState::Off)) => {
                (Tone::Off, "Not running", "The cluster has no scheduler to watch.")
            }
        };
        let said = health
            .filter(|_| live.link == Link::Open)
            .and_then(|health| health.message.clone());
        Self {
            tone,
            text,
            hint: said.unwrap_or_else(|| hint.to_owned()),
            lost: health.map_or(0, |health| health.lost_records),
        }
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct HeaderProps {
    /// What is shown, such as `Task Stream`.
    pub title: AttrValue,
    /// The cluster's label.
    pub label: AttrValue,
    pub cluster: AttrValue,
    pub standing: Standing,
    /// Figures beside the title.
    #[prop_or_default]
    pub figures: Html,
    /// The toolbar.
    #[prop_or_default]
    pub children: Children,
}

/// The line above a plot.
#[component]
pub fn Header(props: &HeaderProps) -> Html {
    let tone = match props.standing.tone {
        Tone::Good => "gh-standing--good",
        Tone::Waiting => "gh-standing--waiting",
        Tone::Bad => "gh-standing--bad",
        Tone::Off => "gh-standing--off",
    };
    html! {
        <header class="gh-pane-head">
            <h2 class="gh-pane-title">
                {props.title.clone()}
                <span class="gh-pane-cluster" title={props.cluster.clone()}>{props.label.clone()}</span>
            </h2>
            <span
                class={classes!("gh-standing", tone)}
                title={props.standing.hint.clone()}
                role="status"
                data-testid="standing"
            >
                {props.standing.text}
            </span>
            if props.standing.lost > 0 {
                <span
                    class="gh-standing gh-standing--bad"
                    title="The scheduler had dropped these task records before they could be read."
                >
                    {format!("{} records lost", count(props.standing.lost))}
                </span>
            }
            <div class="gh-pane-figures">{props.figures.clone()}</div>
            <div class="gh-toolbar" role="toolbar" aria-label={format!("{} tools", props.title)}>
                {props.children.clone()}
            </div>
        </header>
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct FigureProps {
    pub value: AttrValue,
    pub name: AttrValue,
    #[prop_or_default]
    pub bad: bool,
}

/// A number and what it counts.
#[component]
pub fn Figure(props: &FigureProps) -> Html {
    html! {
        <span class={classes!("gh-pane-figure", props.bad.then_some("gh-pane-figure--bad"))}>
            <b>{props.value.clone()}</b>{" "}{props.name.clone()}
        </span>
    }
}

/// Icons of toolbars, stroked on a grid of 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    ZoomIn,
    ZoomOut,
    Fit,
    Follow,
}

impl Tool {
    fn path(self) -> &'static str {
        match self {
            Self::ZoomIn => "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14M7 5v4M5 7h4",
            Self::ZoomOut => "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14M5 7h4",
            Self::Fit => "M2 3v10M14 3v10M4.5 8h7M6.5 5.8 4.3 8l2.2 2.2M9.5 5.8 11.7 8l-2.2 2.2",
            Self::Follow => "M13.5 3v10M2.5 8h8M7.5 4.8 10.7 8l-3.2 3.2",
        }
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct ToolButtonProps {
    pub tool: Tool,
    /// What it does, with its key.
    pub label: AttrValue,
    pub onclick: Callback<MouseEvent>,
    /// Of a button that stays pressed.
    #[prop_or_default]
    pub pressed: Option<bool>,
    /// Words beside the icon.
    #[prop_or_default]
    pub text: Option<AttrValue>,
    #[prop_or_default]
    pub testid: Option<AttrValue>,
}

#[component]
pub fn ToolButton(props: &ToolButtonProps) -> Html {
    html! {
        <button
            type="button"
            class={classes!("gh-tool", props.text.is_some().then_some("gh-tool--wide"))}
            title={props.label.clone()}
            aria-label={props.label.clone()}
            aria-pressed={props.pressed.map(|on| if on { "true" } else { "false" })}
            onclick={props.onclick.clone()}
            data-testid={props.testid.clone()}
        >
            <svg class="gh-icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
                <path d={props.tool.path()} />
            </svg>
            {props.text.clone().map(|text| html! { <span>{text}</span> }).unwrap_or_default()}
        </button>
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct EmptyProps {
    pub title: AttrValue,
    /// What to do.
    pub text: AttrValue,
}

/// What is said where a plot has nothing to show.
#[component]
pub fn Empty(props: &EmptyProps) -> Html {
    html! {
        <div class="gh-pane-empty">
            <strong>{props.title.clone()}</strong>
            <p>{props.text.clone()}</p>
        </div>
    }
}

/// What is said where nothing is shown: `title` and `text` while all is well, otherwise what is wrong.
pub fn empty(standing: &Standing, title: &'static str, text: &'static str) -> Html {
    if standing.tone == Tone::Good {
        html! { <Empty {title} {text} /> }
    } else {
        html! { <Empty title={standing.text} text={standing.hint.clone()} /> }
    }
}
