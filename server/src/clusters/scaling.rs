//! How many workers a cluster is to have.

use std::time::Duration;

use protocol::events::NoticeLevel;
use protocol::life::UNBOUNDED;
use protocol::rest::{ClusterState, Scaling};
use tracing::warn;

use super::{ClusterError, Clusters, poll, view, waiting};

/// How often a size that waited is asked for where the gateway can't be reached, and how long between.
const START_TRIES: u32 = 5;
const START_PAUSE: Duration = Duration::from_secs(1);

impl Clusters {
    /// Asks for `workers` workers; ends adaptive scaling. Returns the gateway's warning, such as a limit. While the cluster
    /// starts, it is remembered and asked for as soon as it runs.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`], [`ClusterError::WrongState`] for one that ends or is over, [`ClusterError::Gateway`].
    pub async fn scale(&self, name: &str, workers: u32) -> Result<Option<String>, ClusterError> {
        self.rescale(name, Scaling::Manual { workers }).await
    }

    /// Lets the scheduler choose between the bounds. Returns the gateway's warning, such as a limit.
    ///
    /// # Errors
    /// As [`Clusters::scale`], and [`ClusterError::Invalid`] where the minimum is above the maximum.
    pub async fn adapt(
        &self,
        name: &str,
        minimum: u32,
        maximum: u32,
    ) -> Result<Option<String>, ClusterError> {
        self.rescale(name, Scaling::Adaptive { minimum, maximum }).await
    }

    async fn rescale(&self, name: &str, scaling: Scaling) -> Result<Option<String>, ClusterError> {
        check_scaling(&scaling)?;
        let cluster = self.find(name).await?;
        match cluster.state {
            ClusterState::Running => {
                let warning = self.apply_scaling(name, scaling).await?;
                // Newer than what may still wait for this.
                self.forget_waiting(name).await;
                Ok(warning)
            }
            ClusterState::Pending => {
                self.scale_when_it_runs(name, scaling).await?;
                // It may run by now.
                self.wake();
                Ok(None)
            }
            state => Err(ClusterError::WrongState(format!(
                "Cluster {name} is {}; only a cluster that runs or starts can be scaled. Create a new one.",
                view::state_word(state)
            ))),
        }
    }

    /// Remembers a size until the cluster runs, beyond the end of this server.
    pub(super) async fn scale_when_it_runs(&self, name: &str, scaling: Scaling) -> Result<(), ClusterError> {
        waiting::put(&self.0.store, name, &scaling).await?;
        self.book().pending_scaling.insert(name.to_owned(), scaling);
        self.0.dirty.notify_one();
        Ok(())
    }

    async fn forget_waiting(&self, name: &str) {
        self.book().pending_scaling.remove(name);
        if let Err(error) = waiting::drop(&self.0.store, name).await {
            warn!(cluster = %name, %error, "a size that was asked for can't be struck off");
        }
    }

    async fn apply_scaling(&self, name: &str, scaling: Scaling) -> Result<Option<String>, ClusterError> {
        let warning = match scaling {
            Scaling::Manual { workers } => self.0.client.scale(name, workers).await?,
            Scaling::Adaptive { minimum, maximum } => {
                let maximum = (maximum != UNBOUNDED).then_some(maximum);
                self.0.client.adapt(name, Some(minimum), maximum, true).await?
            }
            Scaling::Unknown => None,
        };
        self.was_asked(name, scaling, warning.as_deref());
        let scaling = self.book().note(name).scaling.clone();
        self.0.store.set_scaling(name, &scaling).await?;
        // Its words are for a page that shows reStructuredText.
        Ok(warning.map(|words| words.replace('`', "")))
    }

    /// Takes note of what the gateway accepted, in the size that its warning names where it did less.
    fn was_asked(&self, name: &str, scaling: Scaling, warning: Option<&str>) {
        let scaling = match warning {
            Some(words) => limited(&scaling, words),
            None => scaling,
        };
        let mut book = self.book();
        if let Some(watcher) = book.watchers.get(name) {
            watcher.feed().was_asked(&scaling);
        }
        book.lives.set_problem(name, None);
        book.note(name).scaling = scaling;
        drop(book);
        self.0.dirty.notify_one();
    }

    /// What somebody else asked for, as it was seen on its way to the gateway and accepted there. Unknown ends adaptive
    /// scaling at whatever size it has.
    pub fn asked_elsewhere(&self, name: &str, scaling: Scaling, warning: Option<&str>) {
        self.was_asked(name, scaling, warning);
        let scaling = self.book().note(name).scaling.clone();
        let (store, name) = (self.0.store.clone(), name.to_owned());
        // On its own: whoever asked waits for the gateway's answer.
        tokio::spawn(async move {
            if let Err(error) = store.set_scaling(&name, &scaling).await {
                warn!(cluster = %name, %error, "a size that was asked for elsewhere can't be remembered");
            }
        });
    }

    /// Asks for the size that waited until the cluster runs.
    pub(super) async fn scale_at_start(&self, name: String, known: Scaling) {
        let scaling = match waiting::of(&self.0.store, &name).await {
            Ok(Some(scaling)) => scaling,
            // Another server of this user has asked, or somebody has asked for something newer.
            Ok(None) => return,
            Err(error) => {
                warn!(cluster = %name, %error, "what waits for a cluster can't be read; what is known of it is asked for");
                known
            }
        };
        let mut tries = START_TRIES;
        let outcome = loop {
            tries -= 1;
            match self.apply_scaling(&name, scaling.clone()).await {
                Err(ClusterError::Gateway(error)) if error.is_passing() && tries > 0 => {
                    tokio::time::sleep(START_PAUSE).await;
                    // Somebody has asked for something newer meanwhile.
                    if let Ok(now) = waiting::of(&self.0.store, &name).await
                        && now.as_ref() != Some(&scaling)
                    {
                        return;
                    }
                }
                outcome => break outcome,
            }
        };
        self.forget_waiting(&name).await;
        let title = poll::short(&self.book(), &name);
        let (level, problem) = match outcome {
            Ok(None) => return,
            Ok(Some(warning)) => (NoticeLevel::Warning, warning),
            Err(error) => {
                warn!(cluster = %name, %error, "the size asked for before it ran could not be set");
                let words = format!("It runs, but its size could not be set: {error} Scale it again.");
                (NoticeLevel::Error, words)
            }
        };
        self.notify(level, format!("Cluster {title}: {problem}"));
        self.book().lives.set_problem(&name, Some(problem));
        self.0.dirty.notify_one();
    }
}

/// The size that the gateway chose in place of the one asked for, as the end of its warning names it.
fn limited(asked: &Scaling, warning: &str) -> Scaling {
    let after = |mark: &str| {
        let rest = &warning[warning.rfind(mark)? + mark.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    match *asked {
        Scaling::Manual { workers } => Scaling::Manual {
            workers: after("Scaling to ").unwrap_or(workers),
        },
        Scaling::Adaptive { minimum, maximum } => Scaling::Adaptive {
            minimum: after("minimum=").unwrap_or(minimum),
            maximum: after("maximum=").unwrap_or(maximum),
        },
        Scaling::Unknown => Scaling::Unknown,
    }
}

pub(super) fn check_scaling(scaling: &Scaling) -> Result<(), ClusterError> {
    match scaling {
        Scaling::Adaptive { minimum, maximum } if minimum > maximum => Err(ClusterError::Invalid {
            field: Some("minimum".to_owned()),
            message: format!(
                "The minimum ({minimum}) is above the maximum ({maximum}); lower it or raise the maximum."
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_remembered_in_place_of_what_was_asked() {
        let words =
            "Scale request of 99 workers would exceed resource limit of 3 workers. Scaling to 3 instead.";
        assert_eq!(
            limited(&Scaling::Manual { workers: 99 }, words),
            Scaling::Manual { workers: 3 }
        );
        let words = "Adapt with `maximum=99, minimum=0` workers would exceed resource limit of 3 workers. Using \
                     `maximum=3, minimum=0` instead.";
        let asked = Scaling::Adaptive {
            minimum: 0,
            maximum: 99,
        };
        assert_eq!(
            limited(&asked, words),
            Scaling::Adaptive {
                minimum: 0,
                maximum: 3
            }
        );
        assert_eq!(
            limited(&Scaling::Manual { workers: 9 }, "No."),
            Scaling::Manual { workers: 9 }
        );
    }

    #[test]
    fn bounds_must_be_in_order() {
        assert!(
            check_scaling(&Scaling::Adaptive {
                minimum: 3,
                maximum: 2
            })
            .is_err()
        );
        assert!(
            check_scaling(&Scaling::Adaptive {
                minimum: 2,
                maximum: 2
            })
            .is_ok()
        );
    }
}
