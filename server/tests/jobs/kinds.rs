//! Scripts, notebooks, limits and retries, in real kernels without a cluster.

use std::sync::Arc;

use gatehouse::embedded::jupyter::{PrivateJupyter, PrivateJupyterConfig};
use gatehouse::jobs::{JobError, Jobs, JobsConfig, JupyterSource, Keep, Limits};
use gatehouse::store::Store;
use protocol::jobs::{CreateJob, Job, JobOutput, JobState, Work, WorkKind};
use serde_json::json;
use tokio::sync::broadcast;

use crate::house::{Ended, ended, jobs_in, jupyter_in, python};

fn wanted(kind: WorkKind, source: impl Into<String>) -> CreateJob {
    CreateJob {
        work: Work {
            kind,
            source: source.into(),
            ..Work::default()
        },
        ..CreateJob::default()
    }
}

async fn run(jobs: &Jobs, request: CreateJob) -> (Ended, Job) {
    let job = jobs.create(request).await.unwrap();
    let ended = ended(jobs, &job.id).await;
    (ended, jobs.get(&job.id).await.unwrap())
}

fn notebook(cells: &[(&str, &[&str])]) -> String {
    let cell = |(source, tags): &(&str, &[&str])| json!({ "cell_type": "code", "execution_count": null, "metadata": { "tags": tags }, "outputs": [], "source": source });
    let cells: Vec<_> = cells.iter().map(cell).collect();
    json!({ "nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_ends_as_its_code_does() {
    let folder = tempfile::tempdir().unwrap();
    let jupyter = jupyter_in(folder.path());
    let jobs = jobs_in(folder.path(), "a", JupyterSource::Private(Arc::clone(&jupyter))).await;

    // A script from Jupyter's folder, in its own folder, with variables and its own exit status.
    std::fs::create_dir(folder.path().join("a b")).unwrap();
    std::fs::write(
        folder.path().join("a b/script.py"),
        "import os, sys\nprint(sys.argv, os.environ['COLOUR'], os.path.basename(os.getcwd()))\nsys.exit(7)\n",
    )
    .unwrap();
    let mut script = wanted(WorkKind::Script, "");
    script.work.path = Some("a b/script.py".into());
    script.work.args = vec!["-v".into()];
    script.environment = [("COLOUR".to_owned(), "blue".to_owned())].into();
    let (shown, job) = run(&jobs, script).await;
    assert_eq!(shown.stdout, "['script.py', '-v'] blue a b\n", "{shown:#?}");
    assert_eq!(
        (job.state, job.exit_status, job.name.as_str()),
        (JobState::Failed, Some(7), "script.py")
    );
    assert_eq!(
        job.error.as_deref(),
        Some("The code ended itself with exit status 7.")
    );

    // A cell that may raise ends nothing, one that may not ends it all.
    let source = notebook(&[
        ("print('one')", &[]),
        ("1 / 0", &["raises-exception"]),
        ("print('two')\nraise KeyError('three')", &[]),
        ("print('never')", &[]),
    ]);
    let (shown, job) = run(&jobs, wanted(WorkKind::Notebook, source)).await;
    assert_eq!(shown.stdout, "one\ntwo\n");
    let names: Vec<_> = shown.errors.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["ZeroDivisionError", "KeyError"]);
    assert_eq!(job.cells.map(|cells| (cells.done, cells.all)), Some((3, 4)));
    assert!(job.error.unwrap().starts_with("The code raised KeyError"));
    let executed: serde_json::Value = serde_json::from_slice(&jobs.notebook(&job.id).await.unwrap()).unwrap();
    assert_eq!(executed["cells"][1]["outputs"][0]["ename"], "ZeroDivisionError");
    assert_eq!(executed["cells"][3]["execution_count"], serde_json::Value::Null);

    // What takes too long is ended, and not begun anew: the limit is that of all attempts together.
    let mut long = wanted(
        WorkKind::Snippet,
        "import time\nprint('begun', flush=True)\ntime.sleep(600)",
    );
    (long.time_limit_s, long.retries) = (Some(6), 2);
    let (shown, job) = run(&jobs, long).await;
    assert_eq!((shown.stdout.as_str(), job.state), ("begun\n", JobState::Failed));
    assert_eq!(job.attempt, 1);
    assert!(
        job.error
            .unwrap()
            .starts_with("The job ran into its time limit of 6 s")
    );

    // What failed once is begun anew, in another kernel; both attempts are shown.
    let flaky = "import os\nprint('here', 'x' in globals())\nx = 1\n\
                 if not os.path.exists('tried'):\n    open('tried', 'w').close()\n    raise OSError('once')";
    let mut again = wanted(WorkKind::Snippet, flaky);
    again.retries = 2;
    let (shown, job) = run(&jobs, again).await;
    assert_eq!(
        (job.state, job.attempt, job.error),
        (JobState::Succeeded, 2, None)
    );
    assert_eq!(shown.stdout, "here False\nhere False\n");
    assert!(shown.stderr.contains("attempt 2 begins"), "{}", shown.stderr);

    // What was shown keeps the forms that it has, and what is shown anew says so.
    let display = "from IPython.display import HTML, display\nhandle = display(HTML('<b>1</b>'), display_id='h')\n\
                   handle.update(HTML('<b>2</b>'))\nb = bytes(range(3))\ndisplay({'image/png': b}, raw=True)";
    let job = jobs.create(wanted(WorkKind::Snippet, display)).await.unwrap();
    let mut output = jobs.output(&job.id).await.unwrap();
    let mut seen = Vec::new();
    while let Some(message) = output.recv().await {
        if let JobOutput::Shown { data, id, update, .. } = message {
            seen.push((data, id, update));
        }
    }
    assert_eq!(seen.len(), 3, "{seen:#?}");
    assert_eq!((seen[0].0["text/html"].as_str(), seen[0].2), ("<b>1</b>", false));
    assert_eq!(
        (seen[1].0["text/html"].as_str(), seen[1].1.as_deref(), seen[1].2),
        ("<b>2</b>", Some("h"), true)
    );
    assert_eq!(seen[2].0["image/png"], "AAEC");

    // What is cleared says so: at once, when there is something to show instead, or never.
    let clears = "from IPython.display import clear_output\nprint('one')\nclear_output()\nprint('two')\n\
                  clear_output(wait=True)\nprint('three')\nclear_output(wait=True)";
    let job = jobs.create(wanted(WorkKind::Snippet, clears)).await.unwrap();
    let mut output = jobs.output(&job.id).await.unwrap();
    let mut seen = String::new();
    while let Some(message) = output.recv().await {
        match message {
            JobOutput::Stdout { text } => seen.push_str(&text.replace('\n', " ")),
            JobOutput::Cleared => seen.push_str("| "),
            _ => {}
        }
    }
    assert_eq!(seen, "one | two | three ");
    // A widget that captures clears what it took.
    let captures = "import ipywidgets\nout = ipywidgets.Output()\nprint('stays')\nwith out:\n    print('taken')\n\
                    out.clear_output()\nprint('end')";
    let (shown, _) = run(&jobs, wanted(WorkKind::Snippet, captures)).await;
    assert_eq!((shown.stdout.as_str(), shown.cleared), ("stays\ntaken\nend\n", 0));
    let notebook = String::from_utf8(jobs.notebook(&job.id).await.unwrap()).unwrap();
    assert!(
        notebook.contains("\"three\\n\"") && !notebook.contains("\"two\\n\""),
        "{notebook}"
    );

    // A file that is not there is refused before anything is stored.
    let mut missing = wanted(WorkKind::Notebook, "");
    missing.work.path = Some("no.ipynb".into());
    let refused = jobs.create(missing).await.unwrap_err().to_string();
    assert!(
        refused.contains("There is no file no.ipynb in Jupyter's folder"),
        "{refused}"
    );
    jupyter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_died_of_one_task_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let jupyter = jupyter_in(folder.path());
    let jobs = jobs_in(folder.path(), "a", JupyterSource::Private(Arc::clone(&jupyter))).await;
    let raises = "from types import SimpleNamespace\nfrom distributed.scheduler import KilledWorker\n\
                  raise KilledWorker('big-1', SimpleNamespace(address='tcp://w:1'), 3)";
    let (shown, job) = run(&jobs, wanted(WorkKind::Snippet, raises)).await;
    assert_eq!(
        job.error.as_deref(),
        Some(
            "The code raised KilledWorker: workers died again and again while they ran big-1, most often for lack of \
             memory. Choose a profile with more memory a worker, or make chunks and partitions smaller; the workers' \
             logs may say more."
        )
    );
    assert_eq!(shown.errors[0].0, "KilledWorker");
    jupyter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_remains_lies_in_jupyters_folder_as_long_as_its_job_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let jupyter = Arc::new(PrivateJupyter::new(PrivateJupyterConfig {
        python: python(),
        folder: folder.path().join("jupyter"),
        root: Some(root.clone()),
        kernel_env: std::collections::BTreeMap::new(),
    }));
    let (url, token) = jupyter.ensure().await.unwrap();
    let store = Store::open(&folder.path().join("gatehouse.sqlite"))
        .await
        .unwrap();
    let keep = Keep { jobs: 1, days: 9 };
    let config = JobsConfig {
        folder: folder.path().join("jobs"),
        instance: "a".to_owned(),
        limits: Limits {
            keep,
            ..Limits::default()
        },
    };
    let source = JupyterSource::External { url, token };
    let jobs = Jobs::new(store, config, source, broadcast::channel(64).0).unwrap();

    std::fs::write(
        root.join("totals.py"),
        "print('<seven>')\nraise ValueError('on purpose')\n",
    )
    .unwrap();
    let mut script = wanted(WorkKind::Script, "");
    script.work.path = Some("totals.py".into());
    let (_, first) = run(&jobs, script.clone()).await;
    assert_eq!(first.report.as_deref(), Some("gatehouse-jobs/totals.html"));
    assert_eq!(first.notebook.as_deref(), Some("gatehouse-jobs/totals.ipynb"));
    let report = std::fs::read(root.join("gatehouse-jobs/totals.html")).unwrap();
    assert_eq!(jobs.report(&first.id).await.unwrap(), report);
    let report = String::from_utf8(report).unwrap();
    for words in [
        "totals.py<span class=\"outcome failed\">Failed</span>",
        "&lt;seven&gt;",
        "ValueError: on purpose",
        "No cluster\u{2019}s work was recorded.",
        "<th scope=\"row\">Exit status</th><td>1</td>",
    ] {
        assert!(report.contains(words), "{words} is not in {report}");
    }
    assert_eq!((first.summary, first.cost), (None, None));

    // The next one pushes it out: what nobody touched goes with it.
    let edited = root.join("gatehouse-jobs/totals.ipynb");
    let mut notebook = std::fs::read_to_string(&edited).unwrap();
    notebook.push('\n');
    std::fs::write(&edited, &notebook).unwrap();
    let (_, second) = run(&jobs, script).await;
    assert_eq!(second.report.as_deref(), Some("gatehouse-jobs/totals-2.html"));
    let started = std::time::Instant::now();
    while root.join("gatehouse-jobs/totals.html").exists() {
        assert!(
            started.elapsed() < crate::house::PATIENCE,
            "the old report is left"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(matches!(jobs.get(&first.id).await, Err(JobError::NotFound(_))));
    assert_eq!(
        std::fs::read_to_string(&edited).unwrap(),
        notebook,
        "it is the user's"
    );
    assert!(root.join("gatehouse-jobs/totals-2.html").exists());
    jupyter.shutdown().await;
}
