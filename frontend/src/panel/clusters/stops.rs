//! Shutting clusters down: one, several or all. What would be lost is read and asked about first; then they are followed
//! until the gateway says that they are over.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::rest::{Cluster, ClusterState};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::super::context::{Panel, use_panel};
use super::lost::{Doomed, question};
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner};

/// Names of the clusters that are shut down together.
pub type Followed = Rc<[String]>;

impl Panel {
    /// Asks, then shuts the cluster down. Calls back with `true` while it is under way, and with `false` where the user
    /// declined or it could not be shut down.
    pub fn shut_down(&self, cluster: &Cluster, under_way: Callback<bool>) {
        self.shut_down_these(vec![cluster.name.clone()], under_way);
    }

    /// Asks, then shuts down every cluster that may still cost something.
    pub fn shut_down_all(&self) {
        let state = self.store.state();
        let names: Vec<_> = stoppable(&state).map(|cluster| cluster.name.clone()).collect();
        if names.is_empty() {
            self.info("There is no cluster to shut down.");
            return;
        }
        self.shut_down_these(names, Callback::noop());
    }

    /// As [`Self::shut_down`], for several at once.
    pub fn shut_down_these(&self, names: Vec<String>, under_way: Callback<bool>) {
        let panel = self.clone();
        spawn_local(async move {
            under_way.emit(true);
            let asked = futures_util::future::join_all(names.iter().map(|name| panel.doomed(name)));
            let doomed: Vec<_> = asked.await;
            let (title, body) = question(&doomed);
            if !panel.host.confirm(title, body, "Shut down".to_owned()).await {
                return under_way.emit(false);
            }
            if names.len() > 1 {
                panel.follow.emit(names.clone().into());
            }
            if !panel.end(&names).await {
                under_way.emit(false);
            }
        });
    }

    async fn doomed(&self, name: &str) -> Doomed {
        let state = self.store.state();
        let cluster = state.cluster(name);
        let pending = cluster.is_some_and(|cluster| cluster.state == ClusterState::Pending);
        let stake = if pending {
            None
        } else {
            let told = self.store.api().ask(name, "at-stake").await;
            Some(told.map_err(|error| error.message))
        };
        let on_it = |job: &&Rc<_>| job_is_on(job, name);
        Doomed {
            title: cluster.map_or(name, |cluster| title(cluster)).to_owned(),
            stake,
            jobs: state.jobs.iter().filter(on_it).count(),
        }
    }

    /// Asks the gateway to end them, all at once; says of each what went wrong. Whether all could be asked.
    async fn end(&self, names: &[String]) -> bool {
        let api = self.store.api();
        let answers = futures_util::future::join_all(names.iter().map(|name| api.shut_down(name))).await;
        let mut well = true;
        for (name, answer) in names.iter().zip(answers) {
            if let Err(error) = answer {
                well = false;
                let state = self.store.state();
                let title = state
                    .cluster(name)
                    .map_or(name.as_str(), |cluster| title(cluster));
                self.fail(&format!("{title} could not be shut down: {}", error.message));
            }
        }
        well
    }
}

fn job_is_on(job: &protocol::jobs::Job, name: &str) -> bool {
    job.cluster.as_deref() == Some(name) && !job.state.is_over()
}

fn title(cluster: &Cluster) -> &str {
    format::title(cluster.label.as_deref(), &cluster.name)
}

/// Clusters that can be shut down and are not yet.
pub fn stoppable(state: &State) -> impl Iterator<Item = &Rc<Cluster>> {
    state
        .active()
        .filter(|cluster| cluster.state != ClusterState::Stopping)
}

/// How far a set of clusters is with its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    over: usize,
    /// Could not be shut down; their cards say why.
    failed: Vec<String>,
    /// Still listed, in whatever state.
    listed: usize,
}

fn tally(state: &State, followed: &[String]) -> Tally {
    let mut tally = Tally::default();
    for name in followed {
        let Some(cluster) = state.cluster(name) else {
            tally.over += 1;
            continue;
        };
        tally.listed += 1;
        match cluster.state {
            ClusterState::Stopped | ClusterState::Failed => tally.over += 1,
            ClusterState::Stopping => {}
            ClusterState::Pending | ClusterState::Running => {
                if cluster.life.not_ended {
                    tally.failed.push(name.clone());
                }
            }
        }
    }
    tally
}

#[derive(Clone, PartialEq, Properties)]
pub struct StopProgressProps {
    pub state: State,
    pub followed: Followed,
}

/// How far those are that were shut down together; gone when their cards are.
#[component]
pub fn StopProgress(props: &StopProgressProps) -> Html {
    let panel = use_panel();
    let Tally { over, failed, listed } = tally(&props.state, &props.followed);
    let all = props.followed.len();
    if listed == 0 {
        return html! {};
    }
    let mut words = if over == all {
        format!("{} are shut down.", format::count(all as u64, "cluster"))
    } else {
        format!("Shutting down: {over} of {all} over.")
    };
    if !failed.is_empty() {
        words.push_str(&format!(" {} could not be; the card says why.", failed.len()));
    }
    let level = if failed.is_empty() {
        NoticeLevel::Info
    } else {
        NoticeLevel::Error
    };
    let again = {
        let (panel, failed) = (panel.clone(), failed.clone());
        Callback::from(move |_: MouseEvent| {
            let (panel, failed) = (panel.clone(), failed.clone());
            spawn_local(async move {
                panel.end(&failed).await;
            });
        })
    };
    let close = panel.follow.reform(|_: MouseEvent| Followed::default());
    let content = html! {
        <>
            <span data-testid="stop-words">{words}</span>
            <progress class="gh-progress" max={all.to_string()} value={over.to_string()} aria-label="Clusters that are over" />
        </>
    };
    let action = html! {
        if !failed.is_empty() {
            {Button::new("Shut down again").on(again).testid("stop-again").view()}
        } else if over == all {
            {Button::new("Close").only_icon(Icon::Cross).tone(Tone::Quiet).on(close).testid("stop-close").view()}
        }
    };
    banner(level, "stop-progress", content, action)
}

#[cfg(test)]
mod tests {
    use protocol::events::Event;
    use protocol::rest::{LiveState, Scaling};

    use super::*;

    fn cluster(name: &str, state: ClusterState, problem: Option<&str>, not_ended: bool) -> Cluster {
        Cluster {
            name: name.into(),
            label: None,
            state,
            reason: None,
            started_at: None,
            stopped_at: None,
            options: serde_json::Map::new(),
            scaling: Scaling::Unknown,
            summary: None,
            live: LiveState::Off,
            dashboard: None,
            lease: None,
            cost: None,
            life: protocol::life::Life {
                problem: problem.map(str::to_owned),
                not_ended,
                ..Default::default()
            },
        }
    }

    #[test]
    fn those_that_are_gone_are_over_and_those_that_could_not_be_asked_are_named() {
        let mut state = State::default();
        state.apply(Event::Clusters {
            clusters: vec![
                cluster("stopping", ClusterState::Stopping, None, false),
                cluster("stopped", ClusterState::Stopped, None, false),
                cluster("kept", ClusterState::Running, Some("No gateway answers."), true),
                // Its size was limited, which is another matter.
                cluster(
                    "asked",
                    ClusterState::Running,
                    Some("Scaling to 3 instead."),
                    false,
                ),
            ],
        });
        let followed = ["stopping", "stopped", "kept", "asked", "gone"].map(str::to_owned);
        assert_eq!(
            tally(&state, &followed),
            Tally {
                over: 2,
                failed: vec!["kept".to_owned()],
                listed: 4,
            }
        );
        let names: Vec<_> = stoppable(&state).map(|cluster| cluster.name.as_str()).collect();
        assert_eq!(names, ["kept", "asked"]);
    }
}
