//! `gatehouse.yaml`: the environments, profiles and bounds of the embedded gateway, how long recordings are kept, what is
//! said of a gateway's options, when clusters end by themselves, what they cost, and how many jobs run at once.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::clusters::OptionNotes;
use crate::clusters::cost::CostSettings;
use crate::clusters::guard::GuardSettings;
use crate::recordings::RecordingSettings;

/// A settings file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("The settings file can't be read ({source}). The path is {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("The settings file has a mistake: {reason}. Correct it. The path is {}", path.display())]
    Invalid { path: PathBuf, reason: String },
}

/// What `gatehouse.yaml` says, with defaults for what it does not say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub embedded: EmbeddedSettings,
    #[serde(default)]
    pub recordings: RecordingSettings,
    #[serde(default)]
    pub options: OptionNotes,
    #[serde(default)]
    pub guard: GuardSettings,
    #[serde(default)]
    pub cost: CostSettings,
    #[serde(default)]
    pub jobs: crate::jobs::Limits,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSettings {
    /// Further names for environments, in the file's order.
    #[serde(default, deserialize_with = "in_order")]
    pub environments: Vec<(String, Alias)>,
    /// Worker sizes to choose from, in the file's order; the first is the default.
    #[serde(default = "default_profiles", deserialize_with = "profiles")]
    pub profiles: Vec<(String, Profile)>,
    /// Workers that one cluster may have: each is a process on this machine.
    #[serde(default = "default_max_workers", deserialize_with = "max_workers")]
    pub max_workers: u32,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            environments: Vec::new(),
            profiles: default_profiles(),
            max_workers: default_max_workers(),
        }
    }
}

/// What a further name of an environment stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alias {
    /// The environment that runs the gateway.
    Server,
    /// An environment's folder, or the Python in it.
    Path(PathBuf),
}

/// The size of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    #[serde(deserialize_with = "threads")]
    pub threads: u32,
    /// Bytes.
    #[serde(deserialize_with = "memory")]
    pub memory: u64,
}

fn default_profiles() -> Vec<(String, Profile)> {
    vec![
        (
            "Small Worker".to_owned(),
            Profile {
                threads: 1,
                memory: 2 << 30,
            },
        ),
        (
            "Medium Worker".to_owned(),
            Profile {
                threads: 2,
                memory: 4 << 30,
            },
        ),
    ]
}

/// More than the cores can use at once, so that it only stops a slip of the finger.
fn default_max_workers() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores.saturating_mul(4)).unwrap_or(u32::MAX).max(32)
}

impl Settings {
    /// Reads the file; without one, the defaults hold. Relative paths in it are meant from its own folder.
    pub fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let unreadable = |source| SettingsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let path = &std::path::absolute(path).map_err(unreadable)?;
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let parsed = serde_saphyr::from_str::<Option<Self>>(&text).map_err(|error| {
            let text = error.to_string();
            let reason = text
                .lines()
                .next()
                .unwrap_or_default()
                .trim_end_matches('.')
                .to_owned();
            SettingsError::Invalid {
                path: path.clone(),
                reason,
            }
        })?;
        let mut settings = parsed.unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("/"));
        for (_, alias) in &mut settings.embedded.environments {
            if let Alias::Path(place) = alias {
                *place = match (place.strip_prefix("~"), std::env::home_dir()) {
                    (Ok(below_home), Some(home)) => home.join(below_home),
                    _ => folder.join(&*place),
                };
            }
        }
        Ok(settings)
    }
}

impl<'de> Deserialize<'de> for Alias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "" => Err(D::Error::custom(
                "an environment needs a path, or the word server",
            )),
            "server" => Ok(Self::Server),
            path => Ok(Self::Path(path.into())),
        }
    }
}

fn threads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let threads = u32::deserialize(deserializer)?;
    if (1..=1024).contains(&threads) {
        Ok(threads)
    } else {
        Err(D::Error::custom("threads must be 1 to 1024"))
    }
}

fn max_workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let workers = u32::deserialize(deserializer)?;
    if workers > 0 {
        Ok(workers)
    } else {
        Err(D::Error::custom("max_workers must be at least 1"))
    }
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_bytes(&text)
        .filter(|bytes| *bytes >= 1 << 26)
        .ok_or_else(|| {
            D::Error::custom(format!(
                "memory must be at least 64 MiB, written like \"2 GiB\" or \"500 MB\", not {text:?}"
            ))
        })
}

/// Bytes of a text such as `2 GiB`, `1.5GB` or `2147483648`.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * unit;
    // Beyond 2^53 the fraction is lost, and no machine has that much memory.
    (bytes.is_finite() && bytes < 9e15).then_some(bytes as u64)
}

fn profiles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Profile)>, D::Error> {
    let profiles = in_order(deserializer)?;
    if profiles.is_empty() {
        return Err(D::Error::custom(
            "profiles must name at least one; leave the key out for the defaults",
        ));
    }
    Ok(profiles)
}

/// A mapping in the order of the file: it is the order in which people choose.
pub(crate) fn in_order<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<(String, T)>, D::Error> {
    struct Pairs<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
        type Value = Vec<(String, T)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mapping")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs: Self::Value = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, T>()? {
                if name.trim().is_empty() || pairs.iter().any(|(other, _)| *other == name) {
                    return Err(A::Error::custom(format!(
                        "the name {name:?} is empty or there twice"
                    )));
                }
                pairs.push((name, value));
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_map(Pairs(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, String> {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("gatehouse.yaml");
        std::fs::write(&path, text).unwrap();
        Settings::load(Some(&path)).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_file_the_tutorials_profiles_hold() {
        let settings = Settings::load(None).unwrap();
        assert_eq!(
            settings.embedded.profiles[1],
            (
                "Medium Worker".to_owned(),
                Profile {
                    threads: 2,
                    memory: 4_294_967_296
                }
            )
        );
        assert_eq!(load("").unwrap(), settings);
        assert_eq!(load("# nothing\n").unwrap(), settings);
    }

    #[test]
    fn a_file_is_read_in_its_order() {
        let settings = load(concat!(
            "embedded:\n",
            "  environments:\n    filesystem/dask: server\n    other: envs/other\n    absolute: /opt/env\n",
            "  profiles:\n    Zeta: {threads: 4, memory: 8 GiB}\n    Alpha: {threads: 1, memory: 500000000}\n",
        ))
        .unwrap()
        .embedded;
        assert_eq!(
            settings.environments[0],
            ("filesystem/dask".to_owned(), Alias::Server)
        );
        let Alias::Path(path) = &settings.environments[1].1 else {
            panic!("a path")
        };
        assert!(path.is_absolute() && path.ends_with("envs/other"));
        assert_eq!(settings.environments[2].1, Alias::Path("/opt/env".into()));
        assert_eq!(
            settings.profiles[0],
            (
                "Zeta".to_owned(),
                Profile {
                    threads: 4,
                    memory: 8 << 30
                }
            )
        );
        assert_eq!(settings.profiles[1].1.memory, 500_000_000);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, words) in [
            ("embedded:\n  profils: {}\n", vec!["profils", "line 2"]),
            (
                "embedded:\n  profiles:\n    Big: {threads: 0, memory: 2 GiB}\n",
                vec!["threads must be", "line 3"],
            ),
            (
                "embedded:\n  profiles:\n    Big: {threads: 1, memory: 2 G}\n",
                vec!["memory must be", "2 G", "line 3"],
            ),
            ("embedded:\n  profiles:\n    Big: {threads: 1}\n", vec!["memory"]),
            ("embedded:\n  profiles: {}\n", vec!["at least one"]),
            ("embedded: [\n", vec!["line"]),
            ("embedded:\n  environments: {a: ''}\n", vec!["needs a path"]),
            (
                "embedded:\n  max_workers: 0\n",
                vec!["max_workers must be", "line 2"],
            ),
        ] {
            let error = load(text).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{word:?} in {error}");
            }
        }
    }

    #[test]
    fn the_number_of_workers_has_a_bound() {
        assert!(Settings::default().embedded.max_workers >= 32);
        let settings = load("embedded:\n  max_workers: 200\n").unwrap();
        assert_eq!(settings.embedded.max_workers, 200);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Settings::load(Some(Path::new("/nowhere/gatehouse.yaml")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere/gatehouse.yaml"), "{error}");
    }
}
