//! What still runs of what we started, found by a mark in the environment that children inherit.

use std::fs;

/// The variable that carries the mark.
pub(super) const MARK: &str = "GATEHOUSE_STARTED_BY";

/// A process as the system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) command: String,
}

/// The processes that carry the mark. Empty where the system does not show environments (macOS).
pub(super) fn of(mark: &str) -> Vec<Process> {
    let wanted = format!("{MARK}={mark}");
    let marked = |pid: u32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
            environ
                .split(|byte| *byte == 0)
                .any(|variable| variable == wanted.as_bytes())
        })
    };
    processes()
        .into_iter()
        .filter(|process| process.pid != std::process::id() && marked(process.pid))
        .collect()
}

/// Whether a `gatehouse serve` that is not ours runs: it may have taken over the embedded gateway.
pub(super) fn another_server_runs(mark: &str) -> bool {
    let ours: Vec<u32> = of(mark).iter().map(|process| process.pid).collect();
    processes().iter().any(|process| {
        let mut words = process.command.split(' ');
        words
            .next()
            .is_some_and(|program| program.rsplit('/').next() == Some("gatehouse"))
            && words.next() == Some("serve")
            && !ours.contains(&process.pid)
    })
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<Process> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let command = String::from_utf8_lossy(&words)
                .trim_end_matches('\0')
                .replace('\0', " ");
            // Kernel threads and zombies have no command line.
            (!command.is_empty()).then_some(Process { pid, command })
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn finds_what_carries_the_mark() {
        let mark = format!("test-{}", std::process::id());
        let mut child = Command::new("sleep").arg("60").env(MARK, &mark).spawn().unwrap();
        // Until the new program is in place, the process is a copy of this one.
        let began = std::time::Instant::now();
        let mut found = of(&mark);
        while found.is_empty() && began.elapsed().as_secs() < 20 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            found = of(&mark);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(
            found,
            [Process {
                pid: child.id(),
                command: "sleep 60".to_owned()
            }]
        );
        assert_eq!(of(&mark), []);
    }
}
