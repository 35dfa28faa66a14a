//! Profile: where the workers' threads spend their time, as a flame graph with the root above.

use plotters::prelude::*;
use protocol::live::Topics;
use serde_json::Value;
use timeline::color_index;

use super::hue;
use super::plot::{Cell, Column, Controls, Data, Figure, Picture, Plot, Room, Table, Tip};
use super::view::View;
use crate::draw::scale::Unit;
use crate::draw::shape::{Align, Area, Shape};
use crate::draw::theme::luminance;
use crate::state::socket::segment;

/// Height of a frame with its gap, CSS pixels.
const ROW: f64 = 20.0;
const SIDE: f64 = 12.0;
const TOP: f64 = 10.0;
/// Frames narrower than this are not drawn, CSS pixels.
const THIN: f64 = 0.7;

pub struct Profile;

/// A function called from one place of the stack; lengths in samples.
struct Frame<'a> {
    depth: u32,
    function: &'a str,
    file: &'a str,
    line: u64,
    count: f64,
    start: f64,
    /// Samples in which it was the innermost.
    own: f64,
}

/// The frames, depth first, with where each begins.
fn frames(fetched: &Value) -> Vec<Frame<'_>> {
    let list = fetched["frames"].as_array().map_or(&[][..], Vec::as_slice);
    let mut frames: Vec<Frame<'_>> = Vec::new();
    // The frames above the next one, and where the next callee of each begins.
    let mut above: Vec<(usize, f64)> = Vec::new();
    for frame in list {
        let depth = frame["depth"].as_u64().unwrap_or_default() as u32;
        let count = frame["count"].as_u64().unwrap_or_default() as f64;
        above.truncate(depth as usize);
        let start = match above.last_mut() {
            Some((caller, free)) => {
                let start = *free;
                *free += count;
                frames[*caller].own -= count;
                start
            }
            None => 0.0,
        };
        above.push((frames.len(), start));
        frames.push(Frame {
            depth,
            function: frame["function"].as_str().unwrap_or_default(),
            file: frame["file"].as_str().unwrap_or_default(),
            line: frame["line"].as_u64().unwrap_or_default(),
            count,
            start,
            own: count,
        });
    }
    frames
}

const COLUMNS: [Column; 6] = [
    ("Function", Unit::Text),
    ("Samples", Unit::Count),
    ("Of all", Unit::Percent),
    ("In itself", Unit::Count),
    ("File", Unit::Text),
    ("Line", Unit::Text),
];

impl Plot for Profile {
    fn topics(&self) -> Topics {
        Topics {
            workers: true,
            progress: true,
            ..Topics::default()
        }
    }

    fn source(&self, view: &View) -> Option<String> {
        Some(format!(
            "profile?worker={}&prefix={}",
            segment(&view.worker),
            segment(&view.choice)
        ))
    }

    fn controls(&self) -> Controls {
        Controls {
            worker: Some("All workers"),
            choice: Some("All prefixes"),
            search: false,
        }
    }

    fn choices(&self, data: &Data<'_>) -> Vec<String> {
        let progress = data.live.progress.as_deref();
        let prefixes = progress.map_or(&[][..], |progress| &progress.prefixes);
        prefixes.iter().map(|prefix| prefix.name.clone()).collect()
    }

    fn zooms(&self) -> bool {
        true
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let frames = frames(data.fetched);
        let all = frames.first().map_or(1.0, |root| root.count.max(1.0));
        let row = |frame: &Frame<'_>| -> Vec<Cell> {
            vec![
                frame.function.into(),
                frame.count.into(),
                (100.0 * frame.count / all).into(),
                frame.own.max(0.0).into(),
                frame.file.into(),
                Some(frame.line)
                    .filter(|line| *line > 0)
                    .map(|line| Cell::Text(line.to_string()))
                    .unwrap_or(Cell::Nothing),
            ]
        };
        Table {
            columns: &COLUMNS,
            rows: frames.iter().map(row).collect(),
            totals: Vec::new(),
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let frames = frames(data.fetched);
        let focus = frames.get(data.view.focus).or(frames.first());
        let mut picture = Picture {
            height: room.height,
            ..Picture::default()
        };
        let Some(focus) = focus.filter(|focus| focus.count > 0.0) else {
            return picture;
        };
        let (from, to) = (focus.start, focus.start + focus.count);
        let width = (room.width - 2.0 * SIDE).max(1.0);
        let place = |samples: f64| SIDE + (samples.clamp(from, to) - from) / focus.count * width;
        let mut deepest = 0;
        for (n, frame) in frames.iter().enumerate() {
            let (x0, x1) = (place(frame.start), place(frame.start + frame.count));
            if x1 - x0 < THIN {
                continue;
            }
            deepest = deepest.max(frame.depth);
            let gap = if x1 - x0 > 4.0 { 1.0 } else { 0.0 };
            let area = Area::new(x0, TOP + ROW * f64::from(frame.depth), x1 - x0 - gap, ROW - 1.0);
            let [r, g, b] = hue::of_name(color_index(frame.file), room.theme.dark);
            // Those above the one that fills the plot are only the way to it.
            let whole = frame.start <= from && frame.start + frame.count >= to && frame.depth < focus.depth;
            let color = if n == 0 {
                room.theme.border
            } else {
                RGBColor(r, g, b).mix(if whole { 0.45 } else { 1.0 })
            };
            picture.shapes.push(Shape::Rect(area, color));
            let ink = match luminance(&color) {
                _ if n == 0 || whole => room.theme.ink,
                light if light > 0.5 => BLACK.mix(0.87),
                _ => WHITE.mix(0.95),
            };
            picture.shapes.push(Shape::Text {
                x: area.x + 5.0,
                y: area.y + area.h / 2.0,
                text: if n == 0 { "everything" } else { frame.function }.to_owned(),
                color: ink,
                align: Align::Left,
                room: area.w - 8.0,
            });
            picture.spots.push((area, Tip::Row(n)));
        }
        picture.height = room.height.max(2.0 * TOP + ROW * f64::from(deepest + 1));
        picture
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let frames = frames(data.fetched);
        let Some(root) = frames.first() else {
            return Vec::new();
        };
        let mut figures = vec![(Unit::Count.say(root.count), "samples", false)];
        let left_out = data.fetched["left_out"].as_f64().unwrap_or_default();
        if left_out > 0.0 {
            figures.push((Unit::Count.say(left_out), "small frames left out", false));
        }
        figures
    }

    fn empty(&self) -> (&'static str, &'static str) {
        (
            "No samples yet",
            "Workers look at their threads while tasks run. Run something on this cluster, then refresh.",
        )
    }
}

#[cfg(test)]
mod tests {
    use protocol::inspect::{Profile as Answer, ProfileFrame};

    use super::*;
    use crate::draw::theme::Theme;
    use crate::state::live::Live;

    fn answer() -> Value {
        let frame = |depth, function: &str, count| ProfileFrame {
            depth,
            function: function.into(),
            file: format!("{function}.py"),
            line: 7,
            count,
        };
        let answer = Answer {
            frames: vec![
                frame(0, "root", 100),
                frame(1, "a", 60),
                frame(2, "c", 40),
                frame(2, "d", 10),
                frame(1, "b", 30),
                frame(2, "e", 30),
            ],
            left_out: 2,
        };
        serde_json::to_value(&answer).expect("JSON")
    }

    fn draw(fetched: &Value, focus: usize) -> Picture {
        let view = View {
            focus,
            ..View::default()
        };
        let theme = Theme::default();
        Profile.picture(
            &Data {
                live: &Live::default(),
                view: &view,
                fetched,
            },
            Room {
                width: 1000.0 + 2.0 * SIDE,
                height: 100.0,
                theme: &theme,
            },
        )
    }

    #[test]
    fn callees_lie_below_their_caller() {
        let fetched = answer();
        let starts: Vec<_> = frames(&fetched)
            .iter()
            .map(|frame| (frame.function, frame.start, frame.own))
            .collect();
        assert_eq!(
            starts,
            [
                ("root", 0.0, 10.0),
                ("a", 0.0, 10.0),
                ("c", 0.0, 40.0),
                ("d", 40.0, 10.0),
                ("b", 60.0, 0.0),
                ("e", 60.0, 30.0)
            ]
        );
        let picture = draw(&fetched, 0);
        assert_eq!(picture.spots.len(), 6);
        let (area, tip) = &picture.spots[5];
        assert_eq!(
            (area.x, area.y, tip),
            (SIDE + 600.0, TOP + 2.0 * ROW, &Tip::Row(5))
        );
    }

    #[test]
    fn what_is_clicked_fills_the_plot() {
        let picture = draw(&answer(), 4);
        let rows: Vec<_> = picture.spots.iter().map(|(_, tip)| tip.clone()).collect();
        assert_eq!(rows, [0, 4, 5].map(Tip::Row));
        assert!(
            picture
                .spots
                .iter()
                .all(|(area, _)| area.x == SIDE && area.w > 990.0)
        );
        // A frame that is no longer there is none.
        assert_eq!(draw(&answer(), 99).spots.len(), 6);
        assert_eq!(draw(&Value::Null, 0).spots, []);
    }
}
