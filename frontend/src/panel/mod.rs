//! The sidebar: gateway, clusters, jobs.

pub mod command;
pub mod form;
pub mod format;
pub mod mapping;
pub mod output;
