//! Python literals in environment variables, as `ast.literal_eval` takes them, where JSON has a value for them.

use serde_json::{Map, Number, Value};

/// Nesting that no configuration needs; beyond it the text stays a text.
const MAX_DEPTH: usize = 32;

/// The value of a Python literal, or `None` for any other text.
pub fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser {
        rest: text.trim_matches([' ', '\t', '\n', '\r']),
        depth: 0,
    };
    let first = parser.value()?;
    if parser.rest.is_empty() {
        return Some(first);
    }
    // A tuple needs no brackets.
    let mut items = vec![first];
    while parser.take(',') {
        parser.skip_space();
        if parser.rest.is_empty() {
            break;
        }
        items.push(parser.value()?);
    }
    parser.rest.is_empty().then_some(Value::Array(items))
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    /// Spaces and comments.
    fn skip_space(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
            if !self.rest.starts_with('#') {
                return;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Option<Value> {
        self.skip_space();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.rest.chars().next()? {
            '\'' | '"' => self.strings(),
            '[' => self.items('[', ']').map(|(items, _)| Value::Array(items)),
            '(' => match self.items('(', ')')? {
                // Brackets around one value are only brackets.
                (mut items, false) if items.len() == 1 => items.pop(),
                (items, _) => Some(Value::Array(items)),
            },
            '{' => self.mapping(),
            c if c.is_ascii_alphabetic() && self.prefixed() => self.strings(),
            c if c.is_ascii_alphabetic() => self.constant(),
            _ => self.number(),
        };
        self.depth -= 1;
        self.skip_space();
        value
    }

    /// Values between brackets, and whether a comma stood among them.
    fn items(&mut self, open: char, close: char) -> Option<(Vec<Value>, bool)> {
        self.take(open);
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.take(close) {
            items.push(self.value()?);
            if self.take(',') {
                comma = true;
            } else if self.take(close) {
                break;
            } else {
                return None;
            }
        }
        (!items.is_empty() || !comma).then_some((items, comma))
    }

    fn mapping(&mut self) -> Option<Value> {
        self.take('{');
        let mut map = Map::new();
        while !self.take('}') {
            let Value::String(key) = self.value()? else {
                return None;
            };
            if !self.take(':') {
                return None;
            }
            map.insert(key, self.value()?);
            if !self.take(',') {
                if self.take('}') {
                    break;
                }
                return None;
            }
        }
        Some(Value::Object(map))
    }

    fn constant(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            _ => None,
        }
    }

    /// Whether a quoted text with a letter before it comes: raw, or in Python 2's spelling.
    fn prefixed(&self) -> bool {
        self.rest.starts_with(['r', 'R', 'u', 'U']) && self.rest[1..].starts_with(['\'', '"'])
    }

    /// One or more quoted texts in a row, which Python joins.
    fn strings(&mut self) -> Option<Value> {
        let mut text = String::new();
        loop {
            let raw = self.prefixed() && self.rest.starts_with(['r', 'R']);
            if self.prefixed() {
                self.rest = &self.rest[1..];
            }
            let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
                return Some(Value::String(text));
            };
            self.quoted(quote, raw, &mut text)?;
            self.skip_space();
        }
    }

    fn quoted(&mut self, quote: char, raw: bool, text: &mut String) -> Option<()> {
        let triple: String = [quote; 3].iter().collect();
        let long = self.rest.starts_with(&triple);
        let end = if long { triple } else { quote.to_string() };
        self.rest = &self.rest[end.len()..];
        loop {
            if let Some(rest) = self.rest.strip_prefix(&end) {
                self.rest = rest;
                return Some(());
            }
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '\\' if raw => {
                    // It keeps a quote from ending the text, and stays itself.
                    let next = self.rest.chars().next()?;
                    text.extend([c, next]);
                    self.rest = &self.rest[next.len_utf8()..];
                }
                '\\' => self.escape(text)?,
                '\n' if !long => return None,
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Option<()> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        let digits = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='7' => {
                let more = self.rest.bytes().take(2).take_while(|c| matches!(c, b'0'..=b'7'));
                let (octal, rest) = self.rest.split_at(more.count());
                self.rest = rest;
                let code = u32::from_str_radix(&format!("{c}{octal}"), 8).ok()?;
                text.push(char::from_u32(code)?);
                return Some(());
            }
            // Characters by their Unicode names: not worth a table of them.
            'N' => return None,
            c => {
                match c {
                    'a' => text.push('\u{7}'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'v' => text.push('\u{b}'),
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    '\n' => {}
                    '\\' | '\'' | '"' => text.push(c),
                    // Python keeps the backslash of an escape that it does not know.
                    c => text.extend(['\\', c]),
                }
                return Some(());
            }
        };
        let code = self.rest.get(..digits)?;
        self.rest = &self.rest[digits..];
        text.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        Some(())
    }

    fn number(&mut self) -> Option<Value> {
        let negative = self.rest.starts_with('-');
        if let Some(rest) = self.rest.strip_prefix(['-', '+']) {
            self.rest = rest;
            self.skip_space();
        }
        let mut end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_'))
            .unwrap_or(self.rest.len());
        // The sign of an exponent belongs to the number.
        if self.rest[..end].ends_with(['e', 'E']) && self.rest[end..].starts_with(['-', '+']) {
            let digits = self.rest[end + 1..].find(|c: char| !c.is_ascii_digit());
            end = digits.map_or(self.rest.len(), |at| end + 1 + at);
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let prefixed = word.starts_with('0') && word[1..].starts_with(|c: char| c.is_ascii_alphabetic());
        let joins =
            |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_digit() || prefixed && c.is_ascii_alphanumeric());
        let bytes = word.as_bytes();
        let between =
            |at: usize| joins(at.checked_sub(1).and_then(|at| bytes.get(at))) && joins(bytes.get(at + 1));
        if !word.match_indices('_').all(|(at, _)| between(at)) {
            return None;
        }
        let number = magnitude(&word.replace('_', ""))?;
        if !negative {
            return Some(Value::Number(number));
        }
        match number.as_i64() {
            Some(integer) => Some(Value::from(-integer)),
            None => Number::from_f64(-number.as_f64()?).map(Value::Number),
        }
    }
}

fn magnitude(digits: &str) -> Option<Number> {
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.to_ascii_lowercase().strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix).ok().map(Number::from);
        }
    }
    if digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let padded = digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|digit| digit != b'0');
        return if padded {
            None
        } else {
            digits.parse::<u64>().ok().map(Number::from)
        };
    }
    if !digits
        .bytes()
        .all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    digits.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_become_values() {
        for (text, value) in [
            ("3", json!(3)),
            ("-3", json!(-3)),
            (" 8786 ", json!(8786)),
            ("1_000", json!(1000)),
            ("0x10", json!(16)),
            ("0x_f_f", json!(255)),
            ("1e-3", json!(0.001)),
            (".5", json!(0.5)),
            ("True", json!(true)),
            ("None", json!(null)),
            ("'a' \"b\"", json!("ab")),
            (r"'it\'s \u00e9\n'", json!("it's é\n")),
            (
                "{'a': [1, (2,), (3)], \"b\": {}}",
                json!({"a": [1, [2], 3], "b": {}}),
            ),
            ("[]", json!([])),
            ("1, 'a',", json!([1, "a"])),
            ("3 # workers", json!(3)),
            ("- 3", json!(-3)),
            (r"r'\d\'' u'x' '\101\a'", json!("\\d\\'xA\u{7}")),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn all_else_stays_text() {
        for text in [
            "",
            "http://h:1/x",
            "gh12ab",
            "1.2.3",
            "007",
            "12ab",
            "true",
            "a b",
            "'open",
            "[1",
            "{1: 2}",
            "--3",
            "+-3",
            "#3",
            "1, , 2",
            ",",
            "f'x'",
            "\u{a0}3",
            "'\\N{BULLET}'",
            "1_e0",
            "1_.5",
            "--",
            "-",
            "1 2",
            "[,]",
            "b'x'",
            "1j",
            "é",
            "_1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }
}
