//! What can be known to be wrong with a request for a job before anything is asked for it.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::jobs::{CreateJob, Place, PlaceKind};
use protocol::rest::Scaling;

use super::jupyter::{JupyterClient, JupyterError};
use super::request::{invalid, own_cluster};
use super::{Inner, JobError};

pub(super) fn check_place(place: &Place) -> Result<(), JobError> {
    match place.kind {
        PlaceKind::Cluster if place.cluster.as_deref().is_none_or(str::is_empty) => Err(invalid(
            "cluster",
            "Say which cluster the job runs on, or let it have one of its own.",
        )),
        PlaceKind::Cluster | PlaceKind::None if !place.options.is_empty() || place.scaling.is_some() => {
            Err(invalid(
                "place",
                "Options and a size are for a cluster of the job's own: ask for a fresh one, or leave them out.",
            ))
        }
        _ => Ok(()),
    }
}

/// A fresh cluster that can never have the workers that its job waits for. `limit` is how many workers one may have, where that
/// is known.
pub(super) fn check_size(place: &Place, limit: Option<u32>) -> Result<(), JobError> {
    let (most, advice) = match own_cluster(place).and_then(|cluster| cluster.scaling) {
        Some(Scaling::Manual { workers }) => (workers, "Give it more workers"),
        Some(Scaling::Adaptive { maximum, .. }) => (maximum, "Raise its maximum"),
        Some(Scaling::Unknown) | None => return Ok(()),
    };
    if most == 0 {
        return Err(invalid(
            "scaling",
            format!("A cluster without workers runs nothing: the job would wait for ever. {advice}."),
        ));
    }
    if let Some(limit) = limit.filter(|limit| most > *limit) {
        return Err(invalid(
            "scaling",
            format!("A cluster of this gateway has at most {limit} workers, not {most}. Ask for fewer."),
        ));
    }
    match place.wait_for {
        Some(wanted) if wanted > most => Err(invalid(
            "wait_for",
            format!(
                "The job waits for {wanted} workers, and its cluster gets at most {most}. {advice}, or wait for fewer."
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), JobError> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match environment.keys().find(|name| !is_name(name)) {
        Some(name) => Err(invalid(
            "environment",
            format!(
                "A variable can't be called {name:?}. Use letters, digits and underscores, and no digit first."
            ),
        )),
        None => Ok(()),
    }
}

/// A working folder is below Jupyter's root, or, from the command line, an absolute one.
pub(super) fn check_folder_name(folder: Option<&str>) -> Result<(), JobError> {
    if folder.is_some_and(|folder| folder.split('/').any(|part| part == "..")) {
        return Err(invalid(
            "folder",
            "The folder must lie below Jupyter's; name it without \"..\".",
        ));
    }
    Ok(())
}

impl Inner {
    /// Checks the kernel and the folder, where a Jupyter Server that knows them runs already.
    pub(super) async fn check_with_jupyter(&self, request: &CreateJob) -> Result<(), JobError> {
        let folder = request.folder.as_deref();
        let folder = folder.filter(|folder| !folder.is_empty() && !Path::new(folder).is_absolute());
        if (request.kernel.is_none() && folder.is_none()) || !self.jupyter.may_hold_kernels().await {
            return Ok(());
        }
        let failed = |error: JupyterError| JobError::Jupyter(error.to_string());
        let endpoint = self.jupyter.endpoint().await.map_err(failed)?;
        let client = JupyterClient::new(self.http.clone(), endpoint);
        if let Some(kernel) = &request.kernel {
            client.check_kernel(kernel).await.map_err(|error| match error {
                JupyterError::UnknownKernel { .. } => invalid("kernel", error.to_string()),
                error => failed(error),
            })?;
        }
        if let Some(folder) = folder
            && !client.has_folder(folder).await.map_err(failed)?
        {
            return Err(invalid(
                "folder",
                format!("There is no folder {folder} in Jupyter's. Make it, or name another one."),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::rest::Scaling::{Adaptive, Manual};
    use serde_json::json;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::record::job;
    use super::super::{Jobs, JupyterSource, Limits};
    use super::*;

    fn refused<T: std::fmt::Debug>(result: Result<T, JobError>) -> (&'static str, String) {
        match result {
            Err(JobError::Invalid { field, message }) => (field, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cluster_that_can_never_have_its_workers_is_refused() {
        let check = |scaling, wait_for| {
            let place = Place {
                kind: PlaceKind::Fresh,
                scaling,
                wait_for,
                ..Place::default()
            };
            check_size(&place, Some(4))
        };
        let adaptive = |minimum, maximum| Some(Adaptive { minimum, maximum });
        let manual = |workers| Some(Manual { workers });
        for (scaling, wait_for) in [
            (None, None),
            (None, Some(1)),
            (manual(2), Some(2)),
            (manual(1), Some(0)),
            (adaptive(0, 4), Some(4)),
            (Some(Scaling::Unknown), Some(9)),
        ] {
            check(scaling.clone(), wait_for).unwrap_or_else(|error| panic!("{scaling:?}: {error}"));
        }
        let (field, message) = refused(check(manual(2), Some(3)));
        assert_eq!(
            (field, message.as_str()),
            (
                "wait_for",
                "The job waits for 3 workers, and its cluster gets at most 2. Give it more workers, or wait for fewer."
            )
        );
        assert_eq!(refused(check(None, Some(2))).0, "wait_for");
        let (field, message) = refused(check(adaptive(0, 4), Some(5)));
        assert!(
            field == "wait_for" && message.contains("Raise its maximum"),
            "{message}"
        );
        for scaling in [manual(5), adaptive(0, 5)] {
            assert_eq!(
                refused(check(scaling, None)),
                (
                    "scaling",
                    "A cluster of this gateway has at most 4 workers, not 5. Ask for fewer.".to_owned()
                )
            );
        }
        assert_eq!(refused(check(manual(0), None)).0, "scaling");
        assert_eq!(refused(check(adaptive(0, 0), Some(0))).0, "scaling");
        // Whoever waits on a cluster that goes on running may scale it in the meantime.
        let running = Place {
            kind: PlaceKind::Cluster,
            wait_for: Some(9),
            ..Place::default()
        };
        check_size(&running, Some(4)).unwrap();
    }

    #[test]
    fn variables_are_called_as_shells_call_them() {
        let check = |name: &str| check_environment(&[(name.to_owned(), String::new())].into());
        for name in ["A", "_", "path_2"] {
            check(name).unwrap();
        }
        for name in ["", "2A", "A B", "A=B", "A-B", "É", "A\0"] {
            assert_eq!(refused(check(name)).0, "environment", "{name:?}");
        }
    }

    #[test]
    fn a_folder_does_not_lead_upwards() {
        for folder in [None, Some(""), Some("a/b"), Some("a..b"), Some("/srv/a")] {
            check_folder_name(folder).unwrap();
        }
        for folder in ["..", "a/../../b", "/srv/../a"] {
            assert_eq!(refused(check_folder_name(Some(folder))).0, "folder", "{folder}");
        }
    }

    #[tokio::test]
    async fn a_kernel_and_a_folder_that_are_not_there_are_refused() {
        let jupyter = MockServer::start().await;
        let spec = |name: &str| json!({ "name": name, "spec": { "display_name": name, "language": "python", "argv": [] } });
        let specs = json!({ "default": "python3", "kernelspecs": { "python3": spec("python3"), "dask": spec("dask") } });
        for (at, answer) in [
            ("/api/kernelspecs", specs),
            ("/api/contents/a%20b", json!({ "type": "directory" })),
            ("/api/contents/file", json!({ "type": "file" })),
        ] {
            Mock::given(method("GET"))
                .and(path(at))
                .respond_with(ResponseTemplate::new(200).set_body_json(answer))
                .mount(&jupyter)
                .await;
        }
        let folder = tempfile::tempdir().unwrap();
        let source = JupyterSource::External {
            url: jupyter.uri(),
            token: "t".into(),
        };
        let jobs = Jobs::beside(folder.path(), "a", Limits::default(), source).await;
        let create = async |kernel: Option<&str>, folder: Option<&str>| {
            let mut request = job("1", 1).request;
            request.kernel = kernel.map(str::to_owned);
            request.folder = folder.map(str::to_owned);
            jobs.0.job_of(request).await
        };

        create(Some("dask"), Some("a b/")).await.unwrap();
        // Jupyter takes names in any case.
        create(Some("Python3"), Some("/srv/anywhere")).await.unwrap();
        let (field, message) = refused(create(Some("nope"), None).await);
        assert_eq!(
            (field, message.as_str()),
            (
                "kernel",
                "The kernel nope does not exist on the Jupyter Server, which has: python3, dask. Choose one of them, or \
                 install this one."
            )
        );
        for folder in ["none", "file"] {
            assert_eq!(refused(create(None, Some(folder)).await).0, "folder", "{folder}");
        }
    }
}
