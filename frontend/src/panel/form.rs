//! What a form holds and what it means: drafts as typed, checked into what the server takes.

use protocol::rest::{ApiError, CreateCluster, MAX_LABEL, OptionKind, OptionSpec, OptionValues};
use serde_json::Value;

use super::by_name::ByName;
use super::lease::LeaseDraft;
use super::mapping;
use super::scaling::{ScaleDraft, ScaleError};
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
    let default = &spec.default;
    match &spec.spec {
        OptionKind::Bool => Draft::Flag(default.as_bool().unwrap_or(false)),
        OptionKind::Select { options } => {
            // A default that the site does not offer can't be sent: nothing is chosen then.
            let chosen = default
                .as_str()
                .filter(|value| options.iter().any(|option| option == value));
            Draft::Text(chosen.unwrap_or_default().to_owned())
        }
        OptionKind::String => Draft::Text(default.as_str().unwrap_or_default().to_owned()),
        OptionKind::Int { .. } | OptionKind::Float { .. } => Draft::Text(if default.is_number() {
            number_text(default)
        } else {
            String::new()
        }),
        OptionKind::Mapping => Draft::Text(default.as_object().map(mapping::write).unwrap_or_default()),
        OptionKind::Unknown => Draft::Text(json::write(default)),
    }
}

/// A JSON number without the `.0` that a float's default carries.
pub fn number_text(value: &Value) -> String {
    let text = json::write(value);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Checks a draft against its option; the error is a sentence to show beside the field.
pub fn accept(spec: &OptionSpec, draft: &Draft) -> Result<Accepted, String> {
    let text = draft.text();
    match &spec.spec {
        OptionKind::Bool => Ok(Value::Bool(matches!(draft, Draft::Flag(true))).into()),
        OptionKind::String => Ok(Value::String(text.to_owned()).into()),
        OptionKind::Select { options } => match options.iter().find(|option| *option == text) {
            Some(option) => Ok(Value::String(option.clone()).into()),
            None if options.is_empty() => Err("The gateway offers nothing to choose here.".to_owned()),
            None => Err("Choose one of the list.".to_owned()),
        },
        OptionKind::Int { min, max } => {
            let range = || bounds(&spec.spec).map(|b| format!(" {b}")).unwrap_or_default();
            match text.trim().parse::<i64>() {
                Ok(n) if min.is_none_or(|min| n >= min) && max.is_none_or(|max| n <= max) => {
                    Ok(Value::from(n).into())
                }
                Ok(_) | Err(_) => Err(format!("Enter a whole number{}.", range())),
            }
        }
        OptionKind::Float { min, max } => {
            let range = || bounds(&spec.spec).map(|b| format!(" {b}")).unwrap_or_default();
            match number::parse(text) {
                Some(n) if min.is_none_or(|min| n >= min) && max.is_none_or(|max| n <= max) => {
                    Ok(Value::from(n).into())
                }
                _ => Err(format!("Enter a number{}.", range())),
            }
        }
        OptionKind::Mapping => {
            let read = mapping::parse(text)?;
            // As the server has it: mappings of other names are the site's own.
            if spec.field.to_ascii_lowercase().contains("env")
                && let Some(name) = read.values.keys().find(|name| !is_variable(name))
            {
                return Err(format!(
                    "“{name}” can't be the name of a variable: no blanks, no “=”, and no digit at its beginning."
                ));
            }
            let mut hint = String::new();
            for (names, sent) in [(&read.converted, "text. "), (&read.emptied, "empty text.")] {
                if !names.is_empty() {
                    hint.push_str(&names.join(", "));
                    hint.push_str(": sent as ");
                    hint.push_str(sent);
                }
            }
            Ok(Accepted {
                value: Value::Object(read.values),
                hint: Some(hint.trim_end().to_owned()).filter(|hint| !hint.is_empty()),
            })
        }
        OptionKind::Unknown => json::tree(text)
            .map(Accepted::from)
            .map_err(|error| format!("This is not valid JSON ({error}).")),
    }
}

/// Whether a shell's user would take it for the name of an environment variable, or nearly so: some programs want dots.
fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
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

/// Everything typed into the form for a new cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterDraft {
    pub label: String,
    /// Options that were touched; the others still have their default.
    pub options: ByName<Draft>,
    pub scale: ScaleDraft,
    /// `None` until it was touched: the configured terms.
    pub lease: Option<LeaseDraft>,
}

/// What is wrong with a form, by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterErrors {
    pub options: ByName<String>,
    pub scale: Option<ScaleError>,
    /// Whether the lease is wrong; its fields say how.
    pub lease: bool,
    pub label: Option<String>,
    /// What concerns no field that is shown.
    pub whole: Option<String>,
}

impl ClusterDraft {
    /// The option's value as the form shows it.
    pub fn option(&self, spec: &OptionSpec) -> Draft {
        self.options
            .get(&spec.field)
            .cloned()
            .unwrap_or_else(|| draft(spec))
    }

    /// The request for the server, or everything that is wrong.
    pub fn accept(
        &self,
        specs: &[OptionSpec],
        max_workers: Option<u32>,
    ) -> Result<CreateCluster, ClusterErrors> {
        let mut errors = ClusterErrors::default();
        let mut options = OptionValues::new();
        for spec in specs {
            match accept(spec, &self.option(spec)) {
                Ok(accepted) => {
                    options.insert(spec.field.clone(), accepted.value);
                }
                Err(message) => {
                    errors.options.set(&spec.field, message);
                }
            }
        }
        let label = self.label.trim();
        let length = label.chars().count();
        if length > MAX_LABEL {
            errors.label = Some(format!(
                "A label has at most {MAX_LABEL} characters; this one has {length}."
            ));
        }
        let scaling = self.scale.accept(max_workers).unwrap_or_else(|error| {
            errors.scale = Some(error);
            None
        });
        let lease = self.lease.as_ref().map(LeaseDraft::accept).transpose();
        errors.lease = lease.is_err();
        if errors != ClusterErrors::default() {
            return Err(errors);
        }
        Ok(CreateCluster {
            options,
            label: (!label.is_empty()).then(|| label.to_owned()),
            scaling,
            lease: lease.unwrap_or_default(),
        })
    }
}

impl ClusterErrors {
    /// The server's refusal, beside the field that it names where that is one of ours.
    pub fn of(error: &ApiError, specs: &[OptionSpec]) -> Self {
        let mut errors = Self::default();
        // The server may name an option by its place in the request.
        let field = error
            .field
            .as_deref()
            .map(|field| field.strip_prefix("options.").unwrap_or(field));
        match field.and_then(|field| specs.iter().find(|spec| spec.field == field)) {
            Some(spec) => {
                errors.options.set(&spec.field, error.message.clone());
            }
            None if field == Some("label") => errors.label = Some(error.message.clone()),
            None => errors.whole = Some(error.message.clone()),
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scaling::ScaleMode;
    use super::*;

    fn option(default: Value, spec: Value) -> OptionSpec {
        OptionSpec {
            field: "f".into(),
            label: "F".into(),
            default,
            spec: serde_json::from_value(spec).expect("a spec"),
            notes: Vec::new(),
        }
    }

    fn text(s: &str) -> Draft {
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
    fn numbers_keep_to_their_bounds() {
        let int = option(json!(1), json!({"type": "int", "min": 0, "max": 10}));
        for wrong in ["", "11", "-1", "1.5", "ten", "99999999999999999999"] {
            let error = accept(&int, &text(wrong)).expect_err(wrong);
            assert_eq!(error, "Enter a whole number from 0 to 10.");
        }
        let float = option(json!(1), json!({"type": "float", "min": 0.5}));
        for wrong in ["", "0.4", "NaN", "inf", "x"] {
            assert_eq!(
                accept(&float, &text(wrong)).expect_err(wrong),
                "Enter a number of at least 0.5."
            );
        }
        let open = option(json!(1), json!({"type": "int"}));
        assert_eq!(accept(&open, &text("x")).expect_err("x"), "Enter a whole number.");
    }

    #[test]
    fn a_default_that_is_not_offered_must_be_chosen_anew() {
        let spec = option(json!("gone"), json!({"type": "select", "options": ["a"]}));
        assert_eq!(draft(&spec), text(""));
        assert!(accept(&spec, &draft(&spec)).is_err());
        assert_eq!(accept(&spec, &text("a")).expect("offered").value, json!("a"));
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

    #[test]
    fn a_form_is_sent_whole_or_not_at_all() {
        let mut int = option(json!(1), json!({"type": "int", "min": 0, "max": 10}));
        int.field = "priority".into();
        let mut name = option(json!("x"), json!({"type": "string"}));
        name.field = "image".into();
        let specs = [int, name];
        let mut draft = ClusterDraft {
            label: "  etl ".into(),
            ..ClusterDraft::default()
        };
        let request = draft.accept(&specs, None).expect("defaults pass");
        assert_eq!(
            Value::Object(request.options),
            json!({"priority": 1, "image": "x"})
        );
        assert_eq!((request.label.as_deref(), request.scaling), (Some("etl"), None));
        draft.options.set("priority", text("99"));
        draft.scale = ScaleDraft {
            mode: ScaleMode::Manual,
            workers: "many".into(),
            ..ScaleDraft::default()
        };
        let errors = draft.accept(&specs, None).expect_err("two are wrong");
        assert!(errors.options.get("priority").is_some() && errors.scale.is_some());
        draft = ClusterDraft {
            label: "é".repeat(MAX_LABEL + 1),
            ..ClusterDraft::default()
        };
        let errors = draft.accept(&specs, None).expect_err("the label is too long");
        assert_eq!(
            errors.label.as_deref(),
            Some("A label has at most 80 characters; this one has 81.")
        );
        draft.label.pop();
        assert!(draft.accept(&specs, None).is_ok());
    }

    #[test]
    fn a_refusal_goes_to_the_field_it_names() {
        let specs = [option(json!(1), json!({"type": "int"}))];
        let refusal = |field: Option<&str>| ApiError {
            code: "invalid".into(),
            message: "no".into(),
            field: field.map(str::to_owned),
            request_id: String::new(),
        };
        for named in ["f", "options.f"] {
            let errors = ClusterErrors::of(&refusal(Some(named)), &specs);
            assert_eq!(errors.options.get("f").map(String::as_str), Some("no"));
        }
        assert_eq!(
            ClusterErrors::of(&refusal(Some("label")), &specs)
                .label
                .as_deref(),
            Some("no")
        );
        for other in [Some("gone"), None] {
            assert_eq!(
                ClusterErrors::of(&refusal(other), &specs).whole.as_deref(),
                Some("no")
            );
        }
    }
}
