//! What lies over the rectangles: names on the wide ones, a frame around errors and around what the pointer is on.

use plotters::style::Color;
use timeline::{Action, Colors, Hit, Located, Rect, View};
use web_sys::CanvasRenderingContext2d;

use crate::draw::backend::fitting;
use crate::draw::blit::Strip;
use crate::draw::theme::{Theme, css, luminance};
use crate::state::live::Live;

/// Rectangles from this width on carry a name, CSS pixels.
const NAMED_FROM: f64 = 48.0;
/// Rows from this height on have room for names, CSS pixels.
const NAMED_ROW: f64 = 13.0;
/// Names in a row and in all, and frames of errors in a row: beyond that they would help nobody.
const NAMES_IN_ROW: usize = 48;
const NAMES: usize = 320;
const ERRORS_IN_ROW: usize = 200;

pub struct Overlay<'a> {
    pub context: &'a CanvasRenderingContext2d,
    pub live: &'a Live,
    pub view: View,
    pub lanes: &'a [u16],
    pub strips: &'a [Strip],
    pub hit: Option<(u16, Hit)>,
    /// The stretch of time that was marked.
    pub brush: Option<(i64, i64)>,
    /// The rectangle whose details are shown.
    pub picked: Option<Located>,
    pub theme: &'a Theme,
    pub colors: &'a Colors,
    pub ratio: f64,
    /// Which part of the rows is in view, from where to where, of 1.
    pub part: (f64, f64),
}

/// Paints it over the rows.
pub fn draw(overlay: &Overlay<'_>) {
    overlay.names();
    overlay.errors();
    overlay.brush();
    overlay.moment();
    if let Some(picked) = &overlay.picked {
        overlay.frame(picked.lane, &picked.rect, 2.5);
    }
    if let Some((lane, hit)) = &overlay.hit {
        overlay.frame(*lane, &hit.rect, 1.5);
    }
    overlay.thumb();
}

impl Overlay<'_> {
    fn rows(&self) -> impl Iterator<Item = (u16, Strip)> {
        self.lanes.iter().copied().zip(self.strips.iter().copied())
    }

    /// Where a stretch of time lies in the window, in its pixels.
    fn span(&self, start_us: i64, end_us: i64) -> (f64, f64) {
        let width = f64::from(self.view.width());
        (
            self.view.x_of(start_us).max(0.0),
            self.view.x_of(end_us).min(width),
        )
    }

    fn names(&self) {
        let height = self.strips.first().map_or(0, |strip| strip.height);
        if f64::from(height) < NAMED_ROW * self.ratio {
            return;
        }
        let size = (f64::from(height) - 4.0 * self.ratio)
            .min(11.0 * self.ratio)
            .round();
        let font = format!("{size}px {}", self.theme.font);
        let least = (NAMED_FROM * self.ratio * self.view.us_per_px()) as i64;
        let pad = 4.0 * self.ratio;
        self.context.set_text_baseline("middle");
        self.context.set_text_align("left");
        let mut left = NAMES;
        for (lane, strip) in self.rows() {
            let limit = NAMES_IN_ROW.min(left);
            let wide = self.live.stream.timeline.long_computes(
                lane,
                (self.view.t0_us(), self.view.t1_us()),
                least,
                limit,
                self.colors,
            );
            left -= wide.len();
            for rect in wide {
                let (from, to) = self.span(rect.start_us, rect.end_us());
                let Some(total) = self.live.stream.prefixes.get(usize::from(rect.prefix)) else {
                    continue;
                };
                let Some(text) = fitting(self.context, &font, &total.prefix.name, to - from - 2.0 * pad)
                else {
                    continue;
                };
                let [r, g, b, _] = self.colors.of(rect.prefix, rect.action);
                let dark = luminance(&plotters::style::RGBAColor(r, g, b, 1.0)) < 0.55;
                self.context.set_fill_style_str(if dark {
                    "rgba(255,255,255,0.95)"
                } else {
                    "rgba(0,0,0,0.82)"
                });
                self.context.set_font(&font);
                let y = f64::from(strip.y) + f64::from(strip.height) / 2.0 + 0.5 * self.ratio;
                // A name that the browser refuses to write is missed by nobody.
                self.context.fill_text(&text, from + pad, y).ok();
            }
        }
    }

    /// Errors are black, as in Dask; a frame lets them be seen beside the darkest of the palette and on dark themes. The
    /// narrow ones get its upper and lower side only, so that black is left.
    fn errors(&self) {
        if self.live.stream.count_of(Action::Erred) == 0 {
            return;
        }
        let line = self.ratio.round().max(1.0);
        let color = css(&self.theme.error);
        self.context.set_stroke_style_str(&color);
        self.context.set_fill_style_str(&color);
        self.context.set_line_width(line);
        // One path for all the narrow ones: there may be thousands.
        self.context.begin_path();
        for (lane, strip) in self.rows() {
            let timeline = &self.live.stream.timeline;
            let (y, height) = (f64::from(strip.y), f64::from(strip.height));
            let mut marked = f64::NEG_INFINITY;
            for rect in timeline.errors(
                lane,
                self.view.t0_us(),
                self.view.t1_us(),
                ERRORS_IN_ROW,
                self.colors,
            ) {
                let (from, to) = self.span(rect.start_us, rect.end_us());
                let x = from.floor();
                if to - from >= 5.0 * line {
                    let width = to - from - line;
                    self.context
                        .stroke_rect(x + line / 2.0, y + line / 2.0, width, height - line);
                } else if x > marked {
                    marked = x;
                    let width = (to - from).ceil().max(line);
                    self.context.rect(x, y, width, line);
                    self.context.rect(x, y + height - line, width, line);
                }
            }
        }
        self.context.fill();
    }

    fn frame(&self, lane: u16, rect: &Rect, thick: f64) {
        let Some((_, strip)) = self.rows().find(|(row, _)| *row == lane) else {
            return;
        };
        let (from, to) = self.span(rect.start_us, rect.end_us());
        if to < 0.0 || from > f64::from(self.view.width()) {
            return;
        }
        let line = thick * self.ratio;
        let (y, height) = (f64::from(strip.y), f64::from(strip.height));
        self.context.set_line_width(line);
        self.context.set_stroke_style_str(&css(&self.theme.ink));
        self.context.stroke_rect(
            from - line / 2.0,
            y - line / 2.0,
            (to - from).max(1.0) + line,
            height + line,
        );
    }

    /// The marked stretch is as it was; what lies beside it steps back.
    fn brush(&self) {
        let (Some((from, to)), Some(canvas)) = (self.brush, self.context.canvas()) else {
            return;
        };
        let (width, height) = (f64::from(canvas.width()), f64::from(canvas.height()));
        let (from, to) = (
            self.view.x_of(from).clamp(0.0, width),
            self.view.x_of(to).clamp(0.0, width),
        );
        self.context
            .set_fill_style_str(&css(&self.theme.background.mix(0.62)));
        self.context.fill_rect(0.0, 0.0, from, height);
        self.context.fill_rect(to, 0.0, width - to, height);
        self.context.set_fill_style_str(&css(&self.theme.brand));
        let line = self.ratio.round().max(1.0);
        self.context.fill_rect(from - line, 0.0, line, height);
        self.context.fill_rect(to, 0.0, line, height);
    }

    /// The moment of a recording that the other panes show.
    fn moment(&self) {
        let (Some(at_us), Some(canvas)) = (self.live.at, self.context.canvas()) else {
            return;
        };
        let line = self.ratio.round().max(1.0);
        let x = self.view.x_of(at_us).round();
        self.context.set_fill_style_str(&css(&self.theme.ink));
        // What lies beside the canvas is cut.
        self.context.fill_rect(x, 0.0, line, f64::from(canvas.height()));
    }

    /// Where there are more rows than fit: which of them are seen.
    fn thumb(&self) {
        let Some(canvas) = self.context.canvas().filter(|_| self.part.1 - self.part.0 < 1.0) else {
            return;
        };
        let (width, height) = (f64::from(canvas.width()), f64::from(canvas.height()));
        let thick = 4.0 * self.ratio;
        self.context.set_fill_style_str(&css(&self.theme.muted));
        let (from, to) = (self.part.0 * height, self.part.1 * height);
        self.context.fill_rect(width - thick, from, thick, to - from);
    }
}
