//! Panes on the standalone page: the page's script mounts them, from modules of their own.

use std::rc::Rc;

use js_sys::{Function, Promise};
use protocol::events::NoticeLevel;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use yew::AttrValue;

use crate::host::Host;
use crate::ui::slot::Mount;

#[wasm_bindgen(typescript_custom_section)]
const PLOTS_TYPE: &str = r#"
/** Shows one pane in `el`, a plot of a cluster or a view of the jobs; the answer ends it. */
export type Plots = (el: HTMLElement, host: PageHost, plot: string, cluster: string) => Promise<() => void>;
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
    /// What shows one pane.
    pub fn mount(&self, host: &Host, plot: &str, cluster: &str) -> Mount {
        let (show, host) = (self.0.clone(), host.clone());
        let (plot, cluster): (AttrValue, AttrValue) = (plot.to_owned().into(), cluster.to_owned().into());
        Mount {
            key: format!("{plot} {cluster}").into(),
            run: Rc::new(move |el| {
                let (show, host) = (show.clone(), host.clone());
                let (plot, cluster) = (plot.clone(), cluster.clone());
                Box::pin(async move {
                    let arguments = js_sys::Array::of4(
                        &el,
                        &PageHost(host).into(),
                        &plot.as_str().into(),
                        &cluster.as_str().into(),
                    );
                    let promise: Promise = show.apply(&JsValue::NULL, &arguments)?.unchecked_into();
                    Ok(JsFuture::from(promise).await?.unchecked_into())
                })
            }),
        }
    }
}

/// What the standalone page does for the modules beside the panel's.
#[wasm_bindgen]
pub struct PageHost(Host);

#[wasm_bindgen]
impl PageHost {
    #[wasm_bindgen(getter, js_name = baseUrl)]
    pub fn base_url(&self) -> String {
        self.0.base_url().to_string()
    }

    #[wasm_bindgen(js_name = openPane)]
    pub fn open_pane(&self, plot: &str, cluster: &str, title: &str) {
        self.0.open_pane(plot, cluster, title);
    }

    pub fn confirm(&self, title: String, body: String, action: String) -> Promise {
        let answer = self.0.confirm(title, body, action);
        future_to_promise(async move { Ok(answer.await.into()) })
    }

    pub fn notify(&self, level: &str, message: &str) {
        let level = match level {
            "error" => NoticeLevel::Error,
            "warning" => NoticeLevel::Warning,
            _ => NoticeLevel::Info,
        };
        self.0.notify(level, message);
    }

    pub fn moved(&self, from: &str, to: &str, title: &str) {
        self.0.moved(from, to, title);
    }
}
