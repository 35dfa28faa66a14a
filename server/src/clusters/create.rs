//! Asking for a new cluster.

use protocol::rest::{CreateCluster, Scaling};
use serde_json::Value;
use tracing::info;

use super::label::check_label;
use super::scaling::check_scaling;
use super::{ClusterError, Clusters};

impl Clusters {
    /// Asks for a cluster and returns its name.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] with the field, or [`ClusterError::Gateway`].
    pub async fn create(&self, request: CreateCluster) -> Result<String, ClusterError> {
        let label = check_label(request.label)?;
        check_environment(&request.options)?;
        let scaling = request.scaling.unwrap_or(Scaling::Unknown);
        check_scaling(&scaling)?;
        let mut options = self.0.config.cluster_options.clone();
        options.extend(request.options);
        let name = self.0.client.create(&options).await?;
        info!(cluster = %name, "created a cluster");
        {
            let mut book = self.book();
            let note = book.note(&name);
            note.created_by = Some(self.0.instance.clone());
            note.label.clone_from(&label);
        }
        self.0
            .store
            .add_cluster(&name, label.as_deref(), &self.0.instance)
            .await?;
        if scaling != Scaling::Unknown {
            self.scale_when_it_runs(&name, scaling).await?;
        }
        self.refresh().await;
        Ok(name)
    }
}

/// The gateway takes any value for an environment variable, and then the cluster fails: they must be text. Mappings of
/// other names are the site's own, and may hold anything.
fn check_environment(options: &protocol::rest::OptionValues) -> Result<(), ClusterError> {
    for (field, value) in options
        .iter()
        .filter(|(field, _)| field.to_lowercase().contains("env"))
    {
        let no_name = |name: &&String| {
            name.starts_with(|c: char| c.is_ascii_digit())
                || name.contains(|c: char| c == '=' || c.is_whitespace())
        };
        if let Some(name) = value.as_object().and_then(|mapping| mapping.keys().find(no_name)) {
            return Err(ClusterError::Invalid {
                field: Some(field.clone()),
                message: format!(
                    "“{name}” can't be the name of a variable: no blanks, no “=”, and no digit at its beginning."
                ),
            });
        }
        let wrong = value
            .as_object()
            .and_then(|mapping| mapping.iter().find(|(_, value)| !value.is_string()));
        if let Some((key, value)) = wrong {
            let hint = match value {
                Value::Null | Value::Bool(_) | Value::Number(_) => format!("write it in quotes: \"{value}\""),
                _ => "lists and mappings have no place here".to_owned(),
            };
            return Err(ClusterError::Invalid {
                field: Some(field.clone()),
                message: format!("The value of {key} must be text; {hint}."),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn environment_variables_must_be_text() {
        let options = json!({"pod_config": {"n": 1}, "environment_vars": {"A": "1", "B": 2}});
        let error = check_environment(options.as_object().expect("object")).expect_err("a number");
        let ClusterError::Invalid { field, message } = error else {
            panic!("{error}")
        };
        assert_eq!(field.as_deref(), Some("environment_vars"));
        assert_eq!(message, "The value of B must be text; write it in quotes: \"2\".");
    }

    #[test]
    fn environment_variables_have_names() {
        for wrong in ["1A", "A B", "A=B"] {
            let options = json!({"environment_vars": {wrong: "x"}, "site": {wrong: 1}});
            let error = check_environment(options.as_object().expect("object")).expect_err(wrong);
            assert!(error.to_string().contains(&format!("“{wrong}”")), "{error}");
        }
    }
}
