//! The time axis and its grid, by plotters.

use std::fmt::Display;

use plotters::prelude::*;
use timeline::View;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::backend::Screen;
use super::canvas::{clear, context};
use super::scale::Scale;
use super::theme::{Theme, css};
use super::units::time_of_day;

/// Least distance of labels, CSS pixels.
const LABEL_EVERY: f64 = 96.0;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Steps from a second on that a clock has; below a second they are 1, 2 and 5 times powers of ten.
const CLOCK_STEPS: [i64; 20] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
    7 * 24 * HOUR,
    28 * 24 * HOUR,
];

/// Microseconds on a row of pixels, with ticks where a clock has them.
#[derive(Clone, Copy, Debug)]
pub struct TimeAxis {
    view: View,
    step_us: i64,
    zone_us: i64,
}

impl TimeAxis {
    /// `ratio` is the screen's pixels for one CSS pixel; `zone_us` what local time is ahead of UTC.
    pub fn new(view: View, ratio: f64, zone_us: i64) -> Self {
        let least = view.us_per_px() * LABEL_EVERY * ratio;
        Self {
            view,
            step_us: nice_step(least),
            zone_us,
        }
    }

    /// The same as a scale: labelled steps, halved for the light lines between them.
    pub fn scale(&self) -> Scale {
        let label = |tick: i64| (tick as f64, time_of_day(tick, self.zone_us, self.step_us));
        Scale {
            from: self.view.t_of(0.0),
            to: self.view.t_of(f64::from(self.view.width().max(1))),
            ticks: self.multiples(self.step_us).into_iter().map(label).collect(),
            light: self
                .multiples(self.light_step())
                .into_iter()
                .map(|tick| tick as f64)
                .collect(),
        }
    }

    fn light_step(&self) -> i64 {
        (self.step_us / 2).max(1)
    }

    fn multiples(&self, step: i64) -> Vec<i64> {
        let (from, to) = (self.view.t0_us() + self.zone_us, self.view.t1_us() + self.zone_us);
        let first = from.div_euclid(step) + i64::from(from.rem_euclid(step) > 0);
        (first..=to.div_euclid(step))
            .map(|n| n * step - self.zone_us)
            .collect()
    }
    /// Its lines over a plot that begins where the canvas does.
    pub fn draw_grid(&self, context: &CanvasRenderingContext2d, theme: &Theme, ratio: f64) {
        let Some(canvas) = context.canvas() else { return };
        let height = f64::from(canvas.height());
        let line = ratio.round().max(1.0);
        for (step, strength) in [(self.light_step(), 0.3), (self.step_us, 0.75)] {
            context.set_fill_style_str(&css(&theme.border.mix(strength).to_rgba()));
            for tick in self.multiples(step) {
                // The labelled lines cover the light ones.
                if step == self.step_us || (tick + self.zone_us) % self.step_us != 0 {
                    context.fill_rect(self.view.x_of(tick).round(), 0.0, line, height);
                }
            }
        }
    }

    /// Draws ticks and labels on a canvas below a plot that begins `left` pixels from the canvas's edge.
    pub fn draw(
        &self,
        canvas: &HtmlCanvasElement,
        left: i32,
        theme: &Theme,
        ratio: f64,
    ) -> Result<(), String> {
        let (Some(screen), Some(context)) = (Screen::new(canvas), context(canvas)) else {
            return Err("no canvas to draw on".to_owned());
        };
        clear(&context);
        let px = |css: f64| (css * ratio).round() as i32;
        let (width, height) = (canvas.width() as i32, canvas.height() as i32);
        let line = px(1.0).max(1);
        let root = screen.into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_right(width - left - self.view.width() as i32)
            .set_label_area_size(LabelAreaPosition::Left, left)
            .set_label_area_size(LabelAreaPosition::Bottom, height - line)
            .build_cartesian_2d(self.scale(), Scale::bare(1.0))
            .map_err(said)?;
        let text = (theme.font.as_str(), 11.0 * ratio);
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_y_axis()
            .x_labels(1000)
            .axis_style(theme.border.stroke_width(line as u32))
            .x_label_style(text.into_font().color(&theme.muted))
            .set_tick_mark_size(LabelAreaPosition::Bottom, px(5.0))
            .draw()
            .map_err(said)?;
        // Below a second the labels say no more than the second's fraction: its beginning stands in the corner.
        if self.step_us < MINUTE {
            let least = if self.step_us < SECOND { SECOND } else { MINUTE };
            let begin = time_of_day(self.view.t0_us(), self.zone_us, least);
            let corner = text.into_text_style(&root).color(&theme.muted);
            root.draw_text(&begin, &corner, (px(10.0), line + px(10.0)))
                .map_err(said)?;
        }
        root.present().map_err(said)
    }
}

/// The smallest step of a clock that is not below `least_us`.
fn nice_step(least_us: f64) -> i64 {
    let mut power = 1;
    while power < SECOND {
        for factor in [1, 2, 5] {
            if (power * factor) as f64 >= least_us {
                return power * factor;
            }
        }
        power *= 10;
    }
    let last = CLOCK_STEPS[CLOCK_STEPS.len() - 1];
    let weeks = (least_us / last as f64).ceil().max(1.0) as i64 * last;
    CLOCK_STEPS
        .into_iter()
        .find(|step| *step as f64 >= least_us)
        .unwrap_or(weeks)
}

/// What went wrong, in words.
pub fn said(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_a_clock() {
        for (least, step) in [
            (0.5, 1),
            (3.0, 5),
            (180_000.0, 200_000),
            (600_000.0, SECOND),
            (11e6, 15 * SECOND),
            (4e9, 2 * HOUR),
        ] {
            assert_eq!(nice_step(least), step);
        }
        assert!(nice_step(1e15) as f64 >= 1e15);
    }

    #[test]
    fn ticks_lie_inside_and_on_local_multiples() {
        let view = View::fit(1_795_334_646e6, 1_795_334_706e6, 800);
        let axis = TimeAxis::new(view, 1.0, 5 * HOUR + 30 * MINUTE);
        let scale = axis.scale();
        assert!(scale.light.len() > 4, "{scale:?}");
        for tick in &scale.light {
            assert_eq!((*tick as i64 + axis.zone_us) % (axis.step_us / 2), 0);
            assert!((0.0..=800.0).contains(&scale.place(*tick, 0.0, 800.0)));
        }
    }
}
