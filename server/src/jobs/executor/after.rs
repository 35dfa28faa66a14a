//! What follows the outcome: the kernel's end, the end of the job's clusters, and another attempt.

use std::time::Duration;

use protocol::jobs::{Job, JobState, PlaceKind};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::super::fault::{self, Moment};
use super::super::host::Host;
use super::super::owned::Asked;
use super::super::step::{Outcome, Step};
use super::watch::CHECK;
use super::{Run, Stop};
use crate::clock::now_ms;

/// How often a kernel's end is asked for where Jupyter does not answer.
const CLOSE_ATTEMPTS: u32 = 3;

/// How often the end of a cluster is asked for, and how long between two attempts: a gateway that is restarted is back then.
const STOP_ATTEMPTS: u32 = 24;
const STOP_PAUSE: Duration = Duration::from_secs(5);

impl Run<'_> {
    /// Ends all that belongs to the job, from `step` on, and tells that it is over. True where another attempt follows.
    pub(super) async fn end(&mut self, step: Step, outcome: Outcome) -> bool {
        let jobs = self.jobs;
        if step <= Step::Close {
            if let Err(error) = jobs.records.close(&self.job.id, &outcome).await {
                warn!(job = self.job.id, %error, "a job's outcome was not stored");
            }
            fault::at(Step::Close, Moment::Before);
            self.note_end_on_cluster().await;
            self.tell_stop().await;
            tokio::join!(self.end_kernel(), self.stop_clusters(1));
            fault::at(Step::Close, Moment::After);
        }
        if step <= Step::StopClusters {
            self.note_step(Step::StopClusters).await;
            fault::at(Step::StopClusters, Moment::Before);
            self.stop_clusters(STOP_ATTEMPTS).await;
            fault::at(Step::StopClusters, Moment::After);
        }
        if outcome.state == JobState::Failed && self.begins_again().await {
            return true;
        }
        self.note_step(Step::Keep).await;
        fault::at(Step::Keep, Moment::Before);
        self.keep(&outcome).await;
        fault::at(Step::Keep, Moment::After);
        match jobs.records.over(&self.job.id, &outcome, now_ms()).await {
            Ok(Some(record)) => {
                info!(job = self.job.id, state = ?outcome.state, "job over");
                jobs.active().remove(&self.job.id);
                jobs.announce(&record.job);
            }
            Ok(None) => {}
            Err(error) => {
                warn!(job = self.job.id, %error, "a job's end was not stored; the next start settles it");
            }
        }
        false
    }

    async fn note_step(&self, step: Step) {
        if let Err(error) = self.jobs.records.clean(&self.job.id, step).await {
            warn!(job = self.job.id, %error, "a job's step was not stored");
        }
    }

    /// Whether a failed job has another attempt, which then is stored.
    async fn begins_again(&mut self) -> bool {
        let job = &self.job;
        if job.attempt > job.request.retries || self.cancel.is_cancelled() || out_of_time(job, now_ms()) {
            return false;
        }
        let keeps_cluster = job.request.place.kind == PlaceKind::Cluster;
        match self.jobs.records.again(&job.id, keeps_cluster).await {
            Ok(Some(record)) if record.step == Step::Queued => {
                info!(
                    job = record.job.id,
                    attempt = record.job.attempt,
                    "a job begins anew"
                );
                (self.job, self.kernel) = (record.job, None);
                if let Some(active) = self.jobs.active().get_mut(&self.job.id) {
                    active.attempt = self.job.attempt;
                }
                self.jobs.announce(&self.job);
                true
            }
            Ok(_) => false,
            Err(error) => {
                warn!(job = self.job.id, %error, "a job could not begin anew");
                false
            }
        }
    }

    /// Ends the job's kernel, found by its session's path where its name is not known.
    async fn end_kernel(&self) {
        // Where nothing was ever asked of Jupyter, none is started now.
        if self.job.started_at.is_none() || !self.jobs.jupyter.may_hold_kernels().await {
            return;
        }
        for attempt in 1..=CLOSE_ATTEMPTS {
            match self.try_end_kernel().await {
                Ok(()) => return,
                Err(error) => warn!(job = self.job.id, %error, attempt, "a job's kernel was not shut down"),
            }
            tokio::time::sleep(CHECK).await;
        }
    }

    async fn try_end_kernel(&self) -> Result<(), Stop> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.connect().await?,
        };
        let ids = match &self.kernel {
            Some(ids) => Some(ids.clone()),
            None => client.find_session(&self.session_path()).await?,
        };
        if let Some(ids) = ids {
            client.end_session(&ids).await?;
        }
        Ok(())
    }

    async fn tell_stop(&mut self) {
        if self
            .jobs
            .owned
            .of(&self.job.id)
            .await
            .is_ok_and(|asked| !asked.is_empty())
        {
            self.tell("Shuts its cluster down").await.ok();
        }
    }

    /// Stops the clusters that belong to the job, asking so often.
    async fn stop_clusters(&self, attempts: u32) {
        let Some(host) = self.jobs.host() else { return };
        for attempt in 1..=attempts {
            let left = match self.jobs.owned.of(&self.job.id).await {
                Ok(asked) => asked,
                Err(error) => return warn!(job = self.job.id, %error, "a job's clusters can't be looked for"),
            };
            if left.is_empty() {
                return;
            }
            let stops = left.iter().map(|asked| self.stop_cluster(&host, asked));
            let failed = futures_util::future::join_all(stops).await;
            let Some(error) = failed.into_iter().find_map(Result::err) else {
                return;
            };
            warn!(job = self.job.id, %error, attempt, "a job's cluster was not shut down");
            if attempt == attempts || self.jobs.closing.is_cancelled() {
                return;
            }
            tokio::time::sleep(STOP_PAUSE).await;
        }
    }

    async fn stop_cluster(&self, host: &Host, asked: &Asked) -> Result<(), Stop> {
        if let Some(name) = self.search(host, asked).await? {
            // What it did last would be gone with it.
            host.catch_up(&name).await;
            let asked = Instant::now();
            host.stop(&name).await.map_err(Stop::Failed)?;
            let took_s = asked.elapsed().as_secs_f64();
            debug!(
                job = self.job.id,
                cluster = name,
                took_s,
                "a job's cluster is over"
            );
        }
        Ok(self.jobs.owned.done(asked.id).await?)
    }
}

/// Whether all attempts together have taken what the job's time limit allows, at `now` in Unix milliseconds.
fn out_of_time(job: &Job, now: i64) -> bool {
    let Some((began, limit_s)) = job.started_at.zip(job.request.time_limit_s) else {
        return false;
    };
    let limit_ms = i64::try_from(limit_s.saturating_mul(1000)).unwrap_or(i64::MAX);
    now >= began.saturating_add(limit_ms)
}
