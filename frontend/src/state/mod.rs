//! What the panel knows: the server's state by its events, live data by frames, and requests.

pub mod command;
pub mod events;
pub mod guard;
pub mod json;
pub mod kept;
pub mod live;
pub mod rest;
pub mod socket;
pub mod store;
