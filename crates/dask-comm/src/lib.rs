//! Dask's comm protocol: framing, handshake, TLS with the gateway's SNI, RPC, typed replies.
//!
//! ```no_run
//! # async fn example(cert: dask_comm::ClusterCert) -> Result<(), dask_comm::CommError> {
//! use dask_comm::{Connection, TaskStreamCursor, Timeouts};
//!
//! let address = "gateway://127.0.0.1:8000/0123abcd".parse()?;
//! let mut scheduler = Connection::connect(&address, Some(&cert), Timeouts::default()).await?;
//! let mut stream = TaskStreamCursor::new(scheduler.versions().await?.distributed);
//! stream.arm(&mut scheduler).await?;
//! let polled = stream.poll(&mut scheduler).await?;
//! # let _ = polled; Ok(()) }
//! ```

mod activity;
mod address;
mod authority;
mod clients;
mod error;
mod feed;
pub mod frame;
mod groups;
mod inspect;
mod key;
mod rpc;
mod scheduler;
mod stake;
mod task_stream;
mod tls;
pub mod value;

pub use activity::{Work, WorkFeed};
pub use address::Address;
pub use clients::Client;
pub use error::{CommError, TlsProblem};
pub use feed::{Feed, SchedulerState, WorkerState};
pub use frame::Limits;
pub use groups::{TaskGroup, TaskGroups};
pub use inspect::{LogEntry, ProfileNode, Transition};
pub use key::TaskKey;
pub use rmpv::Value;
pub use rpc::{Connection, Timeouts};
pub use scheduler::{
    Identity, Metrics, PrefixStates, Rates, TaskCounts, TaskStreamQuery, Transfers, Version, Versions,
    WorkerInfo,
};
pub use stake::Stake;
pub use task_stream::{Polled, StartStop, TaskRecord, TaskStreamCursor};
pub use tls::ClusterCert;
