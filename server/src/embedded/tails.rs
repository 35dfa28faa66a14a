//! The ends of the logs of clusters: of living ones from their folders, of failed ones as the gateway kept them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use protocol::life::LogTail;
use serde_json::Value;

use super::Embedded;
use super::child::plain_lines;

/// Bytes of a log that are read; `gateway_config.py` keeps as many.
const TAIL: u64 = 16 << 10;

/// Workers whose logs are given, at most.
const WORKERS: usize = 4;

impl Embedded {
    /// What the scheduler and the latest workers of a cluster wrote last.
    pub fn log_tails(&self, cluster: &str, failed: bool) -> Vec<LogTail> {
        if !protocol::connect::is_cluster_name(cluster) {
            return Vec::new();
        }
        if failed {
            return kept(&self.files.failure(cluster)).unwrap_or_default();
        }
        match living(&self.files.clusters().join(cluster).join("logs")) {
            Ok(tails) => tails,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(cluster, %error, "the logs of a cluster can't be read");
                }
                Vec::new()
            }
        }
    }
}

/// Those that were kept when the cluster failed; its folder is gone.
fn kept(path: &Path) -> Option<Vec<LogTail>> {
    let kept: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let logs = kept.get("logs")?.as_array()?;
    let tail = |log: &Value| {
        let text = log.get("text")?.as_str()?;
        Some(LogTail {
            of: log.get("of")?.as_str()?.to_owned(),
            text: plain_lines(text),
            cut: log.get("cut").and_then(Value::as_bool).unwrap_or(false),
        })
    };
    Some(
        logs.iter()
            .filter_map(tail)
            .filter(|tail| !tail.text.is_empty())
            .collect(),
    )
}

fn living(logs: &Path) -> io::Result<Vec<LogTail>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(logs)? {
        let entry = entry?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|name| name.strip_suffix(".log")) else {
            continue;
        };
        let of = match name.strip_prefix("worker-") {
            Some(worker) => format!("worker {worker}"),
            None => name.to_owned(),
        };
        found.push((entry.metadata()?.modified()?, of, entry.path()));
    }
    // The scheduler, then the latest workers.
    found.sort_by(|a, b| {
        let is_worker = |of: &str| of.starts_with("worker ");
        is_worker(&a.1).cmp(&is_worker(&b.1)).then_with(|| b.0.cmp(&a.0))
    });
    found.truncate(1 + WORKERS);
    let tails = found.into_iter().map(|(_, of, path)| {
        let (text, cut) = end_of(&path)?;
        Ok(LogTail { of, text, cut })
    });
    tails
        .filter(|tail| !matches!(tail, Ok(tail) if tail.text.is_empty()))
        .collect()
}

/// The last whole lines of a file, and whether there are more before them.
fn end_of(path: &Path) -> io::Result<(String, bool)> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let cut = from > 0;
    let whole = match text.split_once('\n') {
        Some((_half, whole)) if cut => whole,
        _ => &text,
    };
    Ok((plain_lines(whole), cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_begins_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scheduler.log");
        let lines: String = (0..2_000)
            .map(|n| format!("\u{1b}[31mline {n} é\u{1b}[0m\n"))
            .collect();
        fs::write(&path, &lines).unwrap();
        let (text, cut) = end_of(&path).unwrap();
        assert!(
            cut && text.starts_with("line ") && text.ends_with("line 1999 é"),
            "{text}"
        );
        fs::write(&path, "short\n").unwrap();
        assert_eq!(end_of(&path).unwrap(), ("short".to_owned(), false));
    }

    #[test]
    fn the_scheduler_leads_and_the_latest_workers_follow() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..6 {
            fs::write(folder.path().join(format!("worker-{n}.log")), format!("I am {n}")).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        fs::write(folder.path().join("worker-silent.log"), "").unwrap();
        fs::write(folder.path().join("scheduler.log"), "I lead").unwrap();
        fs::write(folder.path().join("notes.txt"), "no log").unwrap();
        let of: Vec<String> = living(folder.path())
            .unwrap()
            .into_iter()
            .map(|tail| tail.of)
            .collect();
        assert_eq!(of, ["scheduler", "worker 5", "worker 4", "worker 3"]);
    }

    #[test]
    fn what_was_kept_of_a_failure_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let kept_by_the_gateway = r#"{"what": "its scheduler has ended", "log": "x", "logs": [
            {"of": "scheduler", "text": "boom\n", "cut": true}, {"of": "worker 1", "text": ""}]}"#;
        fs::write(&path, kept_by_the_gateway).unwrap();
        let tails = kept(&path).unwrap();
        assert_eq!(tails.len(), 1);
        assert_eq!(
            (tails[0].of.as_str(), tails[0].text.as_str(), tails[0].cut),
            ("scheduler", "boom", true)
        );
        fs::write(&path, r#"{"what": "older", "log": "x"}"#).unwrap();
        assert!(kept(&path).is_none());
    }
}
