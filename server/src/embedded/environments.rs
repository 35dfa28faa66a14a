//! The Python environments whose interpreters can run schedulers and workers.
//!
//! They are found by looking at files; no process is started, so that it takes milliseconds.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::settings::Alias;

/// What an environment must hold to run a scheduler that speaks to the gateway.
const NEEDED: [&str; 3] = ["dask", "distributed", "dask_gateway"];

/// An environment to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Environment {
    pub(crate) name: String,
    pub(crate) python: PathBuf,
    pub(crate) prefix: PathBuf,
}

/// Where to look.
pub(crate) struct Places {
    pub(crate) home: Option<PathBuf>,
    /// `$CONDA_PREFIX`: the environment that is active.
    pub(crate) conda_prefix: Option<PathBuf>,
    /// `$CONDA_EXE`: its grandparent is conda's root.
    pub(crate) conda_exe: Option<PathBuf>,
}

impl Places {
    pub(crate) fn of_process() -> Self {
        let path = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Self {
            home: std::env::home_dir(),
            conda_prefix: path("CONDA_PREFIX"),
            conda_exe: path("CONDA_EXE"),
        }
    }

    /// Folders that may be conda environments, roots first.
    fn candidates(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = Vec::new();
        roots.extend(
            self.conda_exe
                .as_ref()
                .and_then(|exe| Some(exe.parent()?.parent()?.to_owned())),
        );
        if let Some(home) = &self.home {
            roots.extend(["miniforge3", "mambaforge", "miniconda3", "anaconda3"].map(|root| home.join(root)));
        }
        let mut found = Vec::new();
        let mut homes: Vec<PathBuf> = roots.iter().map(|root| root.join("envs")).collect();
        homes.extend(self.home.iter().map(|home| home.join(".conda/envs")));
        found.append(&mut roots);
        for folder in homes {
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            let mut envs: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            envs.sort();
            found.append(&mut envs);
        }
        found.extend(self.conda_prefix.clone());
        let list = self
            .home
            .as_ref()
            .and_then(|home| fs::read_to_string(home.join(".conda/environments.txt")).ok());
        found.extend(
            list.iter()
                .flat_map(|list| list.lines())
                .map(|line| PathBuf::from(line.trim())),
        );
        found.retain(|path| path.is_absolute());
        found
    }
}

/// The environments to offer: the server's own first (it is the default), then those that conda knows, then aliases.
/// An alias that can't be used is logged and left out.
pub(crate) fn find(places: &Places, python: &Path, aliases: &[(String, Alias)]) -> Vec<Environment> {
    let prefix = prefix_of(python);
    let own = Environment {
        name: own_name(&prefix),
        python: python.to_owned(),
        prefix,
    };
    let mut seen = vec![real(&own.prefix)];
    let mut found = vec![own.clone()];
    for prefix in places.candidates() {
        let place = real(&prefix);
        if seen.contains(&place) || !prefix.join("conda-meta").is_dir() {
            continue;
        }
        seen.push(place);
        if let Some(python) = interpreter(&prefix).filter(|_| missing(&prefix).is_empty()) {
            found.push(Environment {
                name: name_of(&prefix),
                python,
                prefix,
            });
        }
    }
    tell_apart(&mut found);
    for (name, alias) in aliases {
        match resolve(alias, &own) {
            Ok((python, prefix)) => {
                found.retain(|environment| environment.name != *name);
                found.push(Environment {
                    name: name.clone(),
                    python,
                    prefix,
                });
            }
            Err(reason) => {
                tracing::warn!(environment = %name, reason, "an environment of the settings is left out")
            }
        }
    }
    found
}

fn resolve(alias: &Alias, own: &Environment) -> Result<(PathBuf, PathBuf), String> {
    let path = match alias {
        Alias::Server => return Ok((own.python.clone(), own.prefix.clone())),
        Alias::Path(path) => path,
    };
    let (python, prefix) = if path.is_dir() {
        (interpreter(path).ok_or("it has no bin/python")?, path.clone())
    } else if path.is_file() {
        (path.clone(), prefix_of(path))
    } else {
        return Err("there is no such folder or interpreter".to_owned());
    };
    match missing(&prefix).as_slice() {
        [] => Ok((python, prefix)),
        missing => Err(format!("it lacks {}", missing.join(", "))),
    }
}

fn interpreter(prefix: &Path) -> Option<PathBuf> {
    Some(prefix.join("bin/python")).filter(|python| python.is_file())
}

/// The folder above `bin`; links are not followed, because a virtual environment's Python is a link out of it.
fn prefix_of(python: &Path) -> PathBuf {
    python
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// Which of the needed packages an environment lacks, a virtual environment's base included where it sees that.
fn missing(prefix: &Path) -> Vec<&'static str> {
    let mut folders = package_folders(prefix);
    let config = fs::read_to_string(prefix.join("pyvenv.cfg")).unwrap_or_default();
    let setting = |name: &str| {
        config
            .lines()
            .find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == name))
            .map(|(_, value)| value.trim())
    };
    if setting("include-system-site-packages") == Some("true")
        && let Some(base) = setting("home").and_then(|bin| Path::new(bin).parent())
    {
        folders.extend(package_folders(base));
    }
    NEEDED
        .into_iter()
        .filter(|package| !folders.iter().any(|folder| folder.join(package).is_dir()))
        .collect()
}

/// `site-packages` of every Python 3 in an environment, with Debian's name for it.
fn package_folders(prefix: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(prefix.join("lib")) else {
        return Vec::new();
    };
    let versions = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
    versions
        .flat_map(|entry| ["site-packages", "dist-packages"].map(|name| entry.path().join(name)))
        .collect()
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A name that its user recognises: the folder's, or for a virtual environment in a project, the project's.
fn own_name(prefix: &Path) -> String {
    if prefix.join("conda-meta").is_dir() {
        return name_of(prefix);
    }
    if !prefix.join("pyvenv.cfg").is_file() {
        return "system".to_owned();
    }
    let name = base_name(prefix);
    match (name.as_str(), prefix.parent()) {
        (".venv" | "venv" | ".env" | "env", Some(project)) if project.parent().is_some() => {
            base_name(project)
        }
        _ => name,
    }
}

/// As `conda env list` names it.
fn name_of(prefix: &Path) -> String {
    if prefix.join("condabin").is_dir() {
        "base".to_owned()
    } else {
        base_name(prefix)
    }
}

fn base_name(path: &Path) -> String {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let plain = name.trim_start_matches('.');
    if plain.is_empty() {
        "server".to_owned()
    } else {
        plain.to_owned()
    }
}

/// Adds the place to names that stand for more than one environment; the server's own keeps its name.
fn tell_apart(found: &mut [Environment]) {
    let names: Vec<_> = found.iter().map(|environment| environment.name.clone()).collect();
    for environment in found.iter_mut().skip(1) {
        if names.iter().filter(|name| **name == environment.name).count() > 1 {
            environment.name = format!("{} ({})", environment.name, environment.prefix.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(prefix: &Path, marker: &str, packages: &[&str]) -> PathBuf {
        for package in packages {
            fs::create_dir_all(prefix.join("lib/python3.11/site-packages").join(package)).unwrap();
        }
        fs::create_dir_all(prefix.join("bin")).unwrap();
        fs::write(prefix.join("bin/python"), "").unwrap();
        match marker {
            "pyvenv.cfg" => fs::write(prefix.join(marker), "home = /usr/bin\n").unwrap(),
            folder => fs::create_dir_all(prefix.join(folder)).unwrap(),
        }
        prefix.join("bin/python")
    }

    fn names(found: &[Environment]) -> Vec<&str> {
        found
            .iter()
            .map(|environment| environment.name.as_str())
            .collect()
    }

    #[test]
    fn whatever_can_run_a_cluster_is_found_once() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        let own = environment(&temp.path().join("project/.venv"), "pyvenv.cfg", &[]);
        environment(&home.join("miniforge3"), "conda-meta", &NEEDED);
        fs::create_dir_all(home.join("miniforge3/condabin")).unwrap();
        environment(&home.join("miniforge3/envs/good"), "conda-meta", &NEEDED);
        environment(
            &home.join("miniforge3/envs/plain"),
            "conda-meta",
            &["dask", "distributed"],
        );
        let listed = temp.path().join("listed");
        environment(&listed, "conda-meta", &NEEDED);
        fs::create_dir_all(home.join(".conda")).unwrap();
        let good = home.join("miniforge3/envs/good");
        let list = format!("{}\n{}\n/nowhere\n\n", listed.display(), good.display());
        fs::write(home.join(".conda/environments.txt"), list).unwrap();
        let places = Places {
            home: Some(home),
            conda_prefix: Some(good),
            conda_exe: None,
        };
        let aliases = [
            ("filesystem/dask".to_owned(), Alias::Server),
            ("by-path".to_owned(), Alias::Path(listed)),
            ("gone".to_owned(), Alias::Path("/nowhere/else".into())),
        ];
        let found = find(&places, &own, &aliases);
        assert_eq!(
            names(&found),
            ["project", "base", "good", "listed", "filesystem/dask", "by-path"]
        );
        assert_eq!(
            found[4].python, own,
            "the link in the virtual environment, not what it leads to"
        );
    }

    #[test]
    fn equal_names_are_told_apart() {
        let temp = tempfile::tempdir().unwrap();
        let own = environment(&temp.path().join("dask"), "conda-meta", &[]);
        let home = temp.path().join("home");
        environment(&home.join("anaconda3/envs/dask"), "conda-meta", &NEEDED);
        let places = Places {
            home: Some(home.clone()),
            conda_prefix: None,
            conda_exe: None,
        };
        let found = find(&places, &own, &[]);
        assert_eq!(found[0].name, "dask");
        assert_eq!(
            found[1].name,
            format!("dask ({}/anaconda3/envs/dask)", home.display())
        );
    }

    #[test]
    fn the_servers_own_environment_has_a_name_people_know() {
        let temp = tempfile::tempdir().unwrap();
        for (folder, marker, name) in [
            ("work/gatehouse/.venv", "pyvenv.cfg", "gatehouse"),
            ("tools/dask-env", "pyvenv.cfg", "dask-env"),
            ("usr", "share", "system"),
            ("envs/science", "conda-meta", "science"),
        ] {
            let prefix = temp.path().join(folder);
            environment(&prefix, marker, &[]);
            assert_eq!(own_name(&prefix), name, "{folder}");
        }
    }
}
