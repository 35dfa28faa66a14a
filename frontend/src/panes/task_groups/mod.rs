//! Task groups: what was computed from what, and how far each is.

mod layout;

use protocol::live::{StateCounts, Topics};
use serde_json::Value;

use super::hue;
use super::plot::{Cell, Column, Data, Figure, Picture, Plot, Room, Table, Tip};
use super::progress::{ENTRY, Entry, LEGEND, entry};
use super::view::View;
use crate::draw::scale::Unit;
use crate::draw::shape::{Area, Shape};
use layout::Layout;

/// Measures of the boxes, CSS pixels.
const WIDEST: f64 = 220.0;
const NARROWEST: f64 = 56.0;
const BETWEEN: f64 = 40.0;
const CLOSEST: f64 = 14.0;
const ROW: f64 = ENTRY + 10.0;
const SIDE: f64 = 16.0;
const TOP: f64 = 12.0;

pub struct TaskGroups;

/// A group, as the server tells it.
struct Group<'a> {
    name: &'a str,
    prefix: &'a str,
    color: u8,
    counts: StateCounts,
    needs: Vec<usize>,
    bytes: f64,
    seconds: f64,
}

fn groups(fetched: &Value) -> Vec<Group<'_>> {
    let list = fetched["groups"].as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
        .map(|group| {
            let of = |state: &str| group["counts"][state].as_u64().unwrap_or_default();
            let needs = group["needs"].as_array().map_or(&[][..], Vec::as_slice);
            Group {
                name: group["name"].as_str().unwrap_or_default(),
                prefix: group["prefix"].as_str().unwrap_or_default(),
                color: group["color"].as_u64().unwrap_or_default() as u8,
                counts: StateCounts {
                    released: of("released"),
                    waiting: of("waiting"),
                    queued: of("queued"),
                    no_worker: of("no_worker"),
                    processing: of("processing"),
                    memory: of("memory"),
                    erred: of("erred"),
                },
                needs: needs
                    .iter()
                    .filter_map(|place| place.as_u64().map(|place| place as usize))
                    .filter(|place| *place < list.len())
                    .collect(),
                bytes: group["bytes"].as_f64().unwrap_or_default(),
                seconds: group["seconds"].as_f64().unwrap_or_default(),
            }
        })
        .collect()
}

const COLUMNS: [Column; 12] = [
    ("Group", Unit::Text),
    ("Prefix", Unit::Text),
    ("Done", Unit::Count),
    ("All", Unit::Count),
    ("In memory", Unit::Some),
    ("Processing", Unit::Some),
    ("Queued", Unit::Some),
    ("Waiting", Unit::Some),
    ("Erred", Unit::Some),
    ("Results", Unit::Bytes),
    ("Work", Unit::Seconds),
    ("Needs", Unit::Text),
];

/// Where boxes and lines lie.
struct Places {
    layout: Layout,
    /// Width of a box, and from one column to the next, CSS pixels.
    width: f64,
    step: f64,
}

impl Places {
    fn new(groups: &[Group<'_>], width: f64) -> Self {
        let needs: Vec<_> = groups.iter().map(|group| group.needs.clone()).collect();
        let layout = Layout::new(&needs);
        let columns = layout.columns.max(1) as f64;
        let step = ((width - 2.0 * SIDE + CLOSEST) / columns).clamp(NARROWEST + CLOSEST, WIDEST + BETWEEN);
        let between = (step * 0.18).clamp(CLOSEST, BETWEEN);
        Self {
            layout,
            width: step - between,
            step,
        }
    }

    fn area(&self, at: usize) -> Area {
        let cell = self.layout.cells[at];
        let (x, y) = (cell.column as f64 * self.step, cell.row as f64 * ROW);
        Area::new(SIDE + x, TOP + y, self.width, ENTRY)
    }
}

impl Plot for TaskGroups {
    fn topics(&self) -> Topics {
        Topics::default()
    }

    fn source(&self, _view: &View) -> Option<String> {
        Some("groups".to_owned())
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let groups = groups(data.fetched);
        let row = |group: &Group<'_>| -> Vec<Cell> {
            let needs: Vec<_> = group.needs.iter().map(|place| groups[*place].name).collect();
            let counts = &group.counts;
            vec![
                group.name.into(),
                group.prefix.into(),
                counts.done().into(),
                counts.all().into(),
                counts.memory.into(),
                counts.processing.into(),
                counts.queued.into(),
                counts.waiting.into(),
                counts.erred.into(),
                group.bytes.into(),
                group.seconds.into(),
                Cell::Text(needs.join(", ")),
            ]
        };
        Table {
            columns: &COLUMNS,
            rows: groups.iter().map(row).collect(),
            totals: Vec::new(),
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let groups = groups(data.fetched);
        let places = Places::new(&groups, room.width);
        let mut picture = Picture::default();
        for (at, group) in groups.iter().enumerate() {
            let to = places.area(at);
            for needed in &group.needs {
                picture.shapes.push(line(places.area(*needed), to, room));
            }
        }
        for (at, group) in groups.iter().enumerate() {
            let area = places.area(at);
            let behind = Area::new(area.x - 6.0, area.y - 3.0, area.w + 12.0, ROW - 6.0);
            picture
                .shapes
                .push(Shape::Bar(behind, room.theme.background, true, true));
            let shown = Entry {
                name: group.prefix,
                color: hue::of_name(group.color, room.theme.dark),
                counts: &group.counts,
            };
            entry(&mut picture.shapes, &shown, area, room);
            picture.spots.push((behind, Tip::Row(at)));
        }
        picture.height = room.height.max(2.0 * TOP + ROW * places.layout.rows as f64);
        picture
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let groups = groups(data.fetched);
        if groups.is_empty() {
            return Vec::new();
        }
        let edges: usize = groups.iter().map(|group| group.needs.len()).sum();
        let mut figures = vec![
            (Unit::Count.say(groups.len() as f64), "groups", false),
            (Unit::Count.say(edges as f64), "dependencies", false),
        ];
        let left_out = data.fetched["left_out"].as_f64().unwrap_or_default();
        if left_out > 0.0 {
            figures.push((Unit::Count.say(left_out), "older or forgotten", false));
        }
        figures
    }

    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        LEGEND
    }

    fn empty(&self) -> (&'static str, &'static str) {
        (
            "No tasks",
            "The scheduler holds no tasks at the moment. Run something on this cluster, then refresh.",
        )
    }
}

/// From what is needed to what needs it.
fn line(from: Area, to: Area, room: Room<'_>) -> Shape {
    let (x0, y0) = (from.x + from.w + 6.0, from.y + from.h / 2.0);
    let (x1, y1) = (to.x - 6.0, to.y + to.h / 2.0);
    let reach = ((x1 - x0) / 2.0).clamp(4.0, 12.0);
    Shape::Line {
        points: vec![(x0, y0), (x0 + reach, y0), (x1 - reach, y1), (x1, y1)],
        color: room.theme.muted,
        width: 1.0,
    }
}

#[cfg(test)]
mod tests {
    use protocol::inspect::{TaskGroup, TaskGroups as Answer};

    use super::*;
    use crate::draw::theme::Theme;
    use crate::state::live::Live;

    fn answer() -> Value {
        let group = |name: &str, needs: &[u32]| TaskGroup {
            name: format!("{name}-1"),
            prefix: name.to_owned(),
            counts: StateCounts {
                memory: 3,
                waiting: 1,
                ..StateCounts::default()
            },
            needs: needs.to_vec(),
            bytes: 24,
            seconds: 1.5,
            ..TaskGroup::default()
        };
        let answer = Answer {
            groups: vec![group("load", &[]), group("clean", &[0]), group("sum", &[1, 0])],
            left_out: 2,
        };
        serde_json::to_value(&answer).expect("JSON")
    }

    #[test]
    fn boxes_and_lines_are_where_they_belong() {
        let (fetched, view, live) = (answer(), View::default(), Live::default());
        let data = Data {
            live: &live,
            view: &view,
            fetched: &fetched,
        };
        let theme = Theme::default();
        for width in [260.0, 900.0, 3000.0] {
            let room = Room {
                width,
                height: 300.0,
                theme: &theme,
            };
            let picture = TaskGroups.picture(&data, room);
            let lines = picture
                .shapes
                .iter()
                .filter(|shape| matches!(shape, Shape::Line { .. }));
            assert_eq!((lines.count(), picture.spots.len()), (3, 3));
            let lefts: Vec<_> = picture.spots.iter().map(|(area, _)| area.x).collect();
            assert!(lefts.is_sorted_by(|a, b| a < b), "{lefts:?}");
            let right = picture.spots.iter().map(|(area, _)| area.x + area.w);
            assert!(right.fold(0.0, f64::max) <= width, "{width}");
        }
        let table = TaskGroups.table(&data);
        assert_eq!(table.rows[2][11], "clean-1, load-1".into());
        assert_eq!(
            (&table.rows[0][2], &table.rows[0][3]),
            (&3_u64.into(), &4_u64.into())
        );
        let said: Vec<_> = TaskGroups.figures(&data).into_iter().map(|(n, ..)| n).collect();
        assert_eq!(said, ["3", "3", "2"], "groups, dependencies, older ones");
    }
}
