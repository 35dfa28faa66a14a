//! The place of a plot within a page of ours: another module mounts it there.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlElement;
use yew::prelude::*;

use super::widgets::spinner;

type Mounting = LocalBoxFuture<'static, Result<Function, JsValue>>;

/// What shows something in an element, and gives what ends it.
#[derive(Clone)]
pub struct Mount {
    /// Names what is shown.
    pub key: AttrValue,
    pub run: Rc<dyn Fn(HtmlElement) -> Mounting>,
}

impl PartialEq for Mount {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct SlotProps {
    pub mount: Mount,
}

/// Whether the module with the content is there.
#[derive(Clone, Copy, PartialEq)]
enum Loaded {
    Waiting,
    Shown,
    Failed,
}

/// The place of a plot, or of whatever else another module shows.
#[component]
pub fn Slot(props: &SlotProps) -> Html {
    let content = use_node_ref();
    let loaded = use_state_eq(|| Loaded::Waiting);
    {
        let (content, loaded) = (content.clone(), loaded.setter());
        use_effect_with(props.mount.clone(), move |mount| {
            let ending = Rc::new(Ending::default());
            if let Some(el) = content.cast::<HtmlElement>() {
                let (mounting, ending) = ((mount.run)(el), Rc::clone(&ending));
                spawn_local(async move {
                    match mounting.await {
                        Ok(end) => {
                            loaded.set(Loaded::Shown);
                            ending.with(end);
                        }
                        Err(error) => {
                            gloo::console::error!("the pane could not be shown:", error);
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
                <div class="gh-empty gh-page-empty" role="status">{spinner()}<p>{"Loading\u{2026}"}</p></div>
            }
            if *loaded == Loaded::Failed {
                <div class="gh-empty gh-page-empty" role="alert">
                    <h2>{"This could not be loaded"}</h2>
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
            gloo::console::error!("a pane did not end well:", error);
        }
    }
}
