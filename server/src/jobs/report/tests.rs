//! What a report holds, what it leaves out, and that nothing in it does anything.

use std::collections::BTreeMap;

use protocol::guard::Spent;
use protocol::jobs::{JobState, PrefixTime, Work, WorkKind};
use protocol::live::{ErrorGroup, Errors};
use protocol::rest::Scaling;
use protocol::versions::{Agreement, VersionColumn, VersionRow};
use serde_json::json;

use super::super::host::WorkerPeaks;
use super::super::output::Line;
use super::super::record::job;
use super::fixture::{big_trace, noise, small_png};
use super::*;

/// What a report may weigh.
const LIMIT: usize = 1_000_000;

fn out(text: &str) -> Line {
    Line::Stdout { text: text.into() }
}

fn shown(pairs: &[(&str, &str)]) -> Line {
    Line::Shown {
        data: pairs
            .iter()
            .map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned()))
            .collect(),
        result: true,
        id: None,
        update: false,
    }
}

fn cell(cell: u32, ended: bool) -> Line {
    Line::Cell {
        cell,
        ended,
        count: Some(cell + 1),
    }
}

fn raised(value: &str) -> Line {
    Line::Error {
        name: "ValueError".into(),
        value: value.into(),
        traceback: vec![
            "Traceback (most recent call last)".into(),
            format!("ValueError: {value}"),
        ],
    }
}

fn notebook(cells: &[serde_json::Value]) -> Work {
    let book = json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells });
    Work {
        kind: WorkKind::Notebook,
        source: book.to_string(),
        path: Some("folder/book.ipynb".into()),
        ..Work::default()
    }
}

fn code(source: &str) -> serde_json::Value {
    json!({ "cell_type": "code", "metadata": {}, "source": source, "outputs": [] })
}

/// The report of a job with this work and these lines of output.
fn page(work: Work, lines: &[Line], trace: Option<&Trace>, change: impl FnOnce(&mut Job)) -> String {
    let mut over = Job {
        state: JobState::Succeeded,
        started_at: Some(20_000),
        ended_at: Some(95_000),
        exit_status: Some(0),
        ..job("1", 10_000)
    };
    over.request.work = work;
    change(&mut over);
    let mut outputs = Outputs::default();
    lines.iter().for_each(|line| outputs.take(line));
    let plan = Plan::of(&over.request.work).unwrap();
    write(&Known {
        job: &over,
        plan: Some(&plan),
        outputs: &outputs,
        trace,
        versions: None,
        currency: Some("EUR"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_job_has_a_small_report() {
    let trace = big_trace("Monthly totals <b>").await;
    assert_eq!((trace.summary.tasks, trace.threads), (100_000, 16));
    assert_eq!(
        (trace.summary.peak_workers, trace.summary.peak_memory),
        (8, 16 << 30)
    );
    assert_eq!(trace.summary.peak_worker_memory, 2 << 30);
    assert!(
        !trace.progress.is_empty() && trace.progress.len() < 60_000,
        "{}",
        trace.progress.len()
    );
    assert!(
        trace.stream.contains("Monthly totals &lt;b&gt;"),
        "the figure's title is text"
    );

    let line = "2026-11-22 08:04:06 INFO processed one more \"partition\" <of many> & went on\n";
    let mut lines = vec![cell(0, false)];
    lines.extend((0..20_000_000 / (line.len() * 1000)).map(|_| out(&line.repeat(1000))));
    lines.extend([cell(0, true), cell(1, false)]);
    lines.extend((0..20).map(|_| shown(&[("image/png", &noise(60_000))])));
    lines.extend((0..300).map(|_| {
        shown(&[(
            "text/html",
            &format!("<table>{}</table>", "<tr><td>1</td></tr>".repeat(500)),
        )])
    }));
    lines.extend([
        shown(&[
            ("image/png", &small_png()),
            ("text/plain", "<Figure size 320x160>"),
        ]),
        shown(&[
            ("image/png", &noise(5_000_000)),
            ("text/plain", "<Figure size 9000x9000>"),
        ]),
    ]);
    lines.extend([cell(1, true), cell(2, false), raised("too much"), cell(2, true)]);
    let cells = [
        code("import dask.array as da\nx = da.random.random((20_000, 20_000))\nx.sum().compute()"),
        code("plot(x)"),
        code(&"# a long story\n".repeat(20_000)),
    ];
    let book = page(notebook(&cells), &lines, Some(&trace), |job| {
        job.name = "Monthly totals".into()
    });
    assert!(book.len() <= LIMIT, "{} bytes", book.len());
    for words in [
        "Time by key prefix",
        "100,000",
        "went on\n",
        "before this are left out here",
        "An image of 4.8 MiB is left out here",
        "&lt;Figure size 9000x9000&gt;",
        "had no room here",
        "ValueError: too much",
        "<figure role=\"img\" aria-label=\"Task stream of 100,000 tasks on 16 threads\"><svg",
        "<iframe sandbox=\"\"",
        "The rest of the code is left out here",
    ] {
        assert!(book.contains(words), "{words} is not there");
    }
    does_nothing(&book);
}

/// Nothing that others wrote is more than text, and nothing is loaded.
fn does_nothing(page: &str) {
    let lower = page.to_lowercase();
    for wrong in [
        "<script",
        "<img src=x",
        "javascript:",
        "src=\"http",
        "href=\"http",
        "allow-scripts",
        "<base",
        "@import",
    ] {
        assert!(!lower.contains(wrong), "{wrong} is in the report");
    }
    assert!(page.contains("content=\"default-src 'none'; img-src data:;"));
}

#[test]
fn the_words_of_others_stay_words_wherever_they_stand() {
    let evil = "</pre></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'";
    let trace = Trace {
        summary: protocol::jobs::JobSummary {
            tasks: 1,
            prefixes: vec![PrefixTime {
                name: evil.into(),
                tasks: 1,
                ..PrefixTime::default()
            }],
            ..Default::default()
        },
        workers: vec![WorkerPeaks {
            name: evil.into(),
            address: evil.into(),
            ..WorkerPeaks::default()
        }],
        errors: Errors {
            groups: vec![ErrorGroup {
                prefix: evil.into(),
                exception: evil.into(),
                traceback: evil.into(),
                key: evil.into(),
                worker: evil.into(),
                ..ErrorGroup::default()
            }],
            total: 1,
        },
        versions: BTreeMap::from([(evil.to_owned(), evil.to_owned())]),
        ..Trace::default()
    };
    let lines = [
        out(evil),
        shown(&[("text/plain", evil)]),
        shown(&[("text/html", evil)]),
        shown(&[("text/html", "<b>\"></iframe><img src=x onerror=alert(1)></b>")]),
        shown(&[("image/png", "AAAA"), ("text/plain", evil)]),
        shown(&[(evil, evil)]),
        raised(evil),
    ];
    let work = Work {
        source: evil.into(),
        path: Some(evil.into()),
        args: vec![evil.into()],
        parameters: serde_json::Map::new(),
        ..Work::default()
    };
    let mut outputs = Outputs::default();
    lines.iter().for_each(|line| outputs.take(line));
    let plan = Plan::of(&work).unwrap();
    let mut over = job(evil, 1);
    over.name = evil.into();
    over.error = Some(evil.into());
    (over.cluster, over.cluster_label) = (Some(evil.into()), Some(evil.into()));
    over.request.work = work;
    over.request.kernel = Some(evil.into());
    over.request.environment = BTreeMap::from([(evil.to_owned(), "secret".to_owned())]);
    over.request.place.kind = protocol::jobs::PlaceKind::Fresh;
    over.request.place.options = json!({ evil: evil }).as_object().cloned().unwrap();
    over.cost = Some(Spent {
        amount: Some(1.0),
        ..Spent::default()
    });
    let table = VersionTable {
        columns: vec![VersionColumn {
            title: evil.into(),
            workers: Vec::new(),
        }],
        rows: vec![VersionRow {
            package: evil.into(),
            versions: vec![Some(evil.into())],
            agreement: Agreement::Breaks,
            explanation: Some(evil.into()),
        }],
        notes: vec![evil.into()],
    };
    for versions in [None, Some(&table)] {
        let page = write(&Known {
            job: &over,
            plan: Some(&plan),
            outputs: &outputs,
            trace: Some(&trace),
            versions,
            currency: Some(evil),
        });
        does_nothing(&page);
        assert!(
            !page.contains("secret"),
            "values of variables are nobody's business"
        );
    }
}

#[test]
fn a_notebook_stands_cell_by_cell_and_says_what_did_not_run() {
    let cells = [
        json!({ "cell_type": "markdown", "metadata": {}, "source": "# Words" }),
        code("first()"),
        json!({ "cell_type": "code", "metadata": { "tags": ["skip-execution"] }, "source": "skipped()", "outputs": [] }),
        code("second()"),
        code("third()"),
    ];
    let lines = [
        cell(0, false),
        out("one\n"),
        cell(0, true),
        cell(1, false),
        raised("boom"),
        cell(1, true),
    ];
    let page = page(notebook(&cells), &lines, None, |job| {
        job.state = JobState::Failed;
        job.error = Some("The code raised ValueError: boom.".into());
    });
    let at = |words: &str| {
        page.find(words)
            .unwrap_or_else(|| panic!("{words} is not in {page}"))
    };
    let order = [
        "# Words",
        "In [1]",
        "first()",
        "one\n",
        "Left out of the run",
        "skipped()",
        "In [2]",
        "second()",
        "ValueError: boom</b>",
        "Did not run to its end",
        "third()",
    ]
    .map(at);
    assert!(order.is_sorted(), "{order:?}");
    at("<span class=\"outcome failed\">Failed</span>");
    at("<p class=\"why\">The code raised ValueError: boom.</p>");
    at("1 min 15 s");
    at("No cluster\u{2019}s work was recorded.");
}

#[test]
fn the_summary_says_what_was_asked_for() {
    let work = Work {
        kind: WorkKind::Script,
        source: "print(1)".into(),
        path: Some("jobs/etl.py".into()),
        args: vec!["--month".into(), "7".into()],
        ..Work::default()
    };
    let page = page(work, &[out("1\n")], None, |job| {
        job.request.place.kind = protocol::jobs::PlaceKind::Fresh;
        job.request.place.scaling = Some(Scaling::Adaptive {
            minimum: 1,
            maximum: 8,
        });
        job.request.place.options = json!({ "worker_cores": 2 }).as_object().cloned().unwrap();
        (job.request.retries, job.attempt) = (2, 2);
        job.request.time_limit_s = Some(3_600);
        job.cost = Some(Spent {
            amount: Some(0.125),
            per_hour: None,
            worker_hours: 0.25,
            memory_hours: 0.5,
        });
    });
    for words in [
        "the script jobs/etl.py",
        "--month 7",
        "a cluster of its own etl",
        "1 to 8",
        "worker_cores = 2",
        "2 of 3; code and output are those of the last",
        "<b>0.1250 EUR</b>cost",
        "<b>0.2500</b>worker hours",
        "1970-01-01 00:00:20 UTC",
        "<td>1 h</td>",
    ] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
}

#[test]
fn a_thousand_cells_and_columns_of_words_stay_within_the_bound() {
    let long = "\"<&>'".repeat(2_000);
    let cells: Vec<_> = (0..1_000).map(|n| code(&format!("# {n} {long}"))).collect();
    let mut lines = Vec::new();
    for n in 0..1_000 {
        lines.extend([
            cell(n, false),
            out(&long),
            raised(&long),
            shown(&[("text/plain", &long)]),
            cell(n, true),
        ]);
    }
    let prefix = |n: u64| PrefixTime {
        name: format!("{n}{long}"),
        tasks: n,
        ..PrefixTime::default()
    };
    let trace = Trace {
        summary: protocol::jobs::JobSummary {
            tasks: 5,
            prefixes: (0..500).map(prefix).collect(),
            ..Default::default()
        },
        workers: (0..2_000)
            .map(|n| WorkerPeaks {
                name: format!("{n}{long}"),
                address: long.clone(),
                ..WorkerPeaks::default()
            })
            .collect(),
        errors: Errors {
            groups: (0..200)
                .map(|_| ErrorGroup {
                    prefix: long.clone(),
                    exception: long.clone(),
                    traceback: long.clone(),
                    key: long.clone(),
                    worker: long.clone(),
                    ..ErrorGroup::default()
                })
                .collect(),
            total: 200,
        },
        versions: (0..100).map(|n| (format!("{n}{long}"), long.clone())).collect(),
        stream: format!("<svg>{}</svg>", "x".repeat(FIGURE - 11)),
        progress: format!("<svg>{}</svg>", "x".repeat(60_000)),
        ..Trace::default()
    };
    let page = page(notebook(&cells), &lines, Some(&trace), |job| {
        job.error = Some(long.clone());
        job.request.kernel = Some(long.clone());
        job.request.work.path = Some(long.clone());
    });
    assert!(page.len() <= LIMIT, "{} bytes", page.len());
    assert!(page.contains("And 420 more prefixes") && page.contains("800 more cells"));
}
