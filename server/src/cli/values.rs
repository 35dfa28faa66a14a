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

/// A notebook's parameter: JSON where it is some, text otherwise.
pub(super) fn parameter(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_text| Value::String(text.to_owned()))
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
        OptionKind::Unknown => parameter(text),
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
        assert_eq!(parameter("3"), json!(3));
        assert_eq!(parameter("2026-01-01"), json!("2026-01-01"));
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err() && pair("a").is_err());
    }
}
