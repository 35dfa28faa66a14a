//! The form with one `NAME: value` a line.

use super::Mapping;
use super::scalar::{self, Scalar};

pub(super) fn read(text: &str, into: &mut Mapping) -> Result<(), String> {
    let lines: Vec<_> = text.lines().collect();
    let mut indent = None;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let (number, body) = (at + 1, line.trim_start_matches(' '));
        at += 1;
        if is_blank(body) || (body.trim_end() == "---" && indent.is_none() && line.starts_with('-')) {
            continue;
        }
        if body.starts_with('\t') {
            return Err(format!(
                "Line {number}: YAML allows no tab at the beginning; use spaces."
            ));
        }
        let depth = line.len() - body.len();
        if depth != *indent.get_or_insert(depth) {
            return Err(format!(
                "Line {number}: begin each name at the same place; values can't be nested."
            ));
        }
        let (name, rest) = name(body).map_err(|why| format!("Line {number}: {why}"))?;
        let value = rest.trim_start_matches([' ', '\t']);
        let wrong = |why: &str| format!("Line {number}: the value of “{name}” {why}.");
        let value = if let Some(header) = value.strip_prefix('|') {
            let (text, next) = literal(header, &lines, at, depth).map_err(wrong)?;
            at = next;
            Scalar::quoted(text)
        } else {
            // A deeper line would belong to this value.
            if let Some(next) = lines[at..]
                .iter()
                .find(|line| !is_blank(line.trim_start_matches(' ')))
                && next.len() - next.trim_start_matches([' ', '\t']).len() > depth
            {
                return Err(wrong(
                    "goes on in the next line; write it in one line, or nested values as text in quotes",
                ));
            }
            one_line(value, value.len() < rest.len()).map_err(wrong)?
        };
        into.insert(number, name.clone(), value)?;
    }
    Ok(())
}

/// Nothing but blanks and a remark.
fn is_blank(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t']);
    line.is_empty() || line.starts_with('#')
}

/// The name of a line and what follows its colon.
fn name(body: &str) -> Result<(String, &str), String> {
    const HOW: &str = "write “NAME: value”";
    let (name, rest) = if body.starts_with(['"', '\'']) {
        let (name, rest) = scalar::quoted(body).map_err(|why| format!("the name {why}."))?;
        (name, rest.trim_start_matches([' ', '\t']))
    } else {
        if scalar::refuse_start(body).is_some() || body.starts_with("---") || body.starts_with("...") {
            return Err(format!(
                "a list, a second document or a special sign is not understood here; {HOW}."
            ));
        }
        let colon = body
            .char_indices()
            .find(|(at, c)| *c == ':' && body[at + 1..].chars().next().is_none_or(char::is_whitespace))
            .map(|(at, _)| at)
            .ok_or_else(|| format!("a colon and a space are missing; {HOW}."))?;
        let name = body[..colon].trim_end_matches([' ', '\t']);
        if name.contains(" #") || name.contains("\t#") {
            return Err(format!(
                "a colon and a space are missing before the remark; {HOW}."
            ));
        }
        if scalar::is_null(name) {
            return Err(format!("“{name}” is no name; {HOW}."));
        }
        (name.to_owned(), &body[colon..])
    };
    match rest.strip_prefix(':') {
        Some(rest) if rest.chars().next().is_none_or(|c| c == ' ' || c == '\t') => Ok((name, rest)),
        _ => Err(format!("a colon and a space must follow the name; {HOW}.")),
    }
}

/// A value that ends with its line. The error completes “the value of NAME …”.
fn one_line(value: &str, spaced: bool) -> Result<Scalar, &'static str> {
    if value.starts_with(['"', '\'']) {
        let (text, rest) = scalar::quoted(value)?;
        let blank = rest.trim_start_matches([' ', '\t']);
        let remark = blank.starts_with('#') && blank.len() < rest.len();
        return if blank.is_empty() || remark {
            Ok(Scalar::quoted(text))
        } else {
            Err("goes on after its closing quote; put all of it in quotes")
        };
    }
    if value.starts_with('#') && spaced {
        return Ok(Scalar::plain(""));
    }
    if let Some(why) = scalar::refuse_start(value) {
        return Err(why);
    }
    let end = value
        .match_indices('#')
        .find(|(at, _)| value[..*at].ends_with([' ', '\t']))
        .map(|(at, _)| at);
    let text = value[..end.unwrap_or(value.len())].trim_end_matches([' ', '\t']);
    if text.ends_with(':') || text.contains(": ") || text.contains(":\t") {
        return Err("holds a colon and a space; put it in quotes");
    }
    Ok(Scalar::plain(text))
}

/// A `|` block: the deeper lines that follow, as they are. Gives the text and the line after it.
fn literal(header: &str, lines: &[&str], from: usize, depth: usize) -> Result<(String, usize), &'static str> {
    let (chomp, remark) = match header.strip_prefix(['-', '+']) {
        Some(rest) => (header.chars().next(), rest),
        None => (None, header),
    };
    let is_remark = remark.is_empty() || (remark.starts_with([' ', '\t']) && is_blank(remark));
    if !is_remark {
        return Err("has something after its “|”; begin the text in the next line");
    }
    let depth_of = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut block: Vec<&str> = Vec::new();
    let mut inner = None;
    let mut at = from;
    while let Some(line) = lines.get(at) {
        let blank = line.trim_matches(' ').is_empty();
        if !blank && depth_of(line) <= depth {
            break;
        }
        let inner = match (inner, blank) {
            (Some(inner), _) => inner,
            (None, true) if depth_of(line) > depth => {
                return Err("has an empty line with blanks before its text; remove the blanks");
            }
            (None, true) => 0,
            (None, false) => *inner.insert(depth_of(line)),
        };
        if !blank && depth_of(line) < inner {
            return Err("has lines that begin further left than its first; indent them alike");
        }
        block.push(line.get(inner..).unwrap_or_default());
        at += 1;
    }
    let mut text = block.join("\n");
    match chomp {
        Some('-') => text.truncate(text.trim_end_matches('\n').len()),
        Some('+') if !block.is_empty() => text.push('\n'),
        Some(_) => {}
        None => {
            text.truncate(text.trim_end_matches('\n').len());
            if !text.is_empty() {
                text.push('\n');
            }
        }
    }
    Ok((text, at))
}
