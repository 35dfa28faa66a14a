//! YAML as PyYAML's `safe_load` reads it: the types of YAML 1.1, where `off` is false and `017` is fifteen.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

/// Nesting and size that no configuration needs; beyond them a file is refused.
const MAX_DEPTH: usize = 64;
const MAX_VALUES: usize = 100_000;

/// The one document of `text`; `null` where it says nothing.
///
/// # Errors
/// What is wrong and where, without a word of what stands there: it may be a password.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
    };
    let mut document = None;
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => return Ok(document.unwrap_or(Value::Null)),
            Event::DocumentStart(..) if document.is_some() => {
                return Err("it holds more than one document".to_owned());
            }
            Event::DocumentStart(..) => {
                let first = reader.next()?;
                document = Some(reader.value(first, 0)?);
            }
            _ => return Err("it is not YAML".to_owned()),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        loop {
            match self.events.next() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, _))) => return Ok(event),
                Some(Err(error)) => {
                    let what = error.info();
                    let what = what.lines().next().unwrap_or("it is not YAML");
                    let line = error.marker().line();
                    return Err(format!("{} (line {line})", what.trim_end_matches('.')));
                }
                None => return Err("it ends too early".to_owned()),
            }
        }
    }

    fn value(&mut self, first: Event<'a>, depth: usize) -> Result<Value, String> {
        self.count(1)?;
        if depth > MAX_DEPTH {
            return Err("it is nested too deeply".to_owned());
        }
        let (anchor, value) = match first {
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(&text, style, tag.as_deref())?),
            Event::SequenceStart(_, _, Some(tag)) | Event::MappingStart(_, _, Some(tag))
                if !is_yamls_own(&tag) =>
            {
                return Err("a tag in it is not one of YAML's own".to_owned());
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => items.push(self.value(event, depth + 1)?),
                    }
                }
                (anchor, Value::Array(items))
            }
            Event::MappingStart(_, anchor, _) => (anchor, Value::Object(self.mapping(depth)?)),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or("an alias in it stands inside of what it stands for")?;
                self.count(size(&value))?;
                return Ok(value);
            }
            _ => return Err("it is not YAML".to_owned()),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn mapping(&mut self, depth: usize) -> Result<Map<String, Value>, String> {
        let mut own = Map::new();
        let mut merged = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => break,
                event => event,
            };
            let merges = matches!(&key, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.value(key, depth + 1)?;
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            if merges {
                merge(&mut merged, value)?;
            } else {
                own.insert(key_text(key)?, value);
            }
        }
        merged.extend(own);
        Ok(merged)
    }

    /// Aliases of aliases make much of little.
    fn count(&mut self, values: usize) -> Result<(), String> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err("it holds too much".to_owned());
        }
        Ok(())
    }
}

fn is_yamls_own(tag: &Tag) -> bool {
    tag.handle() == "tag:yaml.org,2002:" || is_no_tag(tag)
}

/// A lone `!`, which PyYAML passes over.
fn is_no_tag(tag: &Tag) -> bool {
    matches!((tag.handle(), tag.suffix()), ("!", "") | ("", "!"))
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// What `<<` brings in; of several mappings the first to name a key counts.
fn merge(into: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(map) => into.extend(map),
        Value::Array(items) => {
            for item in items.into_iter().rev() {
                let Value::Object(map) = item else {
                    return Err("a << in it merges what is not a mapping".to_owned());
                };
                into.extend(map);
            }
        }
        _ => return Err("a << in it merges what is not a mapping".to_owned()),
    }
    Ok(())
}

/// Keys that are not texts matter to nobody who reads the gateway's part; JSON has them as texts.
fn key_text(key: Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text),
        Value::Array(_) | Value::Object(_) => Err("a key in it is a list or a mapping".to_owned()),
        other => Ok(other.to_string()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let string = || Value::String(text.to_owned());
    match tag.filter(|tag| !is_no_tag(tag)) {
        None if style == ScalarStyle::Plain => Ok(plain(text)),
        None => Ok(string()),
        Some(tag) if is_yamls_own(tag) => {
            let value = match tag.suffix() {
                "str" | "binary" | "timestamp" => Some(string()),
                "null" => Some(Value::Null),
                "bool" => boolean(text).map(Value::Bool),
                "int" => integer(text),
                "float" => float(text).or_else(|| text.parse().ok().and_then(number)),
                _ => None,
            };
            value.ok_or_else(|| "a tag in it does not fit its value".to_owned())
        }
        Some(_) => Err("a tag in it is not one of YAML's own".to_owned()),
    }
}

/// What a text without quotes stands for.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        _ => {}
    }
    if let Some(value) = boolean(text) {
        return Value::Bool(value);
    }
    integer(text)
        .or_else(|| float(text))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// In one of three spellings only: `yes`, `Yes` and `YES`, but not `yEs`.
fn boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let mut first_upper = lower.clone();
    if let Some(first) = first_upper.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if text != lower && text != first_upper && text != lower.to_ascii_uppercase() {
        return None;
    }
    match lower.as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Sign and magnitude.
fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = signed(text);
    let all = |digits: &str, is_digit: fn(u8) -> bool| {
        !digits.is_empty() && digits.bytes().all(|c| c == b'_' || is_digit(c))
    };
    let plain = |digits: &str| digits.replace('_', "");
    let magnitude = if let Some(bits) = digits.strip_prefix("0b") {
        all(bits, |c| matches!(c, b'0' | b'1')).then(|| i128::from_str_radix(&plain(bits), 2).ok())?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        all(hex, |c| c.is_ascii_hexdigit()).then(|| i128::from_str_radix(&plain(hex), 16).ok())?
    } else if digits == "0" {
        Some(0)
    } else if digits.starts_with('0') {
        all(digits, |c| matches!(c, b'0'..=b'7')).then(|| i128::from_str_radix(&plain(digits), 8).ok())?
    } else if digits.contains(':') {
        // Hours, minutes, seconds.
        let mut parts = digits.split(':');
        let first = parts.next().filter(|first| is_count(first))?;
        let mut sum: i128 = plain(first).parse().ok()?;
        for part in parts {
            sum = sum.checked_mul(60)?.checked_add(sixtieth(part)?.into())?;
        }
        Some(sum)
    } else {
        is_count(digits).then(|| plain(digits).parse().ok())?
    }?;
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value)
        .map(Value::from)
        .or_else(|_too_large| u64::try_from(value).map(Value::from))
        .ok()
}

fn is_count(digits: &str) -> bool {
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|c| c.is_ascii_digit() || c == b'_')
}

fn sixtieth(part: &str) -> Option<u8> {
    let fits = matches!(part.len(), 1 | 2) && part.bytes().all(|c| c.is_ascii_digit());
    part.parse().ok().filter(|value| fits && *value < 60)
}

/// A decimal point is a must, and an exponent has a sign.
fn float(text: &str) -> Option<Value> {
    let (negative, rest) = signed(text);
    let (before, after) = rest.split_once('.')?;
    let (fraction, exponent) = match after.find(['e', 'E']) {
        Some(at) => (&after[..at], Some(&after[at + 1..])),
        None => (after, None),
    };
    let fraction_fits = fraction.bytes().all(|c| c.is_ascii_digit() || c == b'_');
    let exponent_fits = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
    });
    if !fraction_fits || !exponent_fits {
        return None;
    }
    let sum = if before.is_empty() {
        // Without a digit before the point there is no sign.
        if rest.len() != text.len() || !is_count(fraction) {
            return None;
        }
        rest.replace('_', "").parse().ok()?
    } else if let Some((hours, minutes)) = before.split_once(':') {
        if !is_count(hours) || exponent.is_some() {
            return None;
        }
        let mut sum: f64 = hours.replace('_', "").parse().ok()?;
        let mut parts: Vec<&str> = minutes.split(':').collect();
        let last = parts.pop()?;
        for part in parts {
            sum = sum * 60.0 + f64::from(sixtieth(part)?);
        }
        sixtieth(last)?;
        sum * 60.0
            + format!("{last}.{fraction}0")
                .replace('_', "")
                .parse::<f64>()
                .ok()?
    } else if is_count(before) {
        rest.replace('_', "").parse().ok()?
    } else {
        return None;
    };
    number(if negative { -sum } else { sum })
}

/// JSON has no infinity; such a text stays one.
fn number(value: f64) -> Option<Value> {
    Number::from_f64(value).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_text_has_the_type_of_yaml_1_1() {
        for (text, value) in [
            ("off", json!(false)),
            ("Yes", json!(true)),
            ("yEs", json!("yEs")),
            ("y", json!("y")),
            ("~", json!(null)),
            ("017", json!(15)),
            ("0o17", json!("0o17")),
            ("08", json!("08")),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("-0b101", json!(-5)),
            ("12:30:45", json!(45045)),
            ("host:80", json!("host:80")),
            ("1e5", json!("1e5")),
            ("1.0e+5", json!(100_000.0)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-.5", json!("-.5")),
            ("1:30.5", json!(90.5)),
            ("127.0.0.1", json!("127.0.0.1")),
            (".inf", json!(".inf")),
            ("'3'", json!("3")),
            ("!!str 3", json!("3")),
            ("! 3", json!(3)),
            ("! '3'", json!("3")),
            ("!!int '3'", json!(3)),
        ] {
            assert_eq!(
                parse(&format!("a: {text}")).unwrap(),
                json!({"a": value}),
                "{text}"
            );
        }
    }

    #[test]
    fn keys_repeat_merge_and_need_not_be_texts() {
        let text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nx: {b: 9, <<: [*base, *more]}\ny: 1\ny: {2: [*base]}\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({"base": {"a": 1, "b": 2}, "more": {"b": 3, "c": 4},
                   "x": {"a": 1, "b": 9, "c": 4}, "y": {"2": [{"a": 1, "b": 2}]}})
        );
        assert_eq!(parse("# nothing\n").unwrap(), Value::Null);
        assert_eq!(parse("---\na: 1\n...\n").unwrap(), json!({"a": 1}));
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let bomb: String = (1..30).fold("a0: &a0 [1]\n".to_owned(), |text, n| {
            format!("{text}a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)
        });
        let deep = format!("a: {}", "[".repeat(10_000));
        for text in [
            "a: [1",
            "a: 1\n---\nb: 2\n",
            "a: !mine 3",
            "a: !mine {}",
            "a: !mine [1]",
            "a: *b",
            "? [a]\n: 1",
            &bomb,
            &deep,
        ] {
            assert!(parse(text).is_err(), "{:.40}", text);
        }
    }
}
