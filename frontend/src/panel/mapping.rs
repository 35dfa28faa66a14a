//! Mappings as people write them: YAML or JSON in, text by name out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What was understood of a mapping's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Every value is a string: the gateway passes them on as environment variables.
    pub values: Map<String, Value>,
    /// Names whose value YAML or JSON does not take for a string, and which is sent as one.
    pub converted: Vec<String>,
}

/// Reads YAML (of which JSON is a part) as a mapping of names to text.
///
/// A number or boolean keeps the characters that were typed (`1.10` stays `1.10`). The error is a sentence that names
/// the line or the name that is wrong.
pub fn parse(text: &str) -> Result<Mapping, String> {
    let blank = text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if blank {
        return Ok(Mapping {
            values: Map::new(),
            converted: Vec::new(),
        });
    }
    let typed: Value = serde_saphyr::from_str(text).map_err(|error| sentence(&error))?;
    let typed = match typed {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return Err("Write one “NAME: value” per line, or a JSON object.".to_owned()),
    };
    for (name, value) in &typed {
        if value.is_array() || value.is_object() {
            return Err(format!(
                "The value of “{name}” is nested; give it as text in quotes."
            ));
        }
    }
    // Read again as text: the first reading told the types, but 1.10 is no longer what was typed.
    let raw: BTreeMap<String, Option<String>> =
        serde_saphyr::from_str(text).map_err(|error| sentence(&error))?;
    let mut mapping = Mapping {
        values: Map::new(),
        converted: Vec::new(),
    };
    for (name, value) in typed {
        if name.trim().is_empty() {
            return Err("A name is empty; write “NAME: value”.".to_owned());
        }
        if !value.is_string() {
            mapping.converted.push(name.clone());
        }
        let text = match (value, raw.get(&name)) {
            (Value::String(text), _) => text,
            (Value::Null, _) => String::new(),
            (_, Some(Some(text))) => text.clone(),
            (value, _) => value.to_string(),
        };
        mapping.values.insert(name, Value::String(text));
    }
    Ok(mapping)
}

/// One line a name, in a form that [`parse`] reads back as the same text.
pub fn write(values: &Map<String, Value>) -> String {
    values
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) if is_plain(text) => format!("{name}: {text}"),
            value => format!("{name}: {value}"),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether YAML reads the text as the same string without quotes. Cautious: quotes never harm.
fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let known = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    begins
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | '='))
        && !known.contains(&text.to_ascii_lowercase().as_str())
}

/// What the reader says, as a sentence: its place first, without its excerpt of the text and its advice to programmers.
fn sentence(error: &serde_saphyr::Error) -> String {
    let whole = error.to_string();
    let what = whole
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    let what = match what.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => what,
    };
    let what = what.split(", set ").next().unwrap_or(what);
    match error.location() {
        Some(place) => format!("Not valid YAML or JSON in line {}: {what}.", place.line()),
        None => format!("Not valid YAML or JSON: {what}."),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Value {
        Value::Object(parse(text).expect("a mapping").values)
    }

    #[test]
    fn yaml_and_json_are_both_read() {
        assert_eq!(
            values("A: one\nB: two words\n"),
            json!({"A": "one", "B": "two words"})
        );
        assert_eq!(
            values(r#"{"A": "one", "B": "x: y"}"#),
            json!({"A": "one", "B": "x: y"})
        );
        assert_eq!(values("  \n# only a remark\n"), json!({}));
        assert_eq!(values("{}"), json!({}));
    }

    #[test]
    fn what_is_no_text_becomes_text_as_typed() {
        let mapping = parse("N: 1\nV: 1.10\nB: true\nE:\nZ: 007\nS: \"5\"").expect("a mapping");
        assert_eq!(
            Value::Object(mapping.values),
            json!({"N": "1", "V": "1.10", "B": "true", "E": "", "Z": "007", "S": "5"})
        );
        assert!(
            ["N", "V", "B", "E"]
                .iter()
                .all(|name| mapping.converted.iter().any(|c| c == name))
        );
        assert!(!mapping.converted.contains(&"S".to_owned()));
    }

    #[test]
    fn nested_values_are_refused_by_name() {
        for text in ["A:\n  - 1", "A: {b: c}", r#"{"A": [1]}"#] {
            assert!(parse(text).expect_err("nested").contains("“A”"), "{text}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let error = parse("A: one\nB: [two").expect_err("broken");
        assert_eq!(error, "Not valid YAML or JSON in line 2: unclosed bracket '['.");
        assert!(
            parse("just words")
                .expect_err("no mapping")
                .contains("NAME: value")
        );
        let twice = parse("A: 1\nA: 2").expect_err("the same name twice");
        assert_eq!(
            twice,
            "Not valid YAML or JSON in line 2: duplicate mapping key: A."
        );
    }

    #[test]
    fn defaults_are_written_so_that_they_read_back() {
        let map = json!({"PATH_LIKE": "/opt/x", "N": "1", "T": "true", "Q": "a: \"b\"", "E": ""});
        let Value::Object(map) = map else { unreachable!() };
        assert_eq!(parse(&write(&map)).expect("reads back").values, map);
    }
}
