//! Leases of clusters, what the guard did about them, and what clusters use and cost: REST models.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// When a cluster ends by itself: `PUT api/v1/clusters/{name}/lease`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LeaseTerms {
    /// Seconds without work after which its time is up; `null` for no such limit.
    #[serde(default)]
    pub idle_s: Option<u64>,
    /// Seconds after its start when its time is up; `null` for no such limit.
    #[serde(default)]
    pub lifetime_s: Option<u64>,
    /// Whether it is stopped when its time is up; otherwise the user is only told.
    pub stops: bool,
    /// What becomes of it when the server ends.
    pub at_end: AtEnd,
}

/// What becomes of a cluster when the server ends that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    Stop,
    Keep,
}

/// A cluster's lease as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Lease {
    pub terms: LeaseTerms,
    /// Who sees to it that its limits hold.
    pub enforced_by: Enforcer,
    /// That, and what becomes of the cluster when the server ends, in sentences.
    pub note: String,
    /// Since when it is without work, Unix time in milliseconds; `null` while it works, and while its scheduler can't be
    /// asked.
    pub idle_since: Option<i64>,
    /// When the next of its limits is reached if nothing changes, Unix time in milliseconds.
    pub due_at: Option<i64>,
    /// The limit that is reached then.
    pub limit: Option<Limit>,
    /// Its time is nearly up, and the user was told so.
    pub told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Enforcer {
    /// Gatehouse, while it runs.
    Gatehouse,
    /// The gateway, by an idle timeout of its own.
    Gateway,
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Idle,
    Lifetime,
    /// The gateway's own idle timeout, which nobody can put off but by work.
    Gateway,
}

/// What a cluster used since it is known, as far as its state was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Spent {
    /// In the configuration's currency; `null` without rates.
    pub amount: Option<f64>,
    /// What an hour costs with the workers that are there now; `null` without rates.
    pub per_hour: Option<f64>,
    pub worker_hours: f64,
    /// Hours of a GiB that workers may use.
    pub memory_hours: f64,
}

/// What all clusters of the user use, and what that may cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Usage {
    /// Such as `EUR`; `null` without rates.
    pub currency: Option<String>,
    /// Since midnight at the server.
    pub today: Spent,
    /// Since the first of the month at the server.
    pub month: Spent,
    pub budgets: Vec<Budget>,
}

/// An amount that should not be exceeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Budget {
    /// `day` or `month`.
    pub period: String,
    pub limit: f64,
    pub spent: f64,
    /// So much of it is spent that the user was warned.
    pub warned: bool,
}

/// Something that the guard did or said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Deed {
    /// Unix time in milliseconds.
    pub at: i64,
    /// Empty where it concerns no single cluster.
    pub cluster: String,
    pub label: Option<String>,
    /// `stopped`, `told`, `kept`, `failed` or `budget`.
    pub what: String,
    /// A sentence.
    pub message: String,
}

/// `GET api/v1/guard`: what the guard goes by, what it did, and what was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Guard {
    /// What a new cluster gets where nothing else is chosen.
    pub defaults: LeaseTerms,
    /// Seconds before a cluster is stopped when the user is told. A limit is longer than that.
    pub warn_s: u64,
    /// What becomes of clusters that are to be kept when the server ends, where that can't be promised.
    pub keep_note: Option<String>,
    pub usage: Usage,
    /// The latest deeds, newest first.
    pub deeds: Vec<Deed>,
}

/// `GET api/v1/glance`: what a status bar shows. Asking for it is no sign that somebody looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Glance {
    /// Clusters that may cost something.
    pub clusters: u32,
    pub usage: Usage,
    /// What the user is to be told as long as it is so: clusters whose time is nearly up.
    pub told: Vec<Told>,
}

/// A cluster whose time is nearly up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Told {
    /// The same as long as it is the same word.
    pub id: String,
    pub message: String,
    pub offer: Option<Offer>,
}

/// What a notice offers to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Offer {
    pub cluster: String,
    pub act: OfferedAct,
    /// After this moment it is too late, Unix time in milliseconds.
    pub until: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OfferedAct {
    Keep,
    Stop,
}
