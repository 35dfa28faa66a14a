//! What Gatehouse shows in the browser: the JupyterLab sidebar, the standalone page, and the panes with plots.

// The module is built without what `{:?}` prints.
#![cfg_attr(not(test), warn(clippy::use_debug))]

pub mod draw;
pub mod host;
pub mod jobs;
pub mod mount;
pub mod panel;
pub mod panes;
pub mod plots;
pub mod standalone;
pub mod state;
pub mod ui;
