//! Dask's configuration files, in the order in which one overrides another.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{ConfigError, ConfigSources, yaml};

/// What one file says, with its path for messages.
pub(super) type Layer = (PathBuf, Map<String, Value>);

/// Every file that exists and says something, lowest priority first.
///
/// # Errors
/// A file that is not YAML or not a mapping. One that may not be read is left out, as Dask does.
pub(super) fn collect(sources: &ConfigSources) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = Vec::new();
    for place in places(sources) {
        for path in files_of(&place) {
            let Ok(text) = fs::read(&path) else {
                continue;
            };
            if let Some(layer) = parse(&path, &text)? {
                layers.push((path, layer));
            }
        }
    }
    Ok(layers)
}

/// Folders and files to look at; of a place named twice, the later mention counts.
fn places(sources: &ConfigSources) -> Vec<PathBuf> {
    let mut places = vec![
        sources
            .env
            .get("DASK_ROOT_CONFIG")
            .map_or("/etc/dask".into(), PathBuf::from),
    ];
    places.extend(sources.sys_prefix.iter().map(|prefix| prefix.join("etc/dask")));
    places.extend(sources.site_prefixes.iter().map(|prefix| prefix.join("etc/dask")));
    places.extend(sources.home.iter().map(|home| home.join(".config/dask")));
    places.extend(sources.env.get("DASK_CONFIG").map(PathBuf::from));
    let last = |place: &PathBuf| places.iter().rposition(|other| other == place);
    places
        .iter()
        .enumerate()
        .filter(|(at, place)| last(place) == Some(*at))
        .map(|(_, place)| place.clone())
        .collect()
}

/// The YAML and JSON files of a folder by name, or the file itself.
fn files_of(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return if place.exists() {
            vec![place.to_owned()]
        } else {
            Vec::new()
        };
    }
    let Ok(entries) = fs::read_dir(place) else {
        return Vec::new();
    };
    let is_config = |path: &PathBuf| {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        extension.is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_config)
        .collect();
    files.sort();
    files
}

fn parse(path: &Path, text: &[u8]) -> Result<Option<Map<String, Value>>, ConfigError> {
    let malformed = |reason: String| ConfigError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let text = std::str::from_utf8(text).map_err(|_not_text| malformed("it is not UTF-8".to_owned()))?;
    match yaml::parse(text).map_err(malformed)? {
        Value::Null => Ok(None),
        Value::Object(layer) => Ok(Some(layer)),
        _ => Err(malformed("it must hold a mapping at the top".to_owned())),
    }
}
