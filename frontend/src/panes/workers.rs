//! Workers: all that is known of each, in the columns of Dask's own table and more.

use protocol::live::{Topics, Worker};

use super::bars;
use super::memory::{figures, share, sum};
use super::plot::{Body, Cell, Column, Controls, Data, Feed, Figure, Plot, Table};
use crate::draw::scale::Unit;

pub struct Workers;

const COLUMNS: [Column; 27] = [
    ("Name", Unit::Text),
    ("Address", Unit::Text),
    ("Status", Unit::Text),
    ("Threads", Unit::Count),
    ("CPU", Unit::Percent),
    ("Memory", Unit::Bytes),
    ("Limit", Unit::Bytes),
    ("Memory %", Unit::Percent),
    ("Managed", Unit::Bytes),
    ("Unmanaged old", Unit::Bytes),
    ("Unmanaged recent", Unit::Bytes),
    ("Spilled", Unit::Bytes),
    ("File descriptors", Unit::Count),
    ("Net read", Unit::Rate),
    ("Net write", Unit::Rate),
    ("Disk read", Unit::Rate),
    ("Disk write", Unit::Rate),
    ("Executing", Unit::Count),
    ("Ready", Unit::Count),
    ("In memory", Unit::Count),
    ("Processing", Unit::Count),
    ("Occupancy", Unit::Seconds),
    ("Transfers in", Unit::Count),
    ("Bytes in", Unit::Bytes),
    ("Transfers out", Unit::Count),
    ("Bytes out", Unit::Bytes),
    ("Event loop", Unit::Seconds),
];

/// Columns that add up to a number that means something.
const FIRST_SUM: usize = 3;

fn row(worker: &Worker) -> Vec<Cell> {
    let memory = &worker.memory;
    vec![
        worker.name.as_str().into(),
        worker.address.as_str().into(),
        worker.status.as_str().into(),
        worker.threads.into(),
        worker.cpu.into(),
        memory.process.into(),
        Some(memory.limit).filter(|limit| *limit > 0).into(),
        share(memory),
        memory.managed.into(),
        memory.unmanaged_old.into(),
        memory.unmanaged_recent.into(),
        memory.spilled.into(),
        worker.fds.into(),
        worker.net_read.into(),
        worker.net_write.into(),
        worker.disk_read.into(),
        worker.disk_write.into(),
        worker.executing.into(),
        worker.ready.into(),
        worker.in_memory.into(),
        worker.processing.into(),
        worker.occupancy.into(),
        worker.incoming.into(),
        worker.incoming_bytes.into(),
        worker.outgoing.into(),
        worker.outgoing_bytes.into(),
        worker.event_loop_interval.into(),
    ]
}

impl Plot for Workers {
    fn body(&self) -> Body {
        Body::Table
    }

    fn topics(&self) -> Topics {
        bars::TOPICS
    }

    fn feed(&self) -> Feed {
        Feed::Helps
    }

    fn controls(&self) -> Controls {
        Controls {
            search: true,
            ..Controls::default()
        }
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let workers = data.workers();
        let rows: Vec<_> = workers.iter().map(|worker| row(worker)).collect();
        let mut totals: Vec<Cell> = vec![format!("Total ({})", workers.len()).as_str().into()];
        totals.extend((1..COLUMNS.len()).map(|column| match COLUMNS[column].0 {
            "Memory %" => share(&sum(&workers)),
            "Event loop" => Cell::Nothing,
            _ if column < FIRST_SUM => "".into(),
            _ => {
                let numbers = rows.iter().filter_map(|row| match row[column] {
                    Cell::Number(number) => Some(number),
                    _ => None,
                });
                numbers.reduce(|a, b| a + b).into()
            }
        }));
        Table {
            columns: &COLUMNS,
            rows,
            totals,
        }
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let workers = data.live.workers.as_deref().unwrap_or_default();
        let mut all = vec![(Unit::Count.say(workers.len() as f64), "workers", false)];
        all.extend(figures(data));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panes::memory::tests::worker;
    use crate::panes::view::View;
    use crate::state::live::Live;

    #[test]
    fn a_row_has_every_column_and_the_totals_add_up() {
        let live = Live::told(|live| {
            live.workers = Some(
                vec![
                    worker("w-10", 100, 50, 25),
                    Worker {
                        occupancy: Some(1.5),
                        ..worker("w-9", 200, 0, 0)
                    },
                ]
                .into(),
            )
        });
        let table = Workers.table(&Data {
            live: &live,
            view: &View::default(),
            fetched: &serde_json::Value::Null,
        });
        let column = |name: &str| {
            let at = COLUMNS.iter().position(|(known, _)| *known == name);
            at.expect("a column")
        };
        assert!(table.rows.iter().all(|row| row.len() == COLUMNS.len()));
        assert_eq!(table.totals.len(), COLUMNS.len());
        assert_eq!(table.rows[0][0], "w-9".into());
        assert_eq!(table.totals[0], "Total (2)".into());
        assert_eq!(table.totals[column("Memory")], Cell::Number(375.0));
        assert_eq!(table.totals[column("Memory %")], Cell::Number(18.75));
        assert_eq!(table.totals[column("Occupancy")], Cell::Number(1.5));
        assert_eq!(table.totals[column("Processing")], Cell::Nothing);
        assert_eq!(table.rows[1][column("Occupancy")], Cell::Nothing);
    }
}
