//! What all panes have around their plot: header, standing of the connection, toolbar buttons, notices.

use protocol::rest::LiveState;
use yew::prelude::*;

use super::PlotProps;
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
    /// No scheduler, and none is missed.
    Recorded,
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
                "The cluster no longer runs. What this pane has seen of it stays until it is closed.",
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
            (Link::Open, Some(LiveState::Recording)) => (
                Tone::Recorded,
                "Recording",
                "What a cluster did, as it was recorded.",
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

/// The line above a plot: what is shown, of which cluster, how well it is heard, figures, tools.
pub fn header(
    title: &'static str,
    props: &PlotProps,
    standing: &Standing,
    figures: Html,
    tools: Html,
) -> Html {
    let tone = match standing.tone {
        Tone::Good => "gh-standing gh-standing--good",
        Tone::Waiting => "gh-standing gh-standing--waiting",
        Tone::Bad => "gh-standing gh-standing--bad",
        Tone::Off | Tone::Recorded => "gh-standing gh-standing--off",
    };
    html! {
        <header class="gh-pane-head">
            <h2 class="gh-pane-title">
                {title}
                <span class="gh-pane-cluster" title={props.cluster.clone()}>{props.label.clone()}</span>
            </h2>
            <span class={tone} title={standing.hint.clone()} role="status" data-testid="standing">{standing.text}</span>
            if standing.lost > 0 {
                <span
                    class="gh-standing gh-standing--bad"
                    title="The scheduler had dropped these task records before they could be read."
                >
                    {format!("{} records lost", count(standing.lost))}
                </span>
            }
            <div class="gh-pane-figures">{figures}</div>
            <div class="gh-toolbar" role="toolbar" aria-label="Tools of the plot">{tools}</div>
        </header>
    }
}

/// A number and what it counts.
pub fn figure(value: u64, name: &'static str, bad: bool) -> Html {
    worded((count(value), name, bad))
}

/// A number in words and what it counts.
pub fn worded((number, name, bad): (String, &'static str, bool)) -> Html {
    html! {
        <span class={if bad { "gh-pane-figure gh-pane-figure--bad" } else { "gh-pane-figure" }}>
            <b>{number}</b>{" "}{name}
        </span>
    }
}

/// A button of the toolbar.
pub struct Tool {
    /// Path of its icon, stroked on a grid of 16.
    pub icon: &'static str,
    /// What it does, with its key.
    pub label: &'static str,
    /// Words beside the icon, and whether it is pressed, of a button that stays so.
    pub stays: Option<(&'static str, bool)>,
    pub testid: &'static str,
}

impl Tool {
    pub fn view(&self, onclick: Callback<MouseEvent>) -> Html {
        html! {
            <button
                type="button"
                class={if self.stays.is_some_and(|(text, _)| !text.is_empty()) { "gh-tool gh-tool--wide" } else { "gh-tool" }}
                title={self.label}
                aria-label={self.label}
                aria-pressed={self.stays.map(|(_, on)| if on { "true" } else { "false" })}
                {onclick}
                data-testid={self.testid}
            >
                <svg class="gh-icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
                    <path d={self.icon} />
                </svg>
                if let Some((text, _)) = self.stays.filter(|(text, _)| !text.is_empty()) {
                    <span>{text}</span>
                }
            </button>
        }
    }
}

/// What is said where nothing is shown: `title` and `text` while all is well, otherwise what is wrong.
pub fn empty(standing: &Standing, title: &'static str, text: &'static str) -> Html {
    match standing.tone {
        Tone::Good => notice(title.into(), text.into()),
        Tone::Recorded => notice(
            title.into(),
            "The recording has nothing of it at this moment. Move the time bar to another one.".into(),
        ),
        _ => notice(standing.text.into(), standing.hint.clone().into()),
    }
}

/// A title and a sentence where a plot would be.
pub fn notice(title: AttrValue, text: AttrValue) -> Html {
    html! { <div class="gh-pane-empty"><strong>{title}</strong><p>{text}</p></div> }
}
