//! Values as they are typed on a command line, and answers at the terminal.

use std::io::{BufRead, Write};

use anyhow::{Context, bail};
use protocol::rest::OptionKind;
use serde_json::Value;

/// `NAME=VALUE`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("a name and a value: NAME=VALUE".to_owned()),
    }
}

/// Asks a question at the terminal; whatever is not a yes is a no.
///
/// # Errors
/// Where the answer can't be read.
pub(super) fn ask(question: &str) -> anyhow::Result<bool> {
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().ok();
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("The answer can't be read")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The one cluster that is meant by a name, the beginning of one, or a label; `names` gives a cluster's name and label.
///
/// # Errors
/// A sentence, where none is meant, or several are.
pub(super) fn chosen<'a, T>(
    clusters: &'a [T],
    names: impl Fn(&T) -> (&str, Option<&str>),
    meant: &str,
) -> anyhow::Result<&'a T> {
    let exact = |cluster: &&T| {
        let (name, label) = names(cluster);
        name == meant || label == Some(meant)
    };
    let mut fitting: Vec<_> = clusters.iter().filter(exact).collect();
    if fitting.is_empty() {
        fitting = clusters
            .iter()
            .filter(|cluster| names(cluster).0.starts_with(meant))
            .collect();
    }
    match fitting.as_slice() {
        [only] => Ok(*only),
        [] => bail!("No cluster of yours is called {meant}; `gatehouse clusters` lists them."),
        _ => bail!("Several clusters are called {meant}; name one of them by more of its name."),
    }
}

/// A notebook's parameter, in the type of its default: text where that is text, JSON where it is anything else. Where the
/// notebook says nothing of it, JSON where it is some, text otherwise.
///
/// # Errors
/// A sentence, where the default is no text and this is no JSON.
pub(super) fn parameter(name: &str, text: &str, default: Option<&Value>) -> anyhow::Result<Value> {
    let read = serde_json::from_str(text);
    match (default, read) {
        (Some(Value::String(_)), _) => Ok(Value::String(text.to_owned())),
        (_, Ok(value)) => Ok(value),
        (None | Some(Value::Null), Err(_text)) => Ok(Value::String(text.to_owned())),
        (Some(default), Err(error)) => {
            bail!(
                "Parameter {name} is {default} in the notebook. Write its value as JSON, too, not {text:?} ({error})."
            )
        }
    }
}

/// The value of an option, in the type that the gateway says.
///
/// # Errors
/// A sentence, where it is none of that type. Whether it is within its bounds is the gateway's to say.
pub(super) fn option_value(kind: &OptionKind, name: &str, text: &str) -> anyhow::Result<Value> {
    Ok(match kind {
        OptionKind::String | OptionKind::Select { .. } => Value::String(text.to_owned()),
        OptionKind::Int { .. } => {
            let number: i64 = text
                .parse()
                .with_context(|| format!("Option {name} is a whole number, not {text:?}"))?;
            number.into()
        }
        OptionKind::Float { .. } => {
            let number: f64 = text
                .parse()
                .with_context(|| format!("Option {name} is a number, not {text:?}"))?;
            serde_json::Number::from_f64(number)
                .map(Value::Number)
                .with_context(|| format!("Option {name} is a finite number, not {text:?}"))?
        }
        OptionKind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => true.into(),
            "false" | "no" | "off" | "0" => false.into(),
            _ => bail!("Option {name} is true or false, not {text:?}."),
        },
        OptionKind::Mapping => {
            let value: Value = serde_json::from_str(text).with_context(|| {
                format!("Option {name} is a mapping: write it as JSON, {{\"KEY\": \"value\"}}")
            })?;
            if !value.is_object() {
                bail!("Option {name} is a mapping: write it as JSON, {{\"KEY\": \"value\"}}.");
            }
            value
        }
        OptionKind::Unknown => parameter(name, text, None)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_the_type_of_their_option() {
        let int = OptionKind::Int { min: None, max: None };
        let float = OptionKind::Float { min: None, max: None };
        for (kind, text, value) in [
            (&OptionKind::String, "1", json!("1")),
            (&int, "-2", json!(-2)),
            (&float, "2", json!(2.0)),
            (&OptionKind::Bool, "Yes", json!(true)),
            (&OptionKind::Mapping, r#"{"A": "b"}"#, json!({ "A": "b" })),
            (&OptionKind::Unknown, "[1]", json!([1])),
        ] {
            assert_eq!(option_value(kind, "o", text).unwrap(), value);
        }
        for (kind, text) in [
            (&int, "1.5"),
            (&float, "inf"),
            (&OptionKind::Bool, "maybe"),
            (&OptionKind::Mapping, "[]"),
            (&OptionKind::Mapping, "a=b"),
        ] {
            assert!(
                option_value(kind, "o", text)
                    .unwrap_err()
                    .to_string()
                    .contains("Option o"),
                "{text}"
            );
        }
    }

    #[test]
    fn clusters_are_meant_by_name_beginning_or_label() {
        let clusters = [
            ("abc1", None),
            ("abd2", Some("etl")),
            ("eee3", Some("etl")),
            ("etl", Some("mine")),
        ];
        let meant = |name| chosen(&clusters, |cluster| *cluster, name).map(|cluster| cluster.0);
        for (name, found) in [("abc1", "abc1"), ("abd", "abd2"), ("mine", "etl"), ("e", "")] {
            match meant(name) {
                Ok(one) => assert_eq!(one, found),
                Err(error) => assert!(
                    found.is_empty() && error.to_string().starts_with("Several"),
                    "{error}"
                ),
            }
        }
        assert!(meant("etl").unwrap_err().to_string().starts_with("Several"));
        assert!(meant("x").unwrap_err().to_string().contains("lists them"));
    }

    #[test]
    fn parameters_are_json_or_text() {
        let read = |text, default: Option<Value>| parameter("p", text, default.as_ref()).unwrap();
        assert_eq!(read("3", None), json!(3));
        assert_eq!(read("2026-01-01", None), json!("2026-01-01"));
        assert_eq!(read("2021", Some(json!("2020"))), json!("2021"));
        assert_eq!(read("[1, \"a\"]", Some(json!([]))), json!([1, "a"]));
        assert_eq!(read("x", Some(Value::Null)), json!("x"));
        let said = parameter("columns", "[z", Some(&json!(["a"])))
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("columns is [\"a\"]") && said.contains("not \"[z\""),
            "{said}"
        );
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err() && pair("a").is_err());
    }
}
