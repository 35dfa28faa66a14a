//! What a job was asked to be: read, checked, and made whole before anything is stored.

use protocol::jobs::{CreateJob, Job, JobFile, Parameter, Place, PlaceKind, Work, WorkKind};
use protocol::rest::{CreateCluster, Scaling};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::checks::{check_environment, check_folder_name, check_place, check_size};
use super::files::contents;
use super::host::LEASE;
use super::jupyter::{JupyterClient, JupyterError};
use super::parameters::parameters;
use super::plan::Plan;
use super::{Inner, JobError};
use crate::clock::now_ms;

/// Bytes of a source: of Python, and of a notebook without what it showed when it was saved.
const CODE_LIMIT: usize = 1 << 20;
const NOTEBOOK_LIMIT: usize = 16 << 20;

/// Characters of a job's name.
const NAME_LIMIT: usize = 80;

/// Retries and workers to wait for, beyond which a number is a slip of the finger.
const RETRIES_LIMIT: u32 = 100;

pub(super) fn invalid(field: &'static str, message: impl Into<String>) -> JobError {
    JobError::Invalid {
        field,
        message: message.into(),
    }
}

/// The cluster of its own that a job asks for; `None` where it asks for none.
pub fn own_cluster(place: &Place) -> Option<CreateCluster> {
    (place.kind == PlaceKind::Fresh).then(|| CreateCluster {
        options: place.options.clone(),
        label: None,
        scaling: Some(place.scaling.clone().unwrap_or(Scaling::Manual { workers: 1 })),
        lease: Some(LEASE),
    })
}

/// What the cell of a notebook that is tagged `parameters` assigns; nothing where there is none, or no notebook.
pub fn parameters_of(work: &Work) -> Vec<Parameter> {
    let plan = Plan::of(work).ok();
    let source = plan.and_then(|plan| plan.parameters());
    source.map_or_else(Vec::new, |source| parameters(&source))
}

impl Inner {
    /// What a file below the Jupyter Server's root is as a job.
    ///
    /// # Errors
    /// [`JobError::Invalid`] for a path that is no file to run, [`JobError::Jupyter`] where it can't be asked for.
    pub(super) async fn file_of(&self, path: &str) -> Result<JobFile, JobError> {
        let path = path.trim_matches('/');
        let kind = match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("ipynb") => WorkKind::Notebook,
            Some("py") => WorkKind::Script,
            _ => {
                return Err(invalid(
                    "path",
                    "Only .py scripts and .ipynb notebooks run as jobs. Name one of these.",
                ));
            }
        };
        let mut work = Work {
            kind,
            path: Some(path.to_owned()),
            ..Work::default()
        };
        self.read_source(&mut work).await?;
        let plan = Plan::of(&work).map_err(|message| invalid("path", message))?;
        Ok(JobFile {
            path: path.to_owned(),
            kind,
            kernel: plan.kernel().map(str::to_owned),
            parameters: parameters(&plan.parameters().unwrap_or_default()),
        })
    }

    /// Checks a request, reads the file that it names, and makes a job of it.
    ///
    /// # Errors
    /// [`JobError::Invalid`] with the field that is wrong, [`JobError::Jupyter`] where the file can't be asked for.
    pub(super) async fn job_of(&self, mut request: CreateJob) -> Result<Job, JobError> {
        check_place(&request.place)?;
        let limit = self.host().and_then(|host| host.max_workers());
        check_size(&request.place, limit)?;
        if request.retries > RETRIES_LIMIT {
            return Err(invalid(
                "retries",
                format!("At most {RETRIES_LIMIT} retries are made."),
            ));
        }
        if request.time_limit_s == Some(0) {
            return Err(invalid(
                "time_limit_s",
                "A job needs some time. Leave the limit out for none.",
            ));
        }
        check_environment(&request.environment)?;
        check_folder_name(request.folder.as_deref())?;
        self.read_source(&mut request.work).await?;
        if request.work.kind == WorkKind::Notebook {
            // What it showed when it was saved is shown anew, and would only lie in the store.
            without_outputs(&mut request.work.source);
        }
        check_source(&request.work)?;
        let plan = Plan::of(&request.work).map_err(|message| invalid("work", message))?;
        if plan.cells.is_empty() {
            return Err(invalid(
                "code",
                "There is no code to run. Write some Python first.",
            ));
        }
        request.kernel = request.kernel.filter(|kernel| !kernel.is_empty());
        if request.kernel.is_none() {
            request.kernel = plan.kernel().map(str::to_owned);
        }
        self.check_with_jupyter(&request).await?;
        let (cluster, cluster_label) = self.cluster_of(&request.place).await?;
        let given = request
            .name
            .as_deref()
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let name = given.map_or_else(|| name_of(&request.work), str::to_owned);
        let id = uuid::Uuid::new_v4().simple().to_string();
        Ok(Job {
            cluster,
            cluster_label,
            ..Job::queued(id, shorten(&name, NAME_LIMIT), request, now_ms())
        })
    }

    /// The cluster that is there already, with its label.
    async fn cluster_of(&self, place: &Place) -> Result<(Option<String>, Option<String>), JobError> {
        let Some(name) = place
            .cluster
            .as_deref()
            .filter(|_| place.kind == PlaceKind::Cluster)
        else {
            return Ok((None, None));
        };
        let Some(host) = self.host() else {
            return Ok((Some(name.to_owned()), None));
        };
        match host.find(name).await {
            Some(cluster) if cluster.state.is_active() => Ok((Some(name.to_owned()), cluster.label)),
            _ => Err(invalid(
                "cluster",
                format!("Cluster {name} is not running. Choose a running cluster, or create one."),
            )),
        }
    }

    /// Reads the file of a script or a notebook, where its text was not sent along.
    async fn read_source(&self, work: &mut Work) -> Result<(), JobError> {
        let Some(path) = work.path.clone().filter(|_| work.source.is_empty()) else {
            return Ok(());
        };
        if path.split('/').any(|part| part == "..") {
            return Err(invalid(
                "path",
                "The file must lie below Jupyter's folder; name it without \"..\".",
            ));
        }
        let failed = |error: JupyterError| JobError::Jupyter(error.to_string());
        let endpoint = self.jupyter.endpoint().await.map_err(failed)?;
        let client = JupyterClient::new(self.http.clone(), endpoint);
        let kind = match work.kind {
            WorkKind::Notebook => "type=notebook",
            WorkKind::Snippet | WorkKind::Script => "type=file&format=text",
        };
        let place = format!("{}?content=1&{kind}", contents(path.trim_matches('/')));
        let response = client.send(Method::GET, &place, None).await.map_err(failed)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(invalid(
                "path",
                format!("There is no file {path} in Jupyter's folder. Save it, or name another one."),
            ));
        }
        if !response.status().is_success() {
            let error = super::jupyter::refusal("read the file", response).await;
            return Err(invalid("path", error.to_string()));
        }
        let model: Value = response.json().await.map_err(|error| {
            JobError::Jupyter(format!(
                "Jupyter's answer can't be read ({}).",
                error.without_url()
            ))
        })?;
        work.source = match &model["content"] {
            Value::String(text) => text.clone(),
            content => content.to_string(),
        };
        Ok(())
    }
}

/// Takes the outputs out of a notebook; what is no notebook stays as it is.
fn without_outputs(source: &mut String) {
    let Ok(mut notebook) = serde_json::from_str::<Value>(source) else {
        return;
    };
    let Some(cells) = notebook.get_mut("cells").and_then(Value::as_array_mut) else {
        return;
    };
    for cell in cells.iter_mut().filter(|cell| cell["cell_type"] == "code") {
        cell["outputs"] = Value::Array(Vec::new());
        cell["execution_count"] = Value::Null;
    }
    *source = notebook.to_string();
}

fn check_source(work: &Work) -> Result<(), JobError> {
    let (limit, advice) = match work.kind {
        WorkKind::Notebook => (
            NOTEBOOK_LIMIT,
            "Take pictures out of its text cells, save it, and run it again.",
        ),
        WorkKind::Snippet | WorkKind::Script => (CODE_LIMIT, "Put data in a file and read it from the code."),
    };
    if work.source.trim().is_empty() {
        return Err(invalid(
            "code",
            "There is no code to run. Write some Python first.",
        ));
    }
    if work.source.len() > limit {
        return Err(invalid(
            "code",
            format!("The code is longer than {} MiB. {advice}", limit >> 20),
        ));
    }
    if work.kind != WorkKind::Notebook && !work.parameters.is_empty() {
        return Err(invalid(
            "parameters",
            "Only notebooks have parameters; give a script arguments instead.",
        ));
    }
    if work.kind != WorkKind::Script && !work.args.is_empty() {
        return Err(invalid(
            "args",
            "Only scripts have arguments; give a notebook parameters instead.",
        ));
    }
    Ok(())
}

/// What a job without a name is called: its file, or its first line that says something.
fn name_of(work: &Work) -> String {
    let file = work.path.as_deref().and_then(|path| path.rsplit('/').next());
    match file.filter(|file| !file.is_empty()) {
        Some(file) => file.to_owned(),
        None if work.kind == WorkKind::Notebook => "Notebook".to_owned(),
        None => name_from(&work.source),
    }
}

/// The first line that says something names a job without a name: a docstring's, without its marks, or of the code. What
/// is imported says little, and many jobs begin with the same comment.
fn name_from(code: &str) -> String {
    let lines = || {
        code.lines()
            .map(|line| line.trim().trim_matches(['"', '\'']).trim())
            .filter(|line| !line.is_empty())
    };
    let mut in_import = false;
    let line = lines().find(|line| {
        let imports = line.starts_with("import ") || line.starts_with("from ") && line.contains(" import ");
        let skipped = in_import || imports || line.starts_with(['#', '%']);
        in_import = (in_import || imports && line.contains('(')) && !line.contains(')');
        !skipped
    });
    // Nothing but imports and comments.
    let line = line.or_else(|| lines().next()).unwrap_or_default();
    shorten(line.trim_start_matches('#').trim(), NAME_LIMIT)
}

pub(super) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Jobs;
    use super::*;

    #[test]
    fn a_job_is_named_by_what_it_does() {
        for (code, name) in [
            (
                "import time\nfrom dask import (\n    delayed,\n)\n\n# wait\ntime.sleep(1)",
                "time.sleep(1)",
            ),
            (
                "\"\"\"\nAverage of a matrix.\n\"\"\"\nimport os",
                "Average of a matrix.",
            ),
            ("%matplotlib inline\nclient.run(f)", "client.run(f)"),
            ("# only words\nimport time", "only words"),
            ("\n", ""),
        ] {
            assert_eq!(name_from(code), name, "{code}");
        }
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_a_request() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::unavailable(folder.path(), "a").await;
        let good = super::super::record::job("1", 1).request;
        let base = good.clone();
        let with = |change: &dyn Fn(&mut CreateJob)| {
            let mut request = base.clone();
            change(&mut request);
            request
        };
        let of_kind = |kind, source: &str| {
            with(&|request| (request.work.kind, request.work.source) = (kind, source.into()))
        };
        for (request, field) in [
            (of_kind(WorkKind::Snippet, " \n"), "code"),
            (of_kind(WorkKind::Snippet, &"x".repeat(CODE_LIMIT + 1)), "code"),
            (of_kind(WorkKind::Notebook, "print(1)"), "work"),
            (
                of_kind(WorkKind::Notebook, r#"{"nbformat": 4, "cells": []}"#),
                "code",
            ),
            (with(&|request| request.work.args = vec!["-v".into()]), "args"),
            (
                with(&|request| request.work.parameters = [("n".into(), 1.into())].into_iter().collect()),
                "parameters",
            ),
            (with(&|request| request.place.cluster = None), "cluster"),
            (
                with(&|request| request.place.scaling = Some(protocol::rest::Scaling::Unknown)),
                "place",
            ),
            (with(&|request| request.time_limit_s = Some(0)), "time_limit_s"),
            (with(&|request| request.retries = 101), "retries"),
            (
                with(&|request| request.environment = BTreeMap::from([("a=b".into(), String::new())])),
                "environment",
            ),
            (
                with(&|request| {
                    request.work.source.clear();
                    request.work.path = Some("a/../b.py".into());
                }),
                "path",
            ),
        ] {
            match jobs.0.job_of(request.clone()).await {
                Err(JobError::Invalid { field: found, .. }) => assert_eq!(found, field, "{request:?}"),
                other => panic!("{field}: {other:?}"),
            }
        }
        let saved = r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": "1", "outputs": ["old"]}]}"#;
        let notebook = jobs.0.job_of(of_kind(WorkKind::Notebook, saved)).await.unwrap();
        assert!(!notebook.request.work.source.contains("old"), "{notebook:?}");
        let job = jobs.0.job_of(good).await.unwrap();
        assert_eq!((job.name.as_str(), job.cluster.as_deref()), ("1", Some("c")));
        let named = of_kind(WorkKind::Script, "1");
        let named = CreateJob {
            work: Work {
                path: Some("a/b.py".into()),
                ..named.work
            },
            ..named
        };
        assert_eq!(jobs.0.job_of(named).await.unwrap().name, "b.py");
    }
}
