//! Running a tool: its whole output into a log, its last line and progress onto the board.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::board::Board;
use crate::signals::{self, Registered};

/// Lines of the log that a failure shows.
const TAIL: usize = 30;

/// One step while it runs.
#[derive(Debug)]
pub(crate) struct Job {
    id: usize,
    board: Arc<Board>,
    log: Mutex<Log>,
    path: PathBuf,
    remark: Mutex<String>,
}

#[derive(Debug)]
struct Log {
    file: File,
    tail: VecDeque<String>,
}

impl Job {
    /// # Errors
    /// When the log cannot be made.
    pub(crate) fn new(id: usize, board: Arc<Board>, logs: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(logs)?;
        let path = logs.join(format!("{name}.log"));
        let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        let log = Mutex::new(Log {
            file,
            tail: VecDeque::new(),
        });
        Ok(Self {
            id,
            board,
            log,
            path,
            remark: Mutex::default(),
        })
    }

    /// Says something in the log and on the board.
    pub(crate) fn line(&self, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk shows in the tool's own failure; its log is the lesser loss.
        writeln!(log.file, "{line}").ok();
        if log.tail.len() == TAIL {
            log.tail.pop_front();
        }
        log.tail.push_back(line.to_owned());
        drop(log);
        if !line.trim().is_empty() {
            self.board.line(self.id, line.trim());
        }
    }

    /// What the step's closing line says beside its name.
    pub(crate) fn remark(&self, remark: impl Into<String>) {
        *self.remark.lock().unwrap_or_else(PoisonError::into_inner) = remark.into();
    }

    pub(crate) fn remarked(&self) -> String {
        self.remark.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn log_path(&self) -> &Path {
        &self.path
    }

    /// The log's last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tail
            .iter()
            .cloned()
            .collect()
    }

    /// The whole log so far.
    ///
    /// # Errors
    /// When the log cannot be read back.
    pub(crate) fn text(&self) -> Result<String> {
        fs::read_to_string(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))
    }

    /// Runs a tool to its end.
    ///
    /// # Errors
    /// When it cannot be started, fails, or somebody asked us to stop.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        self.run_within(command, None)
    }

    /// Runs a tool to its end, or ends it after `limit`.
    ///
    /// # Errors
    /// As [`Job::run`], and when the time is up.
    pub(crate) fn run_within(&self, command: &mut Command, limit: Option<Duration>) -> Result<()> {
        if signals::stopping() {
            bail!("interrupted");
        }
        let name = command.get_program().to_string_lossy().into_owned();
        let arguments: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        self.line(&format!("$ {name} {}", arguments.join(" ")));
        // A group of its own: a terminal's Ctrl-C reaches it through us, once, and so do its own children's ends.
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let _registered = Registered::new(child.id());
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let status = thread::scope(|scope| {
            scope.spawn(|| stdout.map(|out| self.copy(out)));
            scope.spawn(|| stderr.map(|out| self.copy(out)));
            let started = Instant::now();
            while let Some(limit) = limit {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
                if started.elapsed() > limit {
                    let group = i32::try_from(child.id()).unwrap_or(i32::MAX);
                    signals::signal_group(group, Signal::KILL);
                    break;
                }
                thread::sleep(Duration::from_millis(100));
            }
            child.wait()
        })?;
        if signals::stopping() {
            bail!("interrupted");
        }
        if !status.success() {
            bail!("{} ended with {status}", short(&name));
        }
        Ok(())
    }

    fn copy(&self, mut from: impl Read) {
        let mut pending = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 {
                break;
            }
            for byte in &buffer[..count] {
                match byte {
                    b'\n' | b'\r' => self.tool_line(&mut pending),
                    byte => pending.push(*byte),
                }
            }
        }
        self.tool_line(&mut pending);
    }

    fn tool_line(&self, pending: &mut Vec<u8>) {
        if pending.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(pending).into_owned();
        pending.clear();
        // Cargo redraws this line many times a second: progress, not log.
        match cargo_progress(&line) {
            Some((done, total)) => self.board.progress(self.id, done, total),
            None => self.line(&line),
        }
    }
}

fn short(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// `   Building [=====>      ] 45/312: serde, syn` → (45, 312).
fn cargo_progress(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.trim_start().strip_prefix("Building")?.split_once("] ")?;
    let (done, rest) = rest.split_once('/')?;
    let total: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((done.trim().parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cargos_progress_line() {
        assert_eq!(
            cargo_progress("    Building [====>    ] 45/312: serde, syn(build)"),
            Some((45, 312))
        );
        assert_eq!(cargo_progress("   Compiling serde v1.0.0"), None);
    }
}
