//! What was written into the Jupyter Server's folder for jobs, and how it goes with them: only a file that is still as we
//! wrote it is ours to remove.

use rusqlite::{Row, params};
use tracing::{debug, warn};

use super::Inner;
use super::files::Saved;
use super::jupyter::{JupyterClient, JupyterError};
use crate::store::{Store, StoreError};

/// Stands for the moment of a file that is being written.
const UNFINISHED: &str = "";

/// Files that are looked at in one go.
const AT_ONCE: u32 = 100;

/// The rows.
#[derive(Clone)]
pub(super) struct Published(Store);

impl Published {
    pub(super) fn new(store: Store) -> Self {
        Self(store)
    }

    /// A file is about to be written for a job, at a path where there is none: until it is, whatever lies there is ours.
    pub(super) async fn begins(&self, job: &str, path: &str) -> Result<(), StoreError> {
        let (job, path) = (job.to_owned(), path.to_owned());
        self.0
            .call(move |db| {
                db.execute(
                    "INSERT OR REPLACE INTO job_files (path, job, last_modified, size) VALUES (?1, ?2, ?3, -1)",
                    params![path, job, UNFINISHED],
                )
            })
            .await?;
        Ok(())
    }

    /// It is written. One of which the server does not say when stays for ever.
    pub(super) async fn is_written(&self, saved: &Saved) -> Result<(), StoreError> {
        if saved.last_modified.is_empty() {
            return self.forget(&saved.path).await;
        }
        let saved = saved.clone();
        self.0
            .call(move |db| {
                db.execute(
                    "UPDATE job_files SET last_modified = ?2, size = ?3 WHERE path = ?1",
                    params![saved.path, saved.last_modified, saved.size.unwrap_or(-1)],
                )
            })
            .await?;
        Ok(())
    }

    /// Files of jobs that are there no more.
    async fn left(&self) -> Result<Vec<Saved>, StoreError> {
        self.0
            .call(|db| {
                db.prepare_cached(
                    "SELECT path, last_modified, size FROM job_files WHERE job NOT IN (SELECT id FROM jobs) LIMIT ?1",
                )?
                .query_map([AT_ONCE], saved)?
                .collect()
            })
            .await
    }

    /// Files of a job.
    async fn of(&self, job: &str) -> Result<Vec<Saved>, StoreError> {
        let job = job.to_owned();
        self.0
            .call(move |db| {
                db.prepare_cached("SELECT path, last_modified, size FROM job_files WHERE job = ?1")?
                    .query_map([job], saved)?
                    .collect()
            })
            .await
    }

    async fn forget(&self, path: &str) -> Result<(), StoreError> {
        let path = path.to_owned();
        self.0
            .call(move |db| db.execute("DELETE FROM job_files WHERE path = ?1", [path]))
            .await?;
        Ok(())
    }
}

fn saved(row: &Row<'_>) -> rusqlite::Result<Saved> {
    Ok(Saved {
        path: row.get(0)?,
        last_modified: row.get(1)?,
        size: Some(row.get(2)?).filter(|size| *size >= 0),
    })
}

impl Inner {
    /// Removes what was written for a job by a server that died over it: it is about to be written anew.
    pub(super) async fn withdraw_files(&self, job: &str) {
        match self.published.of(job).await {
            Ok(written) => self.remove_files(written).await,
            Err(error) => warn!(job, %error, "a job's files can't be looked for"),
        }
    }

    /// Removes what was written so far of a file that could not be written to its end.
    pub(super) async fn discard_file(&self, path: &str) {
        let unfinished = Saved {
            path: path.to_owned(),
            last_modified: UNFINISHED.to_owned(),
            size: None,
        };
        self.remove_files(vec![unfinished]).await;
    }

    /// Removes files of jobs that are there no more. Without a JupyterLab around us they wait for a server that has one.
    pub(super) async fn remove_left_files(&self) {
        if !self.jupyter.is_external() {
            return;
        }
        let left = match self.published.left().await {
            Ok(left) => left,
            Err(error) => return warn!(%error, "files of old jobs can't be looked for"),
        };
        self.remove_files(left).await;
    }

    async fn remove_files(&self, files: Vec<Saved>) {
        if files.is_empty() {
            return;
        }
        let client = match self.jupyter.endpoint().await {
            Ok(endpoint) => JupyterClient::new(self.http.clone(), endpoint),
            Err(error) => return warn!(%error, "files of jobs can't be removed"),
        };
        for file in files {
            match remove(&client, &file).await {
                Ok(removed) => {
                    debug!(
                        path = file.path,
                        removed, "a file of a job is not looked after any more"
                    );
                    if let Err(error) = self.published.forget(&file.path).await {
                        warn!(path = file.path, %error, "a note about a file could not be dropped");
                    }
                }
                Err(error) => warn!(path = file.path, %error, "a file of a job can't be removed"),
            }
        }
    }
}

/// Removes a file that is as it was written, or was not written to its end; whether it was there.
async fn remove(client: &JupyterClient, file: &Saved) -> Result<bool, JupyterError> {
    let as_written = |now: &Saved| now.last_modified == file.last_modified && now.size == file.size;
    match client.saved(&file.path).await? {
        Some(now) if file.last_modified == UNFINISHED || as_written(&now) => {
            client.delete_contents(&file.path).await?;
            Ok(true)
        }
        // It is the user's by now, or gone.
        Some(_) | None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use axum::extract::{Path, State};
    use axum::routing::get;
    use axum::{Json, Router};
    use http::StatusCode;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;
    use tokio::sync::broadcast;

    use super::super::record::job;
    use super::super::step::Outcome;
    use super::super::{Jobs, JobsConfig, JupyterSource, Keep, Limits};
    use super::*;
    use crate::clock::now_ms;

    const FOLDER: &str = "kept";

    /// Files with the turn in which each was written last.
    type Files = Arc<Mutex<BTreeMap<String, usize>>>;

    fn model(path: &str, turn: usize) -> Json<Value> {
        Json(json!({ "path": path, "last_modified": format!("2026-11-22T08:00:{turn:02}Z"), "size": 3 }))
    }

    /// A Jupyter Server that has files and nothing else.
    async fn jupyter(files: Files) -> String {
        let read = async |State(files): State<Files>, Path(path): Path<String>| {
            let files = files.lock().unwrap();
            let below = |name: &String| Some(name.strip_prefix(&path)?.strip_prefix('/')?.to_owned());
            let inside: Vec<_> = files.keys().filter_map(below).collect();
            if path == FOLDER && !inside.is_empty() {
                let content: Vec<_> = inside.iter().map(|name| json!({ "name": name })).collect();
                return Ok(Json(json!({ "path": path, "content": content })));
            }
            let turn = files.get(&path);
            turn.map(|turn| model(&path, *turn)).ok_or(StatusCode::NOT_FOUND)
        };
        let write = async |State(files): State<Files>, Path(path): Path<String>| {
            let mut files = files.lock().unwrap();
            let turn = files.len();
            files.insert(path.clone(), turn);
            model(&path, turn)
        };
        let delete = async |State(files): State<Files>, Path(path): Path<String>| {
            files.lock().unwrap().remove(&path);
            StatusCode::NO_CONTENT
        };
        let app = Router::new()
            .route("/api/contents/{*path}", get(read).put(write).delete(delete))
            .with_state(files);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, app).into_future());
        url
    }

    struct House {
        jobs: Jobs,
        files: Files,
        folder: tempfile::TempDir,
    }

    impl House {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let files = Files::default();
            let url = jupyter(Arc::clone(&files)).await;
            let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
            let keep = Keep { jobs: 1, days: 9 };
            let config = JobsConfig {
                folder: folder.path().join("jobs"),
                instance: "a".into(),
                limits: Limits {
                    keep,
                    ..Limits::default()
                },
            };
            let source = JupyterSource::External {
                url,
                token: "t".into(),
            };
            let jobs = Jobs::new(store, config, source, broadcast::channel(8).0).unwrap();
            std::fs::write(folder.path().join("file"), "abc").unwrap();
            Self { jobs, files, folder }
        }

        /// Writes two files of a job under one name.
        async fn save(&self, job: &str) {
            let inner = &self.jobs.0;
            let destination = inner
                .destination(FOLDER, "book", &["ipynb", "html"])
                .await
                .unwrap();
            for extension in ["ipynb", "html"] {
                inner
                    .published
                    .begins(job, &destination.path(extension))
                    .await
                    .unwrap();
                let saved = destination
                    .save(extension, &self.folder.path().join("file"))
                    .await
                    .unwrap();
                inner.published.is_written(&saved).await.unwrap();
            }
        }

        /// Somebody writes a file.
        fn edit(&self, path: &str, turn: usize) {
            self.files.lock().unwrap().insert(path.into(), turn);
        }

        fn there(&self) -> Vec<String> {
            self.files.lock().unwrap().keys().cloned().collect()
        }
    }

    #[tokio::test]
    async fn files_go_with_their_job_unless_somebody_changed_them() {
        let house = House::new().await;
        let inner = &house.jobs.0;
        // Of one name a file is there already: both get another.
        house.edit("kept/book.html", 90);
        for (id, age) in [("old", 20), ("new", 10)] {
            inner.records.insert(&job(id, 1)).await.unwrap();
            let ended = now_ms() - age;
            inner
                .records
                .over(id, &Outcome::succeeded(), ended)
                .await
                .unwrap();
            house.save(id).await;
        }
        let all = [
            "kept/book-2.html",
            "kept/book-2.ipynb",
            "kept/book-3.html",
            "kept/book-3.ipynb",
            "kept/book.html",
        ];
        assert_eq!(house.there(), all, "nothing is overwritten");
        // The user works on in the notebook of the old one.
        house.edit("kept/book-2.ipynb", 50);

        inner.prune().await;
        let left = [
            "kept/book-2.ipynb",
            "kept/book-3.html",
            "kept/book-3.ipynb",
            "kept/book.html",
        ];
        assert_eq!(house.there(), left);
        // It is not looked after any more, not even when it looks as it did.
        house.edit("kept/book-2.ipynb", 1);
        inner.prune().await;
        assert_eq!(house.there(), left);
        assert!(inner.published.left().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_written_twice_is_there_once() {
        let house = House::new().await;
        let inner = &house.jobs.0;
        for id in ["1", "2"] {
            inner.records.insert(&job(id, 1)).await.unwrap();
            house.save(id).await;
        }
        house.edit("kept/book-2.html", 50);
        // A server that died wrote a part of a file; another writes all of them anew.
        inner.published.begins("2", "kept/book-3.html").await.unwrap();
        house.edit("kept/book-3.html", 60);
        inner.withdraw_files("2").await;
        let left = ["kept", "kept/book-2.html", "kept/book.html", "kept/book.ipynb"];
        assert_eq!(
            house.there(),
            left,
            "another job's and what somebody changed stay"
        );
        house.save("2").await;
        assert_eq!(
            house.there(),
            [
                "kept",
                "kept/book-2.html",
                "kept/book-3.html",
                "kept/book-3.ipynb",
                "kept/book.html",
                "kept/book.ipynb"
            ]
        );
    }

    #[tokio::test]
    async fn two_at_once_get_two_names() {
        let house = House::new().await;
        let file = house.folder.path().join("file");
        let save = || house.jobs.save_file(FOLDER, "book.html", &file);
        let (one, two) = tokio::join!(save(), save());
        let mut names = [one.unwrap(), two.unwrap()];
        names.sort();
        assert_eq!(names, ["kept/book-2.html", "kept/book.html"]);
    }

    #[tokio::test]
    async fn what_is_not_written_to_its_end_goes() {
        let house = House::new().await;
        let inner = &house.jobs.0;
        inner.published.begins("1", "kept/book.html").await.unwrap();
        house.edit("kept/book.html", 7);
        inner.discard_file("kept/book.html").await;
        assert_eq!(house.there(), Vec::<String>::new());
        assert!(inner.published.of("1").await.unwrap().is_empty());
    }
}
