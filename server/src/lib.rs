//! The Gatehouse server: the house at the Dask Gateway.
//!
//! `http` is the browser's door and calls the rooms below it; none of these calls `http`.

pub mod attached;
pub mod cli;
pub mod clock;
pub mod clusters;
pub mod embedded;
mod html;
pub mod http;
pub mod jobs;
pub mod kernels;
pub mod live;
pub mod outbound;
pub mod presets;
pub mod proxy;
pub mod recordings;
pub mod state_dir;
pub mod store;
pub mod versions;
