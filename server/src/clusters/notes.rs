//! What the settings say of the gateway's options: sizes, costs and other words that the gateway's own API can't carry.

use std::collections::BTreeMap;

use protocol::rest::{OptionKind, OptionSpec};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Characters that a note may have: it stands in one line or two beside a value.
const LONGEST: usize = 200;

/// The part `options` of the settings: notes by the option's field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct OptionNotes(BTreeMap<String, Notes>);

/// What is said of one option.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    #[serde(default)]
    about: Option<Note>,
    /// By the value's text: a choice of a select, `true` or `false`.
    #[serde(default)]
    values: BTreeMap<String, Note>,
}

/// A note as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Note(String);

/// A note in its parts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    #[serde(default)]
    size: Option<String>,
    #[serde(default)]
    cost: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

impl OptionNotes {
    /// Lays the notes over what is known of an option already.
    pub(super) fn apply(&self, spec: &mut OptionSpec) {
        let Some(notes) = self.0.get(&spec.field) else {
            return;
        };
        spec.about = notes
            .about
            .as_ref()
            .map(|note| note.0.clone())
            .or(spec.about.take());
        let choices: Vec<&str> = match &spec.spec {
            OptionKind::Select { options } => options.iter().map(String::as_str).collect(),
            OptionKind::Bool => vec!["false", "true"],
            _ => return,
        };
        spec.notes.resize(choices.len(), String::new());
        for (note, choice) in spec.notes.iter_mut().zip(choices) {
            if let Some(said) = notes.values.get(choice) {
                note.clone_from(&said.0);
            }
        }
    }
}

impl TryFrom<Parts> for Note {
    type Error = String;

    fn try_from(parts: Parts) -> Result<Self, String> {
        let words: Vec<String> = [parts.size, parts.cost, parts.text]
            .into_iter()
            .flatten()
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        let text = words.join(" \u{b7} ");
        match text.chars().count() {
            0 => Err("a note needs a text, or one of size, cost and text".to_owned()),
            1..=LONGEST => Ok(Self(text)),
            length => Err(format!(
                "a note has at most {LONGEST} characters; this one has {length}"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Parts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, or a mapping with size, cost and text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Parts, E> {
                Ok(Parts {
                    size: None,
                    cost: None,
                    text: Some(text.to_owned()),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Parts, A::Error> {
                Parts::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            }
        }

        let parts = deserializer.deserialize_any(Either)?;
        Self::try_from(parts).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn notes(yaml: &str) -> Result<OptionNotes, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    fn option(spec: serde_json::Value, notes: &[&str]) -> OptionSpec {
        serde_json::from_value(
            json!({"field": "profile", "label": "Profile", "default": null, "spec": spec, "notes": notes}),
        )
        .expect("an option")
    }

    #[test]
    fn a_note_is_a_text_or_its_parts() {
        let notes = notes(
            "profile:\n  about: What a worker gets\n  values:\n    Big: {size: 8 cores, cost: 1.20 € an hour}\n    Small: for tests\n",
        )
        .expect("notes");
        let mut select = option(
            json!({"type": "select", "options": ["Small", "Middle", "Big"]}),
            &["1 thread", "2 threads", "8 threads"],
        );
        notes.apply(&mut select);
        assert_eq!(
            select.notes,
            ["for tests", "2 threads", "8 cores · 1.20 € an hour"]
        );
        assert_eq!(select.about.as_deref(), Some("What a worker gets"));
    }

    #[test]
    fn a_switch_has_two_values() {
        let notes = notes("profile: {values: {true: cheaper}}").expect("notes");
        let mut spot = option(json!({"type": "bool"}), &[]);
        notes.apply(&mut spot);
        assert_eq!(spot.notes, ["", "cheaper"]);
        let mut number = option(json!({"type": "int"}), &[]);
        notes.apply(&mut number);
        assert!(number.notes.is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        for (yaml, words) in [
            ("profile: {values: {Big: ''}}".to_owned(), "needs a text"),
            ("profile: {values: {Big: {price: 1}}}".to_owned(), "price"),
            ("profile: {valeus: {}}".to_owned(), "valeus"),
            (format!("profile: {{about: {}}}", "x".repeat(201)), "at most 200"),
            ("profile: {values: {Big: [1]}}".to_owned(), "a text, or a mapping"),
        ] {
            let error = notes(&yaml).expect_err(&yaml);
            assert!(error.contains(words), "{words:?} in {error}");
        }
    }
}
