//! A log that is being written: one file, only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::entry::{Begin, Entry, Words};
use super::frame;
use crate::live::Task;

/// Rows in a frame, at most: what a torn tail may cost.
const FRAME_ROWS: usize = 2_000;

/// The file with what is known of its content.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    length: u64,
    next_record: u64,
    words: Words,
    /// Whether something was written that may not be on the disk yet.
    unsynced: bool,
}

impl Log {
    /// Begins a log; what lies there is replaced.
    pub(super) fn create(path: &Path, begin: &Begin) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut log = Self {
            file,
            length: 0,
            next_record: begin.first_record,
            words: Words::default(),
            unsynced: false,
        };
        let mut bytes = frame::MAGIC.to_vec();
        encode(&mut bytes, &Entry::Begin(begin.clone()))?;
        log.append(&bytes)?;
        log.sync()?;
        Ok(log)
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn next_record(&self) -> u64 {
        self.next_record
    }

    /// By which names new lanes of workers are known.
    pub(super) fn name_worker(&mut self, address: &str, name: &str) {
        if self.words.names.get(address).is_none_or(|known| known != name) {
            self.words.names.insert(address.to_owned(), name.to_owned());
        }
    }

    pub(super) fn tasks(&mut self, tasks: &[Task]) -> io::Result<()> {
        for tasks in tasks.chunks(FRAME_ROWS) {
            let mut new = Vec::new();
            let rows: Vec<_> = tasks.iter().map(|task| self.words.row(task, &mut new)).collect();
            let mut bytes = Vec::new();
            for entry in &new {
                encode(&mut bytes, entry)?;
            }
            let first_record = self.next_record;
            encode(&mut bytes, &Entry::Tasks { first_record, rows })?;
            self.append(&bytes)?;
            self.next_record += tasks.len() as u64;
        }
        Ok(())
    }

    pub(super) fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(&mut bytes, entry)?;
        self.append(&bytes)
    }

    /// Writes whole frames, or nothing: what was half written is taken back.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // On a full disk this frees what the failed write took; where it fails, too, the tail is cut by the reader.
            self.file.set_len(self.length).ok();
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    /// Returns when all that was written is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }
}

fn encode(bytes: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
    let payload = protocol::live::encode(entry).map_err(io::Error::other)?;
    frame::append(bytes, &payload);
    Ok(())
}
