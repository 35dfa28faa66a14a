//! The moment of a recording that one browser looks at: read from the disk, the latest question first.

use std::sync::Arc;

use protocol::live::{Errors, Moment, Progress, Worker};
use tokio::task::JoinHandle;

use super::{Feed, Past};

/// What a session shows of a recording: its end, or a moment that was asked for.
pub(super) struct Scrub {
    feed: Arc<Feed>,
    shown: Option<(i64, Shown)>,
    reading: Option<(i64, JoinHandle<Shown>)>,
    /// Asked for while another one is read. A slider that is dragged asks for many; only the last of them counts.
    next: Option<i64>,
}

/// What was then.
struct Shown {
    past: Past,
    errors: Arc<Errors>,
}

impl Scrub {
    pub(super) fn new(feed: Arc<Feed>) -> Self {
        Self {
            feed,
            shown: None,
            reading: None,
            next: None,
        }
    }

    /// Takes a question in; whether something else is to be shown at once.
    pub(super) fn ask(&mut self, at_us: Option<i64>) -> bool {
        match at_us {
            None => {
                (self.next, self.reading) = (None, None);
                self.shown.take().is_some()
            }
            Some(at_us) if self.reading.is_some() => {
                self.next = Some(at_us);
                false
            }
            Some(at_us) => {
                self.read(at_us);
                false
            }
        }
    }

    fn read(&mut self, at_us: i64) {
        // A cluster that runs is shown as it is now.
        if self.feed.span.borrow().is_none() {
            return;
        }
        if let Some(archive) = self.feed.archive.clone() {
            let feed = Arc::clone(&self.feed);
            let task = tokio::task::spawn_blocking(move || Shown {
                past: archive.past(at_us),
                errors: feed.errors_at(at_us),
            });
            self.reading = Some((at_us, task));
        }
    }

    /// Waits until a moment was read, from when on it is shown; for ever while none is read.
    pub(super) async fn turned(&mut self) {
        let Some((at_us, task)) = &mut self.reading else {
            return std::future::pending().await;
        };
        let (at_us, read) = (*at_us, task.await);
        self.reading = None;
        if let Ok(shown) = read {
            self.shown = Some((at_us, shown));
        }
        if let Some(next) = self.next.take() {
            self.read(next);
        }
    }

    /// What there is to look at, once that is known.
    pub(super) fn moment(&self) -> Option<Moment> {
        let span = *self.feed.span.borrow();
        span.map(|(first_us, last_us)| Moment {
            first_us,
            last_us,
            at_us: self.shown.as_ref().map(|(at_us, _)| *at_us),
        })
    }

    /// The workers to show, where they are not the latest.
    pub(super) fn workers(&self) -> Option<Arc<Vec<Worker>>> {
        self.shown
            .as_ref()
            .map(|(_, shown)| Arc::clone(&shown.past.workers))
    }

    /// The progress to show, where it is not the latest.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.shown
            .as_ref()
            .map(|(_, shown)| Arc::clone(&shown.past.progress))
    }

    /// The errors to show, where they are not all.
    pub(super) fn errors(&self) -> Option<Arc<Errors>> {
        self.shown.as_ref().map(|(_, shown)| Arc::clone(&shown.errors))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::super::Archive;
    use super::*;

    /// Answers with one worker, of the moment's name, when it may.
    #[derive(Debug)]
    struct Slow {
        asked: Sender<i64>,
        go: Mutex<Receiver<()>>,
    }

    impl Archive for Slow {
        fn details(&self, _: &str, _: u64) -> Option<protocol::live::Details> {
            None
        }

        fn past(&self, at_us: i64) -> Past {
            self.asked.send(at_us).unwrap();
            self.go.lock().unwrap().recv().unwrap();
            let worker = Worker {
                name: at_us.to_string(),
                ..Worker::default()
            };
            Past {
                workers: Arc::new(vec![worker]),
                progress: Arc::default(),
            }
        }
    }

    fn slow() -> (Scrub, Receiver<i64>, Sender<()>) {
        let ((asked, questions), (go, wait)) = (channel(), channel());
        let archive = Slow {
            asked,
            go: Mutex::new(wait),
        };
        let feed = Feed {
            archive: Some(Arc::new(archive)),
            ..Feed::default()
        };
        feed.span.send_replace(Some((0, 100)));
        (Scrub::new(Arc::new(feed)), questions, go)
    }

    #[tokio::test]
    async fn of_many_questions_the_first_and_the_last_are_read() {
        let (mut scrub, questions, go) = slow();
        for at_us in 1..=50 {
            assert!(!scrub.ask(Some(at_us)));
        }
        go.send(()).unwrap();
        go.send(()).unwrap();
        scrub.turned().await;
        assert_eq!(scrub.moment().unwrap().at_us, Some(1));
        scrub.turned().await;
        assert_eq!(
            scrub.moment().unwrap(),
            Moment {
                first_us: 0,
                last_us: 100,
                at_us: Some(50)
            }
        );
        assert_eq!(scrub.workers().unwrap()[0].name, "50");
        assert_eq!(questions.try_iter().collect::<Vec<_>>(), [1, 50]);
    }

    #[tokio::test]
    async fn the_end_is_shown_at_once() {
        let (mut scrub, _questions, go) = slow();
        scrub.ask(Some(7));
        go.send(()).unwrap();
        scrub.turned().await;
        scrub.ask(Some(8));
        assert!(scrub.ask(None), "something else is shown");
        assert_eq!((scrub.moment().unwrap().at_us, scrub.workers()), (None, None));
        go.send(()).unwrap();
        let turned = tokio::time::timeout(std::time::Duration::from_millis(50), scrub.turned()).await;
        assert!(turned.is_err(), "what was asked before no longer counts");
    }

    #[tokio::test]
    async fn a_cluster_that_runs_has_no_other_moment() {
        let (mut scrub, questions, _go) = slow();
        scrub.feed.span.send_replace(None);
        assert!(!scrub.ask(Some(7)));
        assert_eq!((scrub.moment(), scrub.workers()), (None, None));
        assert!(questions.try_recv().is_err());
    }
}
