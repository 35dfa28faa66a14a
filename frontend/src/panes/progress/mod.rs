//! Progress: tasks by key prefix and state, with Dask's bars.

pub mod segments;

use plotters::prelude::*;
use protocol::live::{StateCounts, TimeLeft, Topics};

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
/// Room that a digit of a bar's figures takes, and between them and its name, CSS pixels.
const DIGIT: f64 = 6.5;
const BESIDE: f64 = 12.0;

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

const TABLE: [Column; 11] = [
    ("Prefix", Unit::Text),
    ("Done", Unit::Count),
    ("All", Unit::Count),
    ("Left", Unit::Seconds),
    ("Released", Unit::Some),
    ("In memory", Unit::Some),
    ("Erred", Unit::Some),
    ("Processing", Unit::Some),
    ("Queued", Unit::Some),
    ("Without a worker", Unit::Some),
    ("Waiting", Unit::Some),
];

fn row(name: &str, counts: &StateCounts, left: Option<u32>) -> Vec<Cell> {
    let mut cells = vec![
        name.into(),
        counts.done().into(),
        counts.all().into(),
        left.into(),
    ];
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
        let mut table = Table {
            columns: &TABLE,
            ..Table::default()
        };
        if let Some(progress) = data.live.progress.as_deref() {
            let prefixes = progress.prefixes.iter().enumerate();
            table.rows = prefixes
                .map(|(n, prefix)| row(&prefix.name, &prefix.counts, progress.left(n)))
                .collect();
            table.totals = row("Total", &progress.totals, progress.left.all);
        }
        table
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let mut picture = Picture::default();
        let Some(progress) = data.live.progress.as_deref() else {
            return picture;
        };
        let grid = Grid::new(progress.prefixes.len(), room.width);
        for (n, prefix) in progress.prefixes.iter().enumerate() {
            let (x, y) = grid.place(n);
            let shown = Entry {
                name: &prefix.name,
                color: hue::of_name(prefix.color, room.theme.dark),
                counts: &prefix.counts,
            };
            bar(
                &mut picture.shapes,
                &shown,
                progress.left(n),
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

    /// Dask's title of the plot: all, and how many in each state. Behind them what is left.
    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let progress = data.live.progress.as_deref();
        let totals = progress.map_or_else(StateCounts::default, |progress| progress.totals);
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
        if let Some(left) = progress.and_then(|progress| progress.left.all) {
            figures.push((TimeLeft::in_words(left), "left", false));
        }
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
    bar(shapes, of, None, at, room);
}

/// The same with the seconds that are left, where the name has room beside them.
fn bar(shapes: &mut Vec<Shape>, of: &Entry<'_>, left: Option<u32>, at: Area, room: Room<'_>) {
    let width = |text: &str| text.chars().count() as f64 * DIGIT;
    let mut figures = format!("{} / {}", count(of.counts.done()), count(of.counts.all()));
    if let Some(left) = left {
        let longer = format!("{} left \u{b7} {figures}", TimeLeft::in_words(left));
        if width(of.name) + width(&longer) + BESIDE <= at.w {
            figures = longer;
        }
    }
    let taken = width(&figures);
    let middle = at.y + LABEL * 0.65;
    shapes.push(Shape::Text {
        x: at.x,
        y: middle,
        text: of.name.to_owned(),
        color: room.theme.ink,
        align: Align::Left,
        room: at.w - taken - BESIDE,
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

    /// What is shown of one prefix in so many CSS pixels of width: the pane's picture, its table and its figures.
    fn shown(counts: StateCounts, left: TimeLeft, width: f64) -> (Vec<Shape>, Table, Vec<Figure>) {
        let prefix = protocol::live::PrefixProgress {
            name: "inc".into(),
            color: 3,
            counts,
        };
        let progress = protocol::live::Progress {
            prefixes: vec![prefix],
            totals: counts,
            left,
        };
        let live = Live::told(|live| live.progress = Some(progress.into()));
        let data = Data {
            live: &live,
            view: &View::default(),
            fetched: &serde_json::Value::Null,
        };
        let room = Room {
            width,
            height: 400.0,
            theme: &Theme::default(),
        };
        let shapes = Progress.picture(&data, room).shapes;
        (shapes, Progress.table(&data), Progress.figures(&data))
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        let counts = StateCounts {
            memory: 3,
            erred: 1,
            waiting: 4,
            ..StateCounts::default()
        };
        let (shapes, table, _) = shown(counts, TimeLeft::default(), 832.0);
        let widths: Vec<_> = shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Bar(area, ..) => Some(area.w),
                _ => None,
            })
            .collect();
        assert_eq!(widths, [800.0, 300.0, 100.0]);
        assert_eq!(table.rows[0][1..3], [4_u64.into(), 8_u64.into()]);
    }

    #[test]
    fn what_is_left_stands_beside_the_figures_where_there_is_room() {
        let counts = StateCounts {
            memory: 400,
            waiting: 600,
            ..StateCounts::default()
        };
        let left = || TimeLeft {
            all: Some(180),
            prefixes: vec![Some(12)],
        };
        let texts = |shapes: Vec<Shape>| -> Vec<_> {
            let text = |shape| match shape {
                Shape::Text { text, .. } => Some(text),
                _ => None,
            };
            shapes.into_iter().filter_map(text).collect()
        };
        let (shapes, table, figures) = shown(counts, left(), 832.0);
        assert_eq!(texts(shapes), ["inc", "12 s left \u{b7} 400 / 1\u{202f}000"]);
        let at = table
            .columns
            .iter()
            .position(|(title, _)| *title == "Left")
            .expect("a column");
        let said = |row: &[Cell]| row[at].say(table.columns[at].1);
        assert_eq!(
            (said(&table.rows[0]), said(&table.totals)),
            ("12 s".into(), "3 m 0 s".into())
        );
        assert_eq!(figures.last(), Some(&("3 m".to_owned(), "left", false)));

        let (shapes, ..) = shown(counts, left(), 160.0);
        assert_eq!(texts(shapes), ["inc", "400 / 1\u{202f}000"], "no room");
        let (shapes, table, figures) = shown(counts, TimeLeft::default(), 832.0);
        assert_eq!(texts(shapes), ["inc", "400 / 1\u{202f}000"], "not known");
        assert_eq!(
            (&table.rows[0][at], &table.totals[at]),
            (&Cell::Nothing, &Cell::Nothing)
        );
        assert!(figures.iter().all(|(_, what, _)| *what != "left"));
    }
}
