//! What every plot is: data in, shapes and a table out. The pane around it is the same for all.

use std::cmp::Ordering;

use protocol::live::{Topics, Worker};
use serde_json::Value;
use yew::prelude::*;

use super::stretch::TimeSpan;
use super::task_stream::rows::natural;
use super::view::{Change, View};
use super::{
    bars, cluster_map, cluster_memory, errors, logs, memory, profile, progress, task_groups, timeseries,
    workers,
};
use crate::draw::scale::Unit;
use crate::draw::shape::{Area, Shape};
use crate::draw::theme::Theme;
use crate::state::live::Live;

/// What a plot is made from.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    pub live: &'a Live,
    pub view: &'a View,
    /// The answer to what [`Plot::source`] names.
    pub fetched: &'a Value,
}

impl<'a> Data<'a> {
    /// The workers in natural order of their names.
    pub fn workers(&self) -> Vec<&'a Worker> {
        let workers = self.live.workers.as_deref().unwrap_or_default();
        let order = sorted((0..workers.len()).collect(), &|a, b| {
            let (a, b) = (&workers[a], &workers[b]);
            natural(&a.name, &b.name).then_with(|| a.address.cmp(&b.address))
        });
        order.into_iter().map(|at| &workers[at]).collect()
    }
}

/// Numbers of things in the order of these: one sort for all that is sorted, because each kind would be kilobytes.
pub fn sorted(mut numbers: Vec<usize>, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    numbers.sort_by(|a, b| order(*a, *b));
    numbers
}

/// Room for a plot, CSS pixels, and the colours around it.
#[derive(Clone, Copy)]
pub struct Room<'a> {
    pub width: f64,
    pub height: f64,
    pub theme: &'a Theme,
}

/// What the pointer finds at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Tip {
    /// A row of the table.
    Row(usize),
    Words(String),
}

/// A plot, ready to be painted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// CSS pixels; more than the room's is scrolled.
    pub height: f64,
    pub shapes: Vec<Shape>,
    /// The later lies above the earlier.
    pub spots: Vec<(Area, Tip)>,
}

/// A value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Not known.
    Nothing,
    Text(String),
    Number(f64),
}

impl Cell {
    pub fn say(&self, unit: Unit) -> String {
        match self {
            Self::Nothing => "\u{2013}".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Number(value) => unit.say(*value),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Number(value as f64)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

/// A column's title and what its numbers measure.
pub type Column = (&'static str, Unit);

/// The numbers of a plot; a row's first cell names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: &'static [Column],
    pub rows: Vec<Vec<Cell>>,
    /// Of all rows.
    pub totals: Vec<Cell>,
}

/// A number of the header: its words, what it counts, and whether it is bad.
pub type Figure = (String, &'static str, bool);

/// How a plot is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// As a picture, with the table behind a button.
    Canvas,
    Table,
    /// As [`Plot::list`] writes it.
    List,
}

/// What a plot is without the scheduler's `feed`, which a site may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The same.
    Unused,
    /// Less.
    Helps,
    /// Nothing.
    Needed,
}

/// What a plot lets the user choose, beside what all have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// One worker instead of all; the words for all.
    pub worker: Option<&'static str>,
    /// One of [`Plot::choices`]; the words for none.
    pub choice: Option<&'static str>,
    /// Words to look for.
    pub search: bool,
}

/// One kind of plot.
pub trait Plot: Sync {
    fn body(&self) -> Body {
        Body::Canvas
    }

    fn topics(&self) -> Topics;

    /// What is asked for instead of told: a path below the cluster's.
    fn source(&self, _view: &View) -> Option<String> {
        None
    }

    fn controls(&self) -> Controls {
        Controls::default()
    }

    fn choices(&self, _data: &Data<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Whether a click lets what it meets fill the plot.
    fn zooms(&self) -> bool {
        false
    }

    /// Whether its axis is time, which can be zoomed and pulled along.
    fn is_over_time(&self) -> bool {
        false
    }

    /// Where the axis of a plot over time lies in so many CSS pixels of width, once there is something to show.
    fn time(&self, _data: &Data<'_>, _width: f64) -> Option<TimeSpan> {
        None
    }

    fn table(&self, data: &Data<'_>) -> Table;

    fn picture(&self, _data: &Data<'_>, _room: Room<'_>) -> Picture {
        Picture::default()
    }

    fn list(&self, _data: &Data<'_>, _change: &Callback<Change>) -> Html {
        Html::default()
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure>;

    /// Colours as CSS writes them, and what they mean.
    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn feed(&self) -> Feed {
        Feed::Unused
    }

    /// A title and a sentence where there is nothing to show though all is well.
    fn empty(&self) -> (&'static str, &'static str) {
        (
            "No workers",
            "This cluster has no workers at the moment. Scale it, or wait for those that are starting.",
        )
    }
}

/// The plot of that name; the two that are panes of their own have none.
pub fn find(name: &str) -> Option<&'static dyn Plot> {
    Some(match name {
        "progress" => &progress::Progress,
        "cluster-memory" => &cluster_memory::ClusterMemory,
        "workers-memory" => &memory::WorkersMemory,
        "processing" => &bars::PROCESSING,
        "cpu" => &bars::CPU,
        "occupancy" => &bars::OCCUPANCY,
        "workers" => &workers::Workers,
        "timeseries-cpu" => &timeseries::CPU,
        "timeseries-memory" => &timeseries::MEMORY,
        "timeseries-network" => &timeseries::NETWORK,
        "timeseries-disk" => &timeseries::DISK,
        "timeseries-workers" => &timeseries::WORKERS,
        "errors" => &errors::Errors,
        "profile" => &profile::Profile,
        "task-groups" => &task_groups::TaskGroups,
        "cluster-map" => &cluster_map::ClusterMap,
        "logs" => &logs::Logs,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::PLOTS;

    #[test]
    fn every_name_has_its_plot() {
        for (name, _) in PLOTS {
            assert_eq!(
                find(name).is_none(),
                matches!(name, "status" | "task-stream"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_table_has_as_many_cells_as_columns() {
        let live = Live::told(|live| live.workers = Some(vec![Worker::default()].into()));
        let data = Data {
            live: &live,
            view: &View::default(),
            fetched: &Value::Null,
        };
        for (name, _) in PLOTS {
            let table = find(name).map(|plot| plot.table(&data)).unwrap_or_default();
            for row in table
                .rows
                .iter()
                .chain(Some(&table.totals).filter(|row| !row.is_empty()))
            {
                assert_eq!(row.len(), table.columns.len(), "{name}");
            }
        }
    }
}
