use super::*;
use crate::draw::theme::Theme;
use crate::panes::view::View;

fn live(samples: impl Iterator<Item = (i64, u64)>) -> Live {
    let samples = samples.map(|(s, memory)| Sample {
        at_us: 1_795_334_646_000_000 + s * 1_000_000,
        memory,
        memory_limit: 1000,
        ..Sample::default()
    });
    Live::told(|live| live.samples = samples.collect())
}

fn data<'a>(live: &'a Live, view: &'a View) -> Data<'a> {
    Data {
        live,
        view,
        fetched: &serde_json::Value::Null,
    }
}

#[test]
fn of_samples_on_one_pixel_the_highest_is_drawn() {
    let live = live((0..100).map(|s| (s, if s == 42 { 900 } else { 10 })));
    let view = View::default();
    let samples = recent(&data(&live, &view));
    let kept = reduced(&samples, |sample| sample.memory as f64, 10e6);
    assert!((10..=11).contains(&kept.len()), "{}", kept.len());
    assert!(kept.contains(&42));
}

#[test]
fn only_the_last_hour_is_kept() {
    let live = live((0..4000).map(|s| (s * 2, 1)));
    let view = View::default();
    let table = MEMORY.table(&data(&live, &view));
    assert_eq!(table.rows.len(), 1801);
    let newest = live.samples.back().map(|last| last.at_us as f64);
    assert_eq!(table.rows[0][0], newest.into());
}

#[test]
fn a_recording_is_shown_whole_and_its_moment_marked() {
    let mut live = live((0..4000).map(|s| (s * 2, s as u64)));
    let first = live.samples[0].at_us;
    live.span = Some((first, first + 8_000_000_000));
    live.at = Some(first + 2_001_000_000);
    let view = View::default();
    assert_eq!(MEMORY.table(&data(&live, &view)).rows.len(), 4000);
    assert_eq!(shown(&live).map(|sample| sample.memory), Some(1_000));
    let theme = Theme::default();
    let room = Room {
        width: 600.0,
        height: 300.0,
        theme: &theme,
    };
    let marks = |live: &Live| {
        let upright = |shape: &Shape| match shape {
            Shape::Line { points, .. } => points.len() == 2 && points[0].0 == points[1].0,
            _ => false,
        };
        let shapes = MEMORY.picture(&data(live, &view), room).shapes;
        shapes.into_iter().filter(upright).count()
    };
    assert_eq!(marks(&live), 1);
    live.at = None;
    assert_eq!(marks(&live), 0);
}

#[test]
fn a_stretch_is_shown_with_the_lines_that_lead_out_of_it() {
    let live = live((0..1000).map(|s| (s, s as u64)));
    let first = live.samples[0].at_us;
    let view = View {
        stretch: Some(Stretch {
            length_us: 20_500_000,
            end_us: Some(first + 120_250_000),
        }),
        ..View::default()
    };
    let data = data(&live, &view);
    // 100 to 120, and one at each side.
    assert_eq!(MEMORY.table(&data).rows.len(), 23);
    let theme = Theme::default();
    let room = Room {
        width: 596.0,
        height: 300.0,
        theme: &theme,
    };
    let picture = MEMORY.picture(&data, room);
    let blue = picture.shapes.iter().find_map(|shape| match shape {
        Shape::Line { points, color, .. } if *color == hue::BLUE.mix(1.0) => Some(points),
        _ => None,
    });
    let blue = blue.expect("a line");
    assert_eq!((blue[0].0, blue[blue.len() - 1].0), (LEFT, 596.0 - RIGHT));
    assert!(
        blue.is_sorted_by(|a, b| a.0 < b.0 && a.1 > b.1),
        "it rises as before"
    );
    assert_eq!(picture.spots.len(), 21);
}

#[test]
fn workers_that_nobody_is_known_to_have_asked_for_are_no_line() {
    let view = View::default();
    let theme = Theme::default();
    let room = Room {
        width: 600.0,
        height: 300.0,
        theme: &theme,
    };
    let with = |asked: Option<u32>| {
        let mut live = live((0..10).map(|s| (s, 0)));
        for sample in &mut live.samples {
            (sample.workers, sample.asked) = (2, asked);
        }
        let data = data(&live, &view);
        let shapes = WORKERS.picture(&data, room).shapes;
        let lines = shapes
            .iter()
            .filter(|shape| matches!(shape, Shape::Line { .. }))
            .count();
        let cell = WORKERS.table(&data).rows[0][1].clone();
        (lines, cell, WORKERS.figures(&data).len())
    };
    assert_eq!(with(Some(4)), (2, Cell::Number(4.0), 2));
    assert_eq!(with(None), (1, Cell::Nothing, 1));
}

#[test]
fn the_limit_looks_like_no_line_of_what_is_used() {
    let live = live((0..10).map(|s| (s, 5)));
    let theme = Theme::default();
    let room = Room {
        width: 600.0,
        height: 300.0,
        theme: &theme,
    };
    let shapes = MEMORY.picture(&data(&live, &View::default()), room).shapes;
    let count = |which: fn(&Shape) -> bool| shapes.iter().filter(|shape| which(shape)).count();
    assert_eq!(count(|shape| matches!(shape, Shape::Dashes(..))), 1);
    assert_eq!(count(|shape| matches!(shape, Shape::Line { .. })), 3);
    let looks: Vec<_> = MEMORY.legend().iter().map(|(look, _)| look).collect();
    assert!(
        looks
            .iter()
            .all(|look| looks.iter().filter(|other| other == &look).count() == 1)
    );
}

#[test]
fn a_pause_is_a_gap() {
    let steady = live((0..20).map(|s| (s, 5)));
    let broken = live((0..20).map(|s| (if s < 10 { s } else { s + 60 }, 5)));
    let theme = Theme::default();
    let room = Room {
        width: 600.0,
        height: 300.0,
        theme: &theme,
    };
    let view = View::default();
    let lines = |live: &Live| {
        let picture = MEMORY.picture(&data(live, &view), room);
        let found = picture.shapes.iter().filter(|shape| match shape {
            Shape::Line { color, .. } => *color == hue::BLUE.mix(1.0),
            _ => false,
        });
        found.count()
    };
    assert_eq!((lines(&steady), lines(&broken)), (1, 2));
}
