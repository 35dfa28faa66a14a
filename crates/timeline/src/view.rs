//! Which stretch of time a row of pixels shows, in integers, so that panning never makes a pixel flicker.

use crate::rect::MAX_TIME_US;

/// A bucket is split in this many parts when a pixel's width is chosen.
const PARTS: u32 = 10;
const ONE: i64 = 1 << PARTS;
/// The widest bucket: 2^41 µs, 25 days.
const MAX_SHIFT: u32 = 41;

/// A window on time, `width` pixels wide.
///
/// Time is cut in buckets of 2^k µs, aligned to the epoch; a pixel is 1 or 2 buckets wide, on average `parts / 1024`. Pixels
/// too are numbered from the epoch on: pixel `p` begins with the bucket nearest to `p * parts / 1024` (halves count up). The window's column `x` is
/// pixel `first + x`. So what a pixel covers depends on the zoom alone, and moving the window by whole pixels
/// changes no pixel's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    shift: u32,
    /// From 1024 to 2047.
    parts: i64,
    first: i64,
    width: u32,
}

impl View {
    /// The window of `width` pixels whose column `anchor_x` shows `anchor_us`, at the width of a pixel nearest to
    /// `us_per_px`. Pixels narrower than 1 µs are not possible.
    pub fn around(anchor_us: f64, anchor_x: f64, us_per_px: f64, width: u32) -> Self {
        let (shift, parts) = scale(us_per_px, f64::round);
        Self {
            shift,
            parts,
            first: 0,
            width,
        }
        .placed(anchor_us, anchor_x)
    }

    /// The window of `width` pixels that begins at `t0_us` and holds `t1_us` as closely as pixels allow.
    pub fn fit(t0_us: f64, t1_us: f64, width: u32) -> Self {
        let us_per_px = (t1_us - t0_us) / f64::from(width.max(1));
        let (shift, parts) = scale(us_per_px, f64::ceil);
        Self {
            shift,
            parts,
            first: 0,
            width,
        }
        .placed(t0_us, 0.0)
    }

    /// The same zoom with `anchor_us` at column `anchor_x`.
    pub fn placed(self, anchor_us: f64, anchor_x: f64) -> Self {
        let first = (anchor_us / self.us_per_px() - anchor_x).round() as i64;
        Self {
            first: first.clamp(-self.bound(), self.bound()),
            ..self
        }
    }

    /// The window moved by whole pixels, to the later where positive.
    pub fn panned(self, columns: i64) -> Self {
        Self {
            first: self
                .first
                .saturating_add(columns)
                .clamp(-self.bound(), self.bound()),
            ..self
        }
    }

    /// A window begins nowhere beyond the range of times, which leaves room for exact arithmetic.
    fn bound(&self) -> i64 {
        (MAX_TIME_US as f64 / self.us_per_px()) as i64
    }

    /// The same begin and zoom, with more or fewer pixels.
    pub fn resized(self, width: u32) -> Self {
        Self { width, ..self }
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of the pixel at column 0, counted from the epoch.
    pub fn first(&self) -> i64 {
        self.first
    }

    /// Whether both show pixels of the same width.
    pub fn same_scale(&self, other: &Self) -> bool {
        (self.shift, self.parts) == (other.shift, other.parts)
    }

    /// Width of a pixel on average, microseconds.
    pub fn us_per_px(&self) -> f64 {
        (1_u64 << self.shift) as f64 * self.parts as f64 / ONE as f64
    }

    /// Width of a bucket is 2 to the power of this, microseconds.
    pub(crate) fn shift(&self) -> u32 {
        self.shift
    }

    /// When column `x` begins, and the column before it ends.
    pub fn edge(&self, x: i64) -> i64 {
        (((self.first + x) * self.parts + ONE / 2) >> PARTS) << self.shift
    }

    /// Begin of the window, microseconds since the Unix epoch.
    pub fn t0_us(&self) -> i64 {
        self.edge(0)
    }

    /// End of the window, microseconds since the Unix epoch.
    pub fn t1_us(&self) -> i64 {
        self.edge(i64::from(self.width))
    }

    /// The column whose span holds a moment; outside of the window negative or at least `width`.
    pub fn column_of(&self, t_us: i64) -> i64 {
        let bucket = t_us.clamp(-MAX_TIME_US, MAX_TIME_US - 1) >> self.shift;
        (((bucket + 1) << PARTS) - 1 - ONE / 2).div_euclid(self.parts) - self.first
    }

    /// Where a moment is, in columns, as a line would run; the column that shows it may be the next one. Outside of the window negative or at least `width`.
    pub fn x_of(&self, t_us: i64) -> f64 {
        t_us as f64 / self.us_per_px() - self.first as f64
    }

    /// The moment at a place.
    pub fn t_of(&self, x: f64) -> f64 {
        (self.first as f64 + x) * self.us_per_px()
    }
}

/// Bucket width (as power of two) and parts for a pixel of about `us_per_px`.
fn scale(us_per_px: f64, rounding: fn(f64) -> f64) -> (u32, i64) {
    let wanted = if us_per_px.is_finite() {
        us_per_px.clamp(1.0, (1_u64 << MAX_SHIFT) as f64)
    } else {
        1.0
    };
    let shift = (wanted as u64).ilog2().min(MAX_SHIFT);
    let parts = rounding(wanted / (1_u64 << shift) as f64 * ONE as f64) as i64;
    if parts >= 2 * ONE && shift < MAX_SHIFT {
        (shift + 1, ONE)
    } else {
        (shift, parts.clamp(ONE, 2 * ONE - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: f64 = 1_795_334_646_893_921.0;

    #[test]
    fn a_fitted_window_holds_both_ends() {
        for span in [10.0, 1e3, 1.7e6, 3.6e9, 9e12] {
            let view = View::fit(NOW, NOW + span, 1000);
            assert!(view.t0_us() as f64 <= NOW + view.us_per_px(), "{view:?}");
            assert!(
                view.t1_us() as f64 >= NOW + span - view.us_per_px(),
                "{view:?} {span}"
            );
            assert!(
                view.t1_us() as f64 - NOW <= (span * 1.002 + 2.0 * view.us_per_px()).max(1000.0),
                "{view:?} {span}"
            );
        }
    }

    #[test]
    fn odd_wishes_give_a_window() {
        for us in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e30] {
            let view = View::around(f64::MAX, 10.0, us, 100);
            assert!(view.t0_us() < view.t1_us());
        }
    }

    proptest! {
        #[test]
        fn columns_are_one_or_two_buckets_and_do_not_depend_on_the_window(
            t in -1.0e15..2.0e15_f64, us_per_px in 1.0..1e9_f64, by in -5000_i64..5000,
        ) {
            let view = View::around(t, 0.0, us_per_px, 300);
            let moved = view.panned(by);
            for x in 0..300 {
                let buckets = (view.edge(x + 1) - view.edge(x)) >> view.shift();
                prop_assert!(buckets == 1 || buckets == 2);
                prop_assert_eq!(view.edge(x), moved.edge(x - by));
                prop_assert_eq!(view.column_of(view.edge(x)), x);
                prop_assert_eq!(view.column_of(view.edge(x + 1) - 1), x);
            }
            prop_assert!((view.us_per_px() / us_per_px - 1.0).abs() < 0.001);
        }

        #[test]
        fn the_anchor_stays_where_it_is(t in 1.0e15..2.0e15_f64, x in 0.0..2000_f64, us_per_px in 1.0..1e7_f64) {
            let view = View::around(t, x, us_per_px, 2000);
            prop_assert!((view.t_of(x) - t).abs() <= 0.51 * view.us_per_px() + 0.5);
            prop_assert!((view.x_of(t as i64) - x).abs() <= 0.51 + 1.5 / view.us_per_px());
        }
    }
}
