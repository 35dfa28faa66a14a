//! What is read, what is refused, and that a whole YAML reader agrees.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn values(text: &str) -> Value {
    Value::Object(
        parse(text)
            .unwrap_or_else(|error| panic!("{text:?}: {error}"))
            .values,
    )
}

#[test]
fn yaml_and_json_are_both_read() {
    assert_eq!(
        values("A: one\nB: two words  # remark\n\n# remark\n"),
        json!({"A": "one", "B": "two words"})
    );
    assert_eq!(
        values("---\n  'A b': 'it''s'\n  B: \"x: y\\n\\u00e9\""),
        json!({"A b": "it's", "B": "x: y\né"})
    );
    assert_eq!(
        values(r#"{"A": "one", "B":"x: y", "C": "\ud83d\ude00"}"#),
        json!({"A": "one", "B": "x: y", "C": "😀"})
    );
    assert_eq!(
        values("{A: one, 'B': two words,\n C: http://x:80/}"),
        json!({"A": "one", "B": "two words", "C": "http://x:80/"})
    );
    assert_eq!(
        values("URL: http://x:80/a#b\nPATH_LIKE: /a:/b"),
        json!({"URL": "http://x:80/a#b", "PATH_LIKE": "/a:/b"})
    );
    assert_eq!(
        values("KEY: |\n  line 1\n    line 2\n\n  line 3\nB: b"),
        json!({"KEY": "line 1\n  line 2\n\nline 3\n", "B": "b"})
    );
    assert_eq!(
        values("A: |-\n  x\n\n\nB: |+\n  y\n\n"),
        json!({"A": "x", "B": "y\n\n"})
    );
    for nothing in ["", "  \n# only a remark\n", "{}", " { } ", "---"] {
        assert_eq!(values(nothing), json!({}), "{nothing:?}");
    }
}

#[test]
fn what_is_no_text_becomes_text_as_typed() {
    for text in [
        "N: 1\nV: 1.10\nB: true\nE:\nZ: 007\nS: \"5\"\nT: ~",
        r#"{"N":1,"V":1.10,"B":true,"E":null,"Z": 007,"S":"5",T: }"#,
    ] {
        let mapping = parse(text).expect("a mapping");
        assert_eq!(
            Value::Object(mapping.values),
            json!({"N": "1", "V": "1.10", "B": "true", "E": "", "Z": "007", "S": "5", "T": ""})
        );
        assert_eq!(mapping.converted, ["N", "V", "B", "Z"]);
        assert_eq!(mapping.emptied, ["E", "T"]);
    }
}

#[test]
fn what_is_not_understood_is_said_with_its_line() {
    for (text, expected) in [
        (
            "A: one\nB: [two",
            "Line 2: the value of “B” is nested; give it as text in quotes.",
        ),
        (
            "A: {b: c}",
            "Line 1: the value of “A” is nested; give it as text in quotes.",
        ),
        (
            r#"{"A": ["b"]}"#,
            "Line 1: the value of “A” is nested; give it as text in quotes.",
        ),
        (
            "A:\n  b: c",
            "Line 1: the value of “A” goes on in the next line; write it in one line, or nested values as text in quotes.",
        ),
        (
            "A: b: c",
            "Line 1: the value of “A” holds a colon and a space; put it in quotes.",
        ),
        (
            "A: \"x",
            "Line 1: the value of “A” has a quote that is not closed on its line.",
        ),
        ("A: 1\nA: 2", "Line 2: “A” is there twice; remove one."),
        (
            "\tA: 1",
            "Line 1: YAML allows no tab at the beginning; use spaces.",
        ),
        (
            "just words",
            "Line 1: a colon and a space are missing; write “NAME: value”.",
        ),
        (
            "- A: 1",
            "Line 1: a list, a second document or a special sign is not understood here; write “NAME: value”.",
        ),
        (
            "A: *x",
            "Line 1: the value of “A” begins with a character that YAML keeps for itself; put it in quotes.",
        ),
        (
            "{\n\"A\": 1\n\"B\": 2}",
            "Line 2: after “1” a comma or the closing brace is missing, or it needs quotes.",
        ),
        ("{A:1}", "Line 1: a colon must follow the name “A:1”."),
        (
            "{\"A\": 1",
            "Line 1: after “1” a comma or the closing brace is missing, or it needs quotes.",
        ),
        (
            ": x",
            "Line 1: a list, a second document or a special sign is not understood here; write “NAME: value”.",
        ),
    ] {
        assert_eq!(parse(text).expect_err(text), expected, "{text:?}");
    }
}

#[test]
fn defaults_are_written_so_that_they_read_back() {
    let Value::Object(map) =
        json!({"PATH_LIKE": "/opt/x", "N": "1", "T": "true", "Q": "a: \"b\"\n\t\u{1b}", "E": "", "U": "é😀"})
    else {
        unreachable!()
    };
    assert_eq!(parse(&write(&map)).expect("reads back").values, map);
}

/// Where we read a text, a whole YAML reader reads the same.
fn agrees(text: &str) {
    let Ok(ours) = parse(text) else { return };
    let theirs: BTreeMap<String, Option<String>> = if ours.values.is_empty() {
        BTreeMap::new()
    } else {
        serde_saphyr::from_str(text)
            .unwrap_or_else(|error| panic!("{text:?} is no YAML, but was read: {error}"))
    };
    for (name, value) in &ours.values {
        let theirs = theirs
            .get(name)
            .unwrap_or_else(|| panic!("{text:?}: no {name:?}"));
        assert_eq!(
            value.as_str(),
            Some(theirs.as_deref().unwrap_or_default()),
            "{text:?}: {name:?}"
        );
    }
    assert_eq!(ours.values.len(), theirs.len(), "{text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_whole_reader_agrees_on_soup(text in "([ABé1.~|+>\"'#:,{}\\[\\] \\t\\n&*!%@`?-]|: |\\n|null){0,24}") {
        agrees(&text);
    }

    #[test]
    fn a_whole_reader_agrees_on_lines(
        lines in prop::collection::vec(("[A-C]{1,2}", "( |: |:  )", "[a-c0-9:#'\"{}, |~./\\\\n-]{0,10}"), 0..4),
        braces: bool,
    ) {
        let separator = if braces { ", " } else { "\n" };
        let text = lines.iter().map(|(name, colon, value)| format!("{name}{colon}{value}")).collect::<Vec<_>>().join(separator);
        agrees(&if braces { format!("{{{text}}}") } else { text });
    }
}
