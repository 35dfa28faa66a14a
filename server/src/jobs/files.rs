//! Files that are written into the Jupyter Server's folder, through its contents interface: only it knows where that is.

use std::collections::HashSet;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::jobs::Job;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::jupyter::{JupyterClient, JupyterError, JupyterSource};
use super::{Inner, JobError, Jobs};

/// Bytes of a chunk: Jupyter's own limit of a request is about 500 MB, a proxy's 100 MB.
const CHUNK: usize = 8 << 20;

/// Bytes of the name that a job's files have below Jupyter's root; a file system has room for 255, with what others append.
const STEM_LIMIT: usize = 100;

impl Jobs {
    /// Writes the file at `source` into `folder` below the Jupyter Server's root under a name that is free there, and
    /// returns its path.
    ///
    /// # Errors
    /// [`JobError::Jupyter`] where the server is not there or refuses, [`JobError::Invalid`] for a folder that leads elsewhere.
    pub async fn save_file(&self, folder: &str, name: &str, source: &Path) -> Result<String, JobError> {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let _alone = self.0.publishing.lock().await;
        let destination = self.0.destination(folder, stem, &[extension]).await?;
        Ok(destination.save(extension, source).await?.path)
    }
}

/// A file as the Jupyter Server has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Saved {
    /// Below its root.
    pub(super) path: String,
    /// When it was written last, as the server says it.
    #[serde(default)]
    pub(super) last_modified: String,
    /// Bytes.
    #[serde(default)]
    pub(super) size: Option<i64>,
}

impl Inner {
    /// A place in `folder` below the Jupyter Server's root, which is made where it is missing, for files that are called
    /// `stem` and have these extensions: with a number where one of them is taken, for nothing is overwritten. Names stay free
    /// while [`Inner::publishing`] is held.
    ///
    /// # Errors
    /// As [`Jobs::save_file`].
    pub(super) async fn destination(
        &self,
        folder: &str,
        stem: &str,
        extensions: &[&str],
    ) -> Result<Destination, JobError> {
        let folder = folder.trim_matches('/');
        if folder.split('/').any(|part| part == "..") || folder.contains('\\') {
            return Err(JobError::Invalid {
                field: "folder",
                message: "The folder must lie below Jupyter's own; name it without \"..\".".to_owned(),
            });
        }
        if let JupyterSource::Private(_) | JupyterSource::Unavailable { .. } = &self.jupyter {
            return Err(JobError::Jupyter(
                "There is no JupyterLab around this page into whose folder the export could be written. Download it instead."
                    .to_owned(),
            ));
        }
        let failed = |error: JupyterError| JobError::Jupyter(error.to_string());
        let endpoint = self.jupyter.endpoint().await.map_err(failed)?;
        let client = JupyterClient::new(self.http.clone(), endpoint);
        let taken = match client.names_in(folder).await.map_err(failed)? {
            Some(names) => names,
            None => {
                let made = client.put_contents(folder, json!({ "type": "directory" })).await;
                made.map_err(failed)?;
                HashSet::new()
            }
        };
        let mut number = 1;
        let stem = loop {
            let name = match number {
                1 => stem.to_owned(),
                number => format!("{stem}-{number}"),
            };
            // Some file systems take names for the same that differ in case only.
            let is_free =
                |extension: &&str| !taken.contains(&with_extension(&name, extension).to_lowercase());
            if extensions.iter().all(is_free) {
                break format!("{folder}/{name}").trim_start_matches('/').to_owned();
            }
            number += 1;
        };
        Ok(Destination { client, stem })
    }
}

/// Where files are written that have a name in common.
pub(super) struct Destination {
    client: JupyterClient,
    /// Below the server's root.
    stem: String,
}

impl Destination {
    /// Where a file with that extension is written, below the server's root.
    pub(super) fn path(&self, extension: &str) -> String {
        with_extension(&self.stem, extension)
    }

    /// Writes the file at `source` with that extension.
    ///
    /// # Errors
    /// [`JobError::Jupyter`] where the file can't be read or the server refuses.
    pub(super) async fn save(&self, extension: &str, source: &Path) -> Result<Saved, JobError> {
        let failed = |error: JupyterError| JobError::Jupyter(error.to_string());
        let path = self.path(extension);
        let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
        let unreadable = |error| JobError::Jupyter(format!("{name} can't be read: {error}. Try again."));
        let mut file = File::open(source).await.map_err(unreadable)?;
        let mut left = file.metadata().await.map_err(unreadable)?.len();
        let single = left <= CHUNK as u64;
        let mut number = 0;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)));
            (&mut file)
                .take(CHUNK as u64)
                .read_to_end(&mut chunk)
                .await
                .map_err(unreadable)?;
            left = left.saturating_sub(chunk.len() as u64);
            number += 1;
            let mut model = json!({ "type": "file", "format": "base64", "name": name, "content": STANDARD.encode(&chunk) });
            if !single {
                // The last chunk is number -1.
                model["chunk"] = if left == 0 { json!(-1) } else { json!(number) };
            }
            let saved = self.client.put_contents(&path, model).await.map_err(failed)?;
            if left == 0 || chunk.is_empty() {
                return Ok(Saved { path, ..saved });
            }
        }
    }
}

fn with_extension(stem: &str, extension: &str) -> String {
    if extension.is_empty() {
        stem.to_owned()
    } else {
        format!("{stem}.{extension}")
    }
}

/// A folder and what is in it.
#[derive(Deserialize)]
struct Listing {
    content: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
}

/// What a path leads to.
#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

impl JupyterClient {
    /// Whether there is a folder of this path below the server's root.
    pub(super) async fn has_folder(&self, path: &str) -> Result<bool, JupyterError> {
        let place = format!("{}?content=0", contents(path.trim_matches('/')));
        let response = self.send(Method::GET, &place, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        if !response.status().is_success() {
            return Err(super::jupyter::refusal("look at the folder", response).await);
        }
        let model = response.json::<Kind>().await;
        Ok(model.is_ok_and(|model| model.r#type == "directory"))
    }

    /// What is in a folder below the server's root, in lower case; `None` where there is no such folder.
    async fn names_in(&self, folder: &str) -> Result<Option<HashSet<String>>, JupyterError> {
        let place = format!("{}?type=directory", contents(folder));
        let response = self.send(Method::GET, &place, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let listing: Listing = super::jupyter::read("look into the folder", response).await?;
        Ok(Some(
            listing
                .content
                .into_iter()
                .map(|entry| entry.name.to_lowercase())
                .collect(),
        ))
    }

    async fn put_contents(&self, path: &str, model: serde_json::Value) -> Result<Saved, JupyterError> {
        let response = self.send(Method::PUT, &contents(path), Some(model)).await?;
        if !response.status().is_success() {
            return Err(super::jupyter::refusal("write the file", response).await);
        }
        Ok(response.json().await.unwrap_or_else(|_unlike_jupyter| Saved {
            path: path.to_owned(),
            last_modified: String::new(),
            size: None,
        }))
    }

    /// The file as it is now; `None` where there is none.
    pub(super) async fn saved(&self, path: &str) -> Result<Option<Saved>, JupyterError> {
        let place = format!("{}?content=0", contents(path));
        let response = self.send(Method::GET, &place, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(super::jupyter::refusal("look at the file", response).await);
        }
        Ok(response.json().await.ok())
    }

    pub(super) async fn delete_contents(&self, path: &str) -> Result<(), JupyterError> {
        let response = self.send(Method::DELETE, &contents(path), None).await?;
        if response.status().is_success() || response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(super::jupyter::refusal("remove the file", response).await)
    }
}

/// What a job's files are called: as the file that ran, else as the job, in letters and digits.
pub fn file_stem(job: &Job) -> String {
    let stem = match job.request.work.path.as_deref().map(Path::new) {
        Some(path) => path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        None => {
            let words = job
                .name
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            words
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join("-")
        }
    };
    // Jupyter hides what begins with a dot.
    let stem = stem.trim_start_matches('.');
    let stem = stem[..stem.floor_char_boundary(STEM_LIMIT)].trim_end_matches('.');
    if stem.is_empty() {
        "job".to_owned()
    } else {
        stem.to_owned()
    }
}

/// Where a file is, each part of its path escaped.
pub(super) fn contents(path: &str) -> String {
    let escaped: Vec<String> = path.split('/').map(escape).collect();
    format!("api/contents/{}", escaped.join("/"))
}

fn escape(part: &str) -> String {
    part.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_part_by_part() {
        assert_eq!(contents("a b/é?.json"), "api/contents/a%20b/%C3%A9%3F.json");
    }

    #[test]
    fn files_are_called_as_what_ran() {
        let called = |path: Option<&str>, name: &str| {
            let mut job = super::super::record::job("1", 1);
            job.name = name.to_owned();
            job.request.work.path = path.map(str::to_owned);
            file_stem(&job)
        };
        for (path, stem) in [
            ("a/b/totals.py", "totals"),
            ("/abs/study 2.ipynb", "study 2"),
            (".hidden.py", "hidden"),
        ] {
            assert_eq!(called(Some(path), "nightly"), stem, "{path}");
        }
        for (name, stem) in [
            ("Sum of squares", "Sum-of-squares"),
            ("x = f(\"a/b\") # c:\\d", "x-f-a-b-c-d"),
            ("client.submit(inc_1, 1)", "client.submit-inc_1-1"),
            ("été", "été"),
            ("Sums it up.", "Sums-it-up"),
            ("..", "job"),
            ("//", "job"),
        ] {
            assert_eq!(called(None, name), stem, "{name}");
        }
        assert_eq!(called(None, &"語".repeat(200)), "語".repeat(STEM_LIMIT / 3));
    }
}
