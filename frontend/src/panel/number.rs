//! Reading numbers as people type them.

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
}
