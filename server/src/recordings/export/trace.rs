//! The Trace Event Format of Chrome, which Perfetto opens: a process a worker, a thread a thread, an event a stretch of work.

use std::collections::HashMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use protocol::live::Action;
use protocol::recordings::Recording;
use serde_json::{Value, json};

use super::super::parquet::Table;
use super::super::reader::{self, DataError, Item};
use crate::live::Task;

/// Writes the recording, event by event: what is in memory does not grow with it.
pub(super) fn write(folder: &Path, recording: &Recording, out: &mut dyn Write) -> Result<(), DataError> {
    let about = json!({
        "cluster": recording.cluster,
        "label": recording.label,
        "scheduler": recording.scheduler,
        "tasks": recording.tasks,
        "lost": recording.lost,
        "recorded by": concat!("Gatehouse ", env!("CARGO_PKG_VERSION")),
    });
    write!(
        out,
        "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":["
    )?;
    let mut writer = Writer {
        out,
        any: false,
        names: HashMap::new(),
        workers: HashMap::new(),
    };
    let mut failed = None;
    reader::read(folder, &[Table::Tasks, Table::Workers], &mut |item| {
        let written = match item {
            Item::Name { address, name } => {
                writer.names.insert(address, name);
                Ok(())
            }
            Item::Tasks(tasks) => tasks.iter().try_for_each(|task| writer.task(task)),
            Item::Workers { at_us, workers } => workers
                .iter()
                .try_for_each(|worker| writer.sample(at_us, &worker.address, &worker.memory, worker.cpu)),
            Item::Progress { .. } => Ok(()),
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    out.write_all(b"\n]}\n")?;
    Ok(())
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    any: bool,
    names: HashMap<String, String>,
    /// Number of each worker, and of its threads.
    workers: HashMap<String, (usize, HashMap<u64, usize>)>,
}

impl Writer<'_> {
    fn event(&mut self, event: &Value) -> std::io::Result<()> {
        self.out
            .write_all(if self.any { b",\n" as &[u8] } else { b"\n" })?;
        self.any = true;
        serde_json::to_writer(&mut *self.out, event).map_err(Into::into)
    }

    /// The worker's number; one that is new is named first.
    fn worker(&mut self, address: &str) -> std::io::Result<usize> {
        if let Some((number, _)) = self.workers.get(address) {
            return Ok(*number);
        }
        let number = self.workers.len() + 1;
        self.workers.insert(address.to_owned(), (number, HashMap::new()));
        let name = match self.names.get(address) {
            Some(name) if name != address => format!("worker {name} ({address})"),
            _ => format!("worker {address}"),
        };
        self.event(&json!({
            "ph": "M", "name": "process_name", "pid": number, "tid": 0, "args": {"name": name},
        }))?;
        Ok(number)
    }

    fn thread(&mut self, address: &str, worker: usize, thread: u64) -> std::io::Result<usize> {
        let threads = self
            .workers
            .get_mut(address)
            .map(|(_, threads)| threads)
            .ok_or_else(|| std::io::Error::other("a worker has no number"))?;
        if let Some(number) = threads.get(&thread) {
            return Ok(*number);
        }
        let number = threads.len() + 1;
        threads.insert(thread, number);
        self.event(&json!({
            "ph": "M", "name": "thread_name", "pid": worker, "tid": number, "args": {"name": format!("thread {number}")},
        }))?;
        Ok(number)
    }

    fn task(&mut self, task: &Task) -> std::io::Result<()> {
        let worker = self.worker(&task.worker)?;
        let thread = self.thread(&task.worker, worker, task.thread)?;
        for bar in &task.bars {
            let (category, name) = match bar.action {
                Action::Compute => ("compute", task.prefix.as_str()),
                Action::Erred => ("error", task.prefix.as_str()),
                Action::Transfer => ("transfer", "transfer"),
                Action::DiskRead => ("disk", "disk-read"),
                Action::DiskWrite => ("disk", "disk-write"),
                Action::Deserialize => ("deserialize", "deserialize"),
            };
            let mut event = json!({
                "ph": "X", "cat": category, "name": name, "ts": bar.start_us, "dur": bar.duration_us,
                "pid": worker, "tid": thread, "args": {"key": task.key},
            });
            if let Some(args) = event.get_mut("args").and_then(Value::as_object_mut) {
                let mut add = |name: &str, value: Option<Value>| {
                    args.extend(value.map(|value| (name.to_owned(), value)));
                };
                add("type", task.type_name.clone().map(Value::from));
                add("nbytes", task.nbytes.map(Value::from));
                add("error", task.error.clone().map(Value::from));
            }
            self.event(&event)?;
        }
        Ok(())
    }

    fn sample(
        &mut self,
        at_us: i64,
        address: &str,
        memory: &protocol::live::WorkerMemory,
        cpu: f64,
    ) -> std::io::Result<()> {
        let worker = self.worker(address)?;
        self.event(&json!({
            "ph": "C", "name": "memory", "pid": worker, "tid": 0, "ts": at_us,
            "args": {"managed": memory.managed, "unmanaged": memory.process - memory.managed.min(memory.process)},
        }))?;
        self.event(&json!({
            "ph": "C", "name": "cpu %", "pid": worker, "tid": 0, "ts": at_us, "args": {"cpu": cpu},
        }))
    }
}
