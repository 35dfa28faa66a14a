//! Commands that JupyterLab's palette sends to the panel.

use crate::plots::PLOTS;

/// What can be asked of the panel from outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `new-cluster`: open the form.
    NewCluster,
    /// `attach`: open the form for a scheduler's address.
    Attach,
    /// `about`: who is connected to a cluster, and which versions it has.
    About,
    /// `refresh`: connect anew and read everything again.
    Refresh,
    /// `scale`: open the scaling part of a cluster's card.
    Scale,
    /// The name of a plot: open its pane.
    Pane(&'static str),
    /// `dashboard`: open Dask's own dashboard in a new browser tab.
    Dashboard,
    /// `insert-connect-code`: into the active notebook, or the clipboard.
    InsertConnectCode,
    /// `shut-down`: one cluster, after a confirmation.
    ShutDown,
    /// `shut-down-all`: every active cluster, after a confirmation.
    ShutDownAll,
}

impl Verb {
    /// Whether it acts on one cluster.
    pub fn needs_cluster(self) -> bool {
        !matches!(
            self,
            Self::NewCluster | Self::Attach | Self::Refresh | Self::ShutDownAll
        )
    }

    /// What the user is asked where several clusters are there.
    pub fn question(self) -> &'static str {
        match self {
            Self::Scale => "Scale which cluster?",
            Self::Pane(_) => "Open the pane of which cluster?",
            Self::Dashboard => "Dashboard of which cluster?",
            Self::InsertConnectCode => "Connect to which cluster?",
            Self::ShutDown => "Shut down which cluster?",
            Self::About => "Client and versions of which cluster?",
            Self::NewCluster | Self::Attach | Self::Refresh | Self::ShutDownAll => "",
        }
    }
}

/// A command and, where the caller knows it, the cluster it is for: `scale` or `scale:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub verb: Verb,
    pub cluster: Option<String>,
}

impl Command {
    /// Reads a command as JavaScript gives it; `None` for one that this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        let (verb, cluster) = match text.split_once(':') {
            Some((verb, cluster)) => (verb, Some(cluster.to_owned()).filter(|name| !name.is_empty())),
            None => (text, None),
        };
        let verb = match verb {
            "new-cluster" => Verb::NewCluster,
            "attach" => Verb::Attach,
            "about" => Verb::About,
            "refresh" => Verb::Refresh,
            "scale" => Verb::Scale,
            "dashboard" => Verb::Dashboard,
            "insert-connect-code" => Verb::InsertConnectCode,
            "shut-down" => Verb::ShutDown,
            "shut-down-all" => Verb::ShutDownAll,
            plot => Verb::Pane(PLOTS.iter().find(|(name, _)| *name == plot)?.0),
        };
        Some(Self { verb, cluster })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_may_name_their_cluster() {
        assert_eq!(
            Command::parse("scale"),
            Some(Command {
                verb: Verb::Scale,
                cluster: None
            })
        );
        assert_eq!(
            Command::parse("task-stream:dev.a1"),
            Some(Command {
                verb: Verb::Pane("task-stream"),
                cluster: Some("dev.a1".into())
            })
        );
        assert_eq!(Command::parse("fly"), None);
    }
}
