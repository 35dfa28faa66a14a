//! How many workers a cluster is to have.

use protocol::rest::{ClusterState, Scaling};

use super::{ClusterError, Clusters, view};

impl Clusters {
    /// Asks for `workers` workers; ends adaptive scaling. Returns the gateway's warning, such as a limit.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`], [`ClusterError::WrongState`] before it runs, [`ClusterError::Gateway`].
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
            ClusterState::Running => {}
            ClusterState::Pending => {
                return Err(ClusterError::WrongState(format!(
                    "Cluster {name} is still starting. Scale it when it runs, which its card shows."
                )));
            }
            state => {
                return Err(ClusterError::WrongState(format!(
                    "Cluster {name} is {}; only a running cluster can be scaled. Create a new one.",
                    view::state_word(state)
                )));
            }
        }
        self.apply_scaling(name, scaling).await
    }

    pub(super) async fn apply_scaling(
        &self,
        name: &str,
        scaling: Scaling,
    ) -> Result<Option<String>, ClusterError> {
        let warning = match scaling {
            Scaling::Manual { workers } => self.0.client.scale(name, workers).await?,
            Scaling::Adaptive { minimum, maximum } => {
                self.0
                    .client
                    .adapt(name, Some(minimum), Some(maximum), true)
                    .await?
            }
            Scaling::Unknown => None,
        };
        let scaling = warning
            .as_deref()
            .map(|words| limited(&scaling, words))
            .unwrap_or(scaling);
        self.book().note(name).scaling = scaling.clone();
        self.0.store.set_scaling(name, &scaling).await?;
        self.0.dirty.notify_one();
        // Its words are for a page that shows reStructuredText.
        Ok(warning.map(|words| words.replace('`', "")))
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
