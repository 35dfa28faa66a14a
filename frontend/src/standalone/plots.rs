//! Panes on the standalone page: the page's script mounts them, from a module of their own.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::HtmlElement;
use yew::prelude::*;

use crate::ui::widgets::spinner;

#[wasm_bindgen(typescript_custom_section)]
const PLOTS_TYPE: &str = r#"
/** Shows one plot of one cluster in `el`; the answer ends it. */
export type Plots = (el: HTMLElement, baseUrl: string, plot: string, cluster: string) => Promise<() => void>;
"#;

#[wasm_bindgen]
extern "C" {
    /// The `Plots` function of JavaScript.
    #[wasm_bindgen(typescript_type = "Plots", extends = Function)]
    pub type JsPlots;
}

/// What mounts panes.
#[derive(Clone, PartialEq)]
pub struct Plots(Function);

impl From<JsPlots> for Plots {
    fn from(plots: JsPlots) -> Self {
        Self(plots.unchecked_into())
    }
}

impl Plots {
    /// Shows a plot in `el`; gives what ends it.
    async fn show(
        &self,
        el: &HtmlElement,
        base_url: &str,
        plot: &str,
        cluster: &str,
    ) -> Result<Function, JsValue> {
        let arguments = js_sys::Array::of4(el, &base_url.into(), &plot.into(), &cluster.into());
        let promise: Promise = self.0.apply(&JsValue::NULL, &arguments)?.unchecked_into();
        Ok(JsFuture::from(promise).await?.unchecked_into())
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct SlotProps {
    pub plots: Plots,
    pub base_url: AttrValue,
    pub plot: AttrValue,
    pub cluster: AttrValue,
}

/// Whether the module with the plots is there.
#[derive(Clone, Copy, PartialEq)]
enum Loaded {
    Waiting,
    Shown,
    Failed,
}

/// The place of a pane.
#[component]
pub fn Slot(props: &SlotProps) -> Html {
    let content = use_node_ref();
    let loaded = use_state_eq(|| Loaded::Waiting);
    {
        let (content, loaded) = (content.clone(), loaded.setter());
        use_effect_with(props.clone(), move |props| {
            let ending = Rc::new(Ending::default());
            if let Some(el) = content.cast::<HtmlElement>() {
                let (props, ending) = (props.clone(), Rc::clone(&ending));
                spawn_local(async move {
                    let SlotProps {
                        plots,
                        base_url,
                        plot,
                        cluster,
                    } = props;
                    match plots.show(&el, &base_url, &plot, &cluster).await {
                        Ok(end) => {
                            loaded.set(Loaded::Shown);
                            ending.with(end);
                        }
                        Err(error) => {
                            gloo::console::error!("the plot could not be shown:", error);
                            loaded.set(Loaded::Failed);
                        }
                    }
                });
            }
            move || ending.now()
        });
    }
    html! {
        <>
            <div class="gh-pane-place" ref={content} />
            if *loaded == Loaded::Waiting {
                <div class="gh-empty gh-page-empty" role="status">{spinner()}<p>{"Loading the plot\u{2026}"}</p></div>
            }
            if *loaded == Loaded::Failed {
                <div class="gh-empty gh-page-empty" role="alert">
                    <h2>{"The plot could not be loaded"}</h2>
                    <p>{"Check that the server still runs, then close this pane and open it again."}</p>
                </div>
            }
        </>
    }
}

/// Ends a pane that may still be on its way.
#[derive(Default)]
struct Ending {
    over: Cell<bool>,
    end: Cell<Option<Function>>,
}

impl Ending {
    fn with(&self, end: Function) {
        self.end.set(Some(end));
        if self.over.get() {
            self.now();
        }
    }

    fn now(&self) {
        self.over.set(true);
        if let Some(end) = self.end.take()
            && let Err(error) = end.call0(&JsValue::NULL)
        {
            gloo::console::error!("a plot did not end well:", error);
        }
    }
}
