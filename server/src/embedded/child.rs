//! Starting the gateway's process, and reading from its log why one ended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::files::Files;

/// At this size a log is put aside when a gateway starts.
const MAX_LOG_BYTES: u64 = 4 << 20;
const MAX_REASON_CHARS: usize = 400;
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Looks for what the gateway and its clusters import, without importing it.
const PROBE: &str = "\
import importlib.util
for name in ('dask_gateway_server', 'sqlalchemy', 'cryptography', 'dask_gateway', 'distributed', 'bokeh'):
    if importlib.util.find_spec(name) is None:
        print(name)
";

/// Variables that no cluster and no proxy needs, and that hold secrets or lead elsewhere.
const WITHHELD: [&str; 4] = ["GATEHOUSE_", "DASK_GATEWAY", "JUPYTER", "JPY_"];

/// Checks that `python` can run a gateway with clusters; the error is a sentence that says what to install.
pub(super) async fn probe(python: &Path) -> Result<(), String> {
    let cannot = |why: &str| {
        format!(
            "The local Dask Gateway can't start: the Python {} can't be run ({why}). Choose another with --python or \
             GATEHOUSE_PYTHON.",
            python.display()
        )
    };
    let mut command = Command::new(python);
    command
        .args(["-c", PROBE])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(PROBE_TIMEOUT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(cannot(&error.to_string())),
        Err(_elapsed) => return Err(cannot("it does not answer")),
    };
    if !output.status.success() {
        return Err(cannot(
            &last_error(&String::from_utf8_lossy(&output.stderr)).unwrap_or_default(),
        ));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    // Bokeh only makes the dashboard pages; without it clusters work.
    let missing: Vec<&str> = stdout
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty() && *name != "bokeh")
        .collect();
    if stdout.lines().any(|name| name.trim() == "bokeh") {
        tracing::warn!("bokeh is not installed: clusters will have no dashboard pages");
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "The local Dask Gateway can't start: {python} lacks {missing}. Install them with: {python} -m pip install \
         'dask-gateway-server[local]' dask-gateway distributed bokeh",
        python = python.display(),
        missing = missing.join(", "),
    ))
}

/// Starts the gateway in a process group of its own, so that Ctrl-C at our terminal does not reach it. It lives on when
/// this process ends.
pub(super) fn start(python: &Path, files: &Files) -> io::Result<(Child, LogMark)> {
    let log = files.log();
    if fs::metadata(&log).map_or(0, |data| data.len()) > MAX_LOG_BYTES {
        fs::rename(&log, log.with_extension("log.1"))?;
    }
    let output = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&log)?;
    let mark = LogMark {
        start: output.metadata()?.len(),
        path: log,
    };
    let mut command = Command::new(python);
    command
        .args(["-m", "dask_gateway_server", "-f"])
        .arg(files.config())
        .current_dir(files.folder())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0);
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| WITHHELD.iter().any(|prefix| name.starts_with(prefix)))
        {
            command.env_remove(name);
        }
    }
    Ok((command.spawn()?, mark))
}

/// Where the log of one start begins.
#[derive(Clone, Debug)]
pub(super) struct LogMark {
    path: PathBuf,
    start: u64,
}

impl LogMark {
    /// A log of which nothing is known yet: its end counts.
    pub(super) fn end_of(files: &Files) -> Self {
        let path = files.log();
        Self {
            start: fs::metadata(&path).map_or(0, |data| data.len()),
            path,
        }
    }

    /// The line that best says what went wrong since the start, if there is one.
    pub(super) fn reason(&self) -> Option<String> {
        let mut text = String::new();
        let read = |text: &mut String| {
            let mut file = File::open(&self.path)?;
            let end = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(self.start.max(end.saturating_sub(64 << 10))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            text.push_str(&String::from_utf8_lossy(&bytes));
            io::Result::Ok(())
        };
        read(&mut text).ok()?;
        last_error(&text)
    }
}

/// The last line of a log that names an error, without terminal colours.
pub(super) fn last_error(log: &str) -> Option<String> {
    const WORDS: [&str; 7] = [
        "error",
        "exception",
        "failed",
        "fatal",
        "no module",
        "bad config",
        "already in use",
    ];
    let names_error = |line: &String| {
        let lower = line.to_lowercase();
        // "Traceback" says that there is an error, not which.
        WORDS.iter().any(|word| lower.contains(word)) && !lower.starts_with("traceback")
    };
    let line = log.lines().rev().map(plain).find(names_error)?;
    Some(line.chars().take(MAX_REASON_CHARS).collect())
}

/// A line without escape sequences and without the logger's prefix in brackets.
fn plain(line: &str) -> String {
    let text = uncoloured(line);
    let text = text.trim();
    match text.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_prefix, message)) => message.trim().to_owned(),
        None => text.to_owned(),
    }
}

/// Lines of a log as a person reads them: without escape sequences and without empty ones at the end.
pub(super) fn plain_lines(log: &str) -> String {
    let lines: Vec<String> = log.lines().map(uncoloured).collect();
    lines.join("\n").trim_end().to_owned()
}

fn uncoloured(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // "ESC [ … letter": everything up to the letter belongs to it.
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else if c == '\t' || !c.is_control() {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telling_line_of_a_log_is_found() {
        let log = "\u{1b}[32m[I 2026-01-01 DaskGateway]\u{1b}[0m Starting\nTraceback (most recent call last):\n  File \"x\", line 1\n\
                   ModuleNotFoundError: No module named 'sqlalchemy'\n\n";
        assert_eq!(
            last_error(log).unwrap(),
            "ModuleNotFoundError: No module named 'sqlalchemy'"
        );
        assert_eq!(
            last_error("[E 2026 DaskGateway] Bad config: x\n[I 2026] bye\n").unwrap(),
            "Bad config: x"
        );
        assert_eq!(last_error("[W 2026 DaskGateway] Received signal SIGTERM\n"), None);
        assert_eq!(last_error("\n \n"), None);
    }

    #[tokio::test]
    async fn a_missing_package_is_named_with_its_remedy() {
        let temp = tempfile::tempdir().unwrap();
        let python = temp.path().join("python");
        fs::write(&python, "#!/bin/sh\necho sqlalchemy\necho bokeh\n").unwrap();
        fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let error = probe(&python).await.unwrap_err();
        assert!(
            error.contains("lacks sqlalchemy.") && error.contains("pip install"),
            "{error}"
        );
        fs::write(&python, "#!/bin/sh\necho 'ImportError: odd' >&2\nexit 1\n").unwrap();
        assert!(probe(&python).await.unwrap_err().contains("ImportError: odd"));
        assert!(
            probe(Path::new("/nowhere/python"))
                .await
                .unwrap_err()
                .contains("--python")
        );
    }
}
