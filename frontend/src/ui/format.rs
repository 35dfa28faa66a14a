//! How figures and names are written: sizes, spans of time, short names.

use protocol::jobs::JobState;
use protocol::life::UNBOUNDED;
pub use protocol::names::{short_name, title};
use protocol::rest::{ClusterState, Scaling};

/// Units of sizes, each 1024 of the one before.
pub const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// The largest binary unit in which `bytes` is at least 1, as an index of [`UNITS`].
fn unit_of(bytes: u64) -> usize {
    let mut unit = 0;
    let mut rest = bytes;
    while rest >= 1024 && unit + 1 < UNITS.len() {
        rest /= 1024;
        unit += 1;
    }
    unit
}

fn in_unit(bytes: u64, unit: usize) -> String {
    let value = bytes as f64 / 1024_f64.powi(unit as i32);
    if unit == 0 || value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// `bytes` in the unit that suits it, such as `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    let unit = unit_of(bytes);
    format!("{} {}", in_unit(bytes, unit), UNITS[unit])
}

/// Two sizes in the unit of the larger one, such as `0.3 / 4.0 GiB`.
pub fn bytes_of(used: u64, limit: u64) -> String {
    let unit = unit_of(used.max(limit));
    format!(
        "{} / {} {}",
        in_unit(used, unit),
        in_unit(limit, unit),
        UNITS[unit]
    )
}

/// A span of time in two units, such as `4 s`, `12 m 04 s`, `3 h 05 m`, `2 d 04 h`.
///
/// A negative span, which clocks that differ can give, is shown as zero.
pub fn duration(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} m {:02} s", s / 60, s % 60),
        3600..86400 => format!("{} h {:02} m", s / 3600, s % 3600 / 60),
        _ => format!("{} d {:02} h", s / 86400, s % 86400 / 3600),
    }
}

/// A span of time as [`duration`] has it, without seconds beside minutes.
pub fn age(ms: i64) -> String {
    match ms / 60_000 {
        minutes @ 1..60 => format!("{minutes} m"),
        _ => duration(ms),
    }
}

/// A limit in words: as [`duration`], without a second unit that says nothing, such as `1 h` or `1 h 30 m`.
pub fn limit(seconds: u64) -> String {
    let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    let whole = duration(ms);
    whole
        .split_once(" 00 ")
        .map_or(whole.clone(), |(first, _)| first.to_owned())
}

/// What was asked of the cluster's size, or `None` where nobody knows.
pub fn scaling(scaling: &Scaling) -> Option<String> {
    match *scaling {
        Scaling::Unknown => None,
        Scaling::Manual { workers } => Some(format!("manual {workers}")),
        Scaling::Adaptive {
            minimum,
            maximum: UNBOUNDED,
        } => Some(format!("adaptive from {minimum}")),
        Scaling::Adaptive { minimum, maximum } => Some(format!("adaptive {minimum}\u{2013}{maximum}")),
    }
}

/// `n` and the noun, in the plural where it belongs: `1 worker`, `2 workers`.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// The state as the gateway writes it.
pub fn cluster_state(state: ClusterState) -> &'static str {
    match state {
        ClusterState::Pending => "PENDING",
        ClusterState::Running => "RUNNING",
        ClusterState::Stopping => "STOPPING",
        ClusterState::Stopped => "STOPPED",
        ClusterState::Failed => "FAILED",
    }
}

pub fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "Queued",
        JobState::Starting => "Starting",
        JobState::Running => "Running",
        JobState::Cancelling => "Cancelling",
        JobState::Succeeded => "Succeeded",
        JobState::Failed => "Failed",
        JobState::Cancelled => "Cancelled",
    }
}

/// A share of a whole in percent, 0 where there is no whole.
pub fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        (part / whole * 100.0).clamp(0.0, 100.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_the_unit_that_suits_them() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(4 << 30), "4.0 GiB");
        assert_eq!(bytes(512 << 20), "512 MiB");
        assert_eq!(bytes(u64::MAX), "16384 PiB");
    }

    #[test]
    fn a_pair_shares_one_unit() {
        assert_eq!(bytes_of(300 << 20, 4 << 30), "0.3 / 4.0 GiB");
        assert_eq!(bytes_of(0, 0), "0 / 0 B");
    }

    #[test]
    fn spans_show_two_units() {
        assert_eq!(duration(-5), "0 s");
        assert_eq!(duration(59_999), "59 s");
        assert_eq!(duration(724_000), "12 m 04 s");
        assert_eq!(
            [59_999, 724_000, 11_100_000].map(age),
            ["59 s", "12 m", "3 h 05 m"]
        );
        assert_eq!(duration(11_100_000), "3 h 05 m");
        assert_eq!(duration(187_200_000), "2 d 04 h");
    }

    #[test]
    fn limits_say_no_more_than_they_are() {
        for (seconds, said) in [
            (30, "30 s"),
            (1800, "30 m"),
            (3600, "1 h"),
            (5400, "1 h 30 m"),
            (172_800, "2 d"),
        ] {
            assert_eq!(limit(seconds), said);
        }
        assert!(limit(u64::MAX).ends_with('h'));
    }

    #[test]
    fn scaling_is_said_in_words() {
        assert_eq!(scaling(&Scaling::Unknown), None);
        assert_eq!(
            scaling(&Scaling::Manual { workers: 1 }).as_deref(),
            Some("manual 1")
        );
        assert_eq!(
            scaling(&Scaling::Adaptive {
                minimum: 0,
                maximum: 9
            })
            .as_deref(),
            Some("adaptive 0–9")
        );
        assert_eq!(
            scaling(&Scaling::Adaptive {
                minimum: 1,
                maximum: UNBOUNDED
            })
            .as_deref(),
            Some("adaptive from 1")
        );
    }

    #[test]
    fn shares_stay_within_the_bar() {
        assert_eq!(percent(5.0, 0.0), 0.0);
        assert_eq!(percent(5.0, 4.0), 100.0);
        assert_eq!(percent(1.0, 4.0), 25.0);
    }
}
