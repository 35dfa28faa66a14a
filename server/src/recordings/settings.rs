//! The section `recordings` of `gatehouse.yaml`.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::embedded::parse_bytes;
use crate::live::Limits;

/// How long recordings are kept, and how much of a cluster is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingSettings {
    /// Whether clusters are recorded.
    pub enabled: bool,
    /// Recordings that ended so many days ago are deleted.
    pub keep_days: u32,
    /// The oldest are deleted while all together take more than this.
    #[serde(deserialize_with = "bytes")]
    pub keep_bytes: u64,
    /// Task records of each cluster in memory.
    #[serde(deserialize_with = "tasks")]
    pub tasks_in_memory: usize,
    /// Bytes of their keys and details in memory.
    #[serde(deserialize_with = "bytes")]
    pub details_in_memory: u64,
}

impl Default for RecordingSettings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            enabled: true,
            keep_days: 30,
            keep_bytes: 5 << 30,
            tasks_in_memory: limits.tasks,
            details_in_memory: limits.detail_bytes as u64,
        }
    }
}

impl RecordingSettings {
    pub fn limits(&self) -> Limits {
        Limits {
            tasks: self.tasks_in_memory,
            detail_bytes: usize::try_from(self.details_in_memory).unwrap_or(usize::MAX),
        }
    }
}

fn tasks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let tasks = usize::deserialize(deserializer)?;
    if tasks >= 10_000 {
        Ok(tasks)
    } else {
        Err(D::Error::custom("tasks_in_memory must be at least 10000"))
    }
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_bytes(&text)
        .filter(|bytes| *bytes >= 1 << 20)
        .ok_or_else(|| {
            D::Error::custom(format!(
                "sizes of recordings must be at least 1 MiB, written like \"5 GiB\", not {text:?}"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RecordingSettings, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let settings = read("keep_days: 7\nkeep_bytes: 1 GiB\n").unwrap();
        assert_eq!((settings.keep_days, settings.keep_bytes), (7, 1 << 30));
        assert!(settings.enabled);
        assert_eq!(settings.limits(), Limits::default());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("keep_bytes: 1 G\n", "at least 1 MiB"),
            ("tasks_in_memory: 5\n", "at least 10000"),
            ("keep_weeks: 1\n", "keep_weeks"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{words:?} in {error}");
        }
    }
}
