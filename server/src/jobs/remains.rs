//! What remains of a job that is over, as it is asked for.

use std::path::PathBuf;

use super::executor::Remnant;
use super::{JobError, Jobs};

impl Jobs {
    /// The executed notebook, JSON.
    ///
    /// # Errors
    /// [`JobError::NotFound`] where there is no such job, [`JobError::WrongState`] where it has none (yet).
    pub async fn notebook(&self, id: &str) -> Result<Vec<u8>, JobError> {
        let job = self.0.record(id).await?.job;
        tokio::fs::read(self.0.folder(id).join(Remnant::Notebook.name()))
            .await
            .map_err(|_missing| {
                JobError::WrongState(if job.state.is_over() {
                    "The job has no notebook: its code never began.".into()
                } else {
                    "The executed notebook is there when the job is over.".into()
                })
            })
    }

    /// The report, HTML.
    ///
    /// # Errors
    /// [`JobError::NotFound`] where there is no such job, [`JobError::WrongState`] where it has none (yet).
    pub async fn report(&self, id: &str) -> Result<Vec<u8>, JobError> {
        let job = self.0.record(id).await?.job;
        tokio::fs::read(self.0.folder(id).join(Remnant::Report.name()))
            .await
            .map_err(|_missing| {
                JobError::WrongState(if job.state.is_over() {
                    "The job has no report: it could not be written, or the job is older than reports are. Run it again.".into()
                } else {
                    "The report is there when the job is over.".into()
                })
            })
    }

    /// The file with the tasks of its clusters' time, Parquet.
    ///
    /// # Errors
    /// [`JobError::NotFound`] where there is no such job, [`JobError::WrongState`] where it has none (yet).
    pub async fn tasks(&self, id: &str) -> Result<PathBuf, JobError> {
        let job = self.0.record(id).await?.job;
        let path = self.0.folder(id).join(Remnant::Tasks.name());
        if tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Ok(path);
        }
        Err(JobError::WrongState(match job.summary {
            _ if !job.state.is_over() => "The table of tasks is there when the job is over.".into(),
            Some(summary) if summary.tasks > 0 => "The job has no table of its tasks: it has too many for one, the table could not be written, or the job is older \
                 than such tables are. The recordings of its clusters have them all."
                .into(),
            _ => "No tasks were recorded while the job ran, so there is no table of them.".into(),
        }))
    }
}
