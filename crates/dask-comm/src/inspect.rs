//! Operations for when somebody looks: profile, logs, the story of a task.

use rmpv::Value;

use crate::scheduler::unexpected;
use crate::value::{get, get_str, get_u64, to_f64};
use crate::{CommError, Connection};

/// A function called from one place of the stack, as the workers' sampling saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileNode {
    pub function: String,
    pub file: String,
    pub line: u64,
    /// Samples that had it on the stack below another function. Dask does not count those at the very top: a function
    /// that called nothing has 0, and what its caller's children lack in sum was spent in one of these.
    pub count: u64,
    /// The largest first.
    pub children: Vec<ProfileNode>,
}

/// A line of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    /// `INFO`, `WARNING`, `ERROR`, …
    pub level: String,
    pub text: String,
}

/// A task's change of state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    /// Seconds since the epoch; 0 where the scheduler did not say.
    pub at: f64,
    pub from: String,
    pub to: String,
    pub stimulus: String,
}

impl Connection {
    /// Where the threads of all workers, or of one, spent their time: the profiles of all tasks, or of a key prefix.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn profile(
        &mut self,
        worker: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<ProfileNode, CommError> {
        let mut args = Vec::new();
        if let Some(worker) = worker {
            args.push(("workers", Value::Array(vec![worker.into()])));
        }
        if let Some(prefix) = prefix {
            args.push(("key", prefix.into()));
        }
        let reply = self.call("profile", args).await?;
        reply
            .is_map()
            .then(|| profile_node(&reply))
            .ok_or(unexpected("profile", "it is no profile"))
    }

    /// The scheduler's latest log lines, at most `count`, the newest first.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn logs(&mut self, count: u64) -> Result<Vec<LogEntry>, CommError> {
        let reply = self.call("logs", [("n", count.into())]).await?;
        let lines = reply
            .as_array()
            .ok_or(unexpected("logs", "it is no list of lines"))?;
        Ok(lines.iter().map(log_entry).collect())
    }

    /// A worker's latest log lines, at most `count`, the newest first.
    ///
    /// The scheduler connects to whatever address it is given: give it only those of its own workers.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn worker_logs(&mut self, worker: &str, count: u64) -> Result<Vec<LogEntry>, CommError> {
        let args = [
            ("n", count.into()),
            ("workers", Value::Array(vec![worker.into()])),
        ];
        let reply = self.call("worker_logs", args).await?;
        let lines = get(&reply, worker)
            .and_then(Value::as_array)
            .ok_or(unexpected("worker_logs", "it is no map of workers to lines"))?;
        Ok(lines.iter().map(log_entry).collect())
    }

    /// What became of a task, the oldest first; empty where the scheduler does not remember it.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn story(&mut self, key: &str) -> Result<Vec<Transition>, CommError> {
        let args = [("keys_or_stimuli", Value::Array(vec![key.into()]))];
        let reply = self.call("get_story", args).await?;
        let rows = reply
            .as_array()
            .ok_or(unexpected("get_story", "it is no list of transitions"))?;
        Ok(rows.iter().map(transition).collect())
    }
}

fn profile_node(node: &Value) -> ProfileNode {
    let place = get(node, "description");
    let text = |key| {
        place
            .and_then(|place| get_str(place, key))
            .unwrap_or_default()
            .to_owned()
    };
    let children = get(node, "children")
        .and_then(Value::as_map)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut children: Vec<_> = children.iter().map(|(_, child)| profile_node(child)).collect();
    children.sort_by_key(|child| std::cmp::Reverse(child.count));
    ProfileNode {
        function: text("name"),
        file: text("filename"),
        line: place.and_then(|place| get_u64(place, "line_number")).unwrap_or(0),
        count: get_u64(node, "count").unwrap_or(0),
        children,
    }
}

/// `[level, text]`.
fn log_entry(line: &Value) -> LogEntry {
    let part = |at: usize| {
        line.as_array()
            .and_then(|parts| parts.get(at))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    LogEntry {
        level: part(0),
        text: part(1),
    }
}

/// `[key, from, to, what followed from it, stimulus, time]`; older versions leave the time out.
fn transition(row: &Value) -> Transition {
    let at = |at: usize| row.as_array().and_then(|parts| parts.get(at));
    let text = |n: usize| at(n).and_then(Value::as_str).unwrap_or_default().to_owned();
    Transition {
        at: at(5).and_then(to_f64).unwrap_or(0.0),
        from: text(1),
        to: text(2),
        stimulus: text(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::map;

    #[test]
    fn a_profile_is_read_with_its_children_by_size() {
        let leaf = |name: &str, count: u64| {
            map([
                ("count", count.into()),
                (
                    "description",
                    map([
                        ("name", name.into()),
                        ("filename", "f.py".into()),
                        ("line_number", 7.into()),
                    ]),
                ),
                ("children", Value::Map(vec![])),
            ])
        };
        let root = map([
            ("count", 10.into()),
            ("children", map([("small", leaf("s", 2)), ("big", leaf("b", 8))])),
        ]);
        let node = profile_node(&root);
        assert_eq!(node.count, 10);
        let names: Vec<_> = node
            .children
            .iter()
            .map(|c| (c.function.as_str(), c.line))
            .collect();
        assert_eq!(names, [("b", 7), ("s", 7)]);
    }

    #[test]
    fn a_story_of_an_old_scheduler_has_no_times() {
        let row = Value::Array(vec![
            "k".into(),
            "waiting".into(),
            "memory".into(),
            map([]),
            "s-1".into(),
        ]);
        let seen = transition(&row);
        assert_eq!(
            (
                seen.at,
                seen.from.as_str(),
                seen.to.as_str(),
                seen.stimulus.as_str()
            ),
            (0.0, "waiting", "memory", "s-1")
        );
    }
}
