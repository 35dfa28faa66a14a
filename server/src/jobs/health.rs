//! What is known of a job's kernel, and when that means that the job can't go on.

use std::time::Duration;

use rustix::process::Pid;
use tokio::time::Instant;

use super::channels::KernelEvent;
use super::jupyter::{JupyterError, KernelState};

/// How long a kernel may take to start and to connect to the cluster.
const START_LIMIT: Duration = Duration::from_secs(180);

/// How long the kernel may be idle, or say that it is done, without an end in the output file.
const END_LIMIT: Duration = Duration::from_secs(5);

/// How long a kernel that never was busy may be idle: its request may not have reached it yet.
const FIRST_BUSY_LIMIT: Duration = Duration::from_secs(30);

/// The same for a kernel that a dead server left: what that sent has reached it by then, or never will. Jupyter drops what it
/// has not passed on when the connection breaks.
const UNSENT_LIMIT: Duration = Duration::from_secs(1);

/// How long the Jupyter Server may be away.
const AWAY_LIMIT: Duration = Duration::from_secs(15);

/// Names of the two requests that were sent to the kernel.
pub(super) struct Requests {
    pub(super) prelude: String,
    pub(super) code: String,
}

/// What is known of the kernel, and since when.
pub(super) struct Health {
    started: Instant,
    /// A server that died may have sent the code, or not.
    left: bool,
    /// The output file is there: the kernel has begun.
    begun: bool,
    /// The prelude connected to the cluster.
    ready: bool,
    /// The kernel's own process, where it runs on this machine.
    process: Option<Pid>,
    was_busy: bool,
    died: bool,
    idle_since: Option<Instant>,
    away_since: Option<Instant>,
    /// Set with the reply to the last request that will be answered: the end must be in the file by then.
    replied: Option<(Instant, Option<String>)>,
    refused: Option<String>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            left: false,
            begun: false,
            ready: false,
            process: None,
            was_busy: false,
            died: false,
            idle_since: None,
            away_since: None,
            replied: None,
            refused: None,
        }
    }

    /// Of a kernel that a server left when it died.
    pub(super) fn of_left() -> Self {
        Self {
            left: true,
            ..Self::new()
        }
    }

    /// The kernel began to write its output.
    pub(super) fn begins(&mut self) {
        self.begun = true;
    }

    /// The prelude connected to the cluster, in that process of that machine.
    pub(super) fn ready_in(&mut self, host: &str, pid: i32) {
        self.ready = true;
        let here = rustix::system::uname().nodename().to_string_lossy() == host;
        self.process = Pid::from_raw(pid).filter(|_| here);
    }

    /// Whether the kernel's process is still there. Jupyter does not always tell: it starts a kernel that died anew, under
    /// the same name, and may go on saying what the dead one was doing.
    pub(super) fn look(&mut self) {
        if let Some(pid) = self.process
            && rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        {
            self.died = true;
        }
    }

    pub(super) fn hear(&mut self, event: KernelEvent, requests: Option<&Requests>) {
        match event {
            KernelEvent::Died => self.died = true,
            KernelEvent::Replied { request, ok, error } => {
                let prelude_failed = !ok && requests.is_some_and(|sent| sent.prelude == request);
                if prelude_failed || requests.is_some_and(|sent| sent.code == request) {
                    self.replied
                        .get_or_insert((Instant::now(), error.filter(|_| prelude_failed)));
                }
            }
        }
    }

    pub(super) fn see(&mut self, state: Result<Option<KernelState>, JupyterError>) {
        match state {
            Err(JupyterError::Unreachable) => {
                self.away_since.get_or_insert_with(Instant::now);
                return;
            }
            Err(error) => self.refused = Some(error.to_string()),
            Ok(None | Some(KernelState::Dead)) => self.died = true,
            Ok(Some(KernelState::Idle)) => {
                self.idle_since.get_or_insert_with(Instant::now);
            }
            // It ran before, so this is another process: Jupyter starts a kernel that died anew.
            Ok(Some(KernelState::Starting)) if self.ready || self.was_busy => {
                self.idle_since.get_or_insert_with(Instant::now);
            }
            Ok(Some(KernelState::Busy)) => {
                self.was_busy = true;
                self.idle_since = None;
            }
            Ok(Some(KernelState::Starting)) => {}
        }
        self.away_since = None;
    }

    /// Why the job can't go on, where it can't. The file was read to its end before.
    pub(super) fn verdict(&self) -> Option<String> {
        let longer = |since: Option<Instant>, limit| since.is_some_and(|since| since.elapsed() > limit);
        if self.died {
            return Some(
                "The job's kernel died while it ran: the system ended it for want of memory, the code ended its own \
                 process, or somebody shut the kernel down. Check the code's memory use, then run it again."
                    .into(),
            );
        }
        if let Some(sentence) = &self.refused {
            return Some(sentence.clone());
        }
        if longer(self.away_since, AWAY_LIMIT) {
            return Some(
                "The Jupyter Server that ran the job stopped answering. Check that it runs, then run the job again."
                    .into(),
            );
        }
        if let Some((at, error)) = &self.replied
            && at.elapsed() > END_LIMIT
        {
            return Some(match error {
                Some(error) => {
                    format!("The kernel could not begin the job ({error}). Choose a Python kernel with ipykernel.")
                }
                None => "The kernel ran the code, but its output could not be stored. Check the disk's free space \
                         and that the kernel runs on this machine, then run the job again."
                    .into(),
            });
        }
        let runs = self.ready || self.was_busy || self.begun;
        if !runs && self.left && longer(self.idle_since, UNSENT_LIMIT) {
            return Some("The server ended before the kernel had the code. Run the job again.".into());
        }
        let idle_limit = if runs { END_LIMIT } else { FIRST_BUSY_LIMIT };
        if longer(self.idle_since, idle_limit) {
            return Some(
                "The kernel stopped running the code without saying how it ended: it was restarted, or the server \
                 ended before all of the code was sent. Run the job again."
                    .into(),
            );
        }
        if !self.ready && self.started.elapsed() > START_LIMIT {
            return Some(
                "The job's kernel did not connect to the cluster within 3 minutes. Check that the cluster and the \
                 gateway answer, then run the job again."
                    .into(),
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_kernel_was_sent_nothing_where_its_server_died() {
        let idle_for = |mut health: Health, limit: Duration| {
            let since = |idle| {
                Some(
                    Instant::now()
                        .checked_sub(idle)
                        .expect("the machine has run so long"),
                )
            };
            health.idle_since = since(limit.mul_f64(0.9));
            health.see(Ok(Some(KernelState::Idle)));
            assert_eq!(health.verdict(), None);
            health.idle_since = since(limit.mul_f64(1.1));
            health.verdict().expect("a sentence")
        };
        let unsent = idle_for(Health::of_left(), UNSENT_LIMIT);
        assert!(unsent.contains("before the kernel had the code"), "{unsent}");
        // What began to write was sent, and may be about to say how it ended.
        let mut begun = Health::of_left();
        begun.begins();
        let stopped = idle_for(begun, END_LIMIT);
        assert!(stopped.contains("without saying how it ended"), "{stopped}");
        // What we sent ourselves may still be on its way.
        idle_for(Health::new(), FIRST_BUSY_LIMIT);
    }

    #[test]
    fn a_kernel_whose_process_is_gone_died_whatever_jupyter_says() {
        let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("a process");
        let pid = i32::try_from(child.id()).expect("a pid");
        let mut health = Health::new();
        health.ready_in(&here, pid);
        let mut elsewhere = Health::new();
        elsewhere.ready_in("another-machine", pid);
        health.look();
        assert_eq!(health.verdict(), None);
        child.kill().expect("ended");
        child.wait().expect("reaped");
        for health in [&mut health, &mut elsewhere] {
            health.see(Ok(Some(KernelState::Busy)));
            health.look();
        }
        assert!(health.verdict().is_some_and(|why| why.contains("died")));
        assert_eq!(elsewhere.verdict(), None);
    }
}
