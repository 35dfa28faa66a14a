//! What the task stream shows, in words and figures: for its header, its legend and its description.

use protocol::live::Prefix;
use timeline::Action;

use super::filter::Filter;
use crate::draw::units::{duration, plural};
use crate::panes::chrome::Standing;
use crate::state::live::Live;

/// Prefixes in the legend at most.
const IN_LEGEND: usize = 40;

/// How the controls around the plot stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controls {
    pub following: bool,
    pub filter: Filter,
    pub safe: bool,
    /// Whether the page is dark.
    pub dark: bool,
    pub selecting: bool,
    pub open: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub standing: Standing,
    pub controls: Controls,
    pub tasks: u64,
    pub workers: usize,
    pub threads: usize,
    pub erred: u64,
    /// Prefixes in order of appearance, with their number of tasks.
    pub legend: Vec<(Prefix, u64)>,
    /// Prefixes that the legend has no room for.
    pub unnamed: usize,
    /// Whether there is any of: transfer, disk, deserialize.
    pub others: [bool; 3],
    /// Of the tasks that were there before the pane opened, how many have come: from 0 to 1; `None` when all have.
    pub loading: Option<f64>,
    /// From the first start to the last end, microseconds.
    pub span_us: u64,
}

impl Summary {
    pub fn of(live: &Live, controls: Controls) -> Self {
        let stream = &live.stream;
        let mut workers: Vec<&str> = stream.lanes.iter().map(|lane| lane.worker.as_str()).collect();
        workers.sort_unstable();
        workers.dedup();
        let any = |action| stream.count_of(action) > 0;
        let (tasks, expected) = (stream.timeline.records(), stream.expected);
        Self {
            standing: Standing::of(live),
            controls,
            tasks,
            workers: workers.len(),
            threads: stream.lanes.len(),
            erred: stream.count_of(Action::Erred),
            legend: stream
                .prefixes
                .iter()
                .take(IN_LEGEND)
                .map(|p| (p.prefix.clone(), p.tasks))
                .collect(),
            unnamed: stream.prefixes.len().saturating_sub(IN_LEGEND),
            others: [
                any(Action::Transfer),
                any(Action::DiskRead) || any(Action::DiskWrite),
                any(Action::Deserialize),
            ],
            loading: (!stream.caught_up && expected > 0).then(|| (tasks as f64 / expected as f64).min(1.0)),
            span_us: stream
                .timeline
                .bounds()
                .map_or(0, |(start, end)| end.abs_diff(start)),
        }
    }

    /// The plot in a sentence, for who does not see it.
    pub fn sentence(&self, cluster: &str) -> String {
        if self.tasks == 0 {
            return format!("Task stream of cluster {cluster}: no tasks yet.");
        }
        let mut most: Vec<&(Prefix, u64)> = self.legend.iter().collect();
        most.sort_by_key(|(_, tasks)| std::cmp::Reverse(*tasks));
        let names: Vec<_> = most
            .iter()
            .take(3)
            .map(|(p, n)| format!("{} ({n})", p.name))
            .collect();
        format!(
            "Task stream of cluster {cluster}: {} in {}, on {} of {}; {}. Most: {}.",
            plural(self.tasks, "task"),
            duration(self.span_us),
            plural(self.threads as u64, "thread"),
            plural(self.workers as u64, "worker"),
            plural(self.erred, "error"),
            names.join(", "),
        )
    }
}
