//! The few functions that JavaScript calls. The crate is built three times, each time with one of these modules: `panel` for
//! what a page shows at once, `panes` for the plots and `jobs` for the tabs with jobs, which are loaded with the first one.

#[cfg(feature = "jobs")]
pub mod jobs;
#[cfg(feature = "panel")]
pub mod panel;
#[cfg(feature = "panes")]
pub mod panes;

use std::cell::RefCell;

use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;
use yew::html::BaseComponent;

thread_local! {
    static MOUNTED: RefCell<Mounted> = RefCell::default();
}

/// What is on the page, by handle.
#[derive(Default)]
struct Mounted {
    last: u32,
    ends: Vec<(u32, Box<dyn FnOnce()>)>,
}

/// Ends what a mount function began: components, connections, timers. A handle that is not known does nothing.
#[wasm_bindgen]
pub fn unmount(handle: u32) {
    let end = MOUNTED.with_borrow_mut(|mounted| {
        let at = mounted.ends.iter().position(|(known, _)| *known == handle)?;
        Some(mounted.ends.swap_remove(at).1)
    });
    if let Some(end) = end {
        end();
    }
}

fn mount<C: BaseComponent>(el: HtmlElement, props: C::Properties) -> u32 {
    // The class only carries styles: without it the panel still works.
    el.class_list().add_1("gh-root").ok();
    let app = yew::Renderer::<C>::with_root_and_props(el.into(), props).render();
    MOUNTED.with_borrow_mut(|mounted| {
        mounted.last += 1;
        mounted.ends.push((mounted.last, Box::new(move || app.destroy())));
        mounted.last
    })
}
