//! The time of day as the REST models carry it, and spans of time in words.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds; 0 for a clock set before 1970.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A span of time in words: `90 s`, `5 min`, `1 h 30 min`, `2 d`.
pub(crate) fn words(seconds: u64) -> String {
    let (d, h, m, s) = (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    let parts: Vec<String> = [(d, "d"), (h, "h"), (m, "min"), (s, "s")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .take(2)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    if parts.is_empty() {
        "0 s".to_owned()
    } else {
        parts.join(" ")
    }
}

/// Date and time of a moment in microseconds since the Unix epoch, UTC: `2026-11-22 08:04:06`.
pub(crate) fn utc(us: i64) -> String {
    let (year, month, day) = date(us.div_euclid(86_400_000_000));
    let second = us.div_euclid(1_000_000).rem_euclid(86_400);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}")
}

/// The civil date of a day since the Unix epoch, by the Gregorian calendar's cycle of 400 years.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_514), (2026, 3, 2));
        assert_eq!(utc(1_795_334_646_893_921), "2026-11-22 08:04:06");
    }

    #[test]
    fn spans_are_said_in_two_units() {
        for (seconds, said) in [
            (0, "0 s"),
            (90, "1 min 30 s"),
            (300, "5 min"),
            (5400, "1 h 30 min"),
            (172_800, "2 d"),
        ] {
            assert_eq!(words(seconds), said);
        }
    }
}
