//! Progress bars on a terminal: what a job waits for, then how far each kind of task is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::house::House;
use crate::clusters::Clusters;
use crate::jobs::Jobs;
use crate::live::Feed;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);

/// Kinds of tasks that have a bar: the largest ones.
const BARS: usize = 8;

pub(super) struct Bars {
    all: MultiProgress,
    line: ProgressBar,
    bars: HashMap<String, ProgressBar>,
    clusters: Clusters,
    jobs: Jobs,
    job: String,
    feed: Option<Arc<Feed>>,
}

impl Bars {
    /// Bars on standard error, none that is seen where it is not `shown`.
    pub(super) fn new(house: &House, job: &str, shown: bool) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let all = MultiProgress::with_draw_target(target);
        let line = all.add(ProgressBar::new_spinner());
        Self {
            all,
            line,
            bars: HashMap::new(),
            clusters: house.clusters.clone(),
            jobs: house.jobs.clone(),
            job: job.to_owned(),
            feed: None,
        }
    }

    /// Does something that writes to the terminal beside the bars.
    pub(super) fn aside(&self, work: impl FnOnce()) {
        self.all.suspend(work);
    }

    /// Waits a moment, then shows how things stand.
    pub(super) async fn turn(&mut self) {
        tokio::time::sleep(EVERY).await;
        if self.all.is_hidden() {
            return;
        }
        let Ok(job) = self.jobs.get(&self.job).await else {
            return;
        };
        match &job.doing {
            Some(doing) => self.line.set_message(format!("{doing}…")),
            None => self.line.set_message(format!("{:?}", job.state).to_lowercase()),
        }
        self.line.tick();
        if self.feed.is_none()
            && let Some(cluster) = &job.cluster
            && let Ok((feed, _)) = self.clusters.feed(cluster).await
        {
            self.feed = Some(feed);
        }
        let Some(feed) = &self.feed else { return };
        let progress = feed.progress().borrow().clone();
        for prefix in progress.prefixes.iter().take(BARS) {
            let counts = prefix.counts;
            let done = counts.memory + counts.released + counts.erred;
            let total = done + counts.waiting + counts.queued + counts.no_worker + counts.processing;
            let bar = self.bars.entry(prefix.name.clone()).or_insert_with(|| {
                let style = ProgressStyle::with_template("{prefix:>24.24} {bar:30} {pos}/{len} {eta}");
                let bar = ProgressBar::new(total).with_prefix(prefix.name.clone());
                self.all
                    .add(style.map_or(bar.clone(), |style| bar.with_style(style)))
            });
            bar.set_length(total);
            bar.set_position(done);
        }
        // A scheduler forgets tasks that nobody wants any more.
        let kept = |name: &String| progress.prefixes.iter().any(|prefix| prefix.name == *name);
        self.bars.retain(|name, bar| {
            kept(name) || {
                bar.finish_and_clear();
                false
            }
        });
    }

    /// Takes the bars away.
    pub(super) fn end(&mut self) {
        self.bars.values().for_each(ProgressBar::finish_and_clear);
        self.line.finish_and_clear();
    }
}
