//! A bar for each worker: tasks it processes, its CPU, its occupancy; a histogram where there are too many for bars.

use plotters::prelude::*;
use protocol::live::{Load, Topics, Worker};

use super::hue;
use super::plot::{Cell, Column, Data, Feed, Figure, Picture, Plot, Room, Table, Tip};
use crate::draw::scale::{ACROSS, Scale, UP, Unit};
use crate::draw::shape::{Align, Area, Shape};
use crate::ui::format::short_name;

/// More workers than this are shown as a histogram.
const MANY: usize = 100;
/// Height of a bar with its gap, CSS pixels, at least and at most.
const PITCH: (f64, f64) = (10.0, 56.0);
/// Around the plot, CSS pixels: for names, for the axis, for the last tick's label.
const LEFT: f64 = 72.0;
pub const BOTTOM: f64 = 28.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 10.0;
/// Width of a histogram's bin, CSS pixels, at least.
const BIN: f64 = 22.0;

/// What these plots are told.
pub const TOPICS: Topics = Topics {
    tasks: false,
    progress: false,
    workers: true,
    series: false,
    errors: false,
};

/// A worker's bar: lengths from left to right, each with its colour.
pub struct Bar<'a> {
    pub name: &'a str,
    pub parts: Vec<(f64, RGBAColor)>,
}

impl Bar<'_> {
    fn length(&self) -> f64 {
        self.parts.iter().map(|(length, _)| length).sum()
    }
}

/// Puts lengths one behind the other; gives each that is there its number and where it lies.
pub fn stack(
    picture: &mut Picture,
    parts: &[(f64, RGBAColor)],
    scale: &Scale,
    bar: Area,
) -> Vec<(usize, Area)> {
    let mut before = 0.0;
    let mut places = Vec::new();
    for (n, (length, color)) in parts.iter().enumerate() {
        // Eighths of a pixel: a picture that looks the same is the same.
        let place = |length| (8.0 * scale.place(length, bar.x, bar.w)).round() / 8.0;
        let x = place(before);
        before += length;
        if *length > 0.0 {
            // What is there at all is seen.
            let w = (place(before) - x).max(1.0);
            let area = Area { x, w, ..bar };
            picture.shapes.push(Shape::Rect(area, *color));
            places.push((n, area));
        }
    }
    places
}

/// The bars one below the other on an axis from 0 to `most`; spots are the rows of the table in the same order.
pub fn picture(bars: &[Bar<'_>], unit: Unit, most: f64, room: Room<'_>) -> Picture {
    if bars.len() > MANY {
        let values: Vec<_> = bars.iter().map(Bar::length).collect();
        return histogram(&values, unit, most, room);
    }
    let mut picture = Picture {
        height: room.height,
        ..Picture::default()
    };
    if bars.is_empty() {
        return picture;
    }
    let left = LEFT.min(room.width * 0.25);
    let free = room.height - TOP - BOTTOM;
    let pitch = (free / bars.len() as f64).clamp(PITCH.0, PITCH.1);
    let plot = Area::new(
        left,
        TOP,
        (room.width - left - RIGHT).max(1.0),
        pitch * bars.len() as f64,
    );
    picture.height = plot.h + TOP + BOTTOM;
    let scale = Scale::new(unit, most, plot.w, ACROSS);
    picture.shapes.push(Shape::Axes {
        area: plot,
        x: scale.clone(),
        y: Scale::bare(1.0),
    });
    let gap = (pitch * 0.16).clamp(1.0, 6.0);
    for (n, bar) in bars.iter().enumerate() {
        let line = Area::new(plot.x, plot.y + pitch * n as f64, plot.w, pitch);
        let inner = Area {
            y: line.y + gap / 2.0,
            h: pitch - gap,
            ..line
        };
        stack(&mut picture, &bar.parts, &scale, inner);
        if pitch >= PITCH.0 {
            picture.shapes.push(Shape::Text {
                x: plot.x - 8.0,
                y: line.y + pitch / 2.0,
                text: short_name(bar.name).to_owned(),
                color: room.theme.muted,
                align: Align::Right,
                room: left - 14.0,
            });
        }
        let whole = Area {
            x: 0.0,
            w: room.width,
            ..line
        };
        picture.spots.push((whole, Tip::Row(n)));
    }
    picture
}

/// How many workers have which value.
fn histogram(values: &[f64], unit: Unit, most: f64, room: Room<'_>) -> Picture {
    let plot = Area::new(
        40.0,
        TOP,
        (room.width - 40.0 - RIGHT).max(1.0),
        (room.height - TOP - BOTTOM).max(1.0),
    );
    let mut picture = Picture {
        height: room.height,
        ..Picture::default()
    };
    let x = Scale::new(unit, most, plot.w, ACROSS);
    let bins = (plot.w / BIN).clamp(4.0, 50.0).floor();
    let mut counts = vec![0_u32; bins as usize];
    for value in values {
        let bin = (value / x.to * bins).clamp(0.0, bins - 1.0);
        counts[bin as usize] += 1;
    }
    let highest = counts.iter().max().copied().unwrap_or_default();
    let y = Scale::new(Unit::Count, f64::from(highest) * 1.05, plot.h, UP);
    let (width, base) = (plot.w / bins, plot.y + plot.h);
    let bars = counts.iter().enumerate().filter(|(_, n)| **n > 0);
    let mut shapes = Vec::new();
    for (bin, n) in bars {
        let top = y.place(f64::from(*n), base, -plot.h);
        let area = Area::new(plot.x + bin as f64 * width + 1.0, top, width - 2.0, base - top);
        shapes.push(Shape::Rect(area, hue::BLUE.mix(1.0)));
        let step = x.to / bins;
        let words = format!(
            "{n} workers with {} to {}",
            unit.say(step * bin as f64),
            unit.say(step * (bin as f64 + 1.0))
        );
        let whole = Area {
            y: plot.y,
            h: plot.h,
            ..area
        };
        picture.spots.push((whole, Tip::Words(words)));
    }
    picture.shapes.push(Shape::Axes { area: plot, x, y });
    picture.shapes.extend(shapes);
    picture
}

/// One number of each worker.
pub struct PerWorker {
    name: &'static str,
    unit: Unit,
    columns: &'static [Column],
    value: fn(&Worker) -> Option<f64>,
    /// The longest that a bar can be, where that is known.
    limit: fn(&Worker) -> f64,
    /// Whether the scheduler's view of how busy a worker is gives the colour.
    loaded: bool,
    feed: Feed,
}

const LOAD: [(&str, &str); 3] = [
    (hue::CSS_BLUE, "busy"),
    (hue::CSS_GREEN, "saturated"),
    (hue::CSS_RED, "idle"),
];

const fn columns(name: &'static str, unit: Unit) -> [Column; 5] {
    [
        ("Worker", Unit::Text),
        ("Address", Unit::Text),
        (name, unit),
        ("Threads", Unit::Count),
        ("Load", Unit::Text),
    ]
}

/// Tasks that each worker was given; without the scheduler's feed those that it says to have.
pub static PROCESSING: PerWorker = PerWorker {
    name: "processing",
    unit: Unit::Count,
    columns: &columns("Processing", Unit::Count),
    value: |worker| {
        let own = worker.executing + worker.ready;
        Some(worker.processing.unwrap_or(own).into())
    },
    limit: |worker| worker.threads.into(),
    loaded: true,
    feed: Feed::Helps,
};

pub static CPU: PerWorker = PerWorker {
    name: "of all cores",
    unit: Unit::Percent,
    columns: &columns("CPU", Unit::Percent),
    value: |worker| Some(worker.cpu),
    limit: |worker| 100.0 * f64::from(worker.threads),
    loaded: false,
    feed: Feed::Unused,
};

pub static OCCUPANCY: PerWorker = PerWorker {
    name: "of work expected",
    unit: Unit::Seconds,
    columns: &columns("Occupancy", Unit::Seconds),
    value: |worker| worker.occupancy,
    limit: |_| 0.0,
    loaded: true,
    feed: Feed::Needed,
};

fn load(worker: &Worker) -> &'static str {
    match worker.load {
        None => "",
        Some(Load::Idle) => "idle",
        Some(Load::Normal) => "busy",
        Some(Load::Saturated) => "saturated",
    }
}

/// Dask's colour of a worker by its load.
pub fn load_color(worker: &Worker) -> RGBColor {
    match worker.load {
        Some(Load::Idle) => hue::RED,
        Some(Load::Saturated) => hue::GREEN,
        _ => hue::BLUE,
    }
}

impl Plot for PerWorker {
    fn topics(&self) -> Topics {
        TOPICS
    }

    fn feed(&self) -> Feed {
        self.feed
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let workers = data.workers();
        let row = |worker: &&Worker| -> Vec<Cell> {
            vec![
                worker.name.as_str().into(),
                worker.address.as_str().into(),
                (self.value)(worker).into(),
                worker.threads.into(),
                Some(load(worker)).filter(|load| !load.is_empty()).into(),
            ]
        };
        let threads: u32 = workers.iter().map(|worker| worker.threads).sum();
        Table {
            columns: self.columns,
            rows: workers.iter().map(row).collect(),
            totals: vec![
                "Total".into(),
                "".into(),
                workers
                    .iter()
                    .filter_map(|worker| (self.value)(worker))
                    .sum::<f64>()
                    .into(),
                threads.into(),
                Cell::Nothing,
            ],
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let workers = data.workers();
        let bars: Vec<_> = workers
            .iter()
            .map(|worker| {
                let color = if self.loaded {
                    load_color(worker)
                } else {
                    hue::BLUE
                };
                Bar {
                    name: &worker.name,
                    parts: vec![((self.value)(worker).unwrap_or_default(), color.mix(1.0))],
                }
            })
            .collect();
        let most = workers
            .iter()
            .map(|worker| (self.limit)(worker).max((self.value)(worker).unwrap_or_default()))
            .fold(0.0, f64::max);
        picture(&bars, self.unit, most, room)
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let workers = data.workers();
        let values = workers.iter().filter_map(|worker| (self.value)(worker));
        let all: f64 = values.sum();
        let threads: u32 = workers.iter().map(|worker| worker.threads).sum();
        let said = if self.unit == Unit::Percent {
            self.unit.say(all / f64::from(threads.max(1)))
        } else {
            self.unit.say(all)
        };
        vec![
            (said, self.name, false),
            (Unit::Count.say(workers.len() as f64), "workers", false),
        ]
    }

    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        if self.loaded { &LOAD } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::theme::Theme;
    use crate::panes::memory::tests::worker;
    use crate::panes::view::View;
    use crate::state::live::Live;

    fn draw(live: &Live, plot: &PerWorker, height: f64) -> Picture {
        let data = Data {
            live,
            view: &View::default(),
            fetched: &serde_json::Value::Null,
        };
        let theme = Theme::default();
        plot.picture(
            &data,
            Room {
                width: 400.0,
                height,
                theme: &theme,
            },
        )
    }

    fn workers(n: u32) -> Live {
        let list: Vec<_> = (0..n)
            .rev()
            .map(|n| Worker {
                cpu: 2.0 * f64::from(n % 101),
                processing: Some(n),
                load: Some(if n == 0 { Load::Idle } else { Load::Saturated }),
                ..worker(&n.to_string(), 1, 1, 1)
            })
            .collect();
        Live::told(|live| live.workers = Some(list.into()))
    }

    fn rects(picture: &Picture) -> Vec<(Area, RGBAColor)> {
        let rect = |shape: &Shape| match shape {
            Shape::Rect(area, color) => Some((*area, *color)),
            _ => None,
        };
        picture.shapes.iter().filter_map(rect).collect()
    }

    #[test]
    fn bars_are_as_long_as_their_value_and_in_natural_order() {
        let live = workers(11);
        let picture = draw(&live, &PROCESSING, 400.0);
        let bars = rects(&picture);
        // The first processes nothing and has no bar.
        assert_eq!(bars.len(), 10);
        assert!(
            bars.windows(2)
                .all(|pair| pair[0].0.y < pair[1].0.y && pair[0].0.w < pair[1].0.w)
        );
        assert_eq!(bars[0].1, hue::GREEN.mix(1.0));
        assert_eq!(bars[9].0.w, 400.0 - LEFT - RIGHT);
        assert_eq!(picture.height, 400.0);
        assert_eq!(picture.spots[10].1, Tip::Row(10));
    }

    #[test]
    fn many_bars_are_scrolled_and_more_become_a_histogram() {
        assert!(draw(&workers(100), &CPU, 400.0).height > 400.0);
        let histogram = draw(&workers(101), &CPU, 400.0);
        assert_eq!(histogram.height, 400.0);
        let counted: u32 = histogram
            .spots
            .iter()
            .filter_map(|(_, tip)| match tip {
                Tip::Words(words) => words.split(' ').next()?.parse::<u32>().ok(),
                Tip::Row(_) => None,
            })
            .sum();
        assert_eq!(counted, 101);
    }

    #[test]
    fn without_the_feed_workers_say_what_they_process() {
        let live = Live::told(|live| {
            live.workers = Some(
                vec![Worker {
                    executing: 2,
                    ready: 3,
                    ..worker("a", 1, 1, 1)
                }]
                .into(),
            )
        });
        let data = Data {
            live: &live,
            view: &View::default(),
            fetched: &serde_json::Value::Null,
        };
        assert_eq!(PROCESSING.table(&data).rows[0][2], Cell::Number(5.0));
        assert_eq!(OCCUPANCY.table(&data).rows[0][2], Cell::Nothing);
        assert_eq!((PROCESSING.feed(), OCCUPANCY.feed()), (Feed::Helps, Feed::Needed));
    }
}
