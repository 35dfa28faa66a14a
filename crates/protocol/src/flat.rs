//! How types that a field chooses (`mode`, `type`, `kind`) are read: as one flat object, then sorted out.
//!
//! serde's own way first reads such an object into a tree, with a second reader of everything below it: a seventh of
//! what the panel may weigh. What goes over the wire is the same.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Number;

use crate::jobs::{JobOutput, JobState};
use crate::rest::{OptionKind, Scaling};

#[derive(Deserialize)]
pub(crate) struct FlatScaling {
    mode: String,
    workers: Option<u32>,
    minimum: Option<u32>,
    maximum: Option<u32>,
}

impl TryFrom<FlatScaling> for Scaling {
    type Error = String;

    fn try_from(flat: FlatScaling) -> Result<Self, String> {
        Ok(match flat.mode.as_str() {
            "unknown" => Self::Unknown,
            "manual" => Self::Manual {
                workers: present(flat.workers, "workers")?,
            },
            "adaptive" => Self::Adaptive {
                minimum: present(flat.minimum, "minimum")?,
                maximum: present(flat.maximum, "maximum")?,
            },
            mode => {
                return Err(format!(
                    "unknown mode {mode:?}, expected unknown, manual or adaptive"
                ));
            }
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct FlatOption {
    #[serde(rename = "type")]
    kind: String,
    options: Option<Vec<String>>,
    min: Option<Number>,
    max: Option<Number>,
}

impl TryFrom<FlatOption> for OptionKind {
    type Error = String;

    fn try_from(flat: FlatOption) -> Result<Self, String> {
        // Python writes the bounds of an int as floats where its author did; a fraction narrows them.
        let int = |bound: Option<Number>, whole: fn(f64) -> f64| {
            bound.and_then(|bound| {
                bound
                    .as_i64()
                    .or_else(|| bound.as_f64().map(|bound| whole(bound) as i64))
            })
        };
        let float = |bound: Option<Number>| bound.and_then(|bound| bound.as_f64());
        Ok(match flat.kind.as_str() {
            "select" => Self::Select {
                options: present(flat.options, "options")?,
            },
            "string" => Self::String,
            "bool" => Self::Bool,
            "int" => Self::Int {
                min: int(flat.min, f64::ceil),
                max: int(flat.max, f64::floor),
            },
            "float" => Self::Float {
                min: float(flat.min),
                max: float(flat.max),
            },
            "mapping" => Self::Mapping,
            _ => Self::Unknown,
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct FlatOutput {
    kind: String,
    text: Option<String>,
    name: Option<String>,
    value: Option<String>,
    traceback: Option<Vec<String>>,
    state: Option<JobState>,
    error: Option<String>,
    data: Option<BTreeMap<String, String>>,
    #[serde(default)]
    result: bool,
    id: Option<String>,
    #[serde(default)]
    update: bool,
    cell: Option<u32>,
    #[serde(default)]
    ended: bool,
    source: Option<String>,
}

impl TryFrom<FlatOutput> for JobOutput {
    type Error = String;

    fn try_from(flat: FlatOutput) -> Result<Self, String> {
        Ok(match flat.kind.as_str() {
            "stdout" => Self::Stdout {
                text: present(flat.text, "text")?,
            },
            "stderr" => Self::Stderr {
                text: present(flat.text, "text")?,
            },
            "shown" => Self::Shown {
                data: present(flat.data, "data")?,
                result: flat.result,
                id: flat.id,
                update: flat.update,
            },
            "cell" => Self::Cell {
                cell: present(flat.cell, "cell")?,
                ended: flat.ended,
                source: flat.source,
            },
            "cleared" => Self::Cleared,
            "error" => Self::Error {
                name: present(flat.name, "name")?,
                value: present(flat.value, "value")?,
                traceback: present(flat.traceback, "traceback")?,
            },
            "end" => Self::End {
                state: present(flat.state, "state")?,
                error: flat.error,
            },
            kind => return Err(format!("unknown kind {kind:?} of output")),
        })
    }
}

fn present<T>(field: Option<T>, name: &str) -> Result<T, String> {
    field.ok_or_else(|| format!("missing field `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_a_field_is_refused() {
        for text in [
            r#"{"mode":"manual"}"#,
            r#"{"mode":"adaptive","minimum":1}"#,
            r#"{"mode":"wild"}"#,
            "{}",
        ] {
            assert!(serde_json::from_str::<Scaling>(text).is_err(), "{text}");
        }
        for text in [r#"{"type":"select"}"#, r#"{"type":"int","min":"x"}"#, "{}"] {
            assert!(serde_json::from_str::<OptionKind>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_type_that_is_not_known_stays_usable() {
        for text in [
            r#"{"type":"colour","palette":[1]}"#,
            r#"{"type":"date","min":0.5}"#,
        ] {
            assert_eq!(
                serde_json::from_str::<OptionKind>(text).expect("unknown"),
                OptionKind::Unknown,
                "{text}"
            );
        }
    }

    #[test]
    fn bounds_of_an_int_may_be_floats() {
        let kind: OptionKind =
            serde_json::from_str(r#"{"type":"int","min":0.5,"max":10.0}"#).expect("an int");
        assert_eq!(
            kind,
            OptionKind::Int {
                min: Some(1),
                max: Some(10)
            }
        );
    }

    #[test]
    fn all_that_is_written_reads_back() {
        for scaling in [
            Scaling::Unknown,
            Scaling::Manual { workers: 2 },
            Scaling::Adaptive {
                minimum: 0,
                maximum: 9,
            },
        ] {
            let text = serde_json::to_string(&scaling).expect("JSON");
            assert_eq!(serde_json::from_str::<Scaling>(&text).expect("back"), scaling);
        }
        for kind in [
            OptionKind::Select {
                options: vec!["a".into()],
            },
            OptionKind::String,
            OptionKind::Bool,
            OptionKind::Int {
                min: Some(i64::MIN),
                max: None,
            },
            OptionKind::Float {
                min: None,
                max: Some(0.5),
            },
            OptionKind::Mapping,
        ] {
            let text = serde_json::to_string(&kind).expect("JSON");
            assert_eq!(serde_json::from_str::<OptionKind>(&text).expect("back"), kind);
        }
        for output in [
            JobOutput::Stdout { text: "a".into() },
            JobOutput::Stderr { text: "b".into() },
            JobOutput::Shown {
                data: [("text/plain".to_owned(), "c".to_owned())].into(),
                result: true,
                id: Some("d".into()),
                update: true,
            },
            JobOutput::Cell {
                cell: 1,
                ended: false,
                source: Some("1 + 1".into()),
            },
            JobOutput::Cleared,
            JobOutput::Error {
                name: "n".into(),
                value: "v".into(),
                traceback: vec!["t".into()],
            },
            JobOutput::End {
                state: JobState::Failed,
                error: None,
            },
            JobOutput::End {
                state: JobState::Failed,
                error: Some("e".into()),
            },
        ] {
            let text = serde_json::to_string(&output).expect("JSON");
            assert_eq!(serde_json::from_str::<JobOutput>(&text).expect("back"), output);
        }
    }
}
