//! What a notebook's kernel means for a new cluster: the environment to choose, and what the kernel lacks.

use std::path::{Path, PathBuf};

use protocol::presets::KernelAdvice;
use protocol::rest::{OptionKind, OptionSpec};

use super::{ClusterError, Clusters, GatewayOrigin};
use crate::kernels::KernelVersions;

/// What a kernel needs to use a cluster of a gateway.
const NEEDED: [&str; 3] = ["dask", "distributed", "dask-gateway"];

impl Clusters {
    /// Which of the gateway's environments a kernel runs in, and whether it can use a cluster at all. `kernel` is what
    /// Jupyter calls it.
    ///
    /// # Errors
    /// [`ClusterError::Gateway`].
    pub async fn advise(&self, kernel: &str, found: &KernelVersions) -> Result<KernelAdvice, ClusterError> {
        let options = self.options().await?.options;
        let places = match &self.0.origin {
            GatewayOrigin::Embedded(embedded) => embedded.advice().places(),
            GatewayOrigin::Remote => Vec::new(),
        };
        let mut advice = missing(kernel, found);
        let prefix = found.prefix.display();
        let offered: Vec<_> = options.iter().filter_map(environments).collect();
        let chosen = offered
            .iter()
            .find_map(|(spec, choices)| Some((spec, matching(&found.prefix, choices, &places)?)));
        match chosen {
            // Its scheduler would not start there either.
            _ if !advice.lacks.is_empty() => {}
            Some((spec, value)) => {
                advice.field = Some(spec.field.clone());
                advice.value = Some(value.to_owned());
                advice.reason = Some(format!("{kernel} runs in it ({prefix})."));
            }
            None if !offered.is_empty() => {
                advice.reason = Some(format!(
                    "{kernel} runs in {prefix}, which is none of the environments here. Choose one with the same versions."
                ));
            }
            None => {}
        }
        Ok(advice)
    }
}

fn missing(kernel: &str, found: &KernelVersions) -> KernelAdvice {
    let lacks: Vec<String> = NEEDED
        .into_iter()
        .filter(|package| !found.packages.contains_key(*package))
        .map(str::to_owned)
        .collect();
    let warning = (!lacks.is_empty()).then(|| {
        format!(
            "{kernel} has no {}, so a notebook with it can't use a cluster. Run “%pip install {}” in the notebook, or choose \
             another kernel for it.",
            in_words(&lacks),
            lacks.join(" ")
        )
    });
    KernelAdvice {
        kernel: kernel.to_owned(),
        lacks,
        warning,
        ..KernelAdvice::default()
    }
}

/// `a`, `a and b`, `a, b and c`.
fn in_words(names: &[String]) -> String {
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// The choices of an option that chooses a Python environment, as far as its name tells.
fn environments(spec: &OptionSpec) -> Option<(&OptionSpec, &[String])> {
    let named = |text: &str| text.to_lowercase().contains("env");
    match &spec.spec {
        OptionKind::Select { options } if named(&spec.field) || named(&spec.label) => Some((spec, options)),
        _ => None,
    }
}

/// The one choice that stands for an environment; `None` where none does, or several might.
///
/// `places` says where choices lie, where that is known. Elsewhere the names tell: sites call an environment as conda
/// does, by its folder, or as conda-store does, `NAMESPACE/NAME` for `NAMESPACE/envs/NAME`.
fn matching<'a>(prefix: &Path, choices: &'a [String], places: &[(String, PathBuf)]) -> Option<&'a str> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let here = real(prefix);
    let placed = |choice: &str| {
        let place = places.iter().find(|(name, _)| name == choice);
        place.is_some_and(|(_, place)| real(place) == here)
    };
    if let Some(choice) = choices.iter().find(|choice| placed(choice)) {
        return Some(choice);
    }
    if !places.is_empty() {
        return None;
    }
    let name = prefix.file_name()?.to_str()?;
    let parent = prefix.parent().filter(|parent| parent.ends_with("envs"));
    let namespace = parent
        .and_then(Path::parent)
        .and_then(Path::file_name)
        .and_then(|namespace| namespace.to_str());
    let rules: [&dyn Fn(&str) -> bool; 4] = [
        &|choice| Path::new(choice).is_absolute() && real(Path::new(choice)) == here,
        &|choice| namespace.is_some_and(|namespace| choice == format!("{namespace}/{name}")),
        &|choice| choice == name,
        &|choice| choice.rsplit('/').next() == Some(name),
    ];
    rules.iter().find_map(|fits| {
        let mut fitting = choices.iter().filter(|choice| fits(choice));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn sites_name_environments_in_their_own_ways() {
        for (prefix, choices, chosen) in [
            (
                "/home/conda/nebari-git/envs/nebari-git-dask",
                vec!["global/global-dask", "nebari-git/nebari-git-dask"],
                Some("nebari-git/nebari-git-dask"),
            ),
            ("/opt/conda/envs/dask", vec!["base", "dask"], Some("dask")),
            ("/opt/conda/envs/dask", vec!["a/dask", "b/other"], Some("a/dask")),
            (
                "/opt/conda/envs/dask",
                vec!["/opt/conda/envs/dask", "dask"],
                Some("/opt/conda/envs/dask"),
            ),
            // Which of them, nobody can tell.
            ("/opt/conda/envs/dask", vec!["a/dask", "b/dask"], None),
            ("/opt/conda/envs/dask", vec!["dask-2"], None),
            ("/", vec!["dask"], None),
        ] {
            assert_eq!(
                matching(Path::new(prefix), &texts(&choices), &[]),
                chosen,
                "{prefix} {choices:?}"
            );
        }
    }

    #[test]
    fn where_places_are_known_names_do_not_count() {
        let temp = tempfile::tempdir().unwrap();
        let real = temp.path().join("real");
        std::fs::create_dir(&real).unwrap();
        let link = temp.path().join("dask");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let places = [
            ("mine".to_owned(), link.clone()),
            ("real".to_owned(), "/elsewhere".into()),
        ];
        let choices = texts(&["real", "mine"]);
        assert_eq!(matching(&real, &choices, &places), Some("mine"));
        assert_eq!(matching(&link, &choices, &places), Some("mine"));
        assert_eq!(matching(Path::new("/opt/real"), &choices, &places), None);
    }

    #[test]
    fn only_lists_of_environments_are_looked_at() {
        let spec = |field: &str, label: &str, spec: &str| {
            serde_json::from_str::<OptionSpec>(&format!(
                r#"{{"field": "{field}", "label": "{label}", "default": null, "spec": {spec}}}"#
            ))
            .unwrap()
        };
        let select = r#"{"type": "select", "options": ["a"]}"#;
        assert!(environments(&spec("conda_environment", "E", select)).is_some());
        assert!(environments(&spec("software", "Environment", select)).is_some());
        assert!(environments(&spec("profile", "Cluster Profile", select)).is_none());
        assert!(environments(&spec("environment_vars", "E", r#"{"type": "mapping"}"#)).is_none());
    }

    #[test]
    fn a_kernel_without_dask_is_named() {
        let mut found = KernelVersions::default();
        found.packages.insert("dask".to_owned(), "2026.8.0".to_owned());
        let advice = missing("Python 3 (bare)", &found);
        assert_eq!(advice.lacks, ["distributed", "dask-gateway"]);
        assert_eq!(
            advice.warning.as_deref(),
            Some(
                "Python 3 (bare) has no distributed and dask-gateway, so a notebook with it can't use a cluster. Run “%pip \
                 install distributed dask-gateway” in the notebook, or choose another kernel for it."
            )
        );
        for package in NEEDED {
            found.packages.insert(package.to_owned(), "1".to_owned());
        }
        assert_eq!(missing("x", &found).warning, None);
    }
}
