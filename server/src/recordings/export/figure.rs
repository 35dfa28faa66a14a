//! The task stream as a picture: plotters draws axes and words in a bundled font, `timeline` the rectangles.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use timeline::{Columns, Painter, Rgba, View};

use super::super::reader::DataError;
use super::scene::Scene;
use crate::clock::utc;

/// Margins around the rectangles, pixels: words stand there.
pub(super) const LEFT: u32 = 110;
pub(super) const RIGHT: u32 = 190;
pub(super) const TOP: u32 = 56;
pub(super) const BOTTOM: u32 = 46;

/// Least distance of two labels, pixels.
const LABEL_EVERY: u32 = 15;
pub(super) const TICK_EVERY: f64 = 110.0;

/// Prefixes in the legend.
const LEGEND: usize = 24;

pub(super) const FONT: &str = "sans-serif";
pub(super) const INK: RGBColor = RGBColor(40, 44, 52);
pub(super) const FAINT: RGBColor = RGBColor(225, 228, 232);

/// A figure that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the figure could not be drawn: {0}")]
pub(super) struct FigureError(String);

impl From<FigureError> for DataError {
    fn from(error: FigureError) -> Self {
        Self::Io(std::io::Error::other(error))
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> FigureError {
    FigureError(error.to_string())
}

/// Registers the bundled font, once.
pub(super) fn font() -> Result<(), FigureError> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let font = epaint_default_fonts::UBUNTU_LIGHT;
        plotters::style::register_font(FONT, FontStyle::Normal, font).is_ok()
    });
    done.then_some(())
        .ok_or_else(|| failed("the bundled font can't be read"))
}

/// Where the rectangles are, pixels.
struct Layout {
    width: u32,
    height: u32,
    view: View,
    rows: Vec<u16>,
}

impl Layout {
    fn new(scene: &Scene, (width, height): (u32, u32)) -> Self {
        let width = width.saturating_sub(LEFT + RIGHT).max(50);
        let (from, to) = scene.range;
        Self {
            width,
            height: height.saturating_sub(TOP + BOTTOM).max(50),
            view: View::fit(from as f64, (to.max(from + 1)) as f64, width),
            rows: scene.rows(),
        }
    }

    /// First and last pixel line of a row, a line free between rows that are high enough.
    fn lines(&self, row: usize) -> std::ops::Range<u32> {
        let at = |row: usize| (u64::from(self.height) * row as u64 / self.rows.len().max(1) as u64) as u32;
        let (begin, end) = (at(row), at(row + 1));
        begin..end.max(begin + 1).min(self.height) - u32::from(end > begin + 4)
    }

    /// Straight-alpha pixels of all rows; where there are more rows than lines, later ones lie over earlier ones.
    fn raster(&self, scene: &Scene) -> Vec<Rgba> {
        let colors = scene.colors();
        let columns = Columns::new(&self.view);
        let width = self.width as usize;
        let mut pixels = vec![[0; 4]; width * self.height as usize];
        let mut painter = Painter::default();
        let mut line = vec![[0; 4]; width];
        for (row, lane) in self.rows.iter().enumerate() {
            line.fill([0; 4]);
            painter.paint(&scene.timeline, *lane, &columns, 0..width, &colors, &mut line);
            for y in self.lines(row) {
                let target = &mut pixels[y as usize * width..][..width];
                for (target, source) in target.iter_mut().zip(&line) {
                    if source[3] >= target[3] {
                        *target = *source;
                    }
                }
            }
        }
        pixels
    }
}

/// The figure as PNG.
pub(super) fn png(scene: &Scene, size: (u32, u32)) -> Result<Vec<u8>, FigureError> {
    font()?;
    let layout = Layout::new(scene, size);
    let (width, height) = size;
    let mut buffer = vec![255; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut buffer, size).into_drawing_area();
        draw(&area, scene, &layout)?;
        area.present().map_err(failed)?;
    }
    for (at, source) in layout.raster(scene).iter().enumerate() {
        let (x, y) = (at % layout.width as usize, at / layout.width as usize);
        let target = ((y + TOP as usize) * width as usize + x + LEFT as usize) * 3;
        let alpha = u32::from(source[3]);
        for channel in 0..3 {
            let under = u32::from(buffer[target + channel]);
            let mixed = (u32::from(source[channel]) * alpha + under * (255 - alpha)) / 255;
            buffer[target + channel] = mixed as u8;
        }
    }
    encode(&buffer, size, png::ColorType::Rgb)
}

/// The figure as SVG; the rectangles are a picture in it, since a million elements open nowhere.
pub(super) fn svg(scene: &Scene, size: (u32, u32)) -> Result<String, FigureError> {
    font()?;
    let layout = Layout::new(scene, size);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area, scene, &layout)?;
        area.present().map_err(failed)?;
    }
    let pixels = layout.raster(scene).concat();
    let picture = encode(&pixels, (layout.width, layout.height), png::ColorType::Rgba)?;
    let end = text
        .rfind("</svg>")
        .ok_or_else(|| failed("the drawing has no end"))?;
    text.truncate(end);
    text.push_str(&format!(
        "<image x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\" style=\"image-rendering:pixelated\" \
         href=\"data:image/png;base64,{}\"/>\n</svg>\n",
        layout.width,
        layout.height,
        STANDARD.encode(picture)
    ));
    Ok(text)
}

fn encode(pixels: &[u8], (width, height): (u32, u32), color: png::ColorType) -> Result<Vec<u8>, FigureError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Everything but the rectangles.
fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    scene: &Scene,
    layout: &Layout,
) -> Result<(), FigureError> {
    area.fill(&WHITE).map_err(failed)?;
    let (left, top) = (LEFT as i32, TOP as i32);
    let (right, bottom) = (left + layout.width as i32, top + layout.height as i32);
    let words = |size: u32, h: HPos, v: VPos| {
        TextStyle::from((FONT, size).into_font())
            .color(&INK)
            .pos(Pos::new(h, v))
    };
    let text = |words: &str, style: &TextStyle<'_>, at: (i32, i32)| {
        area.draw(&Text::new(words.to_owned(), at, style.clone()))
            .map_err(failed)
    };
    let title = words(20, HPos::Left, VPos::Center);
    let small = words(12, HPos::Left, VPos::Center);
    text(
        &format!("Task Stream \u{b7} {}", clip(&scene.title, 60)),
        &title,
        (left, 18),
    )?;
    let facts = format!(
        "Tasks: {} \u{b7} erred: {} \u{b7} threads: {} \u{b7} from {} UTC",
        scene.tasks,
        scene.erred,
        scene.lanes.len(),
        utc(scene.range.0)
    );
    text(&facts, &small, (left, 40))?;

    let under = words(12, HPos::Center, VPos::Top);
    let (from, to) = scene.range;
    let step = step_us(layout.view.us_per_px() * TICK_EVERY);
    let mut tick = from.div_euclid(step) * step;
    while tick <= to {
        let x = left + layout.view.x_of(tick).round() as i32;
        if (left..=right).contains(&x) {
            let line = PathElement::new(vec![(x, top), (x, bottom)], FAINT);
            area.draw(&line).map_err(failed)?;
            text(&clock(tick, step), &under, (x, bottom + 8))?;
        }
        tick += step;
    }
    let frame = Rectangle::new([(left - 1, top - 1), (right, bottom)], FAINT);
    area.draw(&frame).map_err(failed)?;

    let beside = words(11, HPos::Right, VPos::Center);
    let mut free_from = 0;
    let mut previous = None;
    for (row, lane) in layout.rows.iter().enumerate() {
        let name = &scene.lanes[usize::from(*lane)].name;
        let lines = layout.lines(row);
        // A worker's name stands at its first thread.
        if previous.replace(name) != Some(name) && lines.start >= free_from {
            text(
                &clip(name, 16),
                &beside,
                (left - 8, top + (lines.start + lines.end) as i32 / 2),
            )?;
            free_from = lines.start + LABEL_EVERY;
        }
    }

    for (row, prefix) in scene.by_time().into_iter().take(LEGEND).enumerate() {
        let y = top + 6 + row as i32 * 18;
        if y > bottom {
            break;
        }
        let [r, g, b, _] = timeline::Colors::prefix(prefix.color);
        let square = Rectangle::new(
            [(right + 14, y - 5), (right + 24, y + 5)],
            RGBColor(r, g, b).filled(),
        );
        area.draw(&square).map_err(failed)?;
        text(&clip(&prefix.name, 24), &small, (right + 30, y))?;
    }
    Ok(())
}

pub(super) fn clip(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let head: String = text.chars().take(chars - 1).collect();
    format!("{head}\u{2026}")
}

/// The step that a clock has, at least that long.
pub(super) fn step_us(least: f64) -> i64 {
    const SECOND: i64 = 1_000_000;
    let clock = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200,
    ];
    let mut decimal = 1;
    while decimal < SECOND {
        for factor in [1, 2, 5] {
            if (decimal * factor) as f64 >= least {
                return decimal * factor;
            }
        }
        decimal *= 10;
    }
    let found = clock
        .into_iter()
        .map(|s| s * SECOND)
        .find(|step| *step as f64 >= least);
    found.unwrap_or_else(|| ((least / 86_400e6).ceil() as i64).max(1) * 86_400 * SECOND)
}

/// The time of day, UTC, as exact as the steps are.
pub(super) fn clock(us: i64, step: i64) -> String {
    let second = us.div_euclid(1_000_000).rem_euclid(86_400);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = us.rem_euclid(1_000_000);
    match step {
        60_000_000.. => format!("{h:02}:{m:02}"),
        1_000_000.. => format!("{h:02}:{m:02}:{s:02}"),
        1_000.. => format!("{h:02}:{m:02}:{s:02}.{:03}", fraction / 1_000),
        _ => format!("{h:02}:{m:02}:{s:02}.{fraction:06}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_a_clock() {
        assert_eq!(step_us(3.0), 5);
        assert_eq!(step_us(400_000.0), 500_000);
        assert_eq!(step_us(7e6), 10_000_000);
        assert_eq!(step_us(3e9), 3_600_000_000);
        assert_eq!(step_us(1e11), 2 * 86_400_000_000);
        assert_eq!(clock(3_600_500_000, 500_000), "01:00:00.500");
    }
}
