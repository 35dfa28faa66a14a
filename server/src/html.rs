//! HTML files that are read without us: what the reports of recordings and of jobs have in common.
//!
//! Such a file has no script and loads nothing; what others wrote in it stays text.

/// Puts an end to what a page could load or run, also where it is opened from a disk.
pub(crate) const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// How reports look: one column, figures in it, light or dark as the reader has it.
pub(crate) const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1400px;padding:0 1rem;color:#24292f;\
    background:#fff}h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}table{border-collapse:collapse;\
    width:100%}th,td{padding:.3rem .6rem;border-bottom:1px solid #d8dee4;text-align:left;vertical-align:top}td.n,th.n{\
    text-align:right;font-variant-numeric:tabular-nums}.facts{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:1rem 0;\
    padding:0;list-style:none}.facts b{display:block;font-size:1.25rem}img{max-width:100%;border:1px solid #d8dee4}i{\
    display:inline-block;width:.8em;height:.8em;margin-right:.5em}pre{font-size:12px;white-space:pre-wrap;margin:.3rem 0;\
    overflow-wrap:anywhere}.meta{color:#57606a;overflow-wrap:anywhere}@media(prefers-color-scheme:dark){body{color:#e6edf3;\
    background:#0d1117}th,td,img{border-color:#30363d}.meta{color:#8b949e}}";

/// Everything before the page's own content; `style` comes after what all reports have.
pub(crate) fn head(title: &str, style: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title><style>{STYLE}{style}</style></head><body>\n",
        escape(title)
    )
}

/// A character as text, wherever it stands in HTML; `None` where it is itself.
fn escaped(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&#39;",
        _ => return None,
    })
}

/// Text that is only text, wherever it stands in HTML.
pub(crate) fn escape(text: &str) -> String {
    escape_within(text, usize::MAX)
}

/// Text that is only text, of `limit` bytes at most once it is escaped; what is cut off is shown by an ellipsis.
pub(crate) fn escape_within(text: &str, limit: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(limit));
    for c in text.chars() {
        let before = safe.len();
        match escaped(c) {
            Some(entity) => safe.push_str(entity),
            None => safe.push(c),
        }
        if safe.len() > limit {
            safe.truncate(before);
            safe.push('\u{2026}');
            break;
        }
    }
    safe
}

/// The end of a text, so much of it that it takes at most `limit` bytes once it is escaped.
pub(crate) fn tail_within(text: &str, limit: usize) -> &str {
    let mut room = limit;
    for (at, c) in text.char_indices().rev() {
        let length = escaped(c).map_or(c.len_utf8(), str::len);
        match room.checked_sub(length) {
            Some(left) => room = left,
            None => return &text[at + c.len_utf8()..],
        }
    }
    text
}

/// As [`tail_within`], from the beginning of a line on where there is one.
pub(crate) fn last_lines_within(text: &str, limit: usize) -> &str {
    let tail = tail_within(text, limit);
    match tail.find('\n') {
        Some(end) if tail.len() < text.len() && end + 1 < tail.len() => &tail[end + 1..],
        _ => tail,
    }
}

/// Bytes of a text once it is escaped.
pub(crate) fn escaped_len(text: &str) -> usize {
    text.chars()
        .map(|c| escaped(c).map_or(c.len_utf8(), str::len))
        .sum()
}

/// A line that says what a table leaves out; empty where it has all.
pub(crate) fn more(all: usize, shown: usize, what: &str) -> String {
    if all <= shown {
        return String::new();
    }
    format!(
        "<p class=\"meta\">And {} more {what}; the Parquet export has all.</p>\n",
        count((all - shown) as u64)
    )
}

pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Microseconds in words.
pub(crate) fn duration(us: u64) -> String {
    let seconds = us as f64 / 1e6;
    match us {
        0..1_000 => format!("{us} \u{b5}s"),
        1_000..1_000_000 => format!("{:.1} ms", seconds * 1e3),
        1_000_000..60_000_000 => format!("{seconds:.2} s"),
        60_000_000..3_600_000_000 => format!(
            "{:.0} min {:.0} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        ),
        _ => format!(
            "{:.0} h {:.0} min",
            (seconds / 3600.0).floor(),
            ((seconds / 60.0) % 60.0).floor()
        ),
    }
}

pub(crate) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}").replace(".0 ", " ");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stay_words() {
        assert_eq!(
            escape("<script>'&\"</script>"),
            "&lt;script&gt;&#39;&amp;&quot;&lt;/script&gt;"
        );
        assert!(head("</title><script>", "").contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
    }

    #[test]
    fn what_is_bounded_is_bounded_as_it_is_written() {
        assert_eq!(escape_within("a<b", 5), "a&lt;\u{2026}");
        assert_eq!(escape_within("a<b", 6), "a&lt;b");
        assert_eq!(escape_within("é☃", 2), "é\u{2026}");
        assert_eq!(tail_within("ab<c", 5), "<c");
        assert_eq!(tail_within("ab<c", 4), "c");
        assert_eq!(tail_within("☃é", 2), "é");
        assert_eq!(last_lines_within("one\ntwo\nthree", 8), "three");
        assert_eq!(last_lines_within("one\ntwo", 9), "one\ntwo");
        assert_eq!((tail_within("abc", 9), escaped_len("a&é")), ("abc", 8));
    }

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!((count(999), count(1_234_567)), ("999".into(), "1,234,567".into()));
        assert_eq!(duration(1_500), "1.5 ms");
        assert_eq!(duration(75_000_000), "1 min 15 s");
        assert_eq!(duration(119_700_000), "1 min 59 s");
        assert_eq!((bytes(512), bytes(3 << 29)), ("512 B".into(), "1.5 GiB".into()));
    }
}
