//! Cluster Map: the scheduler in the middle, the workers around it, as large as their memory and as bright as their CPU.

use std::f64::consts::TAU;

use plotters::prelude::*;
use protocol::live::{Topics, Worker};

use super::bars::{self, load_color};
use super::hue;
use super::plot::{Cell, Column, Data, Feed, Figure, Picture, Plot, Room, Table, Tip};
use crate::draw::scale::Unit;
use crate::draw::shape::{Align, Area, Shape};
use crate::ui::format::short_name;

/// Radius of a worker, CSS pixels, at least and at most.
const RADIUS: (f64, f64) = (3.0, 26.0);
const SCHEDULER: f64 = 16.0;
/// Room for names above and below the circle, and beside it, CSS pixels.
const AROUND: f64 = 52.0;
const BESIDE: f64 = 92.0;
/// More names than this would lie on each other.
const NAMED: usize = 48;

pub struct ClusterMap;

const COLUMNS: [Column; 9] = [
    ("Worker", Unit::Text),
    ("Address", Unit::Text),
    ("CPU", Unit::Percent),
    ("Memory", Unit::Bytes),
    ("Processing", Unit::Count),
    ("Transfers in", Unit::Some),
    ("Bytes in", Unit::Bytes),
    ("Transfers out", Unit::Some),
    ("Bytes out", Unit::Bytes),
];

impl Plot for ClusterMap {
    fn topics(&self) -> Topics {
        bars::TOPICS
    }

    fn feed(&self) -> Feed {
        Feed::Helps
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let row = |worker: &&Worker| -> Vec<Cell> {
            vec![
                worker.name.as_str().into(),
                worker.address.as_str().into(),
                worker.cpu.into(),
                worker.memory.process.into(),
                worker
                    .processing
                    .unwrap_or(worker.executing + worker.ready)
                    .into(),
                worker.incoming.into(),
                worker.incoming_bytes.into(),
                worker.outgoing.into(),
                worker.outgoing_bytes.into(),
            ]
        };
        Table {
            columns: &COLUMNS,
            rows: data.workers().iter().map(row).collect(),
            totals: Vec::new(),
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let workers = data.workers();
        let mut picture = Picture {
            height: room.height,
            ..Picture::default()
        };
        if workers.is_empty() {
            return picture;
        }
        let (x, y) = (room.width / 2.0, room.height / 2.0);
        let around = (x - BESIDE).min(y - AROUND).max(30.0);
        let largest = workers
            .iter()
            .map(|worker| worker.memory.process.max(worker.memory.limit))
            .max()
            .unwrap_or_default()
            .max(1) as f64;
        // So many next to each other on the circle.
        let widest = (around * TAU / workers.len() as f64 / 2.2).clamp(RADIUS.0, RADIUS.1);
        let radius = |bytes: u64| widest * (bytes as f64 / largest).sqrt();
        let places: Vec<_> = (0..workers.len())
            .map(|n| {
                let (right, down) = direction(TAU * (n as f64 / workers.len() as f64 - 0.25));
                ((right, down), x + around * right, y + around * down)
            })
            .collect();
        for (worker, (_, to_x, to_y)) in workers.iter().zip(&places) {
            let busy = worker.incoming + worker.outgoing > 0;
            let (color, width) = if busy {
                (hue::RED.mix(0.7), 2.5)
            } else {
                (room.theme.border, 1.0)
            };
            picture.shapes.push(Shape::Line {
                points: vec![(x, y), (*to_x, *to_y)],
                color,
                width,
            });
        }
        picture
            .shapes
            .push(Shape::Disc(x, y, SCHEDULER, room.theme.brand));
        picture.shapes.push(Shape::label(
            x,
            y + SCHEDULER + 11.0,
            "Scheduler",
            room.theme.ink,
            Align::Middle,
        ));
        for (n, (worker, ((right, down), at_x, at_y))) in workers.iter().zip(&places).enumerate() {
            let whole = radius(worker.memory.limit).max(RADIUS.0);
            let cpu = (worker.cpu / 100.0 / f64::from(worker.threads.max(1))).clamp(0.0, 1.0);
            let color = if worker.status == "running" {
                load_color(worker)
            } else {
                hue::ORANGE
            };
            picture
                .shapes
                .push(Shape::Disc(*at_x, *at_y, whole, room.theme.background));
            picture
                .shapes
                .push(Shape::Disc(*at_x, *at_y, whole, color.mix(0.16)));
            picture.shapes.push(Shape::Disc(
                *at_x,
                *at_y,
                radius(worker.memory.process).max(RADIUS.0),
                color.mix(0.45 + 0.55 * cpu),
            ));
            if workers.len() <= NAMED {
                let align = match *right {
                    right if right > 0.3 => Align::Left,
                    right if right < -0.3 => Align::Right,
                    _ => Align::Middle,
                };
                let beside = whole + 8.0;
                picture.shapes.push(Shape::Text {
                    x: at_x + right * beside,
                    y: at_y + down * (beside + 2.0),
                    text: short_name(&worker.name).to_owned(),
                    color: room.theme.muted,
                    align,
                    room: BESIDE - 2.0 * widest,
                });
            }
            let reach = whole.max(8.0);
            let area = Area::new(at_x - reach, at_y - reach, 2.0 * reach, 2.0 * reach);
            picture.spots.push((area, Tip::Row(n)));
        }
        picture
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let workers = data.workers();
        let moving: u32 = workers.iter().map(|worker| worker.incoming).sum();
        let mut figures = vec![(Unit::Count.say(workers.len() as f64), "workers", false)];
        if moving > 0 {
            figures.push((Unit::Count.say(moving.into()), "transfers", false));
        }
        figures
    }

    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (hue::CSS_BLUE, "busy"),
            (hue::CSS_GREEN, "saturated"),
            (hue::CSS_RED, "idle"),
            (hue::CSS_ORANGE, "paused or closing"),
            (
                "linear-gradient(transparent 4px,#e52d2d 4px 6px,transparent 6px)",
                "sends or receives",
            ),
            ("transparent", "size: memory of its limit"),
            ("transparent", "strength: CPU"),
        ]
    }
}

/// Cosine and sine, by the browser where there is one: a library of them would be kilobytes.
fn direction(angle: f64) -> (f64, f64) {
    if cfg!(target_arch = "wasm32") {
        (js_sys::Math::cos(angle), js_sys::Math::sin(angle))
    } else {
        (angle.cos(), angle.sin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::theme::Theme;
    use crate::panes::memory::tests::worker;
    use crate::panes::view::View;
    use crate::state::live::Live;

    #[test]
    fn workers_stand_around_the_scheduler() {
        let mut list = vec![worker("0", 100, 0, 0), worker("1", 900, 0, 0)];
        list[1].incoming = 1;
        let live = Live::told(|live| live.workers = Some(list.into()));
        let theme = Theme::default();
        let picture = ClusterMap.picture(
            &Data {
                live: &live,
                view: &View::default(),
                fetched: &serde_json::Value::Null,
            },
            Room {
                width: 600.0,
                height: 400.0,
                theme: &theme,
            },
        );
        let middles: Vec<_> = picture
            .spots
            .iter()
            .map(|(area, _)| (area.x + area.w / 2.0, area.y + area.h / 2.0))
            .map(|(x, y)| (x.round(), y.round()))
            .collect();
        assert_eq!(middles, [(300.0, 52.0), (300.0, 348.0)]);
        let lines: Vec<_> = picture
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Line { width, .. } => Some(*width),
                _ => None,
            })
            .collect();
        assert_eq!(lines, [1.0, 2.5]);
    }
}
