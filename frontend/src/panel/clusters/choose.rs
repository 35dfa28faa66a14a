//! Choosing several clusters, to shut them down together.

use std::rc::Rc;

use protocol::rest::{Cluster, ClusterState};
use yew::prelude::*;

use super::super::context::Panel;
use super::stops::stoppable;
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone};

/// Names that are chosen; `None` while nothing is being chosen.
type Chosen = Option<Rc<[AttrValue]>>;

/// Ends choosing with the last cluster that could be chosen: it would go on with the next one that comes.
#[hook]
pub fn use_end(state: &State, chosen: &UseStateHandle<Chosen>) {
    let over = stoppable(state).next().is_none();
    use_effect_with((over, chosen.is_some()), {
        let set = chosen.setter();
        move |(over, _)| {
            if *over {
                set.set(None);
            }
        }
    });
}

/// What is being chosen, of what is there now.
pub struct Choosing {
    panel: Panel,
    /// Clusters that can be shut down.
    there: Vec<AttrValue>,
    /// Of these, those that are chosen.
    chosen: Option<Vec<AttrValue>>,
    set: UseStateSetter<Chosen>,
    /// Chooses a cluster, or no longer.
    pub toggle: Callback<AttrValue>,
}

impl Choosing {
    pub fn new(panel: &Panel, state: &State, chosen: &UseStateHandle<Chosen>) -> Self {
        let there: Vec<_> = stoppable(state)
            .map(|cluster| AttrValue::from(cluster.name.clone()))
            .collect();
        // With the last one that can be chosen, choosing is over.
        let still = (**chosen).as_ref().filter(|_| !there.is_empty());
        let now: Option<Vec<_>> = still.map(|names| {
            names
                .iter()
                .filter(|name| there.contains(name))
                .cloned()
                .collect()
        });
        let toggle = {
            let (set, now) = (chosen.setter(), now.clone().unwrap_or_default());
            Callback::from(move |name: AttrValue| {
                let mut names = now.clone();
                match names.iter().position(|known| *known == name) {
                    Some(at) => drop(names.remove(at)),
                    None => names.push(name),
                }
                set.set(Some(names.into()));
            })
        };
        Self {
            panel: panel.clone(),
            there,
            chosen: now,
            set: chosen.setter(),
            toggle,
        }
    }

    /// Whether a cluster is chosen; `None` where it can't be.
    pub fn of(&self, cluster: &Cluster) -> Option<bool> {
        let can = matches!(cluster.state, ClusterState::Pending | ClusterState::Running);
        let chosen = self.chosen.as_ref().filter(|_| can)?;
        Some(chosen.iter().any(|name| *name == cluster.name.as_str()))
    }

    /// Begins and ends choosing; not there while one cluster at most could be chosen.
    pub fn button(&self) -> Html {
        let choosing = self.chosen.is_some();
        if self.there.len() < 2 && !choosing {
            return html! {};
        }
        let set = self.set.clone();
        let next = (!choosing).then(|| Rc::from([]));
        Button::new("Select clusters to shut down")
            .only_icon(Icon::Select)
            .tone(Tone::Quiet)
            .expanded(choosing)
            .on(Callback::from(move |_: MouseEvent| set.set(next.clone())))
            .testid("select-clusters")
            .view()
    }

    /// How many are chosen and what can be done with them.
    pub fn bar(&self) -> Html {
        let Some(chosen) = &self.chosen else {
            return html! {};
        };
        let all = {
            let (set, there) = (self.set.clone(), self.there.clone());
            let next: Rc<[AttrValue]> = if chosen.len() == there.len() {
                Rc::from([])
            } else {
                there.into()
            };
            Callback::from(move |_: MouseEvent| set.set(Some(next.clone())))
        };
        let shut_down = {
            let (panel, set) = (self.panel.clone(), self.set.clone());
            let names: Vec<_> = chosen.iter().map(ToString::to_string).collect();
            let kept: Rc<[AttrValue]> = chosen.to_vec().into();
            Callback::from(move |_: MouseEvent| {
                // Who declines has chosen what they had chosen before.
                let (set, kept) = (set.clone(), kept.clone());
                let under_way = Callback::from(move |under_way: bool| {
                    set.set((!under_way).then(|| kept.clone()));
                });
                panel.shut_down_these(names.clone(), under_way);
            })
        };
        html! {
            <div class="gh-chosen" role="group" aria-label="Chosen clusters" data-testid="chosen">
                <span role="status">{format::count(chosen.len() as u64, "cluster")}{" chosen"}</span>
                {Button::new(if chosen.len() == self.there.len() { "None" } else { "All" }).tone(Tone::Quiet).on(all).testid("select-all").class("gh-push").view()}
                {Button::new("Shut down").icon(Icon::Power).tone(Tone::Danger).disabled(chosen.is_empty()).on(shut_down).testid("shut-down-chosen").view()}
            </div>
        }
    }
}
