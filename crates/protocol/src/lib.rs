//! Types both sides of Gatehouse speak: the REST models (JSON) and the live frames (postcard).
//!
//! The server and the panel compile this crate unchanged, natively and to WebAssembly; it does no I/O and uses no other
//! crate of ours. Nothing in here can hold a TLS key, a token or a cookie: what has no field cannot leak.

pub mod attached;
pub mod check;
pub mod clients;
pub mod connect;
pub mod events;
mod flat;
pub mod guard;
pub mod inspect;
pub mod jobs;
pub mod kernels;
pub mod life;
pub mod live;
pub mod names;
pub mod presets;
pub mod recordings;
pub mod rest;
pub mod versions;
