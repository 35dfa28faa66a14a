//! How the store spells steps and states.

use protocol::jobs::JobState;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::step::Step;

const STEPS: [(Step, &str); 9] = [
    (Step::Queued, "queued"),
    (Step::AskCluster, "ask_cluster"),
    (Step::StartKernel, "start_kernel"),
    (Step::AwaitCluster, "await_cluster"),
    (Step::Execute, "execute"),
    (Step::Close, "close"),
    (Step::StopClusters, "stop_clusters"),
    (Step::Keep, "keep"),
    (Step::Over, "over"),
];

const STATES: [(JobState, &str); 7] = [
    (JobState::Queued, "queued"),
    (JobState::Starting, "starting"),
    (JobState::Running, "running"),
    (JobState::Cancelling, "cancelling"),
    (JobState::Succeeded, "succeeded"),
    (JobState::Failed, "failed"),
    (JobState::Cancelled, "cancelled"),
];

/// A state as the store spells it.
pub(super) struct Named(pub(super) JobState);

impl ToSql for Named {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        name_of(&STATES, self.0)
    }
}

impl FromSql for Named {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        named(&STATES, value).map(Self)
    }
}

impl ToSql for Step {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        name_of(&STEPS, *self)
    }
}

impl FromSql for Step {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        named(&STEPS, value)
    }
}

impl Step {
    /// Every step, in the order in which they are taken.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        STEPS.iter().map(|(step, _)| *step)
    }

    pub(super) fn named(text: &str) -> Option<Self> {
        STEPS
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(step, _)| *step)
    }

    /// As the store spells it.
    pub(super) fn name(self) -> &'static str {
        STEPS
            .iter()
            .find(|(step, _)| *step == self)
            .map_or("", |(_, name)| name)
    }
}

fn name_of<T: Copy + PartialEq>(
    names: &[(T, &'static str)],
    value: T,
) -> rusqlite::Result<ToSqlOutput<'static>> {
    names
        .iter()
        .find(|(known, _)| *known == value)
        .map(|(_, name)| ToSqlOutput::from(*name))
        .ok_or_else(|| rusqlite::Error::ToSqlConversionFailure("a value without a name".into()))
}

fn named<T: Copy>(names: &[(T, &'static str)], value: ValueRef<'_>) -> FromSqlResult<T> {
    let text = value.as_str()?;
    names
        .iter()
        .find(|(_, name)| *name == text)
        .map(|(known, _)| *known)
        .ok_or(FromSqlError::InvalidType)
}
