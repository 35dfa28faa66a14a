//! Versions side by side: what differs between scheduler, workers and a kernel, how much it matters, and why.

use std::collections::BTreeMap;

use protocol::versions::{Agreement, VersionColumn, VersionRow, VersionTable};

use crate::live::ClusterVersions;

/// What is compared, in this order.
const COMPARED: [&str; 9] = [
    "python",
    "dask",
    "distributed",
    "msgpack",
    "cloudpickle",
    "tornado",
    "lz4",
    "numpy",
    "pandas",
];

/// Names of workers that a column or a note lists.
const NAMED: usize = 20;

/// Letters of a worker's name that a column's title has room for: a gateway's workers have hexadecimal ones.
const SHORT: usize = 10;

/// Versions of one side, `python` among them.
pub type Packages = BTreeMap<String, String>;

/// Who has some versions; what matters depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Scheduler,
    Workers,
    Kernel,
}

/// A kernel to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSide {
    pub name: String,
    /// Or why it can't be told.
    pub packages: Result<Packages, String>,
}

/// Puts everything side by side.
pub fn table(cluster: &ClusterVersions, kernel: Option<KernelSide>) -> VersionTable {
    let mut columns = vec![(
        Side::Scheduler,
        VersionColumn {
            title: "Scheduler".to_owned(),
            workers: Vec::new(),
        },
        with_python(&cluster.scheduler),
    )];
    for (workers, packages) in groups(cluster) {
        let title = match workers.as_slice() {
            [only] if only.len() <= SHORT => format!("Worker {only}"),
            [_] => "1 worker".to_owned(),
            several => format!("{} workers", several.len()),
        };
        let workers = workers.into_iter().take(NAMED).collect();
        columns.push((Side::Workers, VersionColumn { title, workers }, packages));
    }
    let mut notes = Vec::new();
    if !cluster.silent.is_empty() {
        notes.push(silent(&cluster.silent));
    }
    if let Some(kernel) = kernel {
        match kernel.packages {
            Ok(packages) => {
                let title = kernel.name;
                let workers = Vec::new();
                columns.push((Side::Kernel, VersionColumn { title, workers }, packages));
            }
            Err(why) => notes.push(why),
        }
    }
    let sides: Vec<(Side, &str, &Packages)> = columns
        .iter()
        .map(|(side, column, packages)| (*side, column.title.as_str(), packages))
        .collect();
    let rows = COMPARED.iter().map(|package| row(package, &sides)).collect();
    VersionTable {
        rows,
        columns: columns.into_iter().map(|(_, column, _)| column).collect(),
        notes,
    }
}

fn with_python(versions: &dask_comm::Versions) -> Packages {
    let mut packages = versions.packages.clone();
    packages.insert("python".to_owned(), versions.python.clone());
    packages
}

/// Workers whose versions are equal, the largest group first.
fn groups(cluster: &ClusterVersions) -> Vec<(Vec<String>, Packages)> {
    let mut groups: BTreeMap<Packages, Vec<String>> = BTreeMap::new();
    for (worker, versions) in &cluster.workers {
        // What is not compared makes no groups.
        let mut packages = with_python(versions);
        packages.retain(|name, _| COMPARED.contains(&name.as_str()));
        groups.entry(packages).or_default().push(worker.clone());
    }
    let mut groups: Vec<_> = groups
        .into_iter()
        .map(|(packages, workers)| (workers, packages))
        .collect();
    groups.sort_by_key(|(workers, _)| std::cmp::Reverse(workers.len()));
    groups
}

fn silent(workers: &[String]) -> String {
    let mut named: Vec<&str> = workers.iter().take(NAMED).map(String::as_str).collect();
    if workers.len() > NAMED {
        named.push("\u{2026}");
    }
    let (noun, they) = if workers.len() == 1 {
        ("Worker", "it")
    } else {
        ("Workers", "they")
    };
    format!(
        "{noun} {} did not tell versions: {they} may be busy or on the way out. Look again in a moment.",
        named.join(", ")
    )
}

fn row(package: &str, sides: &[(Side, &str, &Packages)]) -> VersionRow {
    let versions: Vec<Option<String>> = sides
        .iter()
        .map(|(_, _, has)| has.get(package).cloned())
        .collect();
    let equal = versions.windows(2).all(|pair| pair[0] == pair[1]);
    let (agreement, explanation) = if equal {
        (Agreement::Same, None)
    } else {
        let found: Vec<(Side, &str, Option<&str>)> = sides
            .iter()
            .zip(&versions)
            .map(|((side, title, _), version)| (*side, *title, version.as_deref()))
            .collect();
        let (agreement, words) = judge(package, &found);
        (agreement, Some(words))
    };
    VersionRow {
        package: package.to_owned(),
        versions,
        agreement,
        explanation,
    }
}

/// What a mismatch means.
fn judge(package: &str, found: &[(Side, &str, Option<&str>)]) -> (Agreement, String) {
    let missing: Vec<&str> = found
        .iter()
        .filter(|(_, _, version)| version.is_none())
        .map(|(_, title, _)| *title)
        .collect();
    if !missing.is_empty() {
        // Of the scheduler, only what it needs itself matters.
        let matters = found
            .iter()
            .any(|(side, _, version)| version.is_none() && (*side != Side::Scheduler || package == "lz4"));
        return lacking(package, &names(&missing), matters);
    }
    let differs = |parts: usize| {
        let mut begins = found
            .iter()
            .map(|(_, _, version)| begin(version.unwrap_or_default(), parts));
        let first = begins.next();
        begins.any(|other| Some(other) != first)
    };
    match package {
        "python" if differs(2) => (
            Agreement::Breaks,
            "Functions travel as byte code, which another minor version of Python can\u{2019}t run: tasks fail or crash their \
             worker. Use one minor version everywhere: choose a kernel and an environment of the cluster that have the same."
                .to_owned(),
        ),
        "python" => harmless("Only the patch level of Python differs, which its byte code survives."),
        "dask" => (
            Agreement::Breaks,
            "The kernel builds the graph with its Dask, and scheduler and workers read it with theirs: another release may \
             not understand it, and tasks fail as they are submitted. Install one version of dask everywhere."
                .to_owned(),
        ),
        "distributed" => (
            Agreement::Breaks,
            "Client, scheduler and workers speak a protocol that is only promised within one release of distributed: \
             connecting, submitting or getting results may fail. Install one version of distributed everywhere."
                .to_owned(),
        ),
        "msgpack" if differs(1) => (
            Agreement::Breaks,
            "Every message is written with msgpack, and its major versions treat text and bytes otherwise: messages may not \
             be readable. Install one major version of msgpack everywhere."
                .to_owned(),
        ),
        "msgpack" => harmless("Every message is written with msgpack, whose minor versions read each other."),
        "cloudpickle" if differs(1) => (
            Agreement::Breaks,
            "Functions and classes of a notebook are pickled with cloudpickle and call its own helpers when they are read: \
             another major version may lack them, and tasks fail with an AttributeError. Install one major version of \
             cloudpickle everywhere."
                .to_owned(),
        ),
        "cloudpickle" => harmless(
            "Functions are pickled with cloudpickle; minor versions mostly read each other. Where a task fails with an error of \
             cloudpickle\u{2019}s, this is the first thing to make equal.",
        ),
        "tornado" => harmless("Each side runs its own event loop with tornado; nothing of it travels."),
        "lz4" => harmless("lz4 only compresses what is sent, and its versions read each other."),
        "numpy" if differs(1) => (
            Agreement::Breaks,
            "Arrays pickled by NumPy 2 name modules that NumPy 1 may not have (numpy._core): sending arrays one way or the \
             other fails with a ModuleNotFoundError. Install one major version of numpy everywhere."
                .to_owned(),
        ),
        "pandas" if differs(1) => (
            Agreement::Breaks,
            "Data frames are pickled by their inner structure, which changes with pandas\u{2019} major versions: reading one may \
             fail, or give other types. Install one major version of pandas everywhere."
                .to_owned(),
        ),
        "numpy" => harmless("Minor versions of NumPy read each other\u{2019}s arrays."),
        "pandas" => harmless("Minor versions of pandas mostly read each other\u{2019}s data frames."),
        _ => harmless("The versions differ."),
    }
}

fn harmless(words: &str) -> (Agreement, String) {
    (Agreement::Differs, words.to_owned())
}

/// Some sides don't have the package at all.
fn lacking(package: &str, who: &str, matters: bool) -> (Agreement, String) {
    match package {
        "lz4" => (
            Agreement::Breaks,
            format!(
                "{who} can\u{2019}t read what a side with lz4 compresses. Dask compresses by itself before 2023.5, later only \
                 where distributed.comm.compression says so. Install lz4 everywhere or nowhere."
            ),
        ),
        "numpy" | "pandas" if matters => (
            Agreement::Breaks,
            format!(
                "{who} can\u{2019}t make or read its objects: tasks and results with {package} fail there with a \
                 ModuleNotFoundError. Install {package} there, too."
            ),
        ),
        "numpy" | "pandas" => (
            Agreement::Differs,
            format!(
                "Only the scheduler lacks {package}. It passes most data on unread; a graph that carries objects of {package} \
                 itself may fail there."
            ),
        ),
        _ => (
            Agreement::Breaks,
            format!("{who} can\u{2019}t work with Dask without it. Install {package} there."),
        ),
    }
}

/// `Scheduler and 3 workers`.
fn names(titles: &[&str]) -> String {
    match titles {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// The first `parts` numbers of a version.
fn begin(version: &str, parts: usize) -> Vec<&str> {
    version.split('.').take(parts).collect()
}

#[cfg(test)]
mod tests {
    use dask_comm::Versions;

    use super::*;

    fn versions(python: &str, packages: &[(&str, &str)]) -> Versions {
        Versions {
            python: python.to_owned(),
            packages: packages
                .iter()
                .map(|&(name, version)| (name.to_owned(), version.to_owned()))
                .collect(),
            ..Versions::default()
        }
    }

    const ALL: [(&str, &str); 8] = [
        ("dask", "2026.8.0"),
        ("distributed", "2026.8.0"),
        ("msgpack", "1.2.4"),
        ("cloudpickle", "3.1.1"),
        ("tornado", "6.6.1"),
        ("lz4", "4.4.4"),
        ("numpy", "2.3.0"),
        ("pandas", "2.3.1"),
    ];

    fn cluster() -> ClusterVersions {
        let same = versions("3.11.7", &ALL);
        ClusterVersions {
            scheduler: same.clone(),
            workers: [("0".to_owned(), same.clone()), ("1".to_owned(), same)].into(),
            silent: Vec::new(),
        }
    }

    fn kernel(python: &str, change: &[(&str, &str)]) -> Option<KernelSide> {
        let mut packages = with_python(&versions(python, &ALL));
        for (name, version) in change {
            match *version {
                "" => packages.remove(*name),
                version => packages.insert((*name).to_owned(), version.to_owned()),
            };
        }
        Some(KernelSide {
            name: "Python 3".to_owned(),
            packages: Ok(packages),
        })
    }

    fn verdict(table: &VersionTable, package: &str) -> (Agreement, String) {
        let row = table.rows.iter().find(|row| row.package == package).unwrap();
        (row.agreement, row.explanation.clone().unwrap_or_default())
    }

    #[test]
    fn what_is_equal_needs_no_words() {
        let table = table(&cluster(), kernel("3.11.7", &[]));
        let titles: Vec<_> = table.columns.iter().map(|column| column.title.as_str()).collect();
        assert_eq!(titles, ["Scheduler", "2 workers", "Python 3"]);
        assert!(
            table
                .rows
                .iter()
                .all(|row| row.agreement == Agreement::Same && row.explanation.is_none())
        );
        assert_eq!(table.rows[0].versions, vec![Some("3.11.7".to_owned()); 3]);
        assert!(table.notes.is_empty());
    }

    #[test]
    fn each_mismatch_is_judged_by_what_it_breaks() {
        for (package, version, agreement, words) in [
            ("python", "3.12.1", Agreement::Breaks, "byte code"),
            ("python", "3.11.2", Agreement::Differs, "patch level"),
            ("dask", "2026.7.1", Agreement::Breaks, "graph"),
            ("distributed", "2026.7.1", Agreement::Breaks, "protocol"),
            ("msgpack", "0.6.2", Agreement::Breaks, "major"),
            ("msgpack", "1.0.0", Agreement::Differs, "read each other"),
            ("cloudpickle", "2.2.1", Agreement::Breaks, "AttributeError"),
            ("cloudpickle", "3.0.0", Agreement::Differs, "cloudpickle"),
            ("tornado", "6.1", Agreement::Differs, "event loop"),
            ("lz4", "4.0.0", Agreement::Differs, "read each other"),
            ("lz4", "", Agreement::Breaks, "Python 3 can\u{2019}t read"),
            ("numpy", "1.26.4", Agreement::Breaks, "numpy._core"),
            ("numpy", "2.1.0", Agreement::Differs, "arrays"),
            ("numpy", "", Agreement::Breaks, "ModuleNotFoundError"),
            ("pandas", "1.5.3", Agreement::Breaks, "major"),
            ("pandas", "2.0.0", Agreement::Differs, "data frames"),
            ("cloudpickle", "", Agreement::Breaks, "Install cloudpickle"),
        ] {
            let beside = if package == "python" {
                kernel(version, &[])
            } else {
                kernel("3.11.7", &[(package, version)])
            };
            let table = table(&cluster(), beside);
            let (found, said) = verdict(&table, package);
            assert_eq!(found, agreement, "{package} {version}: {said}");
            assert!(said.contains(words), "{package} {version}: {said}");
            let others = table.rows.iter().filter(|row| row.package != package);
            assert!(
                others
                    .map(|row| row.agreement)
                    .all(|agreement| agreement == Agreement::Same)
            );
        }
    }

    #[test]
    fn only_the_scheduler_may_lack_what_it_does_not_need() {
        let mut cluster = cluster();
        cluster.scheduler.packages.remove("pandas");
        let (agreement, said) = verdict(&table(&cluster, None), "pandas");
        assert_eq!(agreement, Agreement::Differs);
        assert!(said.contains("Only the scheduler"), "{said}");
        cluster.scheduler.packages.remove("lz4");
        assert_eq!(verdict(&table(&cluster, None), "lz4").0, Agreement::Breaks);
    }

    #[test]
    fn workers_that_are_equal_share_a_column() {
        let mut cluster = cluster();
        // Not compared, so no reason for a column of its own.
        for worker in cluster.workers.values_mut() {
            worker.packages.insert("toolz".to_owned(), worker.python.clone());
        }
        cluster.workers.insert("2".to_owned(), versions("3.12.0", &ALL));
        let long = "f4bd3cb029c54d6e".to_owned();
        cluster.workers.insert(long.clone(), versions("3.13.0", &ALL));
        cluster.silent = vec!["3".to_owned()];
        let table = table(&cluster, None);
        let shown: Vec<_> = table
            .columns
            .iter()
            .map(|column| (column.title.as_str(), column.workers.join(" ")))
            .collect();
        assert_eq!(
            shown,
            [
                ("Scheduler", String::new()),
                ("2 workers", "0 1".to_owned()),
                ("Worker 2", "2".to_owned()),
                ("1 worker", long)
            ]
        );
        assert_eq!(verdict(&table, "python").0, Agreement::Breaks);
        assert_eq!(table.notes.len(), 1);
        assert!(
            table.notes[0].starts_with("Worker 3 did not tell"),
            "{:?}",
            table.notes
        );
    }

    #[test]
    fn a_kernel_that_can_not_be_asked_leaves_the_rest() {
        let kernel = KernelSide {
            name: "R".to_owned(),
            packages: Err("The kernel R runs R.".to_owned()),
        };
        let table = table(&cluster(), Some(kernel));
        assert_eq!((table.columns.len(), table.rows.len()), (2, 9));
        assert_eq!(table.notes, ["The kernel R runs R."]);
    }
}
