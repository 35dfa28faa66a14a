//! The values of the gateway's options, checked as the gateway checks them and in its own words, before anything is sent.
//!
//! Server and panel use the same function. Beside the gateway's rules it knows what the gateway forgets: `true` is no
//! number, the value of an environment variable is a text, and its name can be one.

use serde_json::{Map, Value};

use crate::rest::{OptionKind, OptionSpec, OptionValues};

/// Checks a value and gives it as the gateway keeps it: a float that was written as an integer becomes one.
///
/// # Errors
/// What the gateway would say, such as `priority must be <= 10.000000, got 99`: a sentence without its full stop.
pub fn check(spec: &OptionSpec, value: &Value) -> Result<Value, String> {
    let field = &spec.field;
    let must = |what: &str| Err(format!("{field} must be {what}, got {}", repr(value)));
    match &spec.spec {
        OptionKind::String => match value {
            Value::String(_) => Ok(value.clone()),
            _ => must("a string"),
        },
        OptionKind::Bool => match value {
            Value::Bool(_) => Ok(value.clone()),
            _ => must("a bool"),
        },
        OptionKind::Int { min, max } => {
            if !is_integer(value) {
                return must("an integer");
            }
            within(field, value, min.map(|n| n as f64), max.map(|n| n as f64))?;
            // As integers, too: beyond 2^53 a float does not tell neighbours apart.
            let beyond = value
                .as_i64()
                .is_some_and(|n| min.is_some_and(|min| n < min) || max.is_some_and(|max| n > max));
            if beyond {
                return must("within its bounds");
            }
            Ok(value.clone())
        }
        OptionKind::Float { min, max } => {
            let Some(number) = value.as_f64().filter(|number| number.is_finite()) else {
                return must("a float");
            };
            let value = Value::from(number);
            within(field, &value, *min, *max)?;
            Ok(value)
        }
        OptionKind::Select { options } => match value.as_str() {
            None => must("a string"),
            Some(chosen) if options.iter().any(|option| option == chosen) => Ok(value.clone()),
            Some(_) => Err(format!("{} is not a valid option for {field}", repr(value))),
        },
        OptionKind::Mapping => match value {
            Value::Object(mapping) => {
                if holds_variables(field) {
                    variables(field, mapping)?;
                }
                Ok(value.clone())
            }
            _ => must("a mapping"),
        },
        OptionKind::Unknown => Ok(value.clone()),
    }
}

/// What the gateway says of fields that none of its options has; `None` where there are none.
pub fn unknown_fields(specs: &[OptionSpec], values: &OptionValues) -> Option<String> {
    let mut unknown: Vec<Value> = values
        .keys()
        .filter(|field| specs.iter().all(|spec| spec.field != **field))
        .map(|field| Value::from(field.as_str()))
        .collect();
    unknown.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    (!unknown.is_empty()).then(|| format!("Unknown fields {}", repr(&Value::Array(unknown))))
}

/// Whether the gateway passes a mapping on as environment variables, as far as its name tells: mappings of other names
/// are the site's own, and may hold anything.
pub fn holds_variables(field: &str) -> bool {
    field.to_ascii_lowercase().contains("env")
}

/// Whether a shell's user would take it for the name of an environment variable, or nearly so: some programs want dots.
pub fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
}

fn variables(field: &str, mapping: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in mapping {
        if !is_variable(name) {
            return Err(format!(
                "{field}: {} can't be the name of a variable: no blanks, no “=”, and no digit at its beginning",
                repr(&Value::from(name.as_str()))
            ));
        }
        match value {
            Value::String(text) if text.contains('\0') => {
                return Err(format!(
                    "{field}: the value of {name} holds a zero byte; remove it"
                ));
            }
            Value::String(_) => {}
            Value::Array(_) | Value::Object(_) => {
                return Err(format!(
                    "{field}: the value of {name} must be a text; lists and mappings have no place in a variable"
                ));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                // As it is written in JSON; serde_json's own way would bring a second writer into the panel.
                let written = match value {
                    Value::Number(number) => number.to_string(),
                    Value::Bool(true) => "true".to_owned(),
                    Value::Bool(false) => "false".to_owned(),
                    _ => "null".to_owned(),
                };
                return Err(format!(
                    "{field}: the value of {name} must be a text; write it in quotes: \"{written}\""
                ));
            }
        }
    }
    Ok(())
}

/// `true` is an integer in Python, and no number for whoever wrote it.
fn is_integer(value: &Value) -> bool {
    value.as_i64().is_some() || value.as_u64().is_some()
}

fn within(field: &str, value: &Value, min: Option<f64>, max: Option<f64>) -> Result<(), String> {
    let number = value.as_f64().unwrap_or(f64::NAN);
    if let Some(min) = min.filter(|min| number < *min) {
        return Err(format!("{field} must be >= {min:.6}, got {}", repr(value)));
    }
    if let Some(max) = max.filter(|max| number > *max) {
        return Err(format!("{field} must be <= {max:.6}, got {}", repr(value)));
    }
    Ok(())
}

/// A value as Python writes it, in which the gateway names what it got.
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, value)| format!("{}: {}", quoted(name), repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn option(field: &str, spec: Value) -> OptionSpec {
        serde_json::from_value(json!({"field": field, "label": field, "default": null, "spec": spec}))
            .expect("an option")
    }

    #[test]
    fn values_that_fit_pass() {
        let mapping = json!({"A": "1"});
        for (spec, value, kept) in [
            (json!({"type": "string"}), json!(""), json!("")),
            (json!({"type": "bool"}), json!(true), json!(true)),
            (json!({"type": "int", "min": 0, "max": 10}), json!(10), json!(10)),
            (
                json!({"type": "int", "min": null, "max": null}),
                json!(u64::MAX),
                json!(u64::MAX),
            ),
            (
                json!({"type": "float", "min": 0, "max": null}),
                json!(0),
                json!(0.0),
            ),
            (json!({"type": "float"}), json!(-1.5), json!(-1.5)),
            (
                json!({"type": "select", "options": ["a"]}),
                json!("a"),
                json!("a"),
            ),
            (json!({"type": "mapping"}), mapping.clone(), mapping.clone()),
            (json!({"type": "colour"}), json!([1]), json!([1])),
        ] {
            assert_eq!(check(&option("f", spec), &value), Ok(kept), "{value}");
        }
    }

    /// The words were taken down from the gateway, which the scenario `form` asks again.
    #[test]
    fn the_gateways_words_are_ours() {
        for (spec, value, words) in [
            (json!({"type": "string"}), json!(3), "f must be a string, got 3"),
            (
                json!({"type": "bool"}),
                json!("yes"),
                "f must be a bool, got 'yes'",
            ),
            (
                json!({"type": "int"}),
                json!("3"),
                "f must be an integer, got '3'",
            ),
            (
                json!({"type": "int"}),
                json!(1.5),
                "f must be an integer, got 1.5",
            ),
            (
                json!({"type": "int", "max": 10}),
                json!(99),
                "f must be <= 10.000000, got 99",
            ),
            (
                json!({"type": "int", "min": 2}),
                json!(-1),
                "f must be >= 2.000000, got -1",
            ),
            (
                json!({"type": "float", "min": 0.5}),
                json!(0),
                "f must be >= 0.500000, got 0.0",
            ),
            (json!({"type": "float"}), json!("x"), "f must be a float, got 'x'"),
            (
                json!({"type": "select", "options": ["a"]}),
                json!("it's"),
                "\"it's\" is not a valid option for f",
            ),
            (
                json!({"type": "select", "options": ["a"]}),
                json!(null),
                "f must be a string, got None",
            ),
            (
                json!({"type": "mapping"}),
                json!(["a", {"b": true}]),
                "f must be a mapping, got ['a', {'b': True}]",
            ),
        ] {
            assert_eq!(check(&option("f", spec), &value), Err(words.to_owned()));
        }
    }

    #[test]
    fn what_the_gateway_forgets_is_refused() {
        for (spec, value) in [
            (json!({"type": "int"}), json!(true)),
            (json!({"type": "float"}), json!(false)),
            (
                json!({"type": "int", "max": 9_007_199_254_740_992_i64}),
                json!(9_007_199_254_740_993_i64),
            ),
        ] {
            assert!(check(&option("f", spec), &value).is_err(), "{value}");
        }
        let variables = option("environment_vars", json!({"type": "mapping"}));
        for (value, words) in [
            (
                json!({"A": 1}),
                "environment_vars: the value of A must be a text; write it in quotes: \"1\"",
            ),
            (json!({"A": null}), "write it in quotes: \"null\""),
            (json!({"A": {"b": 1}}), "no place in a variable"),
            (json!({"A": "x\u{0}"}), "zero byte"),
            (json!({"1A": "x"}), "'1A' can't be the name of a variable"),
            (json!({"A=B": "x"}), "'A=B' can't be"),
            (json!({"": "x"}), "'' can't be"),
        ] {
            let error = check(&variables, &value).expect_err("refused");
            assert!(error.contains(words), "{error}");
        }
        let own = option("pod_config", json!({"type": "mapping"}));
        assert!(
            check(&own, &json!({"1 a": {"n": 1}})).is_ok(),
            "the site's own mapping"
        );
    }

    #[test]
    fn fields_that_nobody_knows_are_named_together() {
        let specs = [option("a", json!({"type": "string"}))];
        let values = |value: Value| value.as_object().cloned().expect("an object");
        assert_eq!(unknown_fields(&specs, &values(json!({"a": 1}))), None);
        assert_eq!(
            unknown_fields(&specs, &values(json!({"nope": 1, "a": 1, "foo": 1}))).as_deref(),
            Some("Unknown fields ['foo', 'nope']")
        );
    }
}
