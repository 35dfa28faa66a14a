//! The parameters of a notebook: what its cell that is tagged `parameters` assigns, for a form to show.

use protocol::jobs::Parameter;

/// The assignments of a cell, in its order; the last one of a name counts. Anything else in it is left alone.
pub(super) fn parameters(source: &str) -> Vec<Parameter> {
    let mut found: Vec<Parameter> = Vec::new();
    for line in logical_lines(source) {
        if let Some(parameter) = assignment(&line) {
            found.retain(|known| known.name != parameter.name);
            found.push(parameter);
        }
    }
    found
}

/// A statement on one line or several, and the comment behind it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    code: String,
    comment: String,
}

/// Where a statement ends: at the end of a line, unless a bracket or a string is open there or a backslash goes on.
fn logical_lines(source: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = Line::default();
    let mut depth = 0_usize;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let token = match c {
            '\'' | '"' => string_end(rest),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '\\' if rest[1..].starts_with('\n') => 2,
            c => c.len_utf8(),
        };
        let (now, later) = rest.split_at(token);
        rest = later;
        match c {
            '#' => line.comment = now.trim_start_matches('#').trim().to_owned(),
            '\n' if depth == 0 => lines.push(std::mem::take(&mut line)),
            _ => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                // A line that goes on is one line.
                line.code.push_str(if c == '\\' { " " } else { now });
            }
        }
    }
    lines.push(line);
    lines
}

/// Bytes of the string that a text begins with; all of it where the string is not closed.
fn string_end(text: &str) -> usize {
    let quote = &text[..1];
    let tripled = quote.repeat(3);
    let (mark, begin) = if text.starts_with(&tripled) {
        (tripled.as_str(), 3)
    } else {
        (quote, 1)
    };
    let mut at = begin;
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(mark) {
            return at + mark.len();
        }
        at += c.len_utf8();
        if c == '\\' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    at
}

/// `name = value`, with or without an annotation.
fn assignment(line: &Line) -> Option<Parameter> {
    // What is indented belongs to an `if` or a `for`.
    if line.code.starts_with([' ', '\t']) {
        return None;
    }
    let end = line
        .code
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(line.code.len());
    let (name, rest) = line.code.split_at(end);
    if !super::plan::is_name(name) {
        return None;
    }
    let rest = rest.trim_start();
    let value = match rest.strip_prefix(':') {
        Some(annotated) => annotated.split_once('=')?.1,
        None => rest.strip_prefix('=')?,
    };
    // A comparison.
    let code = value.trim();
    if code.is_empty() || value.starts_with('=') {
        return None;
    }
    Some(Parameter {
        name: name.to_owned(),
        default: dask_gateway::python_literal(code).filter(|value| !value.is_null()),
        code: code.to_owned(),
        about: Some(line.comment.clone()).filter(|comment| !comment.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn assignments_are_parameters() {
        let source = r##"# What to read
import os
n = 10  # rows
rate: float = 0.5
name = "a # b"  # who
days = [
    "mon",  # first
    "tue",
]
text = """two
lines = 2"""
path = os.path.join("a", "b")
nothing = None
flag = True
if flag:
    inner = 1
n == 3
n = 20
total = \
    7
x, y = 1, 2
"##;
        let found: Vec<_> = parameters(source)
            .into_iter()
            .map(|found| (found.name, found.default.unwrap_or(Value::Null), found.about))
            .collect();
        let about = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("rate".into(), json!(0.5), None),
                ("name".into(), json!("a # b"), about("who")),
                ("days".into(), json!(["mon", "tue"]), about("first")),
                ("text".into(), json!("two\nlines = 2"), None),
                ("path".into(), json!(null), None),
                ("nothing".into(), json!(null), None),
                ("flag".into(), json!(true), None),
                ("n".into(), json!(20), None),
                ("total".into(), json!(7), None),
            ]
        );
    }

    #[test]
    fn what_is_not_closed_is_no_trouble() {
        for source in ["a = 'x", "a = [1, 2", "a = \"\"\"x\ny", "\\", "é = 'é\\"] {
            assert!(parameters(source).len() <= 1, "{source}");
        }
    }
}
