//! Dashboards for browsers, and the pass-through to the gateway for Python.

pub mod dashboard;
pub mod gateway;
mod headers;
mod place;
mod plots;
pub mod rescale;
