//! Progress bars on a terminal: what a job waits for, then how far each kind of task is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::live::{Progress, TimeLeft};

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
    kinds: Kinds,
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
            kinds: Kinds::new(all.clone()),
            all,
            line,
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
        if self.feed.is_none()
            && let Some(cluster) = &job.cluster
            && let Ok((feed, _)) = self.clusters.feed(cluster).await
        {
            self.feed = Some(feed);
        }
        let progress = self.feed.as_ref().map(|feed| feed.progress().borrow().clone());
        let left = progress.as_ref().and_then(|progress| progress.left.all);
        let doing = match &job.doing {
            Some(doing) => format!("{doing}…"),
            None => format!("{:?}", job.state).to_lowercase(),
        };
        self.line.set_message(format!("{doing}{}", words(left)));
        self.line.tick();
        if let Some(progress) = progress {
            self.kinds.show(&progress);
        }
    }

    /// Takes the bars away.
    pub(super) fn end(&mut self) {
        self.kinds.bars.values().for_each(ProgressBar::finish_and_clear);
        self.line.finish_and_clear();
    }
}

/// What is left, behind other words.
fn words(left: Option<u32>) -> String {
    left.map_or_else(String::new, |left| {
        format!(" · {} left", TimeLeft::in_words(left))
    })
}

/// A bar for each kind of task.
struct Kinds {
    all: MultiProgress,
    bars: HashMap<String, ProgressBar>,
}

impl Kinds {
    fn new(all: MultiProgress) -> Self {
        Self {
            all,
            bars: HashMap::new(),
        }
    }

    fn show(&mut self, progress: &Progress) {
        for (n, prefix) in progress.prefixes.iter().enumerate().take(BARS) {
            let total = prefix.counts.all();
            let bar = self.bars.entry(prefix.name.clone()).or_insert_with(|| {
                let style = ProgressStyle::with_template("{prefix:>24.24} {bar:30} {pos}/{len}{msg}");
                let bar = ProgressBar::new(total).with_prefix(prefix.name.clone());
                self.all
                    .add(style.map_or(bar.clone(), |style| bar.with_style(style)))
            });
            bar.set_length(total);
            bar.set_position(prefix.counts.done());
            bar.set_message(words(progress.left(n)));
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
}

#[cfg(test)]
mod tests {
    use protocol::live::{PrefixProgress, StateCounts};

    use super::*;

    #[test]
    fn a_bar_tells_how_far_its_kind_is_and_what_is_left() {
        let mut kinds = Kinds::new(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
        let counts = StateCounts {
            memory: 3,
            erred: 1,
            processing: 2,
            waiting: 4,
            ..StateCounts::default()
        };
        let prefix = |name: &str| PrefixProgress {
            name: name.to_owned(),
            color: 0,
            counts,
        };
        let mut progress = Progress {
            prefixes: vec![prefix("inc"), prefix("sum")],
            totals: counts,
            left: TimeLeft {
                all: Some(65),
                prefixes: vec![Some(12)],
            },
        };
        kinds.show(&progress);
        let said = |kinds: &Kinds, name: &str| {
            let bar = &kinds.bars[name];
            (bar.position(), bar.length(), bar.message())
        };
        assert_eq!(said(&kinds, "inc"), (4, Some(10), " · 12 s left".to_owned()));
        assert_eq!(said(&kinds, "sum"), (4, Some(10), String::new()));
        assert_eq!(words(progress.left.all), " · 1 m 5 s left");
        progress.prefixes.truncate(1);
        progress.left = TimeLeft::default();
        kinds.show(&progress);
        assert_eq!(said(&kinds, "inc").2, "", "it is taken away again");
        assert!(!kinds.bars.contains_key("sum"), "forgotten");
    }
}
