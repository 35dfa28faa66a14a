//! Worker Memory: a bar for each worker with Dask's parts and colours; a histogram past 100 workers.

use plotters::prelude::*;
use protocol::live::{Topics, Worker, WorkerMemory};

use super::bars::{self, Bar};
use super::hue;
use super::plot::{Cell, Column, Data, Figure, Picture, Plot, Room, Table};
use crate::draw::scale::Unit;

/// Shares of its limit from which Dask shows a worker's memory in orange and in red.
const HIGH: f64 = 0.60;
const FULL: f64 = 0.95;

pub struct WorkersMemory;

/// A part's name, how to get it, and its opacity, 0 for what is not in memory.
type Part = (&'static str, fn(&WorkerMemory) -> u64, f64);

/// Parts of a worker's memory from left to right, as Dask stacks them.
pub const PARTS: [Part; 4] = [
    ("Managed", |memory| memory.managed, 1.0),
    ("Unmanaged", |memory| memory.unmanaged_old, 0.7),
    ("Unmanaged recent", |memory| memory.unmanaged_recent, 0.4),
    ("Spilled", |memory| memory.spilled, 0.0),
];

pub const LEGEND: [(&str, &str); 6] = [
    (hue::CSS_BLUE, "managed"),
    (hue::CSS_BLUE_70, "unmanaged"),
    (hue::CSS_BLUE_40, "unmanaged, recent"),
    (hue::CSS_GRAY, "spilled to disk"),
    (hue::CSS_ORANGE, "from 60 % of the limit"),
    (hue::CSS_RED, "from 95 %, or paused"),
];

/// Dask's colour of a worker's memory.
pub fn tone(worker: &Worker) -> RGBColor {
    let share = worker.memory.process as f64 / worker.memory.limit.max(1) as f64;
    match worker.memory.limit {
        _ if worker.status != "running" => hue::RED,
        0 => hue::BLUE,
        _ if share >= FULL => hue::RED,
        _ if share >= HIGH => hue::ORANGE,
        _ => hue::BLUE,
    }
}

/// The parts of a memory, each with its colour.
pub fn parts(memory: &WorkerMemory, tone: RGBColor) -> Vec<(f64, RGBAColor)> {
    PARTS
        .iter()
        .map(|(_, of, alpha)| {
            let color = if *alpha > 0.0 {
                tone.mix(*alpha)
            } else {
                hue::GRAY.mix(1.0)
            };
            (of(memory) as f64, color)
        })
        .collect()
}

/// All workers' memories together.
pub fn sum(workers: &[&Worker]) -> WorkerMemory {
    let add = |of: fn(&WorkerMemory) -> u64| workers.iter().map(|worker| of(&worker.memory)).sum();
    WorkerMemory {
        limit: add(|memory| memory.limit),
        process: add(|memory| memory.process),
        managed: add(|memory| memory.managed),
        unmanaged_old: add(|memory| memory.unmanaged_old),
        unmanaged_recent: add(|memory| memory.unmanaged_recent),
        spilled: add(|memory| memory.spilled),
    }
}

/// What is stored, of how much, and what of it lies on disk.
pub fn figures(data: &Data<'_>) -> Vec<Figure> {
    let all = sum(&data.workers());
    let mut figures = vec![(Unit::Bytes.say(all.process as f64), "stored", false)];
    if all.limit > 0 {
        figures.push((Unit::Bytes.say(all.limit as f64), "limit", false));
    }
    if all.spilled > 0 {
        figures.push((Unit::Bytes.say(all.spilled as f64), "on disk", false));
    }
    figures
}

pub fn share(memory: &WorkerMemory) -> Cell {
    (memory.limit > 0)
        .then(|| 100.0 * memory.process as f64 / memory.limit as f64)
        .into()
}

const COLUMNS: [Column; 9] = [
    ("Worker", Unit::Text),
    ("Address", Unit::Text),
    ("Stored", Unit::Bytes),
    ("Managed", Unit::Bytes),
    ("Unmanaged", Unit::Bytes),
    ("Unmanaged recent", Unit::Bytes),
    ("Spilled", Unit::Bytes),
    ("Limit", Unit::Bytes),
    ("Of limit", Unit::Percent),
];

fn row(name: &str, address: &str, memory: &WorkerMemory) -> Vec<Cell> {
    let mut cells = vec![name.into(), address.into(), memory.process.into()];
    cells.extend(PARTS.iter().map(|(_, of, _)| of(memory).into()));
    cells.extend([
        Some(memory.limit).filter(|limit| *limit > 0).into(),
        share(memory),
    ]);
    cells
}

impl Plot for WorkersMemory {
    fn topics(&self) -> Topics {
        bars::TOPICS
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let workers = data.workers();
        Table {
            columns: &COLUMNS,
            rows: workers
                .iter()
                .map(|worker| row(&worker.name, &worker.address, &worker.memory))
                .collect(),
            totals: row("Total", "", &sum(&workers)),
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let workers = data.workers();
        let list: Vec<_> = workers
            .iter()
            .map(|worker| Bar {
                name: &worker.name,
                parts: parts(&worker.memory, tone(worker)),
            })
            .collect();
        let most = workers
            .iter()
            .map(|worker| {
                let memory = &worker.memory;
                memory.limit.max(memory.process + memory.spilled)
            })
            .max();
        bars::picture(&list, Unit::Bytes, most.unwrap_or_default() as f64, room)
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        figures(data)
    }

    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        &LEGEND
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A worker with a memory in bytes of 1000.
    pub fn worker(name: &str, managed: u64, unmanaged_old: u64, unmanaged_recent: u64) -> Worker {
        Worker {
            name: name.into(),
            address: format!("tls://{name}"),
            status: "running".into(),
            threads: 2,
            memory: WorkerMemory {
                limit: 1000,
                process: managed + unmanaged_old + unmanaged_recent,
                managed,
                unmanaged_old,
                unmanaged_recent,
                spilled: 5,
            },
            ..Worker::default()
        }
    }

    #[test]
    fn colours_are_dasks() {
        assert_eq!(tone(&worker("a", 100, 300, 199)), hue::BLUE);
        assert_eq!(tone(&worker("a", 100, 300, 200)), hue::ORANGE);
        assert_eq!(tone(&worker("a", 650, 300, 0)), hue::RED);
        let paused = Worker {
            status: "paused".into(),
            ..worker("a", 1, 1, 1)
        };
        assert_eq!(tone(&paused), hue::RED);
        let mut free = worker("a", 1, 1, 1);
        free.memory.limit = 0;
        assert_eq!((tone(&free), share(&free.memory)), (hue::BLUE, Cell::Nothing));
    }

    #[test]
    fn parts_add_up_to_what_is_stored() {
        let worker = worker("a", 100, 50, 25);
        let parts = parts(&worker.memory, hue::BLUE);
        let stored: f64 = parts[..3].iter().map(|(bytes, _)| bytes).sum();
        assert_eq!(stored, worker.memory.process as f64);
        assert_eq!(parts[3], (5.0, hue::GRAY.mix(1.0)));
        assert_eq!(sum(&[&worker, &worker]).limit, 2000);
    }
}
