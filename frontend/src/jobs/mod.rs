//! Jobs in tabs of their own: all of them, a new one, one with its output, two side by side.

pub mod compare;
pub mod form;
pub mod list;
pub mod shown;
pub mod view;
pub mod words;

use protocol::events::NoticeLevel;
use yew::prelude::*;

use self::compare::Compare;
use self::form::NewJob;
use self::list::JobList;
use self::shown::JobView;
use self::view::View;
use crate::host::Host;
use crate::panel::context::{Drafts, Panel};
use crate::state::events::{Link, State};
use crate::state::store::use_store;
use crate::ui::widgets::{banner, spinner};

/// What every view of a tab needs.
#[derive(Clone, PartialEq)]
pub struct Tab {
    pub panel: Panel,
    /// Shows something else in this tab.
    pub go: Callback<View>,
}

#[derive(Clone, PartialEq, Properties)]
pub struct JobsTabProps {
    pub host: Host,
    /// What it shows first, as [`View::name`] writes it.
    pub view: AttrValue,
}

/// A tab.
#[component]
pub fn JobsTab(props: &JobsTabProps) -> Html {
    let (store, state) = use_store(&props.host.base_url());
    let view = use_state_eq(|| View::read(&props.view));
    let drafts = use_memo((), |()| Drafts::default());
    let panel = Panel {
        host: props.host.clone(),
        store,
        go: Callback::noop(),
        follow: Callback::noop(),
        drafts: (*drafts).clone(),
    };
    let go = {
        let view = view.setter();
        use_callback((), move |next, ()| view.set(Some(next)))
    };
    let tab = Tab {
        panel: panel.clone(),
        go,
    };
    // The page around calls the tab as what it shows is called.
    let title = view.as_ref().map(|view| {
        let job = match view {
            View::Job(id) => state.job(id),
            _ => None,
        };
        view.title(job.map(|job| &**job))
    });
    let named = use_mut_ref(|| props.view.to_string());
    use_effect_with((view.as_ref().map(View::name), title), {
        let host = props.host.clone();
        move |(name, title)| {
            if let (Some(name), Some(title)) = (name, title) {
                let before = named.replace(name.clone());
                host.moved(&before, name, title);
            }
        }
    });
    let content = match &*view {
        None => banner(
            NoticeLevel::Error,
            "jobs-unknown",
            html! { {"This tab was made by another version of Gatehouse. Close it, and open Jobs anew."} },
            Html::default(),
        ),
        // Without the first snapshot nothing is known of jobs or clusters.
        Some(_) if state.clusters.is_none() => match &state.link {
            Link::Lost { .. } => Html::default(),
            Link::Connecting | Link::Open => waiting("Asking for the jobs\u{2026}"),
        },
        Some(View::List) => html! { <JobList tab={tab.clone()} state={state.clone()} /> },
        Some(View::New(start)) => {
            html! { <NewJob tab={tab.clone()} state={state.clone()} start={start.clone()} /> }
        }
        Some(View::Job(id)) => {
            html! { <JobView key={id.clone()} tab={tab.clone()} state={state.clone()} id={id.clone()} /> }
        }
        Some(View::Compare(one, other)) => html! {
            <Compare tab={tab.clone()} state={state.clone()} one={one.clone()} other={other.clone()} />
        },
    };
    let lost = match &state.link {
        Link::Lost { message } => Some(message.clone()),
        Link::Connecting | Link::Open => None,
    };
    html! {
        <ContextProvider<Panel> context={panel}>
            <div class="gh-panel gh-jobs-tab" data-testid="jobs-tab" data-view={view.as_ref().map(View::name)}>
                if let Some(message) = lost {
                    {banner(NoticeLevel::Warning, "jobs-lost", html! { {message} }, Html::default())}
                }
                {content}
            </div>
        </ContextProvider<Panel>>
    }
}

/// What amounts are in; `None` where nothing has a price.
fn currency(state: &State) -> Option<&str> {
    state.guard.as_ref()?.usage.currency.as_deref()
}

/// Something is asked for.
fn waiting(words: &'static str) -> Html {
    html! { <div class="gh-empty" role="status">{spinner()}<p>{words}</p></div> }
}
