//! Mappings as people write them: flat YAML or JSON in, text by name out.
//!
//! A whole YAML reader would be half of the module's size, and a mapping of an option is flat by its nature: the
//! gateway passes it on as environment variables. So this reads the part of YAML that such a mapping needs (block and
//! flow form, plain and quoted values, `|` blocks, comments), and says of everything else how to write it instead. It
//! never reads a text in another way than YAML does: the tests compare it with a whole reader.

mod block;
mod flow;
mod scalar;

use serde_json::{Map, Value};

use crate::state::json;

/// What was understood of a mapping's text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// Every value is a string.
    pub values: Map<String, Value>,
    /// Names whose value YAML or JSON does not take for a string, and which is sent as one.
    pub converted: Vec<String>,
    /// Names whose value is nothing, which is sent as an empty text.
    pub emptied: Vec<String>,
}

/// Reads flat YAML, of which JSON is a part.
///
/// A number or boolean keeps the characters that were typed (`1.10` stays `1.10`); nothing and `null` become the empty
/// text. The error is a sentence that names the line.
pub fn parse(text: &str) -> Result<Mapping, String> {
    let mut mapping = Mapping::default();
    let first = text
        .lines()
        .map(str::trim_start)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    if first.is_some_and(|line| line.starts_with('{')) {
        flow::read(text, &mut mapping)?;
    } else {
        block::read(text, &mut mapping)?;
    }
    Ok(mapping)
}

impl Mapping {
    fn insert(&mut self, line: usize, name: String, value: scalar::Scalar) -> Result<(), String> {
        if name.trim().is_empty() {
            return Err(format!("Line {line}: a name is missing; write “NAME: value”."));
        }
        if self.values.contains_key(&name) {
            return Err(format!("Line {line}: “{name}” is there twice; remove one."));
        }
        if value.is_nothing() {
            self.emptied.push(name.clone());
        } else if !value.is_text() {
            self.converted.push(name.clone());
        }
        self.values.insert(name, Value::String(value.text));
        Ok(())
    }
}

/// One line a name, in a form that [`parse`] reads back as the same text.
pub fn write(values: &Map<String, Value>) -> String {
    values
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) if scalar::is_plain(text) => format!("{name}: {text}"),
            value => format!("{name}: {}", json::write(value)),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests;
