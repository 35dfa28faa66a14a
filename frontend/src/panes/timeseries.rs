//! CPU, memory, network and disk of all workers together: over the last hour, or over a recording.

use plotters::prelude::*;
use protocol::live::{Sample, Topics};

use super::hue;
use super::plot::{Cell, Column, Data, Figure, Picture, Plot, Room, Table, Tip};
use super::stretch::{Stretch, TimeSpan};
use crate::draw::scale::{Scale, UP, Unit};
use crate::draw::shape::{Area, Shape};
use crate::state::live::Live;

/// How far back the plots reach, microseconds.
const SPAN_US: i64 = 3_600_000_000;
/// Shorter than this the axis is never, microseconds.
const LEAST_US: i64 = 60_000_000;
/// A longer pause between two samples is a gap in the line, microseconds.
const GAP_US: i64 = 15_000_000;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 28.0;

/// NaN where it is not known.
type Value = fn(&Sample) -> f64;

/// One line: its colour, and how to get it.
struct Line(RGBColor, Value);

pub struct TimeSeries {
    unit: Unit,
    columns: &'static [Column],
    /// In the order of the columns behind the time.
    lines: &'static [Line],
    /// What the lines can reach, where that is known.
    limit: Value,
    legend: &'static [(&'static str, &'static str)],
}

/// Dashed, as its line is: the colour alone is nearly that of what is spilled.
const LIMIT: (&str, &str) = (
    "repeating-linear-gradient(90deg, var(--jp-ui-font-color2) 0 4px, transparent 4px 6px) center / 100% 2px no-repeat",
    "all that there is",
);
const AT: Column = ("Time", Unit::Time);

pub static CPU: TimeSeries = TimeSeries {
    unit: Unit::Percent,
    columns: &[AT, ("CPU", Unit::Percent)],
    lines: &[Line(hue::BLUE, |sample| sample.cpu.into())],
    limit: |sample| 100.0 * f64::from(sample.threads),
    legend: &[(hue::CSS_BLUE, "of one core, all workers together"), LIMIT],
};

pub static MEMORY: TimeSeries = TimeSeries {
    unit: Unit::Bytes,
    columns: &[
        AT,
        ("Stored", Unit::Bytes),
        ("Managed", Unit::Bytes),
        ("Spilled", Unit::Bytes),
    ],
    lines: &[
        Line(hue::BLUE, |sample| sample.memory as f64),
        Line(hue::GREEN, |sample| sample.managed as f64),
        Line(hue::GRAY, |sample| sample.spilled as f64),
    ],
    limit: |sample| sample.memory_limit as f64,
    legend: &[
        (hue::CSS_BLUE, "stored in memory"),
        (hue::CSS_GREEN, "managed"),
        (hue::CSS_GRAY, "spilled to disk"),
        LIMIT,
    ],
};

pub static NETWORK: TimeSeries = TimeSeries {
    unit: Unit::Rate,
    columns: &[AT, ("Read", Unit::Rate), ("Write", Unit::Rate)],
    lines: &[
        Line(hue::RED, |sample| sample.net_read.into()),
        Line(hue::BLUE, |sample| sample.net_write.into()),
    ],
    limit: |_| 0.0,
    legend: &[(hue::CSS_RED, "read"), (hue::CSS_BLUE, "written")],
};

pub static DISK: TimeSeries = TimeSeries {
    unit: Unit::Rate,
    columns: &[AT, ("Read", Unit::Rate), ("Write", Unit::Rate)],
    lines: &[
        Line(hue::RED, |sample| sample.disk_read.into()),
        Line(hue::BLUE, |sample| sample.disk_write.into()),
    ],
    limit: |_| 0.0,
    legend: &[(hue::CSS_RED, "read"), (hue::CSS_BLUE, "written")],
};

/// Present beside asked for, where that is known: a recording does not hold it.
pub static WORKERS: TimeSeries = TimeSeries {
    unit: Unit::Count,
    columns: &[AT, ("Asked for", Unit::Count), ("Present", Unit::Count)],
    // Where both are the same, those that are there are seen.
    lines: &[
        Line(hue::GRAY, |sample| sample.asked.map_or(f64::NAN, f64::from)),
        Line(hue::BLUE, |sample| sample.workers.into()),
    ],
    limit: |_| 0.0,
    legend: &[(hue::CSS_GRAY, "asked for"), (hue::CSS_BLUE, "present")],
};

/// First and last moment that can be shown: the last hour, or a whole recording.
fn whole(live: &Live) -> Option<(i64, i64)> {
    let (first, last) = (live.samples.front()?.at_us, live.samples.back()?.at_us);
    let from = match live.span {
        Some(_) => first,
        None => first.max(last - SPAN_US),
    };
    Some((from.min(last - LEAST_US), last))
}

/// The samples that are shown, oldest first, with one before and one behind, to which the lines lead.
fn recent<'a>(data: &Data<'a>) -> Vec<&'a Sample> {
    let samples = &data.live.samples;
    let Some(whole) = whole(data.live) else {
        return Vec::new();
    };
    let (from, to) = Stretch::of(data.view.stretch, whole);
    let beyond = usize::from(data.view.stretch.is_some());
    let first = samples
        .partition_point(|sample| sample.at_us < from)
        .saturating_sub(beyond);
    let end = samples.partition_point(|sample| sample.at_us <= to) + beyond;
    samples.range(first..end.min(samples.len())).collect()
}

/// The sample that the figures are of: the latest, or that of the recording's moment.
fn shown(live: &Live) -> Option<&Sample> {
    let until = live.at.unwrap_or(i64::MAX);
    let after = live.samples.partition_point(|sample| sample.at_us <= until);
    live.samples.get(after.checked_sub(1)?)
}

/// Indices of the samples that are drawn: of those on one pixel the largest. Pixels are counted from the epoch, so that
/// a line keeps its form while it moves.
fn reduced(samples: &[&Sample], value: Value, us_per_px: f64) -> Vec<usize> {
    let px = |at: usize| (samples[at].at_us as f64 / us_per_px).floor();
    let mut kept: Vec<usize> = Vec::new();
    for at in 0..samples.len() {
        match kept.last_mut() {
            Some(last) if px(*last) == px(at) => {
                if value(samples[at]) > value(samples[*last]) {
                    *last = at;
                }
            }
            _ => kept.push(at),
        }
    }
    kept
}

/// Ends a line, whose points go to the right, where the plot ends: what lies beyond stays out of it, but leads there.
fn cut(line: &mut Vec<(f64, f64)>, left: f64, right: f64) {
    let between = |a: (f64, f64), b: (f64, f64), x: f64| (x, a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0));
    let first = line.partition_point(|point| point.0 < left);
    if first > 0 {
        if let Some(inside) = line.get(first).copied() {
            line[first - 1] = between(line[first - 1], inside, left);
            line.drain(..first - 1);
        } else {
            line.clear();
        }
    }
    let end = line.partition_point(|point| point.0 <= right);
    if let Some(beyond) = line.get(end).copied() {
        line.truncate(end);
        if let Some(inside) = line.last().copied() {
            line.push(between(inside, beyond, right));
        }
    }
}

impl Plot for TimeSeries {
    fn topics(&self) -> Topics {
        Topics {
            series: true,
            ..Topics::default()
        }
    }

    fn is_over_time(&self) -> bool {
        true
    }

    fn time(&self, data: &Data<'_>, width: f64) -> Option<TimeSpan> {
        let whole = whole(data.live)?;
        Some(TimeSpan {
            whole,
            shown: Stretch::of(data.view.stretch, whole),
            left: LEFT,
            width: (width - LEFT - RIGHT).max(1.0),
        })
    }

    /// The latest first.
    fn table(&self, data: &Data<'_>) -> Table {
        let row = |sample: &&Sample| {
            let mut cells = vec![(sample.at_us as f64).into()];
            cells.extend(self.lines.iter().map(|line| {
                let value = (line.1)(sample);
                if value.is_nan() {
                    Cell::Nothing
                } else {
                    value.into()
                }
            }));
            cells
        };
        Table {
            columns: self.columns,
            rows: recent(data).iter().rev().map(row).collect(),
            totals: Vec::new(),
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let samples = recent(data);
        let mut picture = Picture {
            height: room.height,
            ..Picture::default()
        };
        let (Some(last), Some(time)) = (samples.last(), self.time(data, room.width)) else {
            return picture;
        };
        let plot = Area::new(time.left, TOP, time.width, (room.height - TOP - BOTTOM).max(1.0));
        let values = samples
            .iter()
            .flat_map(|sample| self.lines.iter().map(|line| (line.1)(sample)));
        let highest = values.fold(0.0, f64::max);
        let limit = (self.limit)(last);
        let most = highest.max(limit) * 1.04;
        let x = Scale::time(time.shown.0 as f64, time.shown.1 as f64, plot.w);
        let y = Scale::new(self.unit, most, plot.h, UP);
        let base = plot.y + plot.h;
        picture.shapes.push(Shape::Axes {
            area: plot,
            x: x.clone(),
            y: y.clone(),
        });
        let us_per_px = (x.to - x.from) / plot.w;
        for (n, Line(color, value)) in self.lines.iter().enumerate() {
            let points: Vec<_> = reduced(&samples, *value, us_per_px)
                .into_iter()
                .filter(|at| !value(samples[*at]).is_nan())
                .map(|at| {
                    let sample = samples[at];
                    let point = (
                        x.place(sample.at_us as f64, plot.x, plot.w),
                        y.place(value(sample), base, -plot.h),
                    );
                    (sample.at_us, point)
                })
                .collect();
            for part in points.chunk_by(|a, b| b.0 - a.0 <= GAP_US) {
                let mut line: Vec<(f64, f64)> = Vec::with_capacity(part.len());
                for (_, point) in part {
                    // There is nothing between two counts.
                    if let Some((_, level)) = line.last().filter(|_| self.unit == Unit::Count) {
                        line.push((point.0, *level));
                    }
                    line.push(*point);
                }
                cut(&mut line, plot.x, plot.x + plot.w);
                let (Some((left, _)), Some((right, _))) = (line.first().copied(), line.last().copied())
                else {
                    continue;
                };
                if n == 0 && self.lines.len() != 2 {
                    let mut under = line.clone();
                    under.extend([(right, base), (left, base)]);
                    picture.shapes.push(Shape::Fill(under, color.mix(0.12)));
                }
                if line.len() == 1 {
                    line.push((right + 1.0, line[0].1));
                }
                picture.shapes.push(Shape::Line {
                    points: line,
                    color: color.mix(1.0),
                    width: 1.5,
                });
            }
        }
        if limit > 0.0 {
            let level = y.place(limit, base, -plot.h);
            picture
                .shapes
                .push(Shape::Dashes((plot.x, level), plot.w, room.theme.muted));
        }
        if let Some(at_us) = data.live.at.map(|at_us| at_us as f64)
            && (x.from..=x.to).contains(&at_us)
        {
            let place = x.place(at_us, plot.x, plot.w);
            picture.shapes.push(Shape::Line {
                points: vec![(place, plot.y), (place, base)],
                color: room.theme.ink,
                width: 1.0,
            });
        }
        // Each sample is found from half way to its neighbours.
        let places: Vec<_> = reduced(&samples, |sample| sample.at_us as f64, us_per_px)
            .into_iter()
            .map(|at| (at, x.place(samples[at].at_us as f64, plot.x, plot.w)))
            .filter(|(_, place)| (plot.x..=plot.x + plot.w).contains(place))
            .collect();
        for (n, (at, place)) in places.iter().enumerate() {
            let left = if n > 0 {
                f64::midpoint(places[n - 1].1, *place)
            } else {
                plot.x
            };
            let right = places
                .get(n + 1)
                .map_or(plot.x + plot.w + RIGHT, |(_, next)| f64::midpoint(*next, *place));
            let area = Area::new(left, 0.0, right - left, room.height);
            picture.spots.push((area, Tip::Row(samples.len() - 1 - at)));
        }
        picture
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let Some(last) = shown(data.live) else {
            return Vec::new();
        };
        let named = self.lines.iter().zip(self.legend);
        let mut figures: Vec<_> = named
            .filter(|(line, _)| !(line.1)(last).is_nan())
            .map(|(line, (_, name))| (self.unit.say((line.1)(last)), *name, false))
            .collect();
        let limit = (self.limit)(last);
        if limit > 0.0 {
            figures.push((self.unit.say(limit), "limit", false));
        }
        figures
    }

    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        self.legend
    }

    fn empty(&self) -> (&'static str, &'static str) {
        (
            "No samples yet",
            "A line begins as soon as the workers have said how they are.",
        )
    }
}

#[cfg(test)]
mod tests;
