//! How far the work was at each moment: finished tasks over time, prefix upon prefix.

use plotters::backend::SVGBackend;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figure::{
    BOTTOM, FAINT, FONT, FigureError, INK, LEFT, RIGHT, TICK_EVERY, TOP, clip, clock, failed, font, step_us,
};
use super::scene::Scene;
use crate::html::count;

/// Moments that are drawn.
const COLUMNS: usize = 160;

/// Prefixes that have an area of their own; the others share one.
const AREAS: usize = 10;
const OTHERS: RGBColor = RGBColor(150, 155, 165);

/// An area of the figure: finished tasks of a prefix at each moment.
struct Area {
    name: String,
    color: RGBColor,
    finished: Vec<u64>,
}

/// The figure as SVG.
pub(super) fn svg(scene: &Scene, (width, height): (u32, u32)) -> Result<String, FigureError> {
    font()?;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let words = |size: u32, h: HPos, v: VPos| {
            TextStyle::from((FONT, size).into_font())
                .color(&INK)
                .pos(Pos::new(h, v))
        };
        let write = |words: String, style: &TextStyle<'_>, at: (i32, i32)| {
            area.draw(&Text::new(words, at, style.clone())).map_err(failed)
        };
        let (left, top) = (LEFT as i32, TOP as i32);
        let (right, bottom) = ((width - RIGHT) as i32, (height - BOTTOM) as i32);
        let title = words(20, HPos::Left, VPos::Center);
        let small = words(12, HPos::Left, VPos::Center);
        let beside = words(12, HPos::Right, VPos::Center);
        let under = words(12, HPos::Center, VPos::Top);
        write("Finished tasks over time".to_owned(), &title, (left, 18))?;

        let (from, to) = scene.range;
        let span = (to - from).max(1) as f64;
        let areas = areas(scene);
        let all: u64 = areas.iter().filter_map(|area| area.finished.last()).sum();
        let y_of = |tasks: u64| bottom - (f64::from(bottom - top) * tasks as f64 / all.max(1) as f64) as i32;
        let x_of = |column: usize| left + (right - left) * column as i32 / COLUMNS as i32;

        let step = whole_step(all);
        for tick in (0..=all / step).map(|tick| tick * step) {
            let y = y_of(tick);
            area.draw(&PathElement::new(vec![(left, y), (right, y)], FAINT))
                .map_err(failed)?;
            write(count(tick), &beside, (left - 8, y))?;
        }
        let step = step_us(span / f64::from(right - left) * TICK_EVERY);
        let mut tick = (from + step - 1).div_euclid(step) * step;
        while tick <= to {
            let x = left + (f64::from(right - left) * (tick - from) as f64 / span) as i32;
            area.draw(&PathElement::new(vec![(x, top), (x, bottom)], FAINT))
                .map_err(failed)?;
            write(clock(tick, step), &under, (x, bottom + 8))?;
            tick += step;
        }

        let mut below = vec![0; COLUMNS + 1];
        for (row, drawn) in areas.iter().enumerate() {
            let above: Vec<u64> = below.iter().zip(&drawn.finished).map(|(a, b)| a + b).collect();
            let line = |tasks: &[u64]| -> Vec<(i32, i32)> {
                let points = tasks.iter().enumerate();
                points
                    .map(|(column, tasks)| (x_of(column), y_of(*tasks)))
                    .collect()
            };
            let mut outline = line(&above);
            outline.extend(line(&below).into_iter().rev());
            area.draw(&Polygon::new(outline, drawn.color.filled()))
                .map_err(failed)?;
            below = above;
            let y = top + 6 + row as i32 * 18;
            let square = Rectangle::new([(right + 14, y - 5), (right + 24, y + 5)], drawn.color.filled());
            area.draw(&square).map_err(failed)?;
            write(clip(&drawn.name, 24), &small, (right + 30, y))?;
        }
        area.present().map_err(failed)?;
    }
    Ok(text)
}

/// The areas from below to above: those with most tasks first.
fn areas(scene: &Scene) -> Vec<Area> {
    let (from, to) = scene.range;
    let span = (to - from).max(1) as f64;
    let mut order: Vec<usize> = (0..scene.prefixes.len()).collect();
    order.sort_by_key(|id| (std::cmp::Reverse(scene.prefixes[*id].tasks), *id));
    let mut area_of = vec![0; order.len()];
    let mut areas: Vec<Area> = Vec::new();
    for (place, id) in order.iter().enumerate() {
        let prefix = &scene.prefixes[*id];
        if place < AREAS {
            let [r, g, b, _] = timeline::Colors::prefix(prefix.color);
            areas.push(Area {
                name: prefix.name.clone(),
                color: RGBColor(r, g, b),
                finished: vec![0; COLUMNS + 1],
            });
        } else if place == AREAS {
            areas.push(Area {
                name: format!("{} others", order.len() - AREAS),
                color: OTHERS,
                finished: vec![0; COLUMNS + 1],
            });
        }
        area_of[*id] = place.min(AREAS);
    }
    for (end, prefix) in &scene.ends {
        let column = ((*end - from) as f64 / span * COLUMNS as f64).ceil();
        let column = (column.max(0.0) as usize).min(COLUMNS);
        areas[area_of[*prefix as usize]].finished[column] += 1;
    }
    for area in &mut areas {
        let mut sum = 0;
        for finished in &mut area.finished {
            sum += *finished;
            *finished = sum;
        }
    }
    areas
}

/// The step of an axis that counts up to `all`: about four of them.
fn whole_step(all: u64) -> u64 {
    let least = all.div_ceil(4).max(1);
    let mut decimal = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            if decimal.saturating_mul(factor) >= least {
                return decimal.saturating_mul(factor);
            }
        }
        decimal = decimal.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_counts_in_round_steps() {
        for (all, step) in [(0, 1), (1, 1), (9, 5), (100, 50), (100_000, 50_000)] {
            assert_eq!(whole_step(all), step, "{all}");
        }
    }
}
