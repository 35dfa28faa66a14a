//! Shapes in CSS pixels, and plotters painting them on a canvas.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::axis::said;
use super::backend::{Screen, fitting};
use super::canvas::{clear, context};
use super::scale::Scale;
use super::theme::Theme;

/// Radius of round corners, CSS pixels.
const ROUND: f64 = 3.0;
/// A quarter of a circle in steps of 30 degrees: how far from the corner, of the radius. Backwards it is the other axis.
const ARC: [f64; 4] = [0.0, 0.134, 0.5, 1.0];
/// Distance of the lines of a hatch, CSS pixels.
const HATCH: f64 = 6.0;
/// Length of a dash and of the pause behind it, CSS pixels.
const DASH: (f64, f64) = (6.0, 4.0);
/// Size of labels, CSS pixels.
pub const LABEL: f64 = 11.0;

/// A rectangle, CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Area {
    pub fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    pub fn holds(&self, x: f64, y: f64) -> bool {
        x >= self.x && x < self.x + self.w && y >= self.y && y < self.y + self.h
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Middle,
    Right,
}

/// What a plot is made of; the later lies above the earlier.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Rect(Area, RGBAColor),
    /// With round corners at the left, at the right.
    Bar(Area, RGBAColor, bool, bool),
    /// Lines that rise to the right, cut at the sides.
    Hatch(Area, RGBAColor),
    Line {
        points: Vec<(f64, f64)>,
        color: RGBAColor,
        width: f64,
    },
    /// A level line of dashes: where it begins, and how long it is.
    Dashes((f64, f64), f64, RGBAColor),
    Fill(Vec<(f64, f64)>, RGBAColor),
    /// Around a middle, with a radius.
    Disc(f64, f64, f64, RGBAColor),
    /// Level with `y`; cut where it is longer than `room`.
    Text {
        x: f64,
        y: f64,
        text: String,
        color: RGBAColor,
        align: Align,
        room: f64,
    },
    /// Grid, ticks and labels around an area; a scale without ticks draws none.
    Axes {
        area: Area,
        x: Scale,
        y: Scale,
    },
}

impl Shape {
    /// A text that has all the room it needs.
    pub fn label(x: f64, y: f64, text: impl Into<String>, color: RGBAColor, align: Align) -> Self {
        Self::Text {
            x,
            y,
            text: text.into(),
            color,
            align,
            room: f64::INFINITY,
        }
    }
}

struct Painter<'a> {
    root: DrawingArea<Screen, Shift>,
    context: CanvasRenderingContext2d,
    theme: &'a Theme,
    ratio: f64,
}

/// Paints all shapes on a canvas, and nothing else; `ratio` is the screen's pixels for one CSS pixel.
pub fn paint(canvas: &HtmlCanvasElement, shapes: &[Shape], theme: &Theme, ratio: f64) -> Result<(), String> {
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
    shapes.iter().try_for_each(|shape| painter.shape(shape))?;
    painter.root.present().map_err(said)
}

impl Painter<'_> {
    fn px(&self, css: f64) -> i32 {
        (css * self.ratio).round() as i32
    }

    fn corners(&self, area: &Area) -> ((i32, i32), (i32, i32)) {
        (
            (self.px(area.x), self.px(area.y)),
            (self.px(area.x + area.w), self.px(area.y + area.h)),
        )
    }

    fn points(&self, points: &[(f64, f64)]) -> Vec<(i32, i32)> {
        points.iter().map(|(x, y)| (self.px(*x), self.px(*y))).collect()
    }

    fn shape(&self, shape: &Shape) -> Result<(), String> {
        match shape {
            Shape::Rect(area, color) => self.bar(area, color, false, false),
            Shape::Bar(area, color, left, right) => self.bar(area, color, *left, *right),
            Shape::Hatch(area, color) => self.hatch(area, color),
            Shape::Line { points, color, width } => self.line(self.points(points), color, *width),
            Shape::Dashes(from, length, color) => self.dashes(*from, *length, color),
            Shape::Fill(points, color) => self.fill(self.points(points), color),
            Shape::Disc(x, y, radius, color) => self
                .root
                .draw(&Circle::new(
                    (self.px(*x), self.px(*y)),
                    self.px(*radius),
                    color.filled(),
                ))
                .map_err(said),
            Shape::Text {
                x,
                y,
                text,
                color,
                align,
                room,
            } => {
                let font = format!("{}px {}", LABEL * self.ratio, self.theme.font);
                match fitting(&self.context, &font, text, room * self.ratio) {
                    Some(text) => self.text(&text, (*x, *y), color, *align),
                    None => Ok(()),
                }
            }
            Shape::Axes { area, x, y } => self.axes(area, x, y),
        }
    }

    fn line(&self, points: Vec<(i32, i32)>, color: &RGBAColor, width: f64) -> Result<(), String> {
        let style = color.stroke_width(self.px(width).max(1) as u32);
        self.root.draw(&PathElement::new(points, style)).map_err(said)
    }

    fn dashes(&self, (x, y): (f64, f64), length: f64, color: &RGBAColor) -> Result<(), String> {
        let (dash, pause) = DASH;
        let mut at = 0.0;
        while at < length {
            let end = length.min(at + dash);
            self.line(self.points(&[(x + at, y), (x + end, y)]), color, 1.0)?;
            at = end + pause;
        }
        Ok(())
    }

    fn fill(&self, points: Vec<(i32, i32)>, color: &RGBAColor) -> Result<(), String> {
        self.root
            .draw(&Polygon::new(points, color.filled()))
            .map_err(said)
    }

    fn text(&self, text: &str, (x, y): (f64, f64), color: &RGBAColor, align: Align) -> Result<(), String> {
        let across = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = (self.theme.font.as_str(), LABEL * self.ratio)
            .into_text_style(&self.root)
            .color(color)
            .pos(Pos::new(across, VPos::Center));
        self.root
            .draw_text(text, &style, (self.px(x), self.px(y)))
            .map_err(said)
    }

    fn bar(&self, area: &Area, color: &RGBAColor, left: bool, right: bool) -> Result<(), String> {
        let (a, b) = self.corners(area);
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
        self.fill(points, color)
    }

    fn hatch(&self, area: &Area, color: &RGBAColor) -> Result<(), String> {
        let (a, b) = self.corners(area);
        let (height, every) = (b.1 - a.1, self.px(HATCH).max(3));
        let mut foot = a.0 - height + (every - (a.0 % every));
        while foot < b.0 {
            let (x0, x1) = (foot.max(a.0), (foot + height).min(b.0));
            if x1 > x0 {
                self.line(vec![(x0, b.1 - (x0 - foot)), (x1, b.1 - (x1 - foot))], color, 1.0)?;
            }
            foot += every;
        }
        Ok(())
    }

    fn axes(&self, area: &Area, x: &Scale, y: &Scale) -> Result<(), String> {
        let theme = self.theme;
        let line = self.px(1.0).max(1) as u32;
        let (a, b) = self.corners(area);
        let (width, height) = self.root.dim_in_pixel();
        let mut builder = ChartBuilder::on(&self.root);
        builder
            .margin_top(a.1)
            .margin_right(width as i32 - b.0)
            .set_label_area_size(LabelAreaPosition::Left, a.0)
            .set_label_area_size(LabelAreaPosition::Bottom, height as i32 - b.1);
        let mut chart = builder.build_cartesian_2d(x.clone(), y.clone()).map_err(said)?;
        let label = (theme.font.as_str(), LABEL * self.ratio)
            .into_font()
            .color(&theme.muted);
        let grid = theme.border.mix(0.75).stroke_width(line);
        chart
            .configure_mesh()
            .x_labels(1000)
            .y_labels(1000)
            .bold_line_style(grid)
            .light_line_style(grid)
            .axis_style(theme.border.stroke_width(line))
            .label_style(label)
            .set_tick_mark_size(LabelAreaPosition::Bottom, self.px(4.0))
            .set_tick_mark_size(LabelAreaPosition::Left, self.px(4.0))
            .draw()
            .map_err(said)
    }
}
