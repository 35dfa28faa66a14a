//! Versions of scheduler, workers and a kernel side by side.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// `GET api/v1/clusters/{name}/versions`, with `?kernel=NAME` beside those of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct VersionTable {
    /// Scheduler, workers (those that are equal in one column), kernel.
    pub columns: Vec<VersionColumn>,
    /// Python first, then the packages that matter to Dask.
    pub rows: Vec<VersionRow>,
    /// What is missing and why, in sentences: workers that did not answer, a kernel that can't be asked.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct VersionColumn {
    /// `Scheduler`, `3 workers`, or the kernel's name.
    pub title: String,
    /// Names of the workers; a few of them where they are many.
    pub workers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct VersionRow {
    /// `python`, or a package's name.
    pub package: String,
    /// One for each column; `None` where it is not installed.
    pub versions: Vec<Option<String>>,
    pub agreement: Agreement,
    /// What the mismatch means and what to do, in a sentence or two; `None` where all are equal.
    pub explanation: Option<String>,
}

/// How much versions that differ matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    #[default]
    Same,
    /// They differ where it does no harm.
    Differs,
    /// Something does not work, or may not.
    Breaks,
}
