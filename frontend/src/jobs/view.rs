//! What a tab of the jobs shows, as its page remembers it.

use protocol::jobs::Job;

/// Where a new job begins from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    #[default]
    Blank,
    /// On this running cluster.
    Cluster(String),
    /// A file below Jupyter's root.
    File(String),
    /// As this job was.
    Again(String),
}

/// What a tab shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// All jobs.
    List,
    New(Start),
    Job(String),
    /// Two runs side by side.
    Compare(String, String),
}

impl View {
    /// Reads what [`Self::name`] wrote; `None` for what a later version may have written.
    pub fn read(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        Some(match (kind, rest) {
            ("list", _) => Self::List,
            ("new", "") => Self::New(Start::Blank),
            ("new", rest) => Self::New(match rest.split_once('=')? {
                ("cluster", name) => Start::Cluster(name.to_owned()),
                ("file", path) => Start::File(path.to_owned()),
                ("again", id) => Start::Again(id.to_owned()),
                _ => return None,
            }),
            ("job", id) if !id.is_empty() => Self::Job(id.to_owned()),
            ("compare", ids) => {
                let (one, other) = ids.split_once(':')?;
                Self::Compare(one.to_owned(), other.to_owned())
            }
            _ => return None,
        })
    }

    /// Names it, for the page around.
    pub fn name(&self) -> String {
        match self {
            Self::List => "list".to_owned(),
            Self::New(start) => match start {
                Start::Blank => "new".to_owned(),
                Start::Cluster(name) => format!("new:cluster={name}"),
                Start::File(path) => format!("new:file={path}"),
                Start::Again(id) => format!("new:again={id}"),
            },
            Self::Job(id) => format!("job:{id}"),
            Self::Compare(one, other) => format!("compare:{one}:{other}"),
        }
    }

    /// Title of its tab; `job` is the one that it shows, where that is known.
    pub fn title(&self, job: Option<&Job>) -> String {
        match self {
            Self::List => "Jobs".to_owned(),
            Self::New(_) => "New job".to_owned(),
            Self::Job(_) => job.map_or_else(|| "Job".to_owned(), |job| format!("Job: {}", job.name)),
            Self::Compare(..) => "Compare jobs".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_comes_back_from_its_name() {
        for view in [
            View::List,
            View::New(Start::Blank),
            View::New(Start::Cluster("user.1a2b".into())),
            View::New(Start::File("a b/c=d:e.py".into())),
            View::New(Start::Again("12".into())),
            View::Job("12".into()),
            View::Compare("1".into(), "2".into()),
        ] {
            assert_eq!(View::read(&view.name()), Some(view));
        }
        for odd in ["", "later", "job:", "job", "new:later=1", "compare:1"] {
            assert_eq!(View::read(odd), None, "{odd}");
        }
    }
}
