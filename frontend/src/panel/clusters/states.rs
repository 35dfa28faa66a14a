//! What a card says beside a running cluster's figures: since when it is in its state, what it waits for, why it failed.

use gloo::timers::callback::Timeout;
use protocol::rest::{Cluster, ClusterState, Scaling};
use yew::prelude::*;

use super::tails::Tails;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::Elapsed;

/// A start or an end that takes longer is worth a word, milliseconds.
const SLOW_MS: i64 = 60_000;

/// Since when the cluster is in its state, or how long it was there.
pub fn times(cluster: &Cluster) -> Html {
    let life = &cluster.life;
    let (before, since, until, after) = match cluster.state {
        ClusterState::Pending => ("starting for ", life.since.or(cluster.started_at), None, ""),
        ClusterState::Running => ("", cluster.started_at, None, ""),
        ClusterState::Stopping => ("stopping for ", life.since, None, ""),
        ClusterState::Stopped => ("ended after ", cluster.started_at, cluster.stopped_at, ""),
        ClusterState::Failed => ("failed after ", cluster.started_at, cluster.stopped_at, ""),
    };
    let Some(since) = since else { return html! {} };
    let moment = |at: Option<i64>| {
        at.map(|at| {
            let date = js_sys::Date::new(&(at as f64).into());
            String::from(date.to_locale_string("default", &wasm_bindgen::JsValue::UNDEFINED))
        })
    };
    let created = moment(cluster.started_at).map(|at| format!("Created {at}"));
    let ended = moment(cluster.stopped_at).map(|at| format!("Ended {at}"));
    let title: Vec<_> = created.into_iter().chain(ended).collect();
    html! {
        <span title={title.join("\n")} data-testid="cluster-time">{before}<Elapsed {since} {until} coarse={cluster.state == ClusterState::Running} />{after}</span>
    }
}

/// What was asked of the cluster's size, and by whom where it was not us.
pub fn asked(cluster: &Cluster) -> Option<String> {
    let workers = cluster.summary.as_ref().map_or(0, |summary| summary.workers);
    match format::scaling(&cluster.scaling) {
        Some(words) if cluster.life.scaling_waits => Some(format!("{words} once it runs")),
        Some(words) => Some(words),
        None if cluster.state == ClusterState::Running && workers > 0 => {
            Some("size set elsewhere".to_owned())
        }
        None => None,
    }
}

/// Workers that are asked for now, where these are not those that are there.
pub fn awaited(cluster: &Cluster) -> Option<u32> {
    let present = cluster.summary.as_ref()?.workers;
    cluster.life.asked.filter(|asked| *asked != present)
}

/// Why there are no workers.
pub fn no_workers(cluster: &Cluster) -> &'static str {
    match (&cluster.scaling, cluster.life.asked) {
        (_, Some(1..)) => "Workers are starting.",
        (Scaling::Adaptive { .. }, _) => "No workers now; they start when there is work.",
        _ => "No workers yet. Scale it to give it some.",
    }
}

/// What went wrong with the last change.
pub fn problem(cluster: &Cluster) -> Html {
    let Some(problem) = &cluster.life.problem else {
        return html! {};
    };
    html! {
        <p class="gh-problem" role="status" data-testid="cluster-problem">
            {glyph(Icon::Alert, 12)}
            <span>{problem.clone()}</span>
        </p>
    }
}

/// Why a cluster failed, with the ends of its logs where they are kept.
pub fn failed(cluster: &Cluster) -> Html {
    html! {
        <>
            <p class="gh-reason" role="alert" data-testid="cluster-reason">
                {cluster.reason.clone().unwrap_or_else(|| {
                    "It failed without a reason. The gateway's log tells more; try other options.".to_owned()
                })}
            </p>
            {tails(cluster, true)}
        </>
    }
}

/// The ends of its logs, where they can be read.
pub fn tails(cluster: &Cluster, open: bool) -> Html {
    html! {
        if cluster.life.tails {
            <Tails name={cluster.name.clone()} {open} />
        }
    }
}

/// What a start waits for.
pub fn waiting(cluster: &Cluster) -> Html {
    let usual = cluster
        .reason
        .as_deref()
        .unwrap_or("Waiting for the scheduler to start.")
        .to_owned();
    html! {
        <Slow
            since={cluster.life.since.or(cluster.started_at)}
            usual={html! { <p class="gh-note">{usual}</p> }}
            slow={html! {
                <p class="gh-note" data-testid="slow-start">
                    {"This takes long. The site may wait for a free node or load an image; the gateway gives up by itself."}
                </p>
            }}
        />
    }
}

/// Its end is under way; where that takes long, `again` asks for it again.
pub fn stopping(cluster: &Cluster, again: Html) -> Html {
    html! {
        <Slow
            since={cluster.life.since}
            usual={html! { <p class="gh-note">{"Its scheduler and workers are being stopped."}</p> }}
            slow={html! {
                <div class="gh-card-row" data-testid="slow-stop">
                    <p class="gh-note">{"The gateway takes long to end it. It may have lost the request."}</p>
                    {again}
                </div>
            }}
        />
    }
}

#[derive(Clone, PartialEq, Properties)]
struct SlowProps {
    /// Unix time in milliseconds.
    since: Option<i64>,
    usual: Html,
    slow: Html,
}

/// What is usual, until it takes [`SLOW_MS`]: nothing else tells the card that time goes by.
#[component]
fn Slow(props: &SlowProps) -> Html {
    let tick = use_force_update();
    let left = props
        .since
        .map(|since| since + SLOW_MS - js_sys::Date::now() as i64);
    use_effect_with(props.since, move |_| {
        let timer = left
            .filter(|left| *left > 0)
            .map(|left| Timeout::new(left as u32 + 50, move || tick.force_update()));
        move || drop(timer)
    });
    if left.is_some_and(|left| left <= 0) {
        props.slow.clone()
    } else {
        props.usual.clone()
    }
}

#[cfg(test)]
mod tests {
    use protocol::life::Life;
    use protocol::rest::{ClusterSummary, LiveState};

    use super::*;

    fn cluster(scaling: Scaling, workers: u32, asked: Option<u32>) -> Cluster {
        Cluster {
            name: "a".into(),
            label: None,
            state: ClusterState::Running,
            reason: None,
            started_at: None,
            stopped_at: None,
            options: serde_json::Map::new(),
            scaling,
            summary: Some(ClusterSummary {
                workers,
                ..ClusterSummary::default()
            }),
            live: LiveState::Live,
            dashboard: None,
            lease: None,
            cost: None,
            life: Life {
                asked,
                ..Life::default()
            },
        }
    }

    #[test]
    fn a_size_that_nobody_here_asked_for_was_set_elsewhere() {
        assert_eq!(
            asked(&cluster(Scaling::Unknown, 2, None)).as_deref(),
            Some("size set elsewhere")
        );
        assert_eq!(asked(&cluster(Scaling::Unknown, 0, None)), None);
        let mut waits = cluster(Scaling::Manual { workers: 3 }, 0, None);
        waits.life.scaling_waits = true;
        assert_eq!(asked(&waits).as_deref(), Some("manual 3 once it runs"));
    }

    #[test]
    fn what_is_awaited_is_what_is_not_there_yet() {
        let adaptive = Scaling::Adaptive {
            minimum: 0,
            maximum: 4,
        };
        assert_eq!(awaited(&cluster(adaptive.clone(), 1, Some(3))), Some(3));
        assert_eq!(awaited(&cluster(adaptive.clone(), 3, Some(3))), None);
        assert_eq!(awaited(&cluster(Scaling::Unknown, 3, None)), None);
        assert_eq!(
            no_workers(&cluster(adaptive.clone(), 0, Some(2))),
            "Workers are starting."
        );
        assert!(no_workers(&cluster(adaptive, 0, Some(0))).contains("when there is work"));
    }
}
