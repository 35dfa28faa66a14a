//! The sidebar: gateway, clusters, jobs, recordings.

pub mod about;
pub mod attached;
pub mod by_name;
pub mod clusters;
pub mod context;
pub mod draft;
pub mod fields;
pub mod form;
pub mod guard;
pub mod header;
pub mod jobs;
pub mod kernel;
mod kernel_notes;
pub mod lease;
pub mod mapping;
mod more_panes;
pub mod presets;
pub mod recordings;
pub mod scaling;

use std::rc::Rc;

use protocol::events::Notice;
use protocol::rest::Cluster;
use yew::prelude::*;

use self::about::About;
use self::attached::{AttachForm, as_cluster};
use self::clusters::stops::{Followed, StopProgress};
use self::clusters::{Clusters, NewCluster};
use self::context::{Drafts, Panel, Sheet};
use self::header::{header, troubles};
use self::jobs::Jobs;
use self::kernel_notes::kernel_notes;
use self::recordings::Recordings;
use crate::host::Host;
use crate::state::command::{Command, Verb};
use crate::state::events::{Link, State};
use crate::state::store::use_store;
use crate::ui::format;
use crate::ui::widgets::{self, Button, sheet};

#[derive(Clone, PartialEq, Properties)]
pub struct SidebarProps {
    pub host: Host,
    /// Whether it shows its name and the gateway's state itself.
    #[prop_or(true)]
    pub header: bool,
}

/// The whole panel, at home in a sidebar of 220 px and more.
#[component]
pub fn Sidebar(props: &SidebarProps) -> Html {
    let (store, state) = use_store(&props.host.base_url());
    let sheet = use_state_eq(Sheet::default);
    let scaling = use_state_eq(|| None::<AttrValue>);
    let away = use_state(kernel_notes::put_away);
    let drafts = use_memo((), |()| Drafts::default());
    let go = {
        let sheet = sheet.setter();
        use_callback((), move |next, ()| sheet.set(next))
    };
    let on_scaling = {
        let scaling = scaling.setter();
        use_callback((), move |open, ()| scaling.set(open))
    };
    let followed = use_state_eq(Followed::default);
    let follow = {
        let followed = followed.setter();
        use_callback((), move |names, ()| followed.set(names))
    };
    let panel = Panel {
        host: props.host.clone(),
        store,
        go,
        follow,
        drafts: (*drafts).clone(),
    };

    use_effect_with(panel.clone(), {
        let on_scaling = on_scaling.clone();
        move |panel| {
            let commands = panel.store.subscribe_commands({
                let panel = panel.clone();
                Callback::from(move |command| obey(&panel, &on_scaling, command))
            });
            let notices = panel.store.subscribe_notices({
                let panel = panel.clone();
                Callback::from(move |notice: Notice| panel.show_notice(notice))
            });
            move || drop((commands, notices))
        }
    });

    use_followers(&props.host, &state);

    let lost = matches!(state.link, Link::Lost { .. });
    let body = match &*sheet {
        Sheet::Home => html! {
            <div class="gh-home">
                // Nothing here works without the server.
                <fieldset class="gh-whole" disabled={lost}>
                    <StopProgress state={state.clone()} followed={(*followed).clone()} />
                    <Clusters state={state.clone()} scaling={(*scaling).clone()} on_scaling={on_scaling.clone()} />
                    <Jobs state={state.clone()} />
                    <Recordings state={state.clone()} />
                    {guard::guard_section(&state)}
                </fieldset>
            </div>
        },
        Sheet::NewCluster => {
            let gateway = state.status.as_ref().map(|status| status.gateway.state);
            html! { <NewCluster {gateway} /> }
        }
        Sheet::About { cluster } => html! {
            <About
                key={cluster.clone()}
                panel={panel.clone()}
                cluster={cluster.clone()}
                title={state.title_of(cluster).to_owned()}
            />
        },
        Sheet::Attach => html! { <AttachForm panel={panel.clone()} /> },
        Sheet::Choose { verb } => html! {
            <Choose verb={*verb} state={state.clone()} on_scaling={on_scaling.clone()} />
        },
    };
    html! {
        <ContextProvider<Panel> context={panel.clone()}>
            <div class={if lost { "gh-panel gh-offline" } else { "gh-panel" }}>
                if props.header {
                    {header(&state)}
                }
                {troubles(&panel, &state)}
                {kernel_notes(&state.kernel_notes, &away)}
                {body}
            </div>
        </ContextProvider<Panel>>
    }
}

/// What the page around the panel shows of clusters follows what the server told last: notices go when they do not hold any
/// more, and panes are called as their clusters are.
#[hook]
fn use_followers(host: &Host, state: &State) {
    let clusters = || state.clusters.iter().flat_map(|list| list.iter());
    let told: Vec<String> = clusters()
        .filter(|cluster| cluster.lease.as_ref().is_some_and(|lease| lease.told))
        .map(|cluster| cluster.name.clone())
        .collect();
    let before = use_mut_ref(Vec::new);
    use_effect_with(told, {
        let host = host.clone();
        move |told| {
            let before = before.replace(told.clone());
            for over in before.iter().filter(|name| !told.contains(name)) {
                host.withdraw(over);
            }
        }
    });
    let titles: Vec<(String, String)> = clusters()
        .map(|cluster| (cluster.name.clone(), state.title_of(&cluster.name).to_owned()))
        .collect();
    let before = use_mut_ref(Vec::new);
    use_effect_with(titles, {
        let host = host.clone();
        move |titles| {
            let before = before.replace(titles.clone());
            for (cluster, title) in titles.iter().filter(|title| !before.contains(title)) {
                host.rename(cluster, title);
            }
        }
    });
}

/// Does what a command says, asking for the cluster where that is not clear.
fn obey(panel: &Panel, on_scaling: &Callback<Option<AttrValue>>, command: Command) {
    let state = panel.store.state();
    match command.verb {
        Verb::NewCluster => panel.go.emit(Sheet::NewCluster),
        Verb::Attach => panel.go.emit(Sheet::Attach),
        Verb::Refresh => panel.store.connect(),
        Verb::ShutDownAll => panel.shut_down_all(),
        verb => {
            if let Some(name) = &command.cluster {
                let attached = state.attached(name).map(|attached| Rc::new(as_cluster(attached)));
                match (state.cluster(name), attached) {
                    (Some(cluster), _) => act(panel, on_scaling, verb, cluster),
                    (None, Some(attached)) if watches(verb) => act(panel, on_scaling, verb, &attached),
                    (None, Some(_)) => panel
                        .warn("An attached scheduler is only watched; this needs a cluster of the gateway."),
                    (None, None) => panel.warn("That cluster is no longer there."),
                }
                return;
            }
            match candidates(&state, verb).as_slice() {
                [] => panel.info("No cluster is running. Create one with New cluster."),
                [only] => act(panel, on_scaling, verb, only),
                _ => panel.go.emit(Sheet::Choose { verb }),
            }
        }
    }
}

/// The clusters that a command can be for.
fn candidates(state: &State, verb: Verb) -> Vec<Rc<Cluster>> {
    match verb {
        Verb::ShutDown => state.active().cloned().collect(),
        verb => {
            let attached = state.attached.iter().flat_map(|list| list.iter());
            let attached = attached
                .filter(|_| watches(verb))
                .map(|attached| Rc::new(as_cluster(attached)));
            state.running().cloned().chain(attached).collect()
        }
    }
}

/// Whether it only looks, so that it is for attached schedulers, too.
fn watches(verb: Verb) -> bool {
    matches!(verb, Verb::Pane(_) | Verb::About)
}

fn act(panel: &Panel, on_scaling: &Callback<Option<AttrValue>>, verb: Verb, cluster: &Rc<Cluster>) {
    match verb {
        Verb::Scale => {
            panel.go.emit(Sheet::Home);
            on_scaling.emit(Some(AttrValue::from(cluster.name.clone())));
        }
        Verb::Pane(plot) => panel.open_pane(plot, cluster),
        Verb::Dashboard => panel.open_dashboard(cluster),
        Verb::InsertConnectCode => panel.insert_connect_code(&cluster.name),
        Verb::ShutDown => panel.shut_down(cluster, Callback::noop()),
        Verb::About => panel.go.emit(Sheet::About {
            cluster: cluster.name.clone(),
        }),
        Verb::NewCluster | Verb::Attach | Verb::Refresh | Verb::ShutDownAll => {}
    }
}

#[derive(Clone, PartialEq, Properties)]
struct ChooseProps {
    verb: Verb,
    state: State,
    on_scaling: Callback<Option<AttrValue>>,
}

/// Asks which cluster a command is for.
#[component]
fn Choose(props: &ChooseProps) -> Html {
    let panel = context::use_panel();
    let list = use_node_ref();
    use_effect_with((), {
        let list = list.clone();
        move |()| widgets::focus_first(&list, "button")
    });
    sheet(
        "choose-cluster",
        props.verb.question().into(),
        &panel.go.reform(|()| Sheet::Home),
        Html::default(),
        html! {
            <div class="gh-sheet-body gh-choices" ref={list}>
                {for candidates(&props.state, props.verb).into_iter().map(|cluster| {
                    let title = format::title(cluster.label.as_deref(), &cluster.name).to_owned();
                    let full = cluster.name.clone();
                    let onclick = {
                        let (panel, on_scaling, verb) = (panel.clone(), props.on_scaling.clone(), props.verb);
                        Callback::from(move |_: MouseEvent| {
                            panel.go.emit(Sheet::Home);
                            act(&panel, &on_scaling, verb, &cluster);
                        })
                    };
                    Button::new(title).title(full).on(onclick).testid("choice").view()
                })}
            </div>
        },
    )
}
