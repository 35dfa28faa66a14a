//! The Gatehouse panel: one WebAssembly module for the JupyterLab sidebar, its panes and the standalone page.

// The module is built without what `{:?}` prints.
#![cfg_attr(not(test), warn(clippy::use_debug))]

pub mod draw;
pub mod host;
pub mod mount;
pub mod panel;
pub mod panes;
pub mod standalone;
pub mod state;
