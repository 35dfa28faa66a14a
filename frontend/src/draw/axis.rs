//! The time axis and its grid, by plotters.

use std::fmt::Display;

use plotters::prelude::*;
use timeline::View;
use web_sys::HtmlCanvasElement;

use super::backend::Screen;
use super::canvas::{clear, context};
use super::scale::{Scale, zone_us};
use super::theme::Theme;
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

/// Where the plot lies on its canvas, in the canvas's pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plot {
    pub left: i32,
    pub top: i32,
    pub width: i32,
    pub height: i32,
}

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
                .multiples((self.step_us / 2).max(1))
                .into_iter()
                .map(|tick| tick as f64)
                .collect(),
        }
    }

    fn multiples(&self, step: i64) -> Vec<i64> {
        let (from, to) = (self.view.t0_us() + self.zone_us, self.view.t1_us() + self.zone_us);
        let first = from.div_euclid(step) + i64::from(from.rem_euclid(step) > 0);
        (first..=to.div_euclid(step))
            .map(|n| n * step - self.zone_us)
            .collect()
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

/// Draws grid, ticks and labels around a plot that others fill.
pub fn draw_time_axis(
    canvas: &HtmlCanvasElement,
    plot: Plot,
    view: View,
    theme: &Theme,
    ratio: f64,
) -> Result<(), String> {
    let (Some(screen), Some(context)) = (Screen::new(canvas), context(canvas)) else {
        return Err("no canvas to draw on".to_owned());
    };
    clear(&context);
    let zone_us = zone_us();
    let axis = TimeAxis::new(view, ratio, zone_us);
    let px = |css: f64| (css * ratio).round() as i32;
    let (width, height) = (canvas.width() as i32, canvas.height() as i32);
    let root = screen.into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(plot.top)
        .margin_right(width - plot.left - plot.width)
        .set_label_area_size(LabelAreaPosition::Left, plot.left)
        .set_label_area_size(LabelAreaPosition::Bottom, height - plot.top - plot.height)
        .build_cartesian_2d(axis.scale(), Scale::bare(1.0))
        .map_err(said)?;
    let line = px(1.0).max(1) as u32;
    let grid = theme.border.mix(0.75).stroke_width(line);
    let label = (theme.font.as_str(), 11.0 * ratio)
        .into_font()
        .color(&theme.muted);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(1000)
        .bold_line_style(grid)
        .light_line_style(theme.border.mix(0.3).stroke_width(line))
        .axis_style(theme.border.stroke_width(line))
        .x_label_style(label)
        .set_tick_mark_size(LabelAreaPosition::Bottom, px(5.0))
        .draw()
        .map_err(said)?;
    // Below a second the labels say no more than the second's fraction: its beginning stands in the corner.
    if axis.step_us < MINUTE {
        let begin = time_of_day(
            view.t0_us(),
            zone_us,
            if axis.step_us < SECOND { SECOND } else { MINUTE },
        );
        let corner = (theme.font.as_str(), 11.0 * ratio)
            .into_text_style(&root)
            .color(&theme.muted);
        root.draw_text(&begin, &corner, (px(10.0), plot.top + plot.height + px(10.0)))
            .map_err(said)?;
    }
    root.present().map_err(said)
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
