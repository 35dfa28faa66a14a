//! What the embedded gateway's options mean, which the gateway's own API can't say: sizes, places, bounds.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::Embedded;

/// What the gateway's settings say, as its owner wrote them.
#[derive(Debug, Default, Deserialize)]
pub struct Advice {
    profiles: Vec<Size>,
    environments: Vec<Place>,
    /// Workers that a cluster may have.
    pub max_workers: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Size {
    name: String,
    threads: u32,
    /// Bytes.
    memory: u64,
}

#[derive(Debug, Deserialize)]
struct Place {
    name: String,
    prefix: String,
}

impl Embedded {
    /// Reads the settings again: another server may own the gateway.
    pub fn advice(&self) -> Advice {
        let bytes = std::fs::read(self.files.settings()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

impl Advice {
    /// What each of the choices of an option means; empty where nothing is known of it.
    pub fn notes(&self, field: &str, choices: &[String]) -> Vec<String> {
        let notes: HashMap<&str, String> = match field {
            "profile" => self
                .profiles
                .iter()
                .map(|size| (&*size.name, size.words()))
                .collect(),
            "conda_environment" => {
                let places = self.environments.iter();
                places.map(|place| (&*place.name, place.prefix.clone())).collect()
            }
            _ => return Vec::new(),
        };
        let note = |choice: &String| notes.get(&**choice).cloned().unwrap_or_default();
        choices.iter().map(note).collect()
    }

    /// Where each environment lies, by its name.
    pub fn places(&self) -> Vec<(String, PathBuf)> {
        let places = self.environments.iter();
        places
            .map(|place| (place.name.clone(), PathBuf::from(&place.prefix)))
            .collect()
    }

    /// The least value that the gateway takes for a number without bounds.
    pub fn least(&self, field: &str) -> Option<f64> {
        (field == "idle_timeout").then_some(0.0)
    }
}

impl Size {
    fn words(&self) -> String {
        let threads = match self.threads {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        let gib = self.memory as f64 / f64::from(1 << 30);
        format!(
            "{threads}, {} GiB of memory per worker",
            (gib * 10.0).round() / 10.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_explained_in_their_order() {
        let advice: Advice = serde_json::from_str(
            r#"{"python": "/p", "max_workers": 32,
                "environments": [{"name": "main", "python": "/home/a/main/.venv/bin/python", "prefix": "/home/a/main/.venv"}],
                "profiles": [{"name": "Small Worker", "threads": 1, "memory": 2147483648},
                             {"name": "Big", "threads": 4, "memory": 500000000}]}"#,
        )
        .expect("settings as files.rs writes them");
        let choices = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            advice.notes("profile", &choices(&["Big", "Small Worker", "gone"])),
            [
                "4 threads, 0.5 GiB of memory per worker",
                "1 thread, 2 GiB of memory per worker",
                ""
            ]
        );
        assert_eq!(
            advice.notes("conda_environment", &choices(&["main"])),
            ["/home/a/main/.venv"]
        );
        assert_eq!(
            advice.places(),
            [("main".to_owned(), PathBuf::from("/home/a/main/.venv"))]
        );
        assert!(advice.notes("image", &choices(&["x"])).is_empty());
        assert_eq!(
            (advice.least("idle_timeout"), advice.least("priority")),
            (Some(0.0), None)
        );
    }
}
