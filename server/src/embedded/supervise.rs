//! Keeps one gateway running: the server that holds `owner.lock` starts, watches and restarts it; the others look on.

use std::fs::File;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::child::{self, LogMark};
use super::files::{Record, becomes_free};
use super::process::Mark;
use super::{Embedded, EmbeddedState, orphans};
use crate::state_dir::lock_file;

const OWNER_RETRY: Duration = Duration::from_millis(500);
/// How often a gateway is asked whether it is well, while it starts and afterwards.
const STARTING_TICK: Duration = Duration::from_millis(150);
const UP_TICK: Duration = Duration::from_secs(2);
/// Unanswered questions after which a gateway that was up counts as down.
const MAX_SILENCE: u32 = 3;
/// How long a gateway may take to come up before the user is told.
const SLOW_START: Duration = Duration::from_secs(60);
/// A gateway of an earlier life that does not answer for so long is replaced.
const ATTACH_WAIT: Duration = Duration::from_secs(15);
const MAX_BACKOFF: Duration = Duration::from_secs(15);
/// A gateway that lived so long did not fail at its start.
const STEADY: Duration = Duration::from_secs(60);

/// The gateway's process: our child, or one that an earlier server started.
enum Gateway {
    Child(Child),
    Found(Mark),
}

impl Gateway {
    /// Waits for its end and says how it ended.
    async fn ended(&mut self) -> String {
        match self {
            Self::Child(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            Self::Found(mark) => {
                while mark.is_alive() {
                    sleep(Duration::from_millis(250)).await;
                }
                "gone".to_owned()
            }
        }
    }
}

impl Embedded {
    pub(super) async fn supervise(&self) {
        let _owner = self.become_owner().await;
        let mut backoff = Duration::ZERO;
        let mut settled = false;
        loop {
            let started = Instant::now();
            let failure = match self.gateway(&mut settled).await {
                Ok((mut gateway, log)) => {
                    let ended = self.watch(&mut gateway, &log).await;
                    let reason = log
                        .reason()
                        .map_or_else(String::new, |reason| format!(": {reason}"));
                    tracing::warn!(%ended, "the embedded gateway has ended{reason}");
                    self.forget_process();
                    format!(
                        "The local Dask Gateway has ended ({ended}){reason}. It is started again by itself; its log is {}",
                        self.files.log().display()
                    )
                }
                Err(sentence) => {
                    tracing::warn!("{sentence}");
                    sentence
                }
            };
            let steady = started.elapsed() > STEADY;
            backoff = if steady {
                Duration::ZERO
            } else {
                (backoff * 2).clamp(Duration::from_millis(500), MAX_BACKOFF)
            };
            // The first restart is at once: nobody needs to read about it.
            let state = if backoff <= Duration::from_millis(500) && self.was_up() {
                EmbeddedState::Starting
            } else {
                EmbeddedState::Failed { message: failure }
            };
            self.publish(state);
            sleep(backoff).await;
        }
    }

    /// Waits until this server is the owner; until then it only looks on.
    async fn become_owner(&self) -> File {
        let kept = match self.owner.lock() {
            Ok(mut kept) => kept.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(owner) = kept {
            return owner;
        }
        let mut silence = 0;
        let mut asked = None::<Instant>;
        loop {
            let free = lock_file(&self.dir.owner_lock()).map(|file| file.try_lock().map(|()| file));
            if let Ok(Ok(owner)) = free {
                tracing::info!("this server looks after the embedded gateway now");
                return owner;
            }
            let up = matches!(*self.state.borrow(), EmbeddedState::Up { .. });
            if asked.is_none_or(|asked| asked.elapsed() > UP_TICK || !up) {
                self.look(&mut silence).await;
                asked = Some(Instant::now());
            }
            sleep(OWNER_RETRY).await;
        }
    }

    /// The gateway that runs, or a new one; an error is a sentence for the user.
    async fn gateway(&self, settled: &mut bool) -> Result<(Gateway, LogMark), String> {
        let recorded = Record::read(&self.files).and_then(|record| record.running(&self.files));
        if let Some(mark) = recorded {
            let log = LogMark::end_of(&self.files);
            if self.answers_within(ATTACH_WAIT, mark).await {
                tracing::info!(pid = mark.pid, "attached to the running embedded gateway");
                return Ok((Gateway::Found(mark), log));
            }
            tracing::warn!(
                pid = mark.pid,
                "the embedded gateway of an earlier life does not answer: replacing it"
            );
            mark.end(Duration::from_secs(5)).await;
        }
        // Two servers may leave at once: while this one still ends its jobs, the other, the last one out, may just have
        // ended the gateway for good.
        if !self.dir.has_members() {
            return Err("The local Dask Gateway has ended with the last server that used it.".to_owned());
        }
        let io = |error: std::io::Error| {
            format!(
                "The local Dask Gateway can't start ({error}). Check that the disk is not full; its files are in {}",
                self.files.folder().display()
            )
        };
        let port = self.record.port;
        let free = tokio::task::spawn_blocking(move || becomes_free(port)).await;
        if !free.unwrap_or(false) {
            return Err(format!(
                "The local Dask Gateway can't start: another program listens on its port {port}. End that program, or \
                 restart Gatehouse, which then chooses another port."
            ));
        }
        // Schedulers baked the address in, so those of another port can't come back.
        let all_lost = self.moved && !*settled;
        orphans::settle(&self.files, all_lost).await.map_err(io)?;
        *settled = true;
        child::probe(&self.python).await?;
        let (child, log) = child::start(&self.python, &self.files).map_err(io)?;
        let process = child.id().map(Mark::of);
        tracing::info!(
            pid = process.map(|mark| mark.pid),
            port,
            "started the embedded gateway"
        );
        self.keep_process(process).map_err(io)?;
        Ok((Gateway::Child(child), log))
    }

    /// Publishes how the gateway is until it ends; returns how it ended.
    async fn watch(&self, gateway: &mut Gateway, log: &LogMark) -> String {
        let look_on = async {
            let started = Instant::now();
            let mut silence = 0;
            let mut reaped = false;
            loop {
                let up = self.look(&mut silence).await;
                if up && !reaped {
                    reaped = true;
                    if let Err(error) = orphans::reap(&self.files).await {
                        tracing::warn!(%error, "processes of ended clusters can't be looked for");
                    }
                }
                if !reaped && started.elapsed() > SLOW_START {
                    let reason = log
                        .reason()
                        .map_or_else(String::new, |reason| format!(" ({reason})"));
                    self.publish(EmbeddedState::Failed {
                        message: format!(
                            "The local Dask Gateway runs but does not answer{reason}. Its log is {}",
                            self.files.log().display()
                        ),
                    });
                }
                sleep(if up { UP_TICK } else { STARTING_TICK }).await;
            }
        };
        tokio::select! {
            ended = gateway.ended() => ended,
            () = look_on => "unwatched".to_owned(),
        }
    }

    /// Asks the gateway once and publishes; one that was up may miss a few questions.
    async fn look(&self, silence: &mut u32) -> bool {
        match self.ask().await {
            Ok(version) => {
                *silence = 0;
                self.publish(EmbeddedState::Up { version });
                true
            }
            Err(error) => {
                *silence = silence.saturating_add(1);
                if *silence == MAX_SILENCE && matches!(*self.state.borrow(), EmbeddedState::Up { .. }) {
                    tracing::warn!(%error, "the embedded gateway does not answer");
                    self.publish(EmbeddedState::Starting);
                }
                false
            }
        }
    }

    /// The version of the gateway that answers, if it is ours: it takes our password and shows our options.
    async fn ask(&self) -> Result<String, dask_gateway::GatewayError> {
        self.client.health().await?;
        self.client.options().await?;
        self.client.version().await
    }

    async fn answers_within(&self, patience: Duration, mark: Mark) -> bool {
        let deadline = Instant::now() + patience;
        while mark.is_alive() && Instant::now() < deadline {
            if self.ask().await.is_ok() {
                return true;
            }
            sleep(STARTING_TICK).await;
        }
        false
    }

    fn was_up(&self) -> bool {
        matches!(*self.state.borrow(), EmbeddedState::Up { .. })
    }

    fn publish(&self, state: EmbeddedState) {
        self.state.send_if_modified(|old| {
            let changed = *old != state;
            if changed {
                *old = state;
            }
            changed
        });
    }

    fn keep_process(&self, process: Option<Mark>) -> std::io::Result<()> {
        Record {
            process,
            ..self.record.clone()
        }
        .write(&self.files)
    }

    fn forget_process(&self) {
        if let Err(error) = self.keep_process(None) {
            tracing::warn!(%error, "gateway.json can't be written");
        }
    }

    /// Supervises until `shutdown`; the gateway itself lives on.
    pub async fn run(&self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.supervise() => {}
        }
    }
}
