//! The gateway's options, with what is known here besides: local defaults, bounds, what a choice means.

use protocol::check;
use protocol::rest::{OptionKind, OptionSpec, OptionValues, Options};
use serde_json::{Map, Value};

use super::{ClusterError, Clusters, GatewayOrigin, OptionNotes};
use crate::embedded::Advice;

impl Clusters {
    /// Says what the settings say of the gateway's options.
    pub fn tell_notes(&self, notes: OptionNotes) {
        // The first word counts: it is told once, before the first request.
        self.0.notes.set(notes).ok();
    }

    /// The gateway's options, with the local defaults of Dask's configuration laid over the site's.
    ///
    /// # Errors
    /// [`ClusterError::Gateway`].
    pub async fn options(&self) -> Result<Options, ClusterError> {
        let specs = self.0.client.options().await?;
        let advice = self.advice();
        let mut options: Vec<OptionSpec> = specs
            .into_iter()
            .map(|spec| {
                let mut kind = serde_json::from_value(spec.spec).unwrap_or(OptionKind::Unknown);
                let mut notes = Vec::new();
                match &mut kind {
                    OptionKind::Select { options } => notes = advice.notes(&spec.field, options),
                    OptionKind::Float { min, .. } if matches!(self.0.origin, GatewayOrigin::Embedded(_)) => {
                        *min = min.or(advice.least(&spec.field));
                    }
                    _ => {}
                }
                OptionSpec {
                    default: spec.default,
                    local: false,
                    spec: kind,
                    field: spec.field,
                    label: spec.label,
                    notes,
                    about: None,
                }
            })
            .collect();
        if let Some(notes) = self.0.notes.get() {
            options.iter_mut().for_each(|spec| notes.apply(spec));
        }
        // What could not be read at all, such as a template whose variable is missing, was said there.
        let unread = self.0.config.warnings.iter();
        let mut warnings: Vec<String> = unread
            .filter(|warning| warning.contains(LOCAL))
            .cloned()
            .collect();
        warnings.extend(lay_over(&mut options, &self.0.config.cluster_options));
        Ok(Options {
            options,
            max_workers: advice.max_workers,
            warnings,
        })
    }

    /// How many workers a cluster may have; the embedded gateway's settings say it.
    pub(crate) fn max_workers(&self) -> Option<u32> {
        self.advice().max_workers
    }

    fn advice(&self) -> Advice {
        match &self.0.origin {
            GatewayOrigin::Embedded(embedded) => embedded.advice(),
            GatewayOrigin::Remote => Advice::default(),
        }
    }

    /// The values to send for a new cluster: those asked for, checked as the gateway checks them, over local defaults.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] with the option's field; [`ClusterError::Gateway`].
    pub(super) async fn checked(&self, asked: &OptionValues) -> Result<OptionValues, ClusterError> {
        if asked.is_empty() && self.0.config.cluster_options.is_empty() {
            return Ok(OptionValues::new());
        }
        checked(&self.options().await?.options, asked)
    }
}

/// Where Dask's configuration holds local defaults.
const LOCAL: &str = "gateway.cluster.options";

/// Puts local defaults in the place of the site's, as Dask's client does; returns sentences on those that can't be used,
/// for which Dask's client would refuse to make any cluster.
fn lay_over(specs: &mut [OptionSpec], local: &Map<String, Value>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (field, value) in local {
        let Some(spec) = specs.iter_mut().find(|spec| spec.field == *field) else {
            warnings.push(format!(
                "Dask's configuration {LOCAL}.{field} is not used: the gateway has no option of that name. Remove it."
            ));
            continue;
        };
        match check::check(spec, value) {
            Ok(value) => {
                spec.default = value;
                spec.local = true;
            }
            Err(reason) => warnings.push(format!(
                "Dask's configuration {LOCAL}.{field} is not used: {reason}. Correct or remove it."
            )),
        }
    }
    warnings
}

fn checked(specs: &[OptionSpec], asked: &OptionValues) -> Result<OptionValues, ClusterError> {
    if let Some(message) = check::unknown_fields(specs, asked) {
        let field = asked
            .keys()
            .find(|field| specs.iter().all(|spec| spec.field != **field));
        return Err(ClusterError::Invalid {
            field: field.cloned(),
            message: format!("{message}. api/v1/options names those that there are."),
        });
    }
    let mut values = OptionValues::new();
    for spec in specs {
        let value = match asked.get(&spec.field) {
            Some(value) => check::check(spec, value).map_err(|reason| ClusterError::Invalid {
                field: Some(spec.field.clone()),
                message: format!("{reason}."),
            })?,
            None if spec.local => spec.default.clone(),
            None => continue,
        };
        values.insert(spec.field.clone(), value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn specs() -> Vec<OptionSpec> {
        serde_json::from_value(json!([
            {"field": "image", "label": "Image", "default": "site:1", "spec": {"type": "string"}},
            {"field": "priority", "label": "Priority", "default": 1, "spec": {"type": "int", "min": 0, "max": 10}},
            {"field": "environment_vars", "label": "Variables", "default": {}, "spec": {"type": "mapping"}},
        ]))
        .expect("options")
    }

    fn values(value: Value) -> OptionValues {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn local_defaults_win_where_they_fit() {
        let mut specs = specs();
        let warnings = lay_over(
            &mut specs,
            &values(json!({"image": "mine:2", "priority": 99, "gone": 1})),
        );
        assert_eq!(
            (specs[0].default.clone(), specs[0].local),
            (json!("mine:2"), true)
        );
        assert_eq!((specs[1].default.clone(), specs[1].local), (json!(1), false));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        let all = warnings.join("\n");
        assert!(all.contains("priority must be <= 10.000000, got 99"), "{all}");
        assert!(all.contains("options.gone is not used"), "{all}");
    }

    #[test]
    fn what_is_sent_is_what_was_asked_and_the_local_defaults() {
        let mut specs = specs();
        lay_over(&mut specs, &values(json!({"image": "mine:2"})));
        let sent = checked(&specs, &values(json!({"priority": 3}))).expect("fits");
        assert_eq!(Value::Object(sent), json!({"image": "mine:2", "priority": 3}));
        let sent = checked(&specs, &values(json!({"image": "x"}))).expect("fits");
        assert_eq!(Value::Object(sent), json!({"image": "x"}));
    }

    #[test]
    fn a_refusal_names_its_field() {
        for (asked, named, words) in [
            (
                json!({"priority": true}),
                "priority",
                "priority must be an integer, got True.",
            ),
            (
                json!({"environment_vars": {"B": 2}}),
                "environment_vars",
                "environment_vars: the value of B must be a text; write it in quotes: \"2\".",
            ),
            (json!({"nope": 1}), "nope", "Unknown fields ['nope']."),
        ] {
            let error = checked(&specs(), &values(asked)).expect_err("refused");
            let ClusterError::Invalid { field, message } = error else {
                panic!("{error}")
            };
            assert_eq!(field.as_deref(), Some(named));
            assert!(message.starts_with(words), "{message}");
        }
    }
}
