//! One option's value as typed, and what it means: checked by the gateway's own rules, in its own words.

use protocol::check::check;
use protocol::rest::{OptionKind, OptionSpec};
use serde_json::Value;

use super::mapping;
use crate::state::json;
use crate::ui::number;

/// An option's value as the user left it, right or wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Draft {
    Text(String),
    Flag(bool),
}

impl Draft {
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Flag(_) => "",
        }
    }
}

/// A draft that passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub value: Value,
    /// What the user should know about how it was understood.
    pub hint: Option<String>,
}

impl From<Value> for Accepted {
    fn from(value: Value) -> Self {
        Self { value, hint: None }
    }
}

/// The option's default as a draft.
pub fn draft(spec: &OptionSpec) -> Draft {
    draft_of(spec, &spec.default)
}

/// A value of the option as a draft; what does not fit the option leaves it empty.
pub fn draft_of(spec: &OptionSpec, value: &Value) -> Draft {
    match &spec.spec {
        OptionKind::Bool => Draft::Flag(value.as_bool().unwrap_or(false)),
        OptionKind::Select { options } => {
            // A default that the site does not offer can't be sent: nothing is chosen then.
            let chosen = value
                .as_str()
                .filter(|value| options.iter().any(|option| option == value));
            Draft::Text(chosen.unwrap_or_default().to_owned())
        }
        OptionKind::String => Draft::Text(value.as_str().unwrap_or_default().to_owned()),
        OptionKind::Int { .. } | OptionKind::Float { .. } => Draft::Text(if value.is_number() {
            number_text(value)
        } else {
            String::new()
        }),
        OptionKind::Mapping => Draft::Text(value.as_object().map(mapping::write).unwrap_or_default()),
        OptionKind::Unknown => Draft::Text(json::write(value)),
    }
}

/// A JSON number without the `.0` that a float's default carries.
pub fn number_text(value: &Value) -> String {
    let text = json::write(value);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Checks a draft against its option; the error is a sentence to show beside the field: what the gateway would say, and
/// what to do.
pub fn accept(spec: &OptionSpec, draft: &Draft) -> Result<Accepted, String> {
    let text = draft.text();
    let mut hint = None;
    let (value, advice) = match &spec.spec {
        OptionKind::Bool => (Value::Bool(matches!(draft, Draft::Flag(true))), String::new()),
        OptionKind::String => (Value::from(text), String::new()),
        OptionKind::Select { options } if options.is_empty() => {
            return Err("The gateway offers nothing to choose here.".to_owned());
        }
        OptionKind::Select { .. } if text.is_empty() => return Err("Choose one of the list.".to_owned()),
        OptionKind::Select { .. } => (Value::from(text), "Choose one of the list.".to_owned()),
        kind @ OptionKind::Int { .. } => {
            let value = text.trim().parse::<i64>().map(Value::from);
            (
                value.unwrap_or_else(|_| typed(text)),
                format!("Enter a whole number{}.", range(kind)),
            )
        }
        kind @ OptionKind::Float { .. } => (typed(text), format!("Enter a number{}.", range(kind))),
        OptionKind::Mapping => {
            let read = mapping::parse(text)?;
            hint = understood(&read);
            (Value::Object(read.values), String::new())
        }
        OptionKind::Unknown => match json::tree(text) {
            Ok(value) => (value, String::new()),
            Err(error) => {
                return Err(format!(
                    "Write the value as JSON, texts in double quotes: 1.5, \"a\", true, null, [1, 2] or {{\"a\": 1}} ({error})."
                ));
            }
        },
    };
    match check(spec, &value) {
        Ok(value) => Ok(Accepted { value, hint }),
        Err(reason) => {
            let sentence = format!("{reason}. {advice}");
            Err(sentence.trim_end().to_owned())
        }
    }
}

/// What was typed for a number, as the gateway would get it.
fn typed(text: &str) -> Value {
    number::parse(text).map_or_else(|| Value::from(text.trim()), Value::from)
}

/// What was made of a mapping's values.
fn understood(read: &mapping::Mapping) -> Option<String> {
    let mut hint = String::new();
    for (names, sent) in [(&read.converted, "text. "), (&read.emptied, "empty text.")] {
        if !names.is_empty() {
            hint.push_str(&names.join(", "));
            hint.push_str(": sent as ");
            hint.push_str(sent);
        }
    }
    Some(hint.trim_end().to_owned()).filter(|hint| !hint.is_empty())
}

fn range(kind: &OptionKind) -> String {
    bounds(kind)
        .map(|bounds| format!(" {bounds}"))
        .unwrap_or_default()
}

/// The bounds of a number in words, such as `from 0 to 10`.
pub fn bounds(kind: &OptionKind) -> Option<String> {
    let (min, max) = match kind {
        OptionKind::Int { min, max } => (min.map(|n| n.to_string()), max.map(|n| n.to_string())),
        OptionKind::Float { min, max } => (min.map(|n| n.to_string()), max.map(|n| n.to_string())),
        _ => return None,
    };
    match (min, max) {
        (Some(min), Some(max)) => Some(format!("from {min} to {max}")),
        (Some(min), None) => Some(format!("of at least {min}")),
        (None, Some(max)) => Some(format!("of at most {max}")),
        (None, None) => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn option(default: Value, spec: Value) -> OptionSpec {
        serde_json::from_value(json!({"field": "f", "label": "F", "default": default, "spec": spec}))
            .expect("an option")
    }

    pub(crate) fn text(s: &str) -> Draft {
        Draft::Text(s.to_owned())
    }

    #[test]
    fn every_default_is_accepted_as_it_is() {
        for (default, spec) in [
            (json!("b"), json!({"type": "select", "options": ["a", "b"]})),
            (json!("x"), json!({"type": "string"})),
            (json!(true), json!({"type": "bool"})),
            (json!(3), json!({"type": "int", "min": 0, "max": 10})),
            (json!(0.5), json!({"type": "float", "min": 0.0, "max": null})),
            (json!({"A": "1"}), json!({"type": "mapping"})),
            (json!({"x": [1]}), json!({"type": "colour"})),
        ] {
            let spec = option(default.clone(), spec);
            let accepted = accept(&spec, &draft(&spec)).expect("the default passes");
            assert_eq!(accepted.value, default);
        }
    }

    #[test]
    fn a_float_whose_default_is_an_integer_stays_a_number() {
        let spec = option(json!(0), json!({"type": "float", "min": 0.0, "max": 3600.0}));
        assert_eq!(draft(&spec), text("0"));
        assert_eq!(accept(&spec, &text("0")).expect("zero").value.as_f64(), Some(0.0));
        assert_eq!(accept(&spec, &text(" 1.5 ")).expect("blanks").value, json!(1.5));
    }

    #[test]
    fn numbers_keep_to_their_bounds_in_the_gateways_words() {
        let int = option(json!(1), json!({"type": "int", "min": 0, "max": 10}));
        for (wrong, said) in [
            ("", "f must be an integer, got ''"),
            ("11", "f must be <= 10.000000, got 11"),
            ("-1", "f must be >= 0.000000, got -1"),
            ("1.5", "f must be an integer, got 1.5"),
            ("ten", "f must be an integer, got 'ten'"),
            ("99999999999999999999", "f must be an integer, got "),
        ] {
            let error = accept(&int, &text(wrong)).expect_err(wrong);
            assert!(error.starts_with(said), "{error}");
            assert!(error.ends_with(". Enter a whole number from 0 to 10."), "{error}");
        }
        let float = option(json!(1), json!({"type": "float", "min": 0.5}));
        for (wrong, said) in [
            ("", "f must be a float, got ''"),
            ("0.4", "f must be >= 0.500000, got 0.4"),
            ("NaN", "f must be a float, got 'NaN'"),
            ("inf", "f must be a float, got 'inf'"),
        ] {
            let error = accept(&float, &text(wrong)).expect_err(wrong);
            assert_eq!(error, format!("{said}. Enter a number of at least 0.5."));
        }
        let open = option(json!(1), json!({"type": "int"}));
        assert!(
            accept(&open, &text("x"))
                .expect_err("x")
                .ends_with("Enter a whole number.")
        );
    }

    #[test]
    fn a_default_that_is_not_offered_must_be_chosen_anew() {
        let spec = option(json!("gone"), json!({"type": "select", "options": ["a"]}));
        assert_eq!(draft(&spec), text(""));
        assert!(accept(&spec, &draft(&spec)).is_err());
        assert_eq!(accept(&spec, &text("a")).expect("offered").value, json!("a"));
        assert_eq!(
            accept(&spec, &text("gone")).expect_err("not offered"),
            "'gone' is not a valid option for f. Choose one of the list."
        );
    }

    #[test]
    fn a_mapping_tells_what_it_made_of_numbers() {
        let spec = option(json!({}), json!({"type": "mapping"}));
        let accepted = accept(&spec, &text("OMP_NUM_THREADS: 1")).expect("a mapping");
        assert_eq!(accepted.value, json!({"OMP_NUM_THREADS": "1"}));
        assert_eq!(accepted.hint.as_deref(), Some("OMP_NUM_THREADS: sent as text."));
    }

    #[test]
    fn nothing_is_sent_as_an_empty_text() {
        let spec = option(json!({}), json!({"type": "mapping"}));
        let accepted = accept(&spec, &text("N: null\nA: 1\nB: true")).expect("a mapping");
        assert_eq!(accepted.value, json!({"N": "", "A": "1", "B": "true"}));
        assert_eq!(
            accepted.hint.as_deref(),
            Some("A, B: sent as text. N: sent as empty text.")
        );
    }

    #[test]
    fn a_variable_has_a_name_that_can_be_one() {
        let mut spec = option(json!({}), json!({"type": "mapping"}));
        assert!(
            accept(&spec, &text("1A B: x")).is_ok(),
            "a mapping of the site's own"
        );
        spec.field = "environment_vars".into();
        for wrong in ["1A: x", "A B: x", "\"A=B\": x"] {
            let error = accept(&spec, &text(wrong)).expect_err(wrong);
            assert!(error.contains("can't be the name of a variable"), "{error}");
        }
        assert!(accept(&spec, &text("SPRING.x-y: z")).is_ok());
    }

    #[test]
    fn a_value_that_is_not_there_is_called_missing() {
        let spec = option(json!({}), json!({"type": "mapping"}));
        assert_eq!(
            accept(&spec, &text("{\"A\":")).expect_err("unfinished"),
            "Line 1: the value of “A” and the closing brace are missing."
        );
    }
}
