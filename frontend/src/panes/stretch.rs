//! The stretch of time that a plot over time shows, and how gestures and keys change it.

use crate::draw::gesture::Gesture;

/// The shortest stretch, microseconds.
const LEAST_US: i64 = 5_000_000;
/// What one key press changes: the length, and the place by a share of it.
const KEY_ZOOM: f64 = 1.6;
const KEY_STEP: f64 = 0.5;

/// Shown instead of everything. Microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub length_us: i64,
    /// Since the Unix epoch; the newest, whatever it is, where `None`.
    pub end_us: Option<i64>,
}

/// Where the axis of a plot over time lies, and what there is of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeSpan {
    /// First and last moment that can be shown, and those that are shown; microseconds since the Unix epoch.
    pub whole: (i64, i64),
    pub shown: (i64, i64),
    /// CSS pixels.
    pub left: f64,
    pub width: f64,
}

impl Stretch {
    /// The part of `whole` that it names.
    pub fn of(stretch: Option<Self>, whole: (i64, i64)) -> (i64, i64) {
        let Some(stretch) = stretch else { return whole };
        let end = stretch.end_us.unwrap_or(whole.1).min(whole.1);
        ((end - stretch.length_us).max(whole.0), end)
    }
}

impl TimeSpan {
    fn length(&self) -> i64 {
        self.shown.1 - self.shown.0
    }

    /// Whether the newest is in view, and stays there when more comes.
    fn follows(&self) -> bool {
        self.shown.1 >= self.whole.1
    }

    /// From `from` on, as long as that, within what there is.
    fn placed(&self, from: i64, length: i64) -> Option<Stretch> {
        let all = self.whole.1 - self.whole.0;
        if length >= all {
            return None;
        }
        let end = (from + length).clamp(self.whole.0 + length, self.whole.1);
        Some(Stretch {
            length_us: length,
            end_us: (end < self.whole.1).then_some(end),
        })
    }

    /// Time `factor` times as long on the screen, around a share of what is shown; around the newest while that is in view.
    pub fn zoomed(&self, share: f64, factor: f64) -> Option<Stretch> {
        let share = if self.follows() {
            1.0
        } else {
            share.clamp(0.0, 1.0)
        };
        let length = ((self.length() as f64 / factor) as i64).max(LEAST_US);
        let kept = (self.length() - length) as f64;
        self.placed(self.shown.0 + (kept * share) as i64, length)
    }

    /// Later by a share of what is shown.
    pub fn moved(&self, share: f64) -> Option<Stretch> {
        let from = self.shown.0 + (self.length() as f64 * share) as i64;
        self.placed(from, self.length())
    }

    /// What a gesture makes of it; `None` where it means nothing here.
    pub fn after(&self, gesture: Gesture) -> Option<Option<Stretch>> {
        let width = self.width.max(1.0);
        Some(match gesture {
            Gesture::Zoom { x, factor } => self.zoomed((x - self.left) / width, factor),
            Gesture::Pan { dx, .. } if dx != 0.0 => self.moved(-dx / width),
            Gesture::Dive { .. } => None,
            _ => return None,
        })
    }

    /// What a key makes of it; `None` where it means nothing here.
    pub fn after_key(&self, key: &str) -> Option<Option<Stretch>> {
        Some(match key {
            "+" | "=" => self.zoomed(0.5, KEY_ZOOM),
            "-" | "_" => self.zoomed(0.5, 1.0 / KEY_ZOOM),
            "PageUp" => self.moved(-KEY_STEP),
            "PageDown" => self.moved(KEY_STEP),
            "0" => None,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn span(shown: (i64, i64)) -> TimeSpan {
        TimeSpan {
            whole: (0, 1000 * S),
            shown: (shown.0 * S, shown.1 * S),
            left: 50.0,
            width: 500.0,
        }
    }

    fn seconds(stretch: Option<Stretch>) -> (i64, i64) {
        let (from, to) = Stretch::of(stretch, (0, 1000 * S));
        (from / S, to / S)
    }

    #[test]
    fn what_is_under_the_pointer_stays() {
        let zoom = Gesture::Zoom {
            x: 150.0,
            factor: 2.0,
        };
        let now = span((100, 600)).after(zoom).expect("a zoom");
        // A fifth from the left: 200 s before and after.
        assert_eq!(seconds(now), (150, 400));
        assert_eq!(seconds(span((150, 400)).zoomed(0.2, 0.5)), (100, 600));
    }

    #[test]
    fn the_newest_stays_in_view_while_more_comes() {
        let now = span((0, 1000)).zoomed(0.1, 4.0).expect("a part");
        assert_eq!(now.end_us, None);
        assert_eq!(Stretch::of(Some(now), (0, 2000 * S)), (1750 * S, 2000 * S));
        let back = span((750, 1000)).moved(-0.5).expect("a part");
        assert_eq!(back.end_us, Some(875 * S));
        assert_eq!(Stretch::of(Some(back), (0, 2000 * S)), (625 * S, 875 * S));
    }

    #[test]
    fn nothing_leads_beyond_what_there_is() {
        assert_eq!(span((100, 600)).zoomed(0.5, 0.01), None);
        assert_eq!(seconds(span((100, 200)).moved(-5.0)), (0, 100));
        assert_eq!(seconds(span((100, 200)).moved(50.0)), (900, 1000));
        let near = span((100, 600)).zoomed(0.5, 1e9).expect("a part");
        assert_eq!(near.length_us, LEAST_US);
        assert_eq!(
            Stretch::of(
                Some(Stretch {
                    length_us: 900 * S,
                    end_us: Some(300 * S)
                }),
                (0, 1000 * S)
            ),
            (0, 300 * S)
        );
    }

    #[test]
    fn keys_and_drags_mean_what_they_mean_in_the_task_stream() {
        let span = span((100, 600));
        assert_eq!(seconds(span.after_key("PageDown").unwrap()), (350, 850));
        assert_eq!(span.after_key("0"), Some(None));
        assert_eq!(span.after_key("x"), None);
        let pulled = span.after(Gesture::Pan { dx: 50.0, dy: 3.0 }).unwrap();
        assert_eq!(seconds(pulled), (50, 550));
        assert_eq!(span.after(Gesture::Leave), None);
    }
}
