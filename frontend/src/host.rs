//! What the panel asks of the page around it: JupyterLab, or our own standalone page.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use js_sys::{Function, Promise};
use protocol::events::NoticeLevel;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::HtmlElement;
use yew::AttrValue;

use crate::ui::slot::Mount;

#[wasm_bindgen(typescript_custom_section)]
const HOST_TYPE: &str = r#"
/** The kernel of a notebook or console. */
export interface ActiveKernel {
  /** Name of its kernelspec. */
  name: string;
  /** What the user calls the notebook or console. */
  title: string;
}
/** What the page around the panel does for it. */
export interface Host {
  /** The server's prefix; ends with '/'. */
  baseUrl: string;
  openPane(plot: string, cluster: string, title: string): void;
  insertCode(code: string): Promise<'inserted' | 'copied'>;
  confirm(title: string, body: string, action: string): Promise<boolean>;
  /** The kernel that the user works with, if there is one. */
  activeKernel(): ActiveKernel | null;
  notify(level: 'info' | 'warning' | 'error', message: string): void;
  /**
   * A notice on a cluster, with a button; whether it was pressed. `until` is Unix time in milliseconds, 0 where it may
   * stay.
   */
  offer(
    level: 'info' | 'warning' | 'error',
    message: string,
    action: string,
    until: number,
    cluster: string
  ): Promise<boolean>;
  /** Takes away what was offered on a cluster, if that still shows. */
  withdraw(cluster: string): void;
  /** A cluster is called otherwise now. */
  rename(cluster: string, title: string): void;
  /** A tab of jobs shows something else now, or is called otherwise: what its pane names as its cluster, and its title. */
  moved(from: string, to: string, title: string): void;
  /** Shows a plot within a tab of jobs; the answer ends it. */
  showPlot(el: HTMLElement, plot: string, cluster: string): Promise<() => void>;
  /** Opens a file below Jupyter's root; missing where there is no JupyterLab. */
  openFile?(path: string): void;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// The `Host` object of JavaScript.
    #[wasm_bindgen(typescript_type = "Host")]
    pub type JsHost;

    #[wasm_bindgen(method, getter, structural, js_name = baseUrl)]
    fn base_url(this: &JsHost) -> String;

    #[wasm_bindgen(method, structural, catch, js_name = openPane)]
    fn open_pane(this: &JsHost, plot: &str, cluster: &str, title: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, structural, catch, js_name = insertCode)]
    fn insert_code(this: &JsHost, code: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn confirm(this: &JsHost, title: &str, body: &str, action: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, structural, catch, js_name = activeKernel)]
    fn active_kernel(this: &JsHost) -> Result<Option<JsKernel>, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn notify(this: &JsHost, level: &str, message: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn offer(
        this: &JsHost,
        level: &str,
        message: &str,
        action: &str,
        until: f64,
        cluster: &str,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn withdraw(this: &JsHost, cluster: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn rename(this: &JsHost, cluster: &str, title: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn moved(this: &JsHost, from: &str, to: &str, title: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, structural, catch, js_name = showPlot)]
    fn show_plot(this: &JsHost, el: &HtmlElement, plot: &str, cluster: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, getter, structural, js_name = openFile)]
    fn file_opener(this: &JsHost) -> Option<Function>;
}

#[wasm_bindgen]
extern "C" {
    /// The `ActiveKernel` object of JavaScript.
    #[wasm_bindgen(typescript_type = "ActiveKernel")]
    type JsKernel;

    #[wasm_bindgen(method, getter, structural)]
    fn name(this: &JsKernel) -> String;

    #[wasm_bindgen(method, getter, structural)]
    fn title(this: &JsKernel) -> String;
}

/// The kernel of the notebook or console that the user works in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveKernel {
    /// Name of its kernelspec.
    pub name: String,
    /// What the user calls the notebook or console.
    pub title: String,
}

/// The pane that shows jobs: what it names as its cluster is the view.
pub const JOBS: &str = "jobs";

/// Event of the window: the panel has changed a cluster's label.
pub const LABELLED: &str = "gatehouse-labelled";

/// Where connect code went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    Inserted,
    Copied,
}

/// What a page must be able to do for the panel.
pub trait Shell {
    /// The server's prefix; ends with '/'.
    fn base_url(&self) -> AttrValue;
    fn open_pane(&self, plot: &str, cluster: &str, title: &str);
    /// Puts code where the user works. The error is a sentence.
    fn insert_code(&self, code: String) -> LocalBoxFuture<'static, Result<Placed, String>>;
    /// Asks before something that can't be undone; `false` where the user declines.
    fn confirm(&self, title: String, body: String, action: String) -> LocalBoxFuture<'static, bool>;
    fn notify(&self, level: NoticeLevel, message: &str);
    /// The kernel that the user works with; none on a page without notebooks.
    fn active_kernel(&self) -> Option<ActiveKernel> {
        None
    }
    /// A notice on a cluster, with a button: whether it was pressed before the notice went. `until` is when that has no more
    /// meaning, Unix time in milliseconds.
    fn offer(
        &self,
        level: NoticeLevel,
        message: String,
        action: String,
        until: Option<i64>,
        cluster: String,
    ) -> LocalBoxFuture<'static, bool>;
    /// Takes away what was offered on a cluster, if that still shows.
    fn withdraw(&self, cluster: &str);
    /// A cluster is called otherwise now; nothing to do where that is looked up with every change.
    fn rename(&self, _cluster: &str, _title: &str) {}
    /// A tab of jobs that showed the view `from` shows `to` now, and is called `title`.
    fn moved(&self, _from: &str, _to: &str, _title: &str) {}
    /// What shows a plot of a cluster within a tab of jobs.
    fn plot(&self, plot: &str, cluster: &str) -> Mount;
    /// Whether files below Jupyter's root can be opened.
    fn opens_files(&self) -> bool {
        false
    }
    fn open_file(&self, _path: &str) {}
}

/// A shared handle of the page around the panel.
#[derive(Clone)]
pub struct Host(Rc<dyn Shell>);

impl Host {
    pub fn new(shell: impl Shell + 'static) -> Self {
        Self(Rc::new(shell))
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl std::ops::Deref for Host {
    type Target = dyn Shell;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl From<JsHost> for Host {
    fn from(host: JsHost) -> Self {
        Self::new(JsShell {
            base_url: base_url_of(&host).into(),
            host: Rc::new(host),
        })
    }
}

/// The server's prefix as JavaScript gives it, with the `/` at its end that it may lack.
pub fn with_slash(mut base_url: String) -> String {
    if !base_url.ends_with('/') {
        base_url.push('/');
    }
    base_url
}

/// The server's prefix; ends with '/'.
pub fn base_url_of(host: &JsHost) -> String {
    with_slash(host.base_url())
}

struct JsShell {
    base_url: AttrValue,
    host: Rc<JsHost>,
}

impl Shell for JsShell {
    fn base_url(&self) -> AttrValue {
        self.base_url.clone()
    }

    fn open_pane(&self, plot: &str, cluster: &str, title: &str) {
        if let Err(error) = self.host.open_pane(plot, cluster, title) {
            gloo::console::error!("the pane could not be opened:", error);
        }
    }

    fn insert_code(&self, code: String) -> LocalBoxFuture<'static, Result<Placed, String>> {
        let host = Rc::clone(&self.host);
        Box::pin(async move {
            let answer = match host.insert_code(&code) {
                Ok(promise) => JsFuture::from(promise).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(value) if value.as_string().as_deref() == Some("inserted") => Ok(Placed::Inserted),
                Ok(_) => Ok(Placed::Copied),
                Err(error) => {
                    gloo::console::error!("the code could not be inserted:", error);
                    Err("The code could not be inserted. Open a notebook and try again.".to_owned())
                }
            }
        })
    }

    fn confirm(&self, title: String, body: String, action: String) -> LocalBoxFuture<'static, bool> {
        let host = Rc::clone(&self.host);
        Box::pin(async move { consent(host.confirm(&title, &body, &action)).await })
    }

    fn active_kernel(&self) -> Option<ActiveKernel> {
        match self.host.active_kernel() {
            Ok(kernel) => kernel.map(|kernel| ActiveKernel {
                name: kernel.name(),
                title: kernel.title(),
            }),
            Err(error) => {
                gloo::console::error!("the active kernel could not be asked for:", error);
                None
            }
        }
    }

    fn notify(&self, level: NoticeLevel, message: &str) {
        if let Err(error) = self.host.notify(word(level), message) {
            gloo::console::error!("a notice could not be shown:", error, message);
        }
    }

    fn offer(
        &self,
        level: NoticeLevel,
        message: String,
        action: String,
        until: Option<i64>,
        cluster: String,
    ) -> LocalBoxFuture<'static, bool> {
        let host = Rc::clone(&self.host);
        let until = until.unwrap_or(0) as f64;
        Box::pin(async move { consent(host.offer(word(level), &message, &action, until, &cluster)).await })
    }

    fn withdraw(&self, cluster: &str) {
        if let Err(error) = self.host.withdraw(cluster) {
            gloo::console::error!("a notice could not be taken away:", error);
        }
    }

    fn rename(&self, cluster: &str, title: &str) {
        if let Err(error) = self.host.rename(cluster, title) {
            gloo::console::error!("a cluster's panes could not be renamed:", error);
        }
    }

    fn moved(&self, from: &str, to: &str, title: &str) {
        if let Err(error) = self.host.moved(from, to, title) {
            gloo::console::error!("a tab of jobs could not be renamed:", error);
        }
    }

    fn plot(&self, plot: &str, cluster: &str) -> Mount {
        let host = Rc::clone(&self.host);
        let (plot, cluster) = (plot.to_owned(), cluster.to_owned());
        Mount {
            key: format!("{plot} {cluster}").into(),
            run: Rc::new(move |el| {
                let promise = host.show_plot(&el, &plot, &cluster);
                Box::pin(async move { Ok(JsFuture::from(promise?).await?.unchecked_into()) })
            }),
        }
    }

    fn opens_files(&self) -> bool {
        self.host.file_opener().is_some()
    }

    fn open_file(&self, path: &str) {
        let Some(opener) = self.host.file_opener() else {
            return;
        };
        if let Err(error) = opener.call1(&self.host, &path.into()) {
            gloo::console::error!("a file could not be opened:", error);
        }
    }
}

fn word(level: NoticeLevel) -> &'static str {
    match level {
        NoticeLevel::Info => "info",
        NoticeLevel::Warning => "warning",
        NoticeLevel::Error => "error",
    }
}

/// Waits for an answer. A question that fails is no consent.
async fn consent(asked: Result<Promise, JsValue>) -> bool {
    let answer = match asked {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    matches!(answer, Ok(value) if value.as_bool() == Some(true))
}
