//! Processes by number: whether they live, and how to end them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// A process that may be someone else's child: its number, and where the system tells it, when it began, so that a
/// number that was given out again is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) pid: u32,
    /// Clock ticks between the system's start and the process's.
    started: Option<u64>,
}

impl Mark {
    pub(crate) fn of(pid: u32) -> Self {
        Self {
            pid,
            started: stat(pid).map(|stat| stat.started),
        }
    }

    pub(crate) fn is_alive(self) -> bool {
        is_alive(self.pid) && (self.started.is_none() || Self::of(self.pid) == self)
    }

    /// SIGTERM, and SIGKILL to what is still there after `grace`. Returns when it is gone.
    pub(crate) async fn end(self, grace: Duration) {
        end_all(vec![self], grace).await;
    }
}

/// Ends processes side by side: SIGTERM, and SIGKILL to those still there after `grace`.
pub(crate) async fn end_all(mut marks: Vec<Mark>, grace: Duration) {
    for (name, wait) in [(Signal::TERM, grace), (Signal::KILL, Duration::from_secs(5))] {
        marks.retain(|mark| mark.is_alive());
        for mark in &marks {
            signal(mark.pid, name);
        }
        let deadline = tokio::time::Instant::now() + wait;
        while !marks.is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
            marks.retain(|mark| mark.is_alive());
        }
    }
    for mark in marks {
        tracing::warn!(pid = mark.pid, "a process does not end");
    }
}

/// Whether a process lives; one that only waits for its parent to take note is over.
fn is_alive(pid: u32) -> bool {
    match stat(pid) {
        Some(stat) => !matches!(stat.state, 'Z' | 'X'),
        // No /proc, or no such process.
        None if has_proc() => false,
        None => {
            let Some(pid) = rustix_pid(pid) else { return false };
            !matches!(
                rustix::process::test_kill_process(pid),
                Err(rustix::io::Errno::SRCH)
            )
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = rustix_pid(pid)
        && let Err(error) = rustix::process::kill_process(pid, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(pid = pid.as_raw_nonzero(), %error, "a process can't be signalled");
    }
}

fn rustix_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 0)
        .and_then(Pid::from_raw)
}

/// Whether the system shows its processes as files, as Linux does.
pub(crate) fn has_proc() -> bool {
    fs::exists("/proc/self/stat").unwrap_or(false)
}

struct Stat {
    state: char,
    started: u64,
}

/// What `/proc` says of a process.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything; the fields after it are plain.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Stat {
        state,
        started: fields.nth(18)?.parse().ok()?,
    })
}

/// The value of a variable in the environment a process was started with; `None` too where it may not be read.
pub(crate) fn variable(pid: u32, name: &str) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = environ
        .split(|byte| *byte == 0)
        .find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Whether a text stands in the command line that a process was started with.
pub(crate) fn command_holds(pid: u32, text: &str) -> bool {
    let command = if has_proc() {
        fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
    } else {
        ps(pid)
    };
    String::from_utf8_lossy(&command).contains(text)
}

/// The command line as `ps` prints it, for systems without `/proc`.
fn ps(pid: u32) -> Vec<u8> {
    let output = std::process::Command::new("ps")
        .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
        .output();
    output.map(|output| output.stdout).unwrap_or_default()
}

/// Numbers of all living processes; empty where there is no `/proc`.
pub(crate) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir(PathBuf::from("/proc")) else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_alive(*pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_known_until_it_ends() {
        let mut child = tokio::process::Command::new("sleep")
            .arg("60")
            .env("MARKED", "yes")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mark = Mark::of(child.id().unwrap());
        assert!(mark.is_alive());
        // Until the new program is in place, the process is a copy of this one.
        let began = std::time::Instant::now();
        while !command_holds(mark.pid, "60") && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(command_holds(mark.pid, "60") && !command_holds(mark.pid, "61"));
        if has_proc() {
            assert_eq!(variable(mark.pid, "MARKED").as_deref(), Some("yes"));
            assert!(all().contains(&mark.pid));
            let recycled = Mark {
                started: mark.started.map(|ticks| ticks + 1),
                ..mark
            };
            assert!(!recycled.is_alive());
        }
        tokio::join!(mark.end(Duration::from_secs(5)), async {
            child.wait().await.unwrap()
        });
        assert!(!mark.is_alive());
    }

    #[test]
    fn no_such_process_is_not_alive() {
        for pid in [0, u32::MAX, 4_194_305] {
            assert!(!Mark::of(pid).is_alive(), "{pid}");
        }
    }
}
