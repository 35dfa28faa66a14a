//! Ctrl-C and its kin: children are ended before we go.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a child may take to tidy up after itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Process groups of the children that run now, and whether somebody asked us to stop.
#[derive(Debug, Default)]
struct Children {
    groups: Mutex<BTreeSet<i32>>,
    stopping: AtomicBool,
    /// A command that ends its children itself, in its own order, has taken over.
    handed_over: AtomicBool,
}

static CHILDREN: Children = Children {
    groups: Mutex::new(BTreeSet::new()),
    stopping: AtomicBool::new(false),
    handed_over: AtomicBool::new(false),
};

/// Starts listening. The returned channel carries each request to stop, for commands that take over with
/// [`hand_over`]; until then the running children's process groups are ended here.
///
/// # Errors
/// When the process may not install signal handlers.
pub(crate) fn listen() -> Result<Receiver<()>> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signal handlers cannot be installed")?;
    let (sender, receiver) = sync_channel(8);
    thread::spawn(move || {
        for _ in signals.forever() {
            CHILDREN.stopping.store(true, Ordering::SeqCst);
            if CHILDREN.handed_over.load(Ordering::SeqCst) {
                // A full channel holds requests enough.
                sender.try_send(()).ok();
            } else {
                thread::spawn(end_children);
            }
        }
    });
    Ok(receiver)
}

/// From now on requests to stop only arrive on the channel.
pub(crate) fn hand_over() {
    CHILDREN.handed_over.store(true, Ordering::SeqCst);
}

/// Whether somebody asked us to stop.
pub(crate) fn stopping() -> bool {
    CHILDREN.stopping.load(Ordering::SeqCst)
}

/// Keeps a child's process group on the list of what must end, while it lives.
#[derive(Debug)]
pub(crate) struct Registered(i32);

impl Registered {
    pub(crate) fn new(group: u32) -> Self {
        let group = i32::try_from(group).unwrap_or(i32::MAX);
        groups().insert(group);
        Self(group)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        groups().remove(&self.0);
    }
}

fn groups() -> std::sync::MutexGuard<'static, BTreeSet<i32>> {
    CHILDREN.groups.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends every running child's group SIGTERM, and SIGKILL after [`PATIENCE`].
pub(crate) fn end_children() {
    signal_all(Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if groups().is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    signal_all(Signal::KILL);
}

fn signal_all(signal: Signal) {
    for group in groups().iter() {
        signal_group(*group, signal);
    }
}

/// Signals a process group; one that is gone already is no error.
pub(crate) fn signal_group(group: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(group) {
        kill_process_group(pid, signal).ok();
    }
}
