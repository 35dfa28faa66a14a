//! Task groups and what they depend on: read once over `feed`, because no operation without pickle tells of dependencies.

use std::collections::BTreeMap;
use std::time::Duration;

use rmpv::Value;

use crate::scheduler::{parse_counts, unexpected};
use crate::value::{get, get_u64, to_f64, to_u64};
use crate::{CommError, Connection};

/// Read on the scheduler: the newest groups, for each its name, its prefix, its states, the groups that it depends on, the
/// bytes of its results and the seconds of its work; and how many older ones there are.
const EXPRESSION: &str = "lambda s: {\
    'left_out': max(0, len(s.task_groups) - 400), \
    'groups': [[g.name, g.prefix.name if g.prefix else '', dict(g.states), [d.name for d in g.dependencies], \
    g.nbytes_total, g.duration] for g in list(s.task_groups.values())[-400:]]}";

/// Tasks that were made together, such as the blocks of one array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskGroup {
    pub name: String,
    pub prefix: String,
    /// Tasks by state, those that are forgotten included.
    pub states: BTreeMap<String, u64>,
    /// Names of the groups whose results it needs. One that is not among the groups was left out or forgotten.
    pub dependencies: Vec<String>,
    /// Bytes of its results so far.
    pub nbytes: u64,
    /// Seconds of work of all its tasks so far.
    pub seconds: f64,
}

/// The groups that a scheduler knows, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskGroups {
    pub groups: Vec<TaskGroup>,
    /// Older groups that are not among them.
    pub left_out: u64,
}

impl Connection {
    /// The scheduler's task groups with their dependencies. The connection is good for nothing else afterwards.
    ///
    /// # Errors
    /// As [`Connection::feed`].
    pub async fn task_groups(mut self) -> Result<TaskGroups, CommError> {
        // The scheduler notices that we are gone when it would tell us the next time.
        let reply = self.fed(EXPRESSION, Duration::from_secs(1)).await?;
        parse(&reply).ok_or(unexpected("feed", "it holds no task groups"))
    }
}

fn parse(reply: &Value) -> Option<TaskGroups> {
    let groups = get(reply, "groups")?.as_array()?;
    Some(TaskGroups {
        groups: groups.iter().filter_map(group).collect(),
        left_out: get_u64(reply, "left_out").unwrap_or(0),
    })
}

fn group(parts: &Value) -> Option<TaskGroup> {
    let parts = parts.as_array()?;
    let text = |at: usize| {
        parts
            .get(at)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let dependencies = parts.get(3).and_then(Value::as_array).map(Vec::as_slice);
    let names = dependencies.unwrap_or_default().iter().filter_map(Value::as_str);
    Some(TaskGroup {
        name: parts.first()?.as_str()?.to_owned(),
        prefix: text(1),
        states: parts.get(2).map(parse_counts).unwrap_or_default(),
        dependencies: names.map(str::to_owned).collect(),
        nbytes: parts.get(4).and_then(to_u64).unwrap_or(0),
        seconds: parts.get(5).and_then(to_f64).unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::map;

    #[test]
    fn groups_are_read_tolerantly() {
        let whole = Value::Array(vec![
            "sum-1".into(),
            "sum".into(),
            map([("memory", 3.into()), ("forgotten", 1.into())]),
            Value::Array(vec!["inc-1".into()]),
            24.into(),
            1.5.into(),
        ]);
        let groups = Value::Array(vec![
            whole,
            Value::Array(vec!["inc-1".into()]),
            Value::Array(vec![Value::Nil]),
        ]);
        let found = parse(&map([("groups", groups), ("left_out", 7.into())])).expect("groups");
        assert_eq!((found.groups.len(), found.left_out), (2, 7));
        assert_eq!(found.groups[0].states["memory"], 3);
        assert_eq!(
            (found.groups[0].dependencies.as_slice(), found.groups[0].nbytes),
            (&["inc-1".to_owned()][..], 24)
        );
        assert_eq!(
            found.groups[1],
            TaskGroup {
                name: "inc-1".into(),
                ..TaskGroup::default()
            }
        );
        assert_eq!(parse(&Value::Nil), None);
    }

    #[test]
    fn the_expression_is_one_that_pickle_takes_as_it_is() {
        assert!(EXPRESSION.is_ascii() && !EXPRESSION.contains(['\\', '\n', '\r']));
    }
}
