//! What the job was, how it ended, and its figures at a glance.

use std::fmt::Write;

use protocol::jobs::{Job, JobState, PlaceKind, WorkKind};
use protocol::rest::Scaling;
use serde_json::Value;

use super::Known;
use crate::clock::utc;
use crate::html::{bytes, count, duration, escape_within};

/// Bytes of a sentence, of a value beside its name, and such pairs of a kind.
const SENTENCE: usize = 4_000;
const VALUE: usize = 300;
const PAIRS: usize = 30;

pub(super) fn write(known: &Known<'_>, page: &mut String) {
    let job = known.job;
    let (class, outcome) = outcome(job.state);
    write!(
        page,
        "<h1>{}<span class=\"outcome {class}\">{outcome}</span></h1>\n<p class=\"meta\">Job {}. Report by Gatehouse {}.</p>\n",
        escape_within(&job.name, VALUE),
        escape_within(&job.id, VALUE),
        env!("CARGO_PKG_VERSION")
    )
    .ok();
    if let Some(error) = &job.error {
        writeln!(page, "<p class=\"why\">{}</p>", escape_within(error, SENTENCE)).ok();
    }
    page.push_str("<nav aria-label=\"Parts of the report\"><a href=\"#summary\">Summary</a>");
    if known.plan.is_some() {
        page.push_str("<a href=\"#code\">Code and output</a>");
    }
    if known.trace.is_some() {
        page.push_str(
            "<a href=\"#tasks\">Tasks</a><a href=\"#workers\">Workers</a><a href=\"#errors\">Errors</a>",
        );
    }
    page.push_str("<a href=\"#versions\">Versions</a></nav>\n<h2 id=\"summary\">Summary</h2>\n");
    glance(known, page);
    pairs(known, page);
}

fn outcome(state: JobState) -> (&'static str, &'static str) {
    match state {
        JobState::Succeeded => ("succeeded", "Succeeded"),
        JobState::Failed => ("failed", "Failed"),
        JobState::Cancelled => ("cancelled", "Cancelled"),
        JobState::Queued | JobState::Starting | JobState::Running | JobState::Cancelling => ("", "Not over"),
    }
}

/// The figures that matter most.
fn glance(known: &Known<'_>, page: &mut String) {
    let job = known.job;
    let mut facts: Vec<(String, &str)> = Vec::new();
    if let (Some(from), Some(to)) = (job.started_at, job.ended_at) {
        facts.push((
            duration((to - from).max(0).unsigned_abs() * 1000),
            "from start to end",
        ));
    }
    if let Some(trace) = known.trace {
        let summary = &trace.summary;
        let (from, to) = trace.range_us;
        let whole = (to - from).max(1) as f64 * trace.threads.max(1) as f64;
        let share = 100.0 * summary.compute_us as f64 / whole;
        facts.extend([
            (count(summary.tasks), "tasks"),
            (count(summary.erred), "of them erred"),
            (duration(summary.compute_us), "of compute"),
            (duration(summary.transfer_us), "of transfers"),
            (format!("{share:.0} %"), "of the threads\u{2019} time computing"),
            (count(summary.peak_workers.into()), "workers at most"),
            (bytes(summary.peak_memory), "held by all workers at most"),
            (bytes(summary.peak_worker_memory), "held by one worker at most"),
        ]);
        if trace.lost > 0 {
            facts.push((count(trace.lost), "records lost"));
        }
    }
    if let Some(cost) = &job.cost {
        if let (Some(amount), Some(currency)) = (cost.amount, known.currency) {
            facts.push((format!("{amount:.4} {}", escape_within(currency, 20)), "cost"));
        }
        facts.push((format!("{:.4}", cost.worker_hours), "worker hours"));
        facts.push((format!("{:.4}", cost.memory_hours), "GiB hours of memory"));
    }
    page.push_str("<ul class=\"facts\">");
    for (figure, words) in facts {
        write!(page, "<li><b>{figure}</b>{words}</li>").ok();
    }
    page.push_str("</ul>\n");
    if known.trace.is_some_and(|trace| trace.summary.shared) {
        page.push_str(
            "<p class=\"meta\">The cluster was not the job\u{2019}s own: what others did there in the same time is counted, \
             too.</p>\n",
        );
    }
    if known.trace.is_none() {
        page.push_str("<p class=\"meta\">No cluster\u{2019}s work was recorded.</p>\n");
    }
}

/// What was asked for, and when it was.
fn pairs(known: &Known<'_>, page: &mut String) {
    let job = known.job;
    page.push_str("<table class=\"pairs\"><tbody>\n");
    let mut row = |name: &str, value: &str| {
        writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>").ok();
    };
    let at = |ms: Option<i64>| ms.map_or_else(|| "never".to_owned(), |ms| format!("{} UTC", utc(ms * 1000)));
    row("Created", &at(Some(job.created_at)));
    row("Began", &at(job.started_at));
    row("Ended", &at(job.ended_at));
    row("Ran", &what(job));
    row("On", &place(job));
    let place = &job.request.place;
    if place.kind == PlaceKind::Fresh {
        match &place.scaling {
            Some(Scaling::Manual { workers }) => row("Workers", &count((*workers).into())),
            Some(Scaling::Adaptive { minimum, maximum }) => {
                row(
                    "Workers",
                    &format!("{} to {}", count((*minimum).into()), count((*maximum).into())),
                );
            }
            Some(Scaling::Unknown) | None => {}
        }
        let options = list(place.options.iter().map(|(name, value)| (name.as_str(), value)));
        if !options.is_empty() {
            row("Options", &options);
        }
    }
    let kernel = job
        .request
        .kernel
        .as_deref()
        .unwrap_or("Jupyter\u{2019}s default");
    row("Kernel", &escape_within(kernel, VALUE));
    let work = &job.request.work;
    if !work.args.is_empty() {
        row("Arguments", &escape_within(&work.args.join(" "), 4 * VALUE));
    }
    if !work.parameters.is_empty() {
        let parameters = work.parameters.iter();
        row(
            "Parameters",
            &list(parameters.map(|(name, value)| (name.as_str(), value))),
        );
    }
    if !job.request.environment.is_empty() {
        // Their values may be secrets.
        let names: Vec<_> = job.request.environment.keys().map(String::as_str).collect();
        row("Variables", &escape_within(&names.join(", "), 4 * VALUE));
    }
    if let Some(limit) = job.request.time_limit_s {
        row("Time limit", &crate::clock::words(limit));
    }
    if job.request.retries > 0 || job.attempt > 1 {
        row(
            "Attempt",
            &format!(
                "{} of {}; code and output are those of the last",
                job.attempt,
                job.request.retries.saturating_add(1)
            ),
        );
    }
    if let Some(cells) = job.cells {
        row("Cells", &format!("{} of {}", cells.done, cells.all));
    }
    if let Some(status) = job.exit_status {
        row("Exit status", &status.to_string());
    }
    page.push_str("</tbody></table>\n");
}

fn what(job: &Job) -> String {
    let work = &job.request.work;
    let kind = match work.kind {
        WorkKind::Snippet => "a snippet",
        WorkKind::Script => "the script",
        WorkKind::Notebook => "the notebook",
    };
    match &work.path {
        Some(path) => format!("{kind} {}", escape_within(path, 4 * VALUE)),
        None => kind.to_owned(),
    }
}

fn place(job: &Job) -> String {
    let kind = match job.request.place.kind {
        PlaceKind::Cluster => "the running cluster",
        PlaceKind::Fresh => "a cluster of its own",
        PlaceKind::None => return "no cluster, but those that its code made".to_owned(),
    };
    match (&job.cluster_label, &job.cluster) {
        (Some(label), Some(name)) => format!(
            "{kind} {} <span class=\"meta\">{}</span>",
            escape_within(label, VALUE),
            escape_within(name, VALUE)
        ),
        (None, Some(name)) => format!("{kind} {}", escape_within(name, VALUE)),
        (_, None) => kind.to_owned(),
    }
}

/// Names and values, a line each.
fn list<'a>(pairs: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let pairs: Vec<_> = pairs.collect();
    let mut lines: Vec<String> = pairs
        .iter()
        .take(PAIRS)
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!(
                "{} = {}",
                escape_within(name, VALUE),
                escape_within(&value, VALUE)
            )
        })
        .collect();
    if pairs.len() > PAIRS {
        lines.push(format!("and {} more", pairs.len() - PAIRS));
    }
    lines.join("<br>")
}
