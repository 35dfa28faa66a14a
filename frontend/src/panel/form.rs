//! Everything in the form for a new cluster and what it means: checked into what the server takes.

use protocol::rest::{ApiError, CreateCluster, MAX_LABEL, OptionSpec, OptionValues};

use super::by_name::ByName;
pub use super::draft::number_text;
use super::draft::{Draft, accept, draft};
use super::lease::LeaseDraft;
use super::scaling::{ScaleDraft, ScaleError};

/// What the form was filled with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Origin {
    #[default]
    Defaults,
    /// What the last cluster was created with.
    Last,
    /// The preset of this id.
    Preset(String),
    /// A preset that was deleted since: the values are the user's own.
    Own,
}

/// Everything typed into the form for a new cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterDraft {
    pub origin: Origin,
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
    use serde_json::{Value, json};

    use super::super::draft::tests::{option, text};
    use super::super::scaling::ScaleMode;
    use super::*;

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
