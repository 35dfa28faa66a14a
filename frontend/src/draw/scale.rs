//! Linear scales with the ticks that suit what they measure.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use timeline::View;

use super::axis::TimeAxis;
use super::units::{count, duration, short_count, time_of_day};
use crate::ui::format;

/// Least distance of ticks, CSS pixels: beside each other, and one above the other.
pub const ACROSS: f64 = 72.0;
pub const UP: f64 = 36.0;

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// No number: words.
    Text,
    Count,
    /// A count that is not worth a word where it is zero.
    Some,
    Bytes,
    /// Bytes a second.
    Rate,
    /// In percent.
    Percent,
    Seconds,
    /// Microseconds since the Unix epoch.
    Time,
}

impl Unit {
    /// A number in words.
    pub fn say(self, value: f64) -> String {
        let natural = value.max(0.0) as u64;
        match self {
            Self::Text | Self::Count | Self::Some => count(natural),
            Self::Bytes => format::bytes(natural),
            Self::Rate => format!("{}/s", format::bytes(natural)),
            Self::Percent => format!("{value:.0} %"),
            Self::Seconds => duration((value.max(0.0) * 1e6) as u64),
            Self::Time => time_of_day(value as i64, zone_us(), 1_000_000),
        }
    }

    /// A tick's label.
    fn label(self, value: f64) -> String {
        match self {
            Self::Bytes | Self::Rate => self.round(value),
            Self::Count | Self::Some => short_count(value as u64),
            Self::Seconds if value == 0.0 => "0 s".to_owned(),
            _ => self.say(value),
        }
    }

    /// Bytes in the unit that suits them, with as many decimals as quarters need.
    fn round(self, value: f64) -> String {
        let (mut rest, mut unit) = (value, 0);
        while rest >= 1024.0 && unit < 5 {
            rest /= 1024.0;
            unit += 1;
        }
        let number = format!("{rest:.2}");
        let number = number.trim_end_matches('0').trim_end_matches('.');
        let each = if self == Self::Rate { "/s" } else { "" };
        format!("{number} {}{each}", format::UNITS[unit])
    }

    /// The smallest step of its ticks that is not below `least`: 1, 2 and 5 times powers of ten, or powers of two.
    fn step(self, least: f64) -> f64 {
        let (mut step, factors) = match self {
            Self::Bytes | Self::Rate => (1.0, [2.0, 2.0, 2.0]),
            Self::Count | Self::Some => (1.0, [2.0, 2.5, 2.0]),
            _ => (1e-6, [2.0, 2.5, 2.0]),
        };
        for factor in factors.into_iter().cycle() {
            if step >= least * 0.999_999 || step > 1e30 {
                break;
            }
            step *= factor;
        }
        step
    }
}

/// What local time is ahead of UTC, microseconds; nothing where no browser knows.
pub fn zone_us() -> i64 {
    if cfg!(target_arch = "wasm32") {
        -(js_sys::Date::new_0().get_timezone_offset() as i64) * 60_000_000
    } else {
        0
    }
}

/// A stretch of numbers on a stretch of pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scale {
    pub from: f64,
    pub to: f64,
    /// With their labels.
    pub ticks: Vec<(f64, String)>,
    /// Where lighter lines are, those of the ticks included.
    pub light: Vec<f64>,
}

impl Scale {
    /// From 0 to `most`, with ticks at least `every` CSS pixels apart on `length` of them.
    pub fn new(unit: Unit, most: f64, length: f64, every: f64) -> Self {
        let to = if most > 0.0 { most } else { 1.0 };
        // More than nine ticks say no more.
        let step = unit.step(to * (every / length.max(1.0)).max(0.11));
        let ticks = (0..=(to / step + 1e-9) as u32)
            .map(|n| f64::from(n) * step)
            .map(|value| (value, unit.label(value)))
            .collect();
        Self {
            to,
            ticks,
            ..Self::default()
        }
    }

    /// Between two moments in microseconds.
    pub fn time(from: f64, to: f64, length: f64) -> Self {
        let view = View::fit(from, to, length.max(1.0) as u32);
        Self {
            from,
            to,
            light: Vec::new(),
            ..TimeAxis::new(view, 1.0, zone_us()).scale()
        }
    }

    /// Without ticks.
    pub fn bare(to: f64) -> Self {
        Self {
            to,
            ..Self::default()
        }
    }

    /// Where a value lies, of a stretch of `length` that begins at `from`.
    pub fn place(&self, value: f64, from: f64, length: f64) -> f64 {
        from + (value - self.from) / (self.to - self.from) * length
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.place(*value, limit.0.into(), f64::from(limit.1 - limit.0))
            .round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return self.light.clone();
        }
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks
            .iter()
            .find(|(tick, _)| tick == value)
            .map(|(_, label)| label.clone())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(unit: Unit, most: f64) -> Vec<String> {
        let scale = Scale::new(unit, most, 360.0, ACROSS);
        scale.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_suit_what_is_measured() {
        let gib = f64::from(1 << 30);
        assert_eq!(
            labels(Unit::Bytes, 14.0 * gib),
            ["0 B", "4 GiB", "8 GiB", "12 GiB"]
        );
        assert_eq!(
            Scale::new(Unit::Bytes, 1.8 * gib, 600.0, ACROSS).ticks[5].1,
            "1.25 GiB"
        );
        assert_eq!(labels(Unit::Count, 2.0), ["0", "1", "2"]);
        assert_eq!(labels(Unit::Count, 8.0), ["0", "2", "4", "6", "8"]);
        assert_eq!(
            labels(Unit::Percent, 200.0),
            ["0 %", "50 %", "100 %", "150 %", "200 %"]
        );
        assert_eq!(labels(Unit::Count, 0.0), ["0", "1"]);
    }

    #[test]
    fn values_are_placed_and_said() {
        let scale = Scale::new(Unit::Percent, 50.0, 100.0, UP);
        assert_eq!(scale.place(25.0, 10.0, 100.0), 60.0);
        assert_eq!(scale.map(&50.0, (10, 110)), 110);
        assert_eq!(Unit::Rate.say(1536.0), "1.5 KiB/s");
        assert_eq!(Unit::Seconds.say(0.25), "250 ms");
    }
}
