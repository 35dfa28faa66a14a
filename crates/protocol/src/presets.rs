//! REST models of what fills the form for a new cluster beforehand: presets, what was used last, a notebook's kernel.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// Longest name of a preset, in characters.
pub const MAX_PRESET_NAME: usize = 60;

/// What a form holds: the body of `POST api/v1/clusters` without its label, so `options`, `scaling` and what later
/// versions add. A reader takes what it knows and leaves the rest alone.
pub type FormValues = Map<String, Value>;

/// Values for the form that the user has given a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Preset {
    pub id: String,
    pub name: String,
    /// Whether the form begins with it; at most one does.
    pub default: bool,
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub form: FormValues,
    /// Unix time in milliseconds of its last change.
    pub changed_at: i64,
}

/// `GET api/v1/presets`: what belongs to the gateway that the server uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Presets {
    /// By name.
    pub presets: Vec<Preset>,
    /// What the last cluster was created with.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub last: Option<FormValues>,
}

/// `POST api/v1/presets`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreatePreset {
    pub name: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub form: FormValues,
}

/// `PATCH api/v1/presets/{id}`: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePreset {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub form: Option<FormValues>,
    /// `true` takes the place of the one that was the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
}

/// `GET api/v1/options/for-kernel`: what a notebook's kernel means for a new cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct KernelAdvice {
    /// What Jupyter calls the kernel.
    pub kernel: String,
    /// The option whose choice is the kernel's environment, and that choice.
    pub field: Option<String>,
    pub value: Option<String>,
    /// Why that choice, or why none: a sentence.
    pub reason: Option<String>,
    /// Packages that the kernel lacks and needs to use a cluster.
    pub lacks: Vec<String>,
    /// A sentence that names them, and says what to do.
    pub warning: Option<String>,
}
