//! Progress: tasks by key prefix and state, with Dask's bars.

pub mod segments;

use plotters::prelude::*;
use protocol::live::{StateCounts, Topics};

use super::hue;
use super::plot::{Cell, Column, Data, Feed, Figure, Picture, Plot, Room, Table, Tip};
use crate::draw::scale::Unit;
use crate::draw::shape::{Align, Area, LABEL, Shape};
use crate::draw::units::count;
pub use segments::states;
use segments::{Part, segments};

/// Measures of a bar with its text, CSS pixels.
pub(super) const ENTRY: f64 = 40.0;
const BAR_TOP: f64 = 19.0;
const BAR: f64 = 11.0;
/// Between columns, and at the sides.
const GAP: f64 = 28.0;
const SIDE: f64 = 16.0;
const TOP: f64 = 10.0;
/// Least width of a column, CSS pixels.
const COLUMN: f64 = 280.0;
const COLUMNS: usize = 3;
/// Room that a digit of a bar's figures takes, CSS pixels.
const DIGIT: f64 = 6.5;

/// Where the bars lie: columns are filled from top to bottom, as in Dask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
    /// CSS pixels.
    column: f64,
}

impl Grid {
    /// For `entries` bars in `width` CSS pixels.
    pub fn new(entries: usize, width: f64) -> Self {
        let fitting = ((width - 2.0 * SIDE + GAP) / (COLUMN + GAP)).floor().max(1.0) as usize;
        // A second column only once the first one is longer than a glance.
        let columns = fitting.min(COLUMNS).min(entries.div_ceil(4)).max(1);
        let column = ((width - 2.0 * SIDE - GAP * (columns - 1) as f64) / columns as f64).max(40.0);
        Self {
            rows: entries.div_ceil(columns),
            columns,
            column,
        }
    }

    /// Height of all, CSS pixels.
    pub fn height(&self) -> f64 {
        2.0 * TOP + ENTRY * self.rows as f64
    }

    /// Upper left corner of a bar with its text, CSS pixels.
    fn place(&self, n: usize) -> (f64, f64) {
        let (column, row) = (n / self.rows.max(1), n % self.rows.max(1));
        (
            SIDE + column as f64 * (self.column + GAP),
            TOP + row as f64 * ENTRY,
        )
    }
}

pub struct Progress;

const TABLE: [Column; 10] = [
    ("Prefix", Unit::Text),
    ("Done", Unit::Count),
    ("All", Unit::Count),
    ("Released", Unit::Some),
    ("In memory", Unit::Some),
    ("Erred", Unit::Some),
    ("Processing", Unit::Some),
    ("Queued", Unit::Some),
    ("Without a worker", Unit::Some),
    ("Waiting", Unit::Some),
];

fn row(name: &str, counts: &StateCounts) -> Vec<Cell> {
    let mut cells = vec![name.into(), counts.done().into(), counts.all().into()];
    cells.extend(states(counts).map(|(_, n)| Cell::from(n)));
    cells
}

impl Plot for Progress {
    fn topics(&self) -> Topics {
        Topics {
            progress: true,
            ..Topics::default()
        }
    }

    fn feed(&self) -> Feed {
        Feed::Helps
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let progress = data.live.progress.as_deref();
        Table {
            columns: &TABLE,
            rows: progress
                .into_iter()
                .flat_map(|progress| &progress.prefixes)
                .map(|prefix| row(&prefix.name, &prefix.counts))
                .collect(),
            totals: progress.map_or_else(Vec::new, |progress| row("Total", &progress.totals)),
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let mut picture = Picture::default();
        let prefixes = data
            .live
            .progress
            .as_deref()
            .map_or(&[][..], |progress| &progress.prefixes);
        let grid = Grid::new(prefixes.len(), room.width);
        for (n, prefix) in prefixes.iter().enumerate() {
            let (x, y) = grid.place(n);
            let shown = Entry {
                name: &prefix.name,
                color: hue::of_name(prefix.color, room.theme.dark),
                counts: &prefix.counts,
            };
            entry(
                &mut picture.shapes,
                &shown,
                Area::new(x, y, grid.column, ENTRY),
                room,
            );
            picture
                .spots
                .push((Area::new(x, y, grid.column + GAP, ENTRY), Tip::Row(n)));
        }
        picture.height = grid.height();
        picture
    }

    /// Dask's title of the plot: all, and how many in each state.
    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let totals = data
            .live
            .progress
            .as_deref()
            .map_or_else(StateCounts::default, |progress| progress.totals);
        let mut figures = vec![
            (count(totals.all()), "total", false),
            (count(totals.memory), "in memory", false),
            (count(totals.processing), "processing", false),
            (count(totals.waiting), "waiting", false),
            (count(totals.queued), "queued", false),
        ];
        if totals.no_worker > 0 {
            figures.push((count(totals.no_worker), "without a worker", false));
        }
        figures.push((count(totals.erred), "erred", totals.erred > 0));
        figures
    }

    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        LEGEND
    }

    fn empty(&self) -> (&'static str, &'static str) {
        (
            "No tasks",
            "The scheduler holds no tasks at the moment. Run something on this cluster: each kind of task gets a bar.",
        )
    }
}

/// What the parts of a bar mean.
pub(super) const LEGEND: &[(&str, &str)] = &[
    ("rgb(30 151 138 / 60%)", "released"),
    ("rgb(30 151 138)", "in memory"),
    ("linear-gradient(#000a 8px,var(--jp-error-color1) 0)", "erred"),
    ("rgb(128 128 128 / 45%)", "processing"),
    (
        "repeating-linear-gradient(135deg,#80808073 0 2px,#fff9 2px 4px)",
        "queued",
    ),
    (
        "repeating-linear-gradient(135deg,#ff000059 0 3px,#0009 3px 4px)",
        "without a worker",
    ),
    ("rgb(170 170 170 / 20%)", "waiting"),
];

/// Tasks that are shown as one bar.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    /// Red, green and blue.
    pub(super) color: [u8; 3],
    pub(super) counts: &'a StateCounts,
}

/// Its name, figures and bar.
pub(super) fn entry(shapes: &mut Vec<Shape>, of: &Entry<'_>, at: Area, room: Room<'_>) {
    let figures = format!("{} / {}", count(of.counts.done()), count(of.counts.all()));
    let taken = figures.chars().count() as f64 * DIGIT;
    let middle = at.y + LABEL * 0.65;
    shapes.push(Shape::Text {
        x: at.x,
        y: middle,
        text: of.name.to_owned(),
        color: room.theme.ink,
        align: Align::Left,
        room: at.w - taken - 12.0,
    });
    shapes.push(Shape::label(
        at.x + at.w,
        middle,
        figures,
        room.theme.muted,
        Align::Right,
    ));
    let dark = room.theme.dark;
    let track = Area::new(at.x, at.y + BAR_TOP, at.w, BAR);
    // Dask's background, #aaaaaa at a tenth, is too faint to be seen as a track.
    let ground = RGBColor(0xaa, 0xaa, 0xaa).mix(if dark { 0.16 } else { 0.2 });
    shapes.push(Shape::Bar(track, ground, true, true));
    let [r, g, b] = of.color;
    let own = RGBColor(r, g, b);
    let gray = RGBColor(128, 128, 128);
    for (part, begin, end) in segments(of.counts) {
        // What is there at all is seen.
        let area = Area {
            x: track.x + begin * track.w,
            w: ((end - begin) * track.w).max(1.0),
            ..track
        };
        let color = match part {
            Part::Released => own.mix(0.6),
            Part::Memory => own.mix(1.0),
            Part::Erred => BLACK.mix(if dark { 0.85 } else { 0.5 }),
            Part::Processing | Part::Queued => gray.mix(0.35),
            Part::NoWorker => RED.mix(0.35),
        };
        shapes.push(Shape::Bar(area, color, begin == 0.0, end == 1.0));
        match part {
            Part::Queued => shapes.push(Shape::Hatch(area, WHITE.mix(if dark { 0.5 } else { 0.9 }))),
            Part::NoWorker => shapes.push(Shape::Hatch(area, BLACK.mix(0.6))),
            Part::Erred => {
                // A line below in the theme's colour of errors: black alone is lost on a dark page.
                let line = Area {
                    y: area.y + area.h - 2.0,
                    h: 2.0,
                    ..area
                };
                shapes.push(Shape::Rect(line, room.theme.error));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::theme::Theme;
    use crate::panes::view::View;
    use crate::state::live::Live;

    #[test]
    fn columns_fill_from_the_top() {
        let grid = Grid::new(20, 1000.0);
        assert_eq!((grid.columns, grid.rows), (3, 7));
        assert_eq!(grid.place(7).1, grid.place(0).1);
        assert_eq!(Grid::new(3, 1000.0).columns, 1);
        assert_eq!(Grid::new(30, 300.0).columns, 1);
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        let counts = StateCounts {
            memory: 3,
            erred: 1,
            waiting: 4,
            ..StateCounts::default()
        };
        let prefix = protocol::live::PrefixProgress {
            name: "inc".into(),
            color: 3,
            counts,
        };
        let progress = protocol::live::Progress {
            prefixes: vec![prefix],
            totals: counts,
        };
        let live = Live::told(|live| live.progress = Some(progress.into()));
        let data = Data {
            live: &live,
            view: &View::default(),
            fetched: &serde_json::Value::Null,
        };
        let room = Room {
            width: 832.0,
            height: 400.0,
            theme: &Theme::default(),
        };
        let picture = Progress.picture(&data, room);
        let widths: Vec<_> = picture
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Bar(area, ..) => Some(area.w),
                _ => None,
            })
            .collect();
        assert_eq!(widths, [800.0, 300.0, 100.0]);
        assert_eq!(Progress.table(&data).rows[0][1..3], [4_u64.into(), 8_u64.into()]);
    }
}
