//! What is open on the standalone page.

use std::rc::Rc;

use js_sys::Function;
use protocol::events::NoticeLevel;
use wasm_bindgen::JsValue;
use yew::prelude::*;

use crate::host::JOBS;
use crate::state::kept::Place;

/// Key of the open panes.
const PANES: &str = "gatehouse:panes";

/// Notices shown at once; the oldest goes first.
const KEEP_TOASTS: usize = 4;

/// One open pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPane {
    /// Stays the same for as long as it is open.
    pub id: u32,
    pub plot: String,
    /// What it shows: a cluster, or a view of the jobs.
    pub cluster: String,
    /// What it showed first: a tab of jobs goes on from there by itself.
    pub begun: String,
    pub title: String,
}

impl OpenPane {
    pub fn element_id(&self) -> String {
        format!("gh-pane-{}", self.id)
    }

    /// The title with the name that the cluster has now.
    pub fn title_of(&self, label: Option<&str>) -> String {
        match (label, self.title.split_once(" \u{b7} ")) {
            (Some(label), Some((what, _))) => format!("{what} \u{b7} {label}"),
            _ => self.title.clone(),
        }
    }
}

/// A notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub id: u32,
    pub level: NoticeLevel,
    pub message: String,
    pub offered: Option<Offered>,
}

/// What a notice offers to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// Name of the cluster that it is about.
    pub cluster: String,
    pub action: String,
    /// When it has no more meaning, Unix time in milliseconds.
    pub until: Option<i64>,
    /// Called with whether the button was pressed.
    pub answer: Function,
}

/// A question that waits for its answer.
#[derive(Clone)]
pub struct Ask {
    id: u32,
    pub title: String,
    pub body: String,
    pub action: String,
    answer: Function,
}

impl PartialEq for Ask {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Ask {
    fn settle(&self, yes: bool) {
        // Resolving a promise does not fail.
        self.answer.call1(&JsValue::NULL, &JsValue::from_bool(yes)).ok();
    }
}

/// The page's memory.
#[derive(Clone, Default, PartialEq)]
pub struct Page {
    pub panes: Vec<OpenPane>,
    pub active: usize,
    /// All panes side by side instead of one at a time.
    pub tiled: bool,
    pub toasts: Vec<Toast>,
    pub ask: Option<Ask>,
    next_id: u32,
}

pub enum Act {
    Open {
        plot: String,
        cluster: String,
        title: String,
    },
    Close(usize),
    Activate(usize),
    Tile(bool),
    Toast(NoticeLevel, String),
    Offer(NoticeLevel, String, Offered),
    /// A tab of jobs shows another view, or is called otherwise.
    Moved {
        from: String,
        to: String,
        title: String,
    },
    /// What was offered on a cluster has no meaning any more.
    Withdraw(String),
    Dismiss(u32),
    Ask {
        title: String,
        body: String,
        action: String,
        answer: Function,
    },
    Answer(bool),
}

impl Page {
    fn toast(&mut self, level: NoticeLevel, message: String, offered: Option<Offered>) {
        // The same notice again would only push the others out.
        self.toasts.retain(|toast| toast.message != message);
        let id = self.id();
        self.toasts.push(Toast {
            id,
            level,
            message,
            offered,
        });
        let from = self.toasts.len().saturating_sub(KEEP_TOASTS);
        self.toasts.drain(..from);
    }

    /// The page as this browser tab had it before a reload.
    pub fn restored() -> Self {
        Place::Tab
            .get(PANES)
            .map(|text| Self::read(&text))
            .unwrap_or_default()
    }

    pub fn remember(&self) {
        Place::Tab.set(PANES, &self.write());
    }

    /// What a reload keeps: a line with the active pane and the layout, then one a pane.
    fn write(&self) -> String {
        let mut text = format!("{}\t{}", self.active, self.tiled);
        for pane in &self.panes {
            let OpenPane {
                plot, cluster, title, ..
            } = pane;
            let title = title.replace(['\n', '\r', '\t'], " ");
            text.push_str(&format!("\n{plot}\t{cluster}\t{title}"));
        }
        text
    }

    /// Reads what [`Self::write`] wrote; a line that makes no sense is left out.
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let (active, tiled) = lines
            .next()
            .and_then(|line| line.split_once('\t'))
            .unwrap_or_default();
        let mut page = Self::default();
        for line in lines {
            let mut parts = line.splitn(3, '\t');
            if let (Some(plot), Some(cluster), Some(title)) = (parts.next(), parts.next(), parts.next()) {
                page.add(plot.to_owned(), cluster.to_owned(), title.to_owned());
            }
        }
        let active = active
            .parse::<usize>()
            .unwrap_or_default()
            .min(page.panes.len().saturating_sub(1));
        Self {
            active,
            tiled: tiled == "true",
            ..page
        }
    }

    fn add(&mut self, plot: String, cluster: String, title: String) {
        let pane = OpenPane {
            id: self.id(),
            plot,
            begun: cluster.clone(),
            cluster,
            title,
        };
        self.panes.push(pane);
    }

    fn id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }
}

impl Reducible for Page {
    type Action = Act;

    fn reduce(self: Rc<Self>, act: Act) -> Rc<Self> {
        let mut next = (*self).clone();
        match act {
            Act::Open { plot, cluster, title } => {
                let known = |open: &OpenPane| open.plot == plot && open.cluster == cluster;
                match next.panes.iter().position(known) {
                    Some(at) => next.active = at,
                    None => {
                        next.add(plot, cluster, title);
                        next.active = next.panes.len() - 1;
                    }
                }
            }
            Act::Close(at) if at < next.panes.len() => {
                next.panes.remove(at);
                if next.active > at || next.active == next.panes.len() {
                    next.active = next.active.saturating_sub(1);
                }
            }
            Act::Activate(at) if at < next.panes.len() => next.active = at,
            Act::Close(_) | Act::Activate(_) => {}
            Act::Tile(tiled) => next.tiled = tiled,
            Act::Moved { from, to, title } => {
                let open = next.panes.iter_mut();
                for pane in open.filter(|pane| pane.plot == JOBS && pane.cluster == from) {
                    (pane.cluster, pane.title) = (to.clone(), title.clone());
                }
            }
            Act::Toast(level, message) => next.toast(level, message, None),
            Act::Offer(level, message, offered) => next.toast(level, message, Some(offered)),
            Act::Withdraw(cluster) => next.toasts.retain(|toast| {
                let offered = toast.offered.as_ref();
                offered.is_none_or(|offered| offered.cluster != cluster)
            }),
            Act::Dismiss(id) => next.toasts.retain(|toast| toast.id != id),
            Act::Ask {
                title,
                body,
                action,
                answer,
            } => {
                if let Some(before) = next.ask.take() {
                    before.settle(false);
                }
                let id = next.id();
                next.ask = Some(Ask {
                    id,
                    title,
                    body,
                    action,
                    answer,
                });
            }
            Act::Answer(yes) => {
                if let Some(ask) = next.ask.take() {
                    ask.settle(yes);
                }
            }
        }
        Rc::new(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(page: Rc<Page>, cluster: &str) -> Rc<Page> {
        page.reduce(Act::Open {
            plot: "progress".into(),
            cluster: cluster.into(),
            title: format!("Progress \u{b7} {cluster}"),
        })
    }

    #[test]
    fn a_pane_opens_once_and_the_neighbour_follows_a_close() {
        let page = open(open(open(Rc::new(Page::default()), "a"), "b"), "c");
        let page = open(page, "a");
        assert_eq!((page.panes.len(), page.active), (3, 0));
        let page = page.reduce(Act::Activate(2)).reduce(Act::Close(2));
        assert_eq!((page.panes.len(), page.active), (2, 1));
        let page = page.reduce(Act::Close(0));
        assert_eq!((page.panes[0].cluster.as_str(), page.active), ("b", 0));
        let page = page.reduce(Act::Close(0)).reduce(Act::Close(0));
        assert_eq!((page.panes.len(), page.active), (0, 0));
    }

    #[test]
    fn a_tab_of_jobs_goes_on_where_it_is() {
        let open = |page: Rc<Page>, view: &str| {
            page.reduce(Act::Open {
                plot: JOBS.into(),
                cluster: view.into(),
                title: view.into(),
            })
        };
        let page = open(open(Rc::new(Page::default()), "list"), "new");
        let id = page.panes[1].id;
        let page = page.reduce(Act::Moved {
            from: "new".into(),
            to: "job:1".into(),
            title: "Job: 1".into(),
        });
        let pane = &page.panes[1];
        assert_eq!(
            (pane.id, pane.cluster.as_str(), pane.begun.as_str()),
            (id, "job:1", "new")
        );
        let page = open(open(page, "job:1"), "new");
        assert_eq!(
            (page.panes.len(), page.active),
            (3, 2),
            "a second new one is another tab"
        );
        assert_eq!(Page::read(&page.write()).panes[1].begun, "job:1");
    }

    #[test]
    fn a_reload_keeps_what_is_open() {
        let page = open(open(Rc::new(Page::default()), "a"), "b")
            .reduce(Act::Tile(true))
            .reduce(Act::Activate(0));
        let back = Page::read(&page.write());
        assert_eq!(
            (back.panes, back.active, back.tiled),
            (page.panes.clone(), 0, true)
        );
        assert_eq!(Page::read("").panes, []);
        assert_eq!(Page::read("9\tfalse\nnonsense").active, 0);
    }

    #[test]
    fn a_title_follows_the_clusters_label() {
        let pane = OpenPane {
            id: 1,
            plot: "progress".into(),
            cluster: "a".into(),
            begun: "a".into(),
            title: "Progress \u{b7} a".into(),
        };
        assert_eq!(pane.title_of(Some("etl")), "Progress \u{b7} etl");
        assert_eq!(pane.title_of(None), "Progress \u{b7} a");
    }

    #[test]
    fn notices_are_few_and_not_repeated() {
        let mut page = Rc::new(Page::default());
        for n in 0..9 {
            page = page.reduce(Act::Toast(NoticeLevel::Info, format!("{}", n % 6)));
        }
        let shown: Vec<_> = page.toasts.iter().map(|toast| toast.message.as_str()).collect();
        assert_eq!(shown, ["5", "0", "1", "2"]);
    }
}
