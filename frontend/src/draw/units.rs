//! Times and counts as people read them.

/// A duration in the style of Dask's `format_time`: `12 µs`, `3.4 ms`, `5.67 s`, `4 m 3 s`, `2 h 5 m`.
pub fn duration(us: u64) -> String {
    let s = us as f64 / 1e6;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", three_digits(us as f64 / 1e3)),
        1_000_000..60_000_000 => format!("{} s", three_digits(s)),
        60_000_000..3_600_000_000 => format!("{:.0} m {:.0} s", (s / 60.0).floor(), (s % 60.0).floor()),
        _ => format!(
            "{:.0} h {:.0} m",
            (s / 3600.0).floor(),
            (s % 3600.0 / 60.0).floor()
        ),
    }
}

fn three_digits(value: f64) -> String {
    let decimals = if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    let text = format!("{value:.decimals$}");
    if decimals == 0 {
        text
    } else {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A count with thin spaces between groups of three digits.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count in at most five characters: `950`, `12.3k`, `4.5M`.
pub fn short_count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{}k", three_digits(n as f64 / 1e3)),
        _ => format!("{}M", three_digits(n as f64 / 1e6)),
    }
}

/// `1 task`, `2 tasks`.
pub fn plural(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A moment of the day with as many decimals of a second as `step_us` needs; `zone_us` is what local time is ahead of UTC.
pub fn time_of_day(t_us: i64, zone_us: i64, step_us: i64) -> String {
    let us = (t_us + zone_us).rem_euclid(86_400_000_000);
    let (h, m, s, rest) = (
        us / 3_600_000_000,
        us / 60_000_000 % 60,
        us / 1_000_000 % 60,
        us % 1_000_000,
    );
    match step_us {
        60_000_000.. => format!("{h:02}:{m:02}"),
        1_000_000.. => format!("{h:02}:{m:02}:{s:02}"),
        1_000.. => format!(":{s:02}.{:03}", rest / 1000),
        _ => format!(".{rest:06}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (us, text) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_234, "1.23 ms"),
            (20_000, "20 ms"),
            (123_456, "123 ms"),
            (1_000_000, "1 s"),
            (59_950_000, "60 s"),
            (61_000_000, "1 m 1 s"),
            (7_500_000_000, "2 h 5 m"),
        ] {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(999), "999");
        assert_eq!(
            (short_count(950), short_count(12_340), short_count(4_500_000)),
            ("950".into(), "12.3k".into(), "4.5M".into())
        );
        assert_eq!(
            (plural(1, "task"), plural(2, "task")),
            ("1 task".into(), "2 tasks".into())
        );
    }

    #[test]
    fn moments_read_well() {
        let t = 1_795_334_646_893_921;
        assert_eq!(time_of_day(t, 0, 60_000_000), "08:04");
        assert_eq!(time_of_day(t, 3_600_000_000, 1_000_000), "09:04:06");
        assert_eq!(time_of_day(t, 0, 5_000), ":06.893");
        assert_eq!(time_of_day(t, 0, 10), ".893921");
    }
}
