//! The bars of Progress, painted by plotters.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use protocol::live::{PrefixProgress, Progress};
use timeline::Colors;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::segments::{Part, segments};
use crate::draw::axis::said;
use crate::draw::backend::{Screen, fitting, text_width};
use crate::draw::canvas::{clear, context};
use crate::draw::theme::Theme;
use crate::draw::units::count;

/// Measures of a bar with its text, CSS pixels.
const ENTRY: f64 = 40.0;
const TEXT: f64 = 12.0;
const BAR_TOP: f64 = 19.0;
const BAR: f64 = 11.0;
const ROUND: f64 = 3.0;
/// Between columns, and at the sides.
const GAP: f64 = 28.0;
const SIDE: f64 = 16.0;
const TOP: f64 = 10.0;
/// Least width of a column, CSS pixels.
const COLUMN: f64 = 280.0;
const COLUMNS: usize = 3;
/// A quarter of a circle in steps of 30 degrees: how far from the corner, of the radius. Backwards it is the other axis.
const ARC: [f64; 4] = [0.0, 0.134, 0.5, 1.0];
/// Distance of the lines of a hatch, CSS pixels.
const HATCH: f64 = 6.0;

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

    /// The bar at a place, CSS pixels.
    pub fn at(&self, x: f64, y: f64) -> Option<usize> {
        let (row, column) = (
            ((y - TOP) / ENTRY).floor(),
            ((x - SIDE) / (self.column + GAP)).floor(),
        );
        let inside =
            row >= 0.0 && column >= 0.0 && (row as usize) < self.rows && (column as usize) < self.columns;
        inside.then(|| column as usize * self.rows + row as usize)
    }
}

type Area = DrawingArea<Screen, Shift>;

struct Painter<'a> {
    root: Area,
    context: CanvasRenderingContext2d,
    theme: &'a Theme,
    ratio: f64,
}

/// Paints all bars.
pub fn draw(
    canvas: &HtmlCanvasElement,
    progress: &Progress,
    grid: Grid,
    theme: &Theme,
    ratio: f64,
) -> Result<(), String> {
    let (Some(screen), Some(context)) = (Screen::new(canvas), context(canvas)) else {
        return Err("no canvas to draw on".to_owned());
    };
    clear(&context);
    let painter = Painter {
        root: screen.into_drawing_area(),
        context,
        theme,
        ratio,
    };
    for (n, prefix) in progress.prefixes.iter().enumerate() {
        let (x, y) = grid.place(n);
        painter.entry(prefix, x, y, grid.column)?;
    }
    painter.root.present().map_err(said)
}

impl Painter<'_> {
    fn px(&self, css: f64) -> i32 {
        (css * self.ratio).round() as i32
    }

    fn entry(&self, prefix: &PrefixProgress, x: f64, y: f64, width: f64) -> Result<(), String> {
        let font = (self.theme.font.as_str(), TEXT * self.ratio);
        let css_font = format!("{}px {}", TEXT * self.ratio, self.theme.font);
        let figures = format!("{} / {}", count(prefix.counts.done()), count(prefix.counts.all()));
        let taken = text_width(&self.context, &css_font, &figures);
        let room = width * self.ratio - taken - 16.0 * self.ratio;
        let name = fitting(&self.context, &css_font, &prefix.name, room).unwrap_or_default();
        let middle = self.px(y + TEXT * 0.6);
        let style = font
            .into_text_style(&self.root)
            .color(&self.theme.ink)
            .pos(Pos::new(HPos::Left, VPos::Center));
        self.root
            .draw_text(&name, &style, (self.px(x), middle))
            .map_err(said)?;
        let style = font
            .into_text_style(&self.root)
            .color(&self.theme.muted)
            .pos(Pos::new(HPos::Right, VPos::Center));
        self.root
            .draw_text(&figures, &style, (self.px(x + width), middle))
            .map_err(said)?;
        self.bar(
            prefix,
            (self.px(x), self.px(y + BAR_TOP)),
            (self.px(x + width), self.px(y + BAR_TOP + BAR)),
        )
    }

    fn bar(&self, prefix: &PrefixProgress, from: (i32, i32), to: (i32, i32)) -> Result<(), String> {
        // Dask's background, #aaaaaa at a tenth, is too faint to be seen as a track.
        let track = RGBColor(0xaa, 0xaa, 0xaa).mix(if self.theme.dark { 0.16 } else { 0.2 });
        self.rounded(from, to, true, true, &track)?;
        let [r, g, b, _] = Colors::prefix(prefix.color);
        let own = RGBColor(r, g, b);
        let gray = RGBColor(128, 128, 128);
        let width = f64::from(to.0 - from.0);
        for (part, begin, end) in segments(&prefix.counts) {
            let x0 = from.0 + (begin * width).round() as i32;
            let x1 = from.0 + (end * width).round() as i32;
            // What is there at all is seen.
            let x1 = x1.max((x0 + 1).min(to.0));
            let color = match part {
                Part::Released => own.mix(0.6),
                Part::Memory => own.mix(1.0),
                Part::Erred => BLACK.mix(if self.theme.dark { 0.85 } else { 0.5 }),
                Part::Processing | Part::Queued => gray.mix(0.35),
                Part::NoWorker => RED.mix(0.35),
            };
            let (left, right) = (x0 == from.0, x1 == to.0);
            self.rounded((x0, from.1), (x1, to.1), left, right, &color)?;
            match part {
                Part::Queued => self.hatch(
                    (x0, from.1),
                    (x1, to.1),
                    &WHITE.mix(if self.theme.dark { 0.5 } else { 0.9 }),
                )?,
                Part::NoWorker => self.hatch((x0, from.1), (x1, to.1), &BLACK.mix(0.6))?,
                Part::Erred => {
                    // A line below in the theme's colour of errors: black alone is lost on a dark page.
                    let line = self.px(2.0).max(1);
                    let under = Rectangle::new([(x0, to.1 - line), (x1, to.1)], self.theme.error.filled());
                    self.root.draw(&under).map_err(said)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A filled rectangle with round corners at the ends that have them.
    fn rounded(
        &self,
        a: (i32, i32),
        b: (i32, i32),
        left: bool,
        right: bool,
        color: &RGBAColor,
    ) -> Result<(), String> {
        let radius = f64::from(self.px(ROUND)).min(f64::from(b.0 - a.0) / 2.0);
        if radius < 1.0 || !(left || right) {
            return self
                .root
                .draw(&Rectangle::new([a, b], color.filled()))
                .map_err(said);
        }
        let mut points = Vec::new();
        // Corners clockwise from the upper left one: where, towards the inside, whether it is round, which way it is walked.
        let corners = [
            (a, (1.0, 1.0), left, false),
            ((b.0, a.1), (-1.0, 1.0), right, true),
            (b, (-1.0, -1.0), right, false),
            ((a.0, b.1), (1.0, -1.0), left, true),
        ];
        for ((x, y), (dx, dy), round, from_level) in corners {
            if !round {
                points.push((x, y));
                continue;
            }
            for step in 0..ARC.len() {
                let (along, down) = (ARC[step], ARC[ARC.len() - 1 - step]);
                let (along, down) = if from_level { (down, along) } else { (along, down) };
                points.push((
                    (f64::from(x) + dx * radius * along).round() as i32,
                    (f64::from(y) + dy * radius * down).round() as i32,
                ));
            }
        }
        self.root
            .draw(&Polygon::new(points, color.filled()))
            .map_err(said)
    }

    /// Lines that rise to the right, cut at the sides.
    fn hatch(&self, a: (i32, i32), b: (i32, i32), color: &RGBAColor) -> Result<(), String> {
        let style = color.stroke_width(self.px(1.0).max(1) as u32);
        let (height, every) = (b.1 - a.1, self.px(HATCH).max(3));
        let mut foot = a.0 - height + (every - (a.0 % every));
        while foot < b.0 {
            let (x0, x1) = (foot.max(a.0), (foot + height).min(b.0));
            if x1 > x0 {
                let line = [(x0, b.1 - (x0 - foot)), (x1, b.1 - (x1 - foot))];
                self.root
                    .draw(&PathElement::new(line.to_vec(), style))
                    .map_err(said)?;
            }
            foot += every;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_from_the_top() {
        let grid = Grid::new(20, 1000.0);
        assert_eq!((grid.columns, grid.rows), (3, 7));
        assert_eq!(grid.place(7).1, grid.place(0).1);
        for n in 0..20 {
            let (x, y) = grid.place(n);
            assert_eq!(grid.at(x + 5.0, y + 5.0), Some(n));
        }
        assert_eq!(Grid::new(3, 1000.0).columns, 1);
        assert_eq!(Grid::new(30, 300.0).columns, 1);
        assert_eq!(grid.at(-5.0, 5.0), None);
    }
}
