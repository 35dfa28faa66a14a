//! Single values: quoted, plain, and what plain ones are taken for.

use crate::ui::number;

/// A value as text, and whether it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    quoted: bool,
    null: bool,
}

impl Scalar {
    pub(super) fn quoted(text: String) -> Self {
        Self {
            text,
            quoted: true,
            null: false,
        }
    }

    /// A plain value; what YAML takes for nothing becomes the empty text.
    pub(super) fn plain(text: &str) -> Self {
        let null = is_null(text);
        Self {
            text: if null { String::new() } else { text.to_owned() },
            quoted: false,
            null,
        }
    }

    /// Whether YAML takes it for nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.null
    }

    /// Whether YAML takes it for a string, too.
    pub(super) fn is_text(&self) -> bool {
        self.quoted || !(self.null || is_bool(&self.text) || is_number(&self.text))
    }
}

/// Whether YAML takes a plain text for nothing.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_bool(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let radix = |prefix, radix| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix) || c == '_'))
    };
    matches!(digits.to_ascii_lowercase().as_str(), ".inf" | ".nan")
        || radix("0x", 16)
        || radix("0o", 8)
        || digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && number::is_number(digits)
}

/// Whether YAML reads the text as the same string without quotes. Cautious: quotes never harm.
pub(super) fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let known = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    begins
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | '='))
        && !known.contains(&text.to_ascii_lowercase().as_str())
}

/// Why a value can't begin with this character without quotes.
pub(super) fn refuse_start(value: &str) -> Option<&'static str> {
    let mut chars = value.chars();
    let (first, second) = (chars.next()?, chars.next());
    match first {
        '[' | '{' => Some("is nested; give it as text in quotes"),
        '-' | '?' | ':' if second.is_none_or(|c| c.is_whitespace() || ",[]{}".contains(c)) => {
            Some("is nested; give it as text in quotes")
        }
        ',' | ']' | '}' | '&' | '*' | '!' | '%' | '@' | '`' | '#' | '>' | '|' => {
            Some("begins with a character that YAML keeps for itself; put it in quotes")
        }
        _ => None,
    }
}

/// Reads a quoted text that begins at `text`'s first character, which is the quote; gives it and what follows.
///
/// It has to end on its line: so does every value that fits an environment variable's line.
pub(super) fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, c)| c);
    let mut out = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => break,
            '\'' if quote == Some('\'') => {
                if text[at + 1..].starts_with('\'') {
                    out.push('\'');
                    chars.next();
                } else {
                    return Ok((out, &text[at + 1..]));
                }
            }
            '"' if quote == Some('"') => return Ok((out, &text[at + 1..])),
            '\\' if quote == Some('"') => {
                let (c, length) =
                    escape(&text[at + 1..]).ok_or("has an escape that is not known; write \\\\ for \\")?;
                out.push(c);
                // The escape's characters are ASCII.
                for _ in 0..length {
                    chars.next();
                }
            }
            c => out.push(c),
        }
    }
    Err("has a quote that is not closed on its line")
}

/// The character that an escape stands for, and the length of the escape without its backslash.
fn escape(rest: &str) -> Option<(char, usize)> {
    let c = match rest.chars().next()? {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' => ' ',
        '"' => '"',
        '/' => '/',
        '\\' => '\\',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' => return Some((char::from_u32(hex(rest, 1, 2)?)?, 3)),
        'u' => {
            let unit = hex(rest, 1, 4)?;
            // JSON writes characters beyond the first plane as two units.
            if (0xd800..0xdc00).contains(&unit) && rest.get(5..7) == Some("\\u") {
                let low = hex(rest, 7, 4)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return Some((char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low)?, 11));
            }
            return Some((char::from_u32(unit)?, 5));
        }
        'U' => return Some((char::from_u32(hex(rest, 1, 8)?)?, 9)),
        _ => return None,
    };
    Some((c, 1))
}

fn hex(text: &str, from: usize, length: usize) -> Option<u32> {
    let digits = text
        .get(from..from + length)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}
