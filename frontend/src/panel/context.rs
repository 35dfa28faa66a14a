//! What every part of the panel shares: the page, the store, and where to go next.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::rest::{Cluster, Options};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::clusters::stops::Followed;
use super::form::ClusterDraft;
use crate::host::{Host, JOBS, Placed};
use crate::jobs::view::View;
use crate::plots::title;
use crate::state::command::Verb;
use crate::state::store::Store;
use crate::ui::clipboard::copy;
use crate::ui::format;

/// What the panel shows below its header.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Sheet {
    #[default]
    Home,
    NewCluster,
    /// Who is connected to a cluster or an attached scheduler, and which versions it has.
    About {
        cluster: String,
    },
    /// The form for a scheduler's address.
    Attach,
    /// A command needs a cluster and there are several.
    Choose {
        verb: Verb,
    },
}

/// Shared by reference through Yew's context.
#[derive(Clone, PartialEq)]
pub struct Panel {
    pub host: Host,
    pub store: Store,
    pub go: Callback<Sheet>,
    /// Shows how far those are that are shut down together.
    pub follow: Callback<Followed>,
    pub drafts: Drafts,
}

/// What was typed and not sent: it outlives the form, so that looking elsewhere loses nothing.
#[derive(Clone, Default)]
pub struct Drafts(Rc<RefCell<Kept>>);

#[derive(Default)]
struct Kept {
    cluster: Option<ClusterDraft>,
    options: Option<Rc<Options>>,
    /// The card that takes the keyboard when it comes.
    next: String,
}

impl PartialEq for Drafts {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Drafts {
    /// What was typed into the form for a new cluster, where something was.
    pub fn cluster(&self) -> Option<ClusterDraft> {
        self.0.borrow().cluster.clone()
    }

    pub fn keep_cluster(&self, draft: Option<ClusterDraft>) {
        self.0.borrow_mut().cluster = draft;
    }

    pub fn keep_options(&self, options: Rc<Options>) {
        self.0.borrow_mut().options = Some(options);
    }

    /// The gateway's options as they were read last.
    pub fn options(&self) -> Option<Rc<Options>> {
        self.0.borrow().options.clone()
    }

    /// Gives the keyboard to the card of a cluster, once it is there: it was just made, or is what the user comes back to.
    pub fn focus_card(&self, name: String) {
        self.0.borrow_mut().next = name;
    }

    /// Whether this cluster's card is to take the keyboard; once.
    pub fn takes_focus(&self, name: &str) -> bool {
        let next = &mut self.0.borrow_mut().next;
        let is_it = next == name;
        if is_it {
            next.clear();
        }
        is_it
    }
}

/// The panel around this component.
#[hook]
pub fn use_panel() -> Panel {
    match use_context::<Panel>() {
        Some(panel) => panel,
        None => unreachable!("every component below the panel has its context"),
    }
}

impl Panel {
    pub fn info(&self, message: &str) {
        self.host.notify(NoticeLevel::Info, message);
    }

    pub fn warn(&self, message: &str) {
        self.host.notify(NoticeLevel::Warning, message);
    }

    pub fn fail(&self, message: &str) {
        self.host.notify(NoticeLevel::Error, message);
    }

    /// Opens a view of the jobs in a tab of its own.
    pub fn open_jobs(&self, view: &View) {
        let job = match view {
            View::Job(id) => self.store.state().job(id).cloned(),
            _ => None,
        };
        self.host
            .open_pane(JOBS, &view.name(), &view.title(job.as_deref()));
    }

    /// As [`Self::open_jobs`], when something is clicked.
    pub fn opens_jobs(&self, view: View) -> Callback<MouseEvent> {
        let panel = self.clone();
        Callback::from(move |_: MouseEvent| panel.open_jobs(&view))
    }

    /// Opens a plot of a cluster as a pane of its own.
    pub fn open_pane(&self, plot: &str, cluster: &Cluster) {
        self.open_titled(plot, title(plot).unwrap_or(plot), cluster);
    }

    /// As [`Self::open_pane`], with words for the plot.
    pub fn open_titled(&self, plot: &str, what: &str, cluster: &Cluster) {
        let of = format::title(cluster.label.as_deref(), &cluster.name);
        self.host
            .open_pane(plot, &cluster.name, &format!("{what} \u{b7} {of}"));
    }

    /// Opens Dask's own dashboard in a new browser tab.
    pub fn open_dashboard(&self, cluster: &Cluster) {
        let Some(path) = &cluster.dashboard else {
            self.warn("This cluster has no dashboard: it is served once the cluster runs, where Bokeh is installed.");
            return;
        };
        let url = format!("{}{path}", self.host.base_url());
        // The dashboard is the scheduler's page: it gets no handle of ours.
        if gloo::utils::window()
            .open_with_url_and_target_and_features(&url, "_blank", "noopener")
            .is_err()
        {
            self.fail("The browser did not open a new tab. Allow pop-ups for this page, then try again.");
        }
    }

    /// What [`Self::insert_connect_code`] does, in words: beside the standalone page there is no notebook to insert into.
    pub fn connect_words(&self) -> &'static str {
        if self.is_apart() {
            "Copy connect code"
        } else {
            "Insert connect code"
        }
    }

    /// Whether no kernels are around whose `Gateway()` leads to our gateway.
    pub fn is_apart(&self) -> bool {
        let status = &self.store.state().status;
        status
            .as_ref()
            .is_some_and(|status| status.gateway.access.is_some())
    }

    /// Puts the code that connects to the cluster where the user works.
    pub fn insert_connect_code(&self, name: &str) {
        let state = self.store.state();
        let access = state
            .status
            .as_ref()
            .and_then(|status| status.gateway.access.as_deref());
        let Some(code) = protocol::connect::connect_code(name, access) else {
            self.fail("The cluster's name can't be used in code. Connect with Gateway().connect(…) by hand.");
            return;
        };
        let panel = self.clone();
        spawn_local(async move {
            match panel.host.insert_code(code).await {
                Ok(Placed::Inserted) => {}
                Ok(Placed::Copied) => panel.info("Connect code copied: paste it where you write Python."),
                Err(message) => panel.fail(&message),
            }
        });
    }

    /// Copies text and says so.
    pub fn copy(&self, text: String, what: &'static str) {
        let panel = self.clone();
        spawn_local(async move {
            match copy(&text).await {
                Ok(()) => panel.info(&format!("{what} copied.")),
                Err(()) => {
                    panel.fail("The browser did not allow copying. Select the text and copy it by hand.")
                }
            }
        });
    }
}
