//! The state of the panel, and how each event changes it.

use std::rc::Rc;

use protocol::attached::Attached;
use protocol::events::{Event, Figures, Notice};
use protocol::guard::Guard;
use protocol::jobs::Job;
use protocol::kernels::KernelNote;
use protocol::recordings::{PANE_PREFIX, Recording};
use protocol::rest::{Cluster, ClusterState, Status};

use crate::ui::format;

/// Jobs that the panel lists at most; older ones stay on the server.
const KEEP_JOBS: usize = 200;

/// How the events' connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// The first connection is being made: nothing is known yet.
    #[default]
    Connecting,
    Open,
    /// Lost, or never made; tried again by itself.
    Lost {
        /// A sentence: what happened and what to do.
        message: String,
    },
}

/// What the server told last. Cheap to clone: the parts are shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub link: Link,
    pub status: Option<Rc<Status>>,
    /// Newest first; `None` until the first snapshot.
    pub clusters: Option<Rc<[Rc<Cluster>]>>,
    /// Newest first.
    pub jobs: Rc<[Rc<Job>]>,
    /// Newest first; `None` until they were told.
    pub recordings: Option<Rc<[Recording]>>,
    /// Newest first; `None` until they were told.
    pub attached: Option<Rc<[Rc<Attached>]>>,
    pub kernel_notes: Rc<[KernelNote]>,
    /// What the guard goes by and did, and what was used; `None` until it was told.
    pub guard: Option<Rc<Guard>>,
}

impl State {
    /// Applies one event; a notice is handed back, as it changes nothing.
    pub fn apply(&mut self, event: Event) -> Option<Notice> {
        self.link = Link::Open;
        match event {
            Event::Snapshot {
                status,
                clusters,
                jobs,
            } => {
                self.set_status(status);
                self.set_clusters(clusters);
                let mut jobs: Vec<_> = jobs.into_iter().map(Rc::new).collect();
                jobs.sort_by(|a, b| newest_first(a, b));
                jobs.truncate(KEEP_JOBS);
                self.jobs = jobs.into();
            }
            Event::Status { status } => self.set_status(status),
            Event::Clusters { clusters } => self.set_clusters(clusters),
            Event::Figures { figures } => self.set_figures(&figures),
            Event::Job { job } => {
                let mut jobs: Vec<_> = self
                    .jobs
                    .iter()
                    .filter(|known| known.id != job.id)
                    .cloned()
                    .collect();
                jobs.push(Rc::from(job));
                jobs.sort_by(|a, b| newest_first(a, b));
                jobs.truncate(KEEP_JOBS);
                self.jobs = jobs.into();
            }
            Event::Recordings { recordings } => self.recordings = Some(recordings.into()),
            Event::Attached { attached } => self.set_attached(attached),
            Event::KernelNotes { notes } => self.kernel_notes = notes.into(),
            Event::Guard { guard } => self.guard = Some(Rc::new(guard)),
            Event::Notice { notice } => return Some(notice),
        }
        None
    }

    fn set_status(&mut self, status: Status) {
        if self.status.as_deref() != Some(&status) {
            self.status = Some(Rc::new(status));
        }
    }

    /// Clusters that did not change keep their `Rc`.
    fn set_clusters(&mut self, clusters: Vec<Cluster>) {
        let list = clusters
            .into_iter()
            .map(|new| match self.cluster(&new.name) {
                Some(old) if **old == new => Rc::clone(old),
                _ => Rc::new(new),
            })
            .collect();
        self.clusters = Some(list);
    }

    fn set_figures(&mut self, figures: &[Figures]) {
        let Some(clusters) = &self.clusters else { return };
        let with = |old: &Rc<Cluster>| match figures.iter().find(|figures| figures.name == old.name) {
            Some(figures) => Rc::new(figures.on(old)),
            None => Rc::clone(old),
        };
        self.clusters = Some(clusters.iter().map(with).collect());
    }

    /// Those that did not change keep their `Rc`.
    fn set_attached(&mut self, attached: Vec<Attached>) {
        let list = attached
            .into_iter()
            .map(|new| match self.attached(&new.name) {
                Some(old) if **old == new => Rc::clone(old),
                _ => Rc::new(new),
            })
            .collect();
        self.attached = Some(list);
    }

    /// The attached scheduler that has that name among the clusters.
    pub fn attached(&self, name: &str) -> Option<&Rc<Attached>> {
        self.attached
            .iter()
            .flat_map(|list| list.iter())
            .find(|attached| attached.name == name)
    }

    pub fn cluster(&self, name: &str) -> Option<&Rc<Cluster>> {
        self.clusters
            .iter()
            .flat_map(|list| list.iter())
            .find(|cluster| cluster.name == name)
    }

    /// Clusters that run, newest first.
    pub fn running(&self) -> impl Iterator<Item = &Rc<Cluster>> {
        let all = self.clusters.iter().flat_map(|list| list.iter());
        all.filter(|cluster| cluster.state == ClusterState::Running)
    }

    /// Clusters that may still cost something, newest first.
    pub fn active(&self) -> impl Iterator<Item = &Rc<Cluster>> {
        self.clusters
            .iter()
            .flat_map(|list| list.iter())
            .filter(|cluster| cluster.state.is_active())
    }

    /// The recording that a pane shows whose cluster has that name.
    pub fn recording(&self, cluster: &str) -> Option<&Recording> {
        let id = cluster.strip_prefix(PANE_PREFIX)?;
        self.recordings
            .iter()
            .flat_map(|list| list.iter())
            .find(|recording| recording.id == id)
    }

    /// What the user calls what a pane shows.
    pub fn title_of<'a>(&'a self, cluster: &'a str) -> &'a str {
        if let Some(attached) = self.attached(cluster) {
            return &attached.label;
        }
        let (label, name) = match (self.cluster(cluster), self.recording(cluster)) {
            (Some(cluster), _) => (cluster.label.as_deref(), cluster.name.as_str()),
            (None, Some(recording)) => (recording.label.as_deref(), recording.cluster.as_str()),
            (None, None) => (None, cluster),
        };
        format::title(label, name)
    }

    pub fn job(&self, id: &str) -> Option<&Rc<Job>> {
        self.jobs.iter().find(|job| job.id == id)
    }
}

fn newest_first(a: &Job, b: &Job) -> std::cmp::Ordering {
    b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id))
}

#[cfg(test)]
mod tests {
    use protocol::jobs::{CreateJob, JobState};
    use protocol::rest::{LiveState, Scaling};

    use super::*;

    fn cluster(name: &str, state: ClusterState) -> Cluster {
        Cluster {
            name: name.into(),
            label: None,
            state,
            reason: None,
            started_at: None,
            stopped_at: None,
            options: serde_json::Map::new(),
            scaling: Scaling::Unknown,
            summary: None,
            live: LiveState::Off,
            dashboard: None,
            life: Default::default(),
            lease: None,
            cost: None,
        }
    }

    fn job(id: &str, created_at: i64, state: JobState) -> Job {
        Job {
            cluster: Some("c".into()),
            state,
            ..Job::queued(id, id, CreateJob::default(), created_at)
        }
    }

    #[test]
    fn clusters_that_did_not_change_are_the_same() {
        let mut state = State::default();
        let list = vec![
            cluster("a", ClusterState::Running),
            cluster("b", ClusterState::Pending),
        ];
        state.apply(Event::Clusters {
            clusters: list.clone(),
        });
        let before = state.clone();
        let mut next = list;
        next[1].state = ClusterState::Running;
        state.apply(Event::Clusters { clusters: next });
        assert!(Rc::ptr_eq(
            state.cluster("a").unwrap(),
            before.cluster("a").unwrap()
        ));
        assert!(!Rc::ptr_eq(
            state.cluster("b").unwrap(),
            before.cluster("b").unwrap()
        ));
        assert_eq!(state.running().count(), 2);
    }

    #[test]
    fn figures_change_their_cluster_only() {
        let mut state = State::default();
        let clusters = vec![
            cluster("a", ClusterState::Running),
            cluster("b", ClusterState::Running),
        ];
        state.apply(Event::Clusters {
            clusters: clusters.clone(),
        });
        let before = state.cluster("b").expect("b").clone();
        let mut next = clusters.clone();
        next[0].summary = Some(protocol::rest::ClusterSummary::default());
        let figures = Figures::between(&clusters, &next).expect("nothing else changed");
        assert_eq!(figures.len(), 1);
        state.apply(Event::Figures { figures });
        assert_eq!(**state.cluster("a").expect("a"), next[0]);
        assert!(Rc::ptr_eq(&before, state.cluster("b").expect("b")));
        next[1].state = ClusterState::Stopping;
        assert_eq!(Figures::between(&clusters, &next), None);
        assert_eq!(Figures::between(&clusters, &next[..1]), None);
    }

    #[test]
    fn a_job_replaces_itself_and_the_newest_leads() {
        let mut state = State::default();
        for (id, at) in [("one", 1), ("three", 3), ("two", 2)] {
            state.apply(Event::Job {
                job: Box::new(job(id, at, JobState::Running)),
            });
        }
        state.apply(Event::Job {
            job: Box::new(job("two", 2, JobState::Succeeded)),
        });
        let ids: Vec<_> = state.jobs.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(ids, ["three", "two", "one"]);
        assert_eq!(state.job("two").unwrap().state, JobState::Succeeded);
    }

    #[test]
    fn any_event_means_that_the_link_is_open() {
        let mut state = State {
            link: Link::Lost {
                message: "gone".into(),
            },
            ..State::default()
        };
        state.apply(Event::Clusters { clusters: Vec::new() });
        assert_eq!(state.link, Link::Open);
    }
}
