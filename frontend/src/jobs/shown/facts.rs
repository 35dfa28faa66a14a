//! What a job takes: its cluster's figures while it runs, what its tasks took afterwards.

use protocol::jobs::{Job, JobSummary};
use protocol::rest::ClusterSummary;
use yew::prelude::*;

use super::super::{currency, words};
use crate::state::events::State;
use crate::ui::format;

/// Prefixes listed before the rest is only counted.
const PREFIXES: usize = 12;

/// The figures as a strip, and the time by key prefix where that is known: `whole` is the job with all of its summary.
pub fn facts(state: &State, job: &Job, whole: Option<&Job>) -> Html {
    let currency = currency(state);
    let cluster = job.cluster.as_deref().and_then(|name| state.cluster(name));
    let live = cluster.filter(|_| words::works(job));
    let mut figures = Vec::new();
    if let Some(summary) = live.and_then(|cluster| cluster.summary.as_ref()) {
        figures.extend(now(summary));
    }
    if let Some(summary) = &job.summary {
        figures.extend(took(summary));
    }
    // Of its own cluster, what that costs is what the job costs.
    let spent = job.cost.as_ref().or_else(|| {
        live.filter(|_| job.request.place.kind == protocol::jobs::PlaceKind::Fresh)
            .and_then(|cluster| cluster.cost.as_ref())
    });
    if let Some(spent) = spent {
        let (name, figure) = words::cost(spent, currency);
        figures.push((name, figure, "job-cost"));
    }
    html! {
        <>
            if !figures.is_empty() {
                <dl class="gh-figures gh-job-facts" data-testid="job-facts">
                    {for figures.into_iter().map(|(name, figure, testid)| html! {
                        <div><dt>{name}</dt><dd class="gh-figure" data-testid={testid}>{figure}</dd></div>
                    })}
                </dl>
            }
            if let Some(summary) = whole.and_then(|whole| whole.summary.as_ref()).filter(|summary| !summary.prefixes.is_empty()) {
                {prefixes(summary)}
            }
        </>
    }
}

type Figure = (&'static str, String, &'static str);

fn now(summary: &ClusterSummary) -> Vec<Figure> {
    let cpu = format::percent(summary.cpu, f64::from(summary.threads) * 100.0);
    vec![
        ("Workers", summary.workers.to_string(), "job-workers"),
        (
            "Processing",
            summary.tasks_processing.to_string(),
            "job-processing",
        ),
        ("CPU", format!("{cpu:.0} %"), "job-cpu"),
        (
            "Memory",
            format::bytes_of(summary.memory_used, summary.memory_limit),
            "job-memory",
        ),
    ]
}

fn took(summary: &JobSummary) -> Vec<Figure> {
    let mut figures = vec![("Tasks", summary.tasks.to_string(), "job-tasks")];
    if summary.erred > 0 {
        figures.push(("Erred", summary.erred.to_string(), "job-erred"));
    }
    figures.extend([
        ("Compute", words::span(summary.compute_us), "job-compute"),
        ("Transfer", words::span(summary.transfer_us), "job-transfer"),
        ("Workers", summary.peak_workers.to_string(), "job-peak-workers"),
        (
            "Peak memory",
            format::bytes(summary.peak_memory),
            "job-peak-memory",
        ),
    ]);
    figures
}

fn prefixes(summary: &JobSummary) -> Html {
    let longest = summary.prefixes.iter().map(|prefix| prefix.compute_us).max();
    let whole = longest.unwrap_or_default().max(1) as f64;
    let more = summary.prefixes.len().saturating_sub(PREFIXES);
    html! {
        <details class="gh-details" data-testid="job-prefixes">
            <summary>{crate::ui::icons::glyph(crate::ui::icons::Icon::Chevron, 12)}{"Time by key prefix"}</summary>
            <table class="gh-job-table">
                <thead><tr><th>{"Prefix"}</th><th class="gh-right">{"Tasks"}</th><th class="gh-right">{"Compute"}</th><th class="gh-right">{"Longest"}</th><th /></tr></thead>
                <tbody>
                    {for summary.prefixes.iter().take(PREFIXES).map(|prefix| html! {
                        <tr>
                            <td class="gh-ellipsis">{prefix.name.clone()}</td>
                            <td class="gh-right gh-figure">{prefix.tasks}</td>
                            <td class="gh-right gh-figure">{words::span(prefix.compute_us)}</td>
                            <td class="gh-right gh-figure">{words::span(prefix.longest_us)}</td>
                            <td class="gh-share"><i style={format!("width:{:.1}%", 100.0 * prefix.compute_us as f64 / whole)} /></td>
                        </tr>
                    })}
                </tbody>
            </table>
            if summary.shared {
                <p class="gh-hint">{"Others may have worked on this cluster at the same time; what they did is in these figures."}</p>
            }
            if more > 0 {
                <p class="gh-hint">{format!("And {more} more; the report has them.")}</p>
            }
        </details>
    }
}
