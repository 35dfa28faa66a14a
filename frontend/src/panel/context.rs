//! What every part of the panel shares: the page, the store, and where to go next.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::rest::{Cluster, ClusterState, Options};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::form::ClusterDraft;
use crate::host::{Host, Placed};
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
    RunJob {
        cluster: Option<String>,
        code: Option<String>,
    },
    Job {
        id: String,
    },
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
    pub drafts: Drafts,
}

/// What was typed and not sent: it outlives the form, so that looking elsewhere loses nothing.
#[derive(Clone, Default)]
pub struct Drafts(Rc<RefCell<Kept>>);

#[derive(Default)]
struct Kept {
    cluster: Option<ClusterDraft>,
    code: String,
    options: Option<Rc<Options>>,
    /// The cluster that was just made: its card takes the keyboard when it comes.
    made: String,
}

impl PartialEq for Drafts {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Drafts {
    pub fn cluster(&self) -> ClusterDraft {
        self.0.borrow().cluster.clone().unwrap_or_default()
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

    pub fn keep_made(&self, name: String) {
        self.0.borrow_mut().made = name;
    }

    /// Whether this cluster was just made here; once.
    pub fn take_made(&self, name: &str) -> bool {
        let made = &mut self.0.borrow_mut().made;
        let is_it = made == name;
        if is_it {
            made.clear();
        }
        is_it
    }

    pub fn code(&self) -> String {
        self.0.borrow().code.clone()
    }

    pub fn keep_code(&self, code: String) {
        self.0.borrow_mut().code = code;
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

    /// Asks, then shuts the cluster down. Calls back with `true` once the user agreed, and with `false` where it then
    /// could not be shut down.
    pub fn shut_down(&self, cluster: &Cluster, under_way: Callback<bool>) {
        let (panel, name) = (self.clone(), cluster.name.clone());
        let title = format::title(cluster.label.as_deref(), &name).to_owned();
        let workers = cluster.summary.as_ref().map_or(0, |summary| summary.workers);
        let busy = cluster
            .summary
            .as_ref()
            .map_or(0, |summary| summary.tasks_processing);
        let body = match (cluster.state, workers, busy) {
            (ClusterState::Pending, ..) => "It has not started yet; its start is given up.".to_owned(),
            (_, 0, _) => "Notebooks and jobs that use it lose their connection.".to_owned(),
            (_, workers, 0) => format!(
                "Its {} and the results they hold are lost. Notebooks and jobs that use it lose their connection.",
                format::count(workers.into(), "worker")
            ),
            (_, workers, busy) => format!(
                "It is working on {}. Its {} and the results they hold are lost.",
                format::count(busy, "task"),
                format::count(workers.into(), "worker")
            ),
        };
        spawn_local(async move {
            if !panel
                .host
                .confirm(format!("Shut down {title}?"), body, "Shut down".to_owned())
                .await
            {
                return;
            }
            under_way.emit(true);
            if let Err(error) = panel.store.api().shut_down(&name).await {
                under_way.emit(false);
                panel.fail(&format!("{title} could not be shut down: {}", error.message));
            }
        });
    }

    /// Asks, then shuts down every cluster that may still cost something.
    pub fn shut_down_all(&self) {
        let names: Vec<_> = self
            .store
            .state()
            .active()
            .filter(|cluster| cluster.state != ClusterState::Stopping)
            .map(|cluster| cluster.name.clone())
            .collect();
        if names.is_empty() {
            self.info("There is no cluster to shut down.");
            return;
        }
        let panel = self.clone();
        spawn_local(async move {
            let title = format!("Shut down {}?", format::count(names.len() as u64, "cluster"));
            let (their, them) = if names.len() == 1 {
                ("Its", "it")
            } else {
                ("Their", "them")
            };
            let body = format!(
                "{their} workers and the results they hold are lost. Notebooks and jobs that use {them} lose their \
                 connection."
            );
            if !panel.host.confirm(title, body, "Shut down all".to_owned()).await {
                return;
            }
            let api = panel.store.api();
            for answer in futures_util::future::join_all(names.iter().map(|name| api.shut_down(name))).await {
                if let Err(error) = answer {
                    panel.fail(&error.message);
                }
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
