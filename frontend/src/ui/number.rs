//! Numbers as people type them: read, and stepped up and down.

/// Reads a decimal number: digits with at most one point, a sign, an exponent. Nothing else is one, not `inf`, not `0x1`.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    is_number(text)
        .then(|| read(text))
        .filter(|number| number.is_finite())
}

/// Whether a text has the form of a decimal number.
pub fn is_number(text: &str) -> bool {
    let unsigned = |text: &str| text.strip_prefix(['+', '-']).unwrap_or(text).to_owned();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let text = unsigned(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (text.as_str(), None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(&exponent))
}

/// The browser's own reader: the standard library's brings tables of ten kilobytes that do not compress.
#[cfg(target_arch = "wasm32")]
fn read(text: &str) -> f64 {
    js_sys::parse_float(text)
}

#[cfg(not(target_arch = "wasm32"))]
fn read(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// The number one step up or down from what is typed, within the bounds; an unreadable text starts at the lower bound
/// or zero.
pub fn step(text: &str, up: bool, min: Option<f64>, max: Option<f64>) -> String {
    let by = if up { 1.0 } else { -1.0 };
    let next = match parse(text) {
        Some(n) => n + by,
        None => min.unwrap_or(0.0),
    };
    let next = next
        .max(min.unwrap_or(f64::NEG_INFINITY))
        .min(max.unwrap_or(f64::INFINITY));
    // A few decimals: 0.1 + 0.2 should not become 0.30000000000000004 in front of the user.
    let rounded = (next * 1e9).round() / 1e9;
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for (text, expected) in [
            ("1", 1.0),
            (" -1.5 ", -1.5),
            ("+.5", 0.5),
            ("2.", 2.0),
            ("1e3", 1000.0),
            ("1E-2", 0.01),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in [
            "", ".", "-", "1e", "e1", "1.2.3", "inf", "NaN", "0x1", "1_000", "1 2", "1e999", "--1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn steps_stay_within_bounds() {
        assert_eq!(step("1", true, Some(0.0), Some(2.0)), "2");
        assert_eq!(step("2", true, Some(0.0), Some(2.0)), "2");
        assert_eq!(step("0", false, Some(0.0), None), "0");
        assert_eq!(step("x", true, None, None), "0");
        assert_eq!(step("0.2", true, None, None), "1.2");
    }
}
