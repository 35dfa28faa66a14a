//! The module `gatehouse_jobs`: tabs with jobs.

use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;

use super::mount;
use crate::host::{Host, JsHost};
use crate::jobs::{JobsTab, JobsTabProps};

/// Shows a view of the jobs in `el`, such as `list` or `job:ID`; the handle is for [`super::unmount`].
#[wasm_bindgen(js_name = mountJobs)]
pub fn mount_jobs(el: HtmlElement, host: JsHost, view: String) -> u32 {
    let props = JobsTabProps {
        host: Host::from(host),
        view: view.into(),
    };
    mount::<JobsTab>(el, props)
}
