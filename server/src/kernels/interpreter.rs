//! The interpreter behind a kernelspec, asked once for the versions of its packages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use dask_gateway::{ConfigSources, KernelSpec};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// A Python that starts from a slow network drive takes seconds.
const LIMIT: Duration = Duration::from_secs(20);

/// Bytes of its output that are read; the answer has a few hundred.
const OUTPUT_LIMIT: u64 = 64 << 10;

const PROBE: &str = include_str!("probe.py");

/// Packages that are looked for: what scheduler, workers and clients must agree on, and what makes `Gateway()` work.
pub const PACKAGES: [&str; 10] = [
    "dask",
    "distributed",
    "msgpack",
    "cloudpickle",
    "tornado",
    "toolz",
    "lz4",
    "numpy",
    "pandas",
    "dask-gateway",
];

/// What a kernel's interpreter has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct KernelVersions {
    /// Such as `3.11.7`.
    pub python: String,
    /// Its `sys.prefix`.
    pub prefix: PathBuf,
    /// Those of [`PACKAGES`] that are installed, with their versions.
    pub packages: BTreeMap<String, String>,
}

impl KernelVersions {
    /// The packages with `python` among them.
    pub fn into_packages(self) -> BTreeMap<String, String> {
        let mut packages = self.packages;
        packages.insert("python".to_owned(), self.python);
        packages
    }
}

/// The interpreter that a kernelspec starts, where its command tells it. `jupyter` is the Jupyter Server's own: it takes
/// the place of a plain `python`, as Jupyter itself does it.
pub(super) fn find(spec: &KernelSpec, jupyter: &Path) -> Option<PathBuf> {
    if let Some(at) = spec
        .argv
        .iter()
        .position(|word| word == "nb_conda_kernels.runner")
    {
        // `python -m nb_conda_kernels.runner CONDA_ROOT ENVIRONMENT …`
        let environment = Path::new(spec.argv.get(at + 2)?);
        return Some(environment.join("bin/python")).filter(|python| python.is_file());
    }
    let first = Path::new(spec.argv.first()?);
    let name = first.file_name()?.to_str()?;
    if !name.starts_with("python") && !name.starts_with("pypy") {
        return None;
    }
    let python = if first.is_absolute() {
        first.to_owned()
    } else if first.components().count() == 1 && name.starts_with("python") {
        jupyter.to_owned()
    } else {
        return None;
    };
    python.is_file().then_some(python)
}

/// Asks the interpreter; imports nothing of the user's, and ends it where it takes too long.
///
/// # Errors
/// Why it did not answer, as the rest of a sentence.
pub(super) async fn ask(
    python: &Path,
    spec: &KernelSpec,
    jupyter: &ConfigSources,
) -> Result<KernelVersions, String> {
    let mut command = Command::new(python);
    command
        .args(["-c", PROBE])
        .args(PACKAGES)
        // Nothing that lies in our own folder is the kernel's.
        .current_dir("/")
        .env_remove("GATEHOUSE_JUPYTER_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let kernel = jupyter.of_kernel(spec);
    for name in spec.env.keys() {
        if let Some(value) = kernel.env.get(name) {
            command.env(name, value);
        }
    }
    let mut child = command
        .spawn()
        .map_err(|error| format!("it can't be run ({error})"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let answer = async {
        let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
        (stdout, stderr, child.wait().await)
    };
    let (stdout, stderr, status) = tokio::time::timeout(LIMIT, answer)
        .await
        .map_err(|_elapsed| format!("it did not answer within {} s", LIMIT.as_secs()))?;
    // What a site lets every Python print at its start comes before.
    let versions = stdout
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok());
    versions.ok_or_else(|| {
        let said = stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
        match (said, status) {
            (Some(said), _) => format!("it said: {said}"),
            (None, Ok(status)) => format!("it ended without an answer ({status})"),
            (None, Err(error)) => format!("it ended without an answer ({error})"),
        }
    })
}

/// The beginning of an output; what can't be read is not there.
async fn read(output: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(output) = output {
        let mut output = output.take(OUTPUT_LIMIT);
        output.read_to_end(&mut bytes).await.ok();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn spec(argv: &[&str]) -> KernelSpec {
        KernelSpec {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            ..KernelSpec::default()
        }
    }

    fn sources() -> ConfigSources {
        ConfigSources::of_process(None, Vec::new())
    }

    /// A program that is no Python, and what it does.
    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_interpreter_is_the_one_that_jupyter_would_start() {
        let temp = tempfile::tempdir().unwrap();
        let bin = temp.path().join("env/bin");
        std::fs::create_dir_all(&bin).unwrap();
        let python = script(&bin, "python", "");
        let there = python.to_str().unwrap();
        let prefix = temp.path().join("env");
        let jupyter = script(temp.path(), "python3", "");
        for (argv, found) in [
            (vec![there, "-m", "ipykernel_launcher"], Some(&python)),
            (vec!["python", "-m", "ipykernel_launcher"], Some(&jupyter)),
            (vec!["python3.11", "-m", "ipykernel_launcher"], Some(&jupyter)),
            (
                vec![
                    "python",
                    "-m",
                    "nb_conda_kernels.runner",
                    "/opt/conda",
                    prefix.to_str().unwrap(),
                    "python",
                ],
                Some(&python),
            ),
            (vec!["/nowhere/bin/python"], None),
            (vec!["bin/python"], None),
            (vec!["bash", "-c", "python"], None),
            (vec!["/usr/bin/env", "python"], None),
            (vec![], None),
        ] {
            assert_eq!(find(&spec(&argv), &jupyter).as_ref(), found, "{argv:?}");
        }
    }

    #[tokio::test]
    async fn a_real_interpreter_tells_its_own_packages() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let python =
            std::env::var_os("GATEHOUSE_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
        let versions = ask(&python, &spec(&[]), &sources()).await.unwrap();
        assert!(versions.python.starts_with("3."), "{versions:?}");
        for package in ["dask", "distributed", "dask-gateway", "msgpack"] {
            assert!(
                versions.packages.contains_key(package),
                "{package} in {versions:?}"
            );
        }
        assert!(versions.prefix.is_dir());
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let asked = async |text: &str| {
            let python = script(temp.path(), "python", text);
            ask(&python, &spec(&[]), &sources()).await
        };
        let error = asked("echo 'ImportError: no encodings' >&2; exit 1")
            .await
            .unwrap_err();
        assert_eq!(error, "it said: ImportError: no encodings");
        let error = asked("exit 3").await.unwrap_err();
        assert!(
            error.contains("without an answer") && error.contains('3'),
            "{error}"
        );
        let chatty = r#"echo 'Welcome to the site'; echo '{"python": "3.9.1", "prefix": "/x", "packages": {"dask": "1"}}'"#;
        let versions = asked(chatty).await.unwrap();
        assert_eq!(
            (versions.python.as_str(), versions.packages["dask"].as_str()),
            ("3.9.1", "1")
        );
        let error = ask(temp.path(), &spec(&[]), &sources()).await.unwrap_err();
        assert!(error.contains("can't be run"), "{error}");
    }

    #[tokio::test]
    async fn the_kernelspecs_variables_count() {
        let temp = tempfile::tempdir().unwrap();
        let python = script(
            temp.path(),
            "python",
            r#"echo "{\"python\": \"$MARK\", \"prefix\": \"$PWD\", \"packages\": {}}""#,
        );
        let mut spec = spec(&[]);
        spec.env.insert("MARK".to_owned(), "${OURS}-3.9".to_owned());
        let mut jupyter = sources();
        jupyter.env.insert("OURS", "site");
        let versions = ask(&python, &spec, &jupyter).await.unwrap();
        assert_eq!(versions.python, "site-3.9");
        assert_eq!(versions.prefix, Path::new("/"));
    }
}
