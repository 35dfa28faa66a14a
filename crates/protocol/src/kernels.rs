//! The kernels of the Jupyter Server, as the panel chooses among them.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// `GET api/v1/kernels`: a kernel that the Jupyter Server can start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Kernel {
    /// Name of its kernelspec.
    pub name: String,
    pub display_name: String,
    /// Whether it is the one that starts where none is named.
    pub default: bool,
}

/// What a kernel's `Gateway()` finds otherwise than Gatehouse: `GET api/v1/kernels/notes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct KernelNote {
    pub kernel: String,
    pub display_name: String,
    /// What differs, a sentence each, without secrets.
    pub differences: Vec<String>,
    /// What to do about it, in a sentence.
    pub remedy: String,
}
