//! The standalone page: the panel at the left, panes as tabs at the right, and what JupyterLab would do otherwise.

pub mod page;
pub mod parts;
pub mod plots;

use futures_util::future::LocalBoxFuture;
use js_sys::{Function, Promise};
use protocol::events::NoticeLevel;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use yew::prelude::*;

use self::page::{Act, Offered, Page};
use self::parts::{ConfirmDialog, Tabs, splitter, toasts};
use self::plots::Plots;
use crate::host::{Host, Placed, Shell};
use crate::panel::Sidebar;
use crate::panel::header::status;
use crate::state::kept::Place;
use crate::state::store::use_store;
use crate::ui::clipboard::copy;
use crate::ui::icons::{Icon, glyph};
use crate::ui::slot::{Mount, Slot};

/// Key of the panel's width in CSS pixels.
const WIDTH: &str = "gatehouse:panel-width";

/// The path of the page without its file: the server's prefix.
fn base_url() -> AttrValue {
    let path = gloo::utils::window().location().pathname().unwrap_or_default();
    let end = path.rfind('/').map_or(0, |at| at + 1);
    let path = &path[..end];
    AttrValue::from(if path.is_empty() {
        "/".to_owned()
    } else {
        path.to_owned()
    })
}

#[derive(Clone, PartialEq, Properties)]
pub struct StandaloneProps {
    pub plots: Plots,
}

/// The whole page.
#[component]
pub fn Standalone(props: &StandaloneProps) -> Html {
    let base_url = use_memo((), |()| base_url());
    let page = use_reducer_eq(Page::restored);
    let width = use_state_eq(|| {
        Place::Browser
            .get(WIDTH)
            .and_then(|width| width.parse().ok())
            .unwrap_or(360)
    });
    let host = {
        let dispatch = page.dispatcher();
        use_memo((), |()| {
            Host::new(PageShell {
                base_url: (*base_url).clone(),
                plots: props.plots.clone(),
                page: dispatch,
            })
        })
    };
    let (_, state) = use_store(&base_url);

    use_effect_with((page.panes.clone(), page.active, page.tiled), {
        let page = page.clone();
        move |_| {
            page.remember();
            // Side by side, the chosen one may be out of sight.
            if page.tiled
                && let Some(pane) = page.panes.get(page.active)
            {
                let slot = gloo::utils::document().get_element_by_id(&pane.element_id());
                if let Some(slot) = slot {
                    slot.scroll_into_view_with_bool(false);
                }
            }
        }
    });
    let on_width = {
        let width = width.setter();
        Callback::from(move |to: i32| {
            width.set(to);
            Place::Browser.set(WIDTH, &to.to_string());
        })
    };
    let act = {
        let dispatch = page.dispatcher();
        use_callback((), move |act, ()| dispatch.dispatch(act))
    };
    let version = state
        .status
        .as_ref()
        .map(|status| format!("version {}", status.version));
    html! {
        <div class="gh-page">
            <header class="gh-topbar">
                <span class="gh-brand" title={version}>{glyph(Icon::Gatehouse, 20)}<h1>{"Gatehouse"}</h1></span>
                {status(&state)}
            </header>
            <aside class="gh-page-panel" style={format!("--gh-panel-width:{}px", *width)} aria-label="Clusters and jobs">
                <Sidebar host={(*host).clone()} header=false />
            </aside>
            {splitter(*width, &on_width)}
            <main class="gh-page-main">
                if page.panes.is_empty() {
                    <div class="gh-empty gh-page-empty">
                        {glyph(Icon::TaskStream, 40)}
                        <h2>{"No plots open"}</h2>
                        <p>{"Choose "}<b>{"Task Stream"}</b>{", "}<b>{"Status"}</b>{" or one of "}<b>{"More panes"}</b>{" on the card of a running cluster."}</p>
                    </div>
                } else {
                    <Tabs page={(*page).clone()} act={act.clone()} state={state.clone()} />
                    <div class={if page.tiled { "gh-panes gh-panes--tiled" } else { "gh-panes" }}>
                        {for page.panes.iter().enumerate().map(|(at, pane)| {
                            let shown = page.tiled || at == page.active;
                            html! {
                                <div
                                    key={pane.id}
                                    class={if at == page.active { "gh-pane-slot gh-active" } else { "gh-pane-slot" }}
                                    id={pane.element_id()}
                                    role="tabpanel"
                                    aria-label={pane.title.clone()}
                                    hidden={!shown}
                                    data-testid="pane"
                                    data-plot={pane.plot.clone()}
                                    data-cluster={pane.cluster.clone()}
                                >
                                    <Slot mount={props.plots.mount(&host, &pane.plot, &pane.begun)} />
                                </div>
                            }
                        })}
                    </div>
                }
            </main>
            <ConfirmDialog ask={page.ask.clone()} act={act.clone()} />
            {toasts(&page.toasts, &act)}
        </div>
    }
}

/// What the panel asks of its page, done by the page itself.
#[derive(Clone)]
struct PageShell {
    base_url: AttrValue,
    plots: Plots,
    page: UseReducerDispatcher<Page>,
}

impl Shell for PageShell {
    fn base_url(&self) -> AttrValue {
        self.base_url.clone()
    }

    fn open_pane(&self, plot: &str, cluster: &str, title: &str) {
        self.page.dispatch(Act::Open {
            plot: plot.to_owned(),
            cluster: cluster.to_owned(),
            title: title.to_owned(),
        });
    }

    fn insert_code(&self, code: String) -> LocalBoxFuture<'static, Result<Placed, String>> {
        Box::pin(async move {
            copy(&code)
                .await
                .map(|()| Placed::Copied)
                .map_err(|()| format!("The browser did not allow copying. The code is:\n{code}"))
        })
    }

    fn confirm(&self, title: String, body: String, action: String) -> LocalBoxFuture<'static, bool> {
        self.answered(|answer| Act::Ask {
            title,
            body,
            action,
            answer,
        })
    }

    fn notify(&self, level: NoticeLevel, message: &str) {
        self.page.dispatch(Act::Toast(level, message.to_owned()));
    }

    fn offer(
        &self,
        level: NoticeLevel,
        message: String,
        action: String,
        until: Option<i64>,
        cluster: String,
    ) -> LocalBoxFuture<'static, bool> {
        self.answered(|answer| {
            Act::Offer(
                level,
                message,
                Offered {
                    cluster,
                    action,
                    until,
                    answer,
                },
            )
        })
    }

    fn withdraw(&self, cluster: &str) {
        self.page.dispatch(Act::Withdraw(cluster.to_owned()));
    }

    fn moved(&self, from: &str, to: &str, title: &str) {
        self.page.dispatch(Act::Moved {
            from: from.to_owned(),
            to: to.to_owned(),
            title: title.to_owned(),
        });
    }

    /// Only tabs of jobs hold plots, and the script around them mounts those.
    fn plot(&self, plot: &str, cluster: &str) -> Mount {
        self.plots.mount(&Host::new(self.clone()), plot, cluster)
    }
}

impl PageShell {
    /// Does an act that hands on a question; waits for its answer.
    fn answered(&self, act: impl FnOnce(Function) -> Act) -> LocalBoxFuture<'static, bool> {
        let mut answer = None::<Function>;
        let promise = Promise::new(&mut |resolve, _| answer = Some(resolve.unchecked_into()));
        if let Some(answer) = answer {
            self.page.dispatch(act(answer));
        }
        Box::pin(async move {
            matches!(JsFuture::from(promise).await, Ok(value) if value.as_bool() == Some(true))
        })
    }
}
