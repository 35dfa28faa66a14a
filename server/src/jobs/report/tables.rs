//! What the job's clusters did: figures, time by prefix, workers, errors; and the versions on both sides.

use std::fmt::Write;

use protocol::versions::{Agreement, VersionTable};

use super::{FIGURE, Known};
use crate::html::{bytes, count, duration, escape_within, last_lines_within, more};
use crate::jobs::host::Trace;

/// Lines of each table; what is beyond is counted.
const PREFIXES: usize = 80;
const WORKERS: usize = 60;
const ERRORS: usize = 15;
const PACKAGES: usize = 30;
const COLUMNS: usize = 6;

/// Bytes of a name, of an exception, and of a traceback, whose end tells most.
const NAME: usize = 120;
const EXCEPTION: usize = 600;
const TRACEBACK: usize = 2_000;

pub(super) fn write(trace: &Trace, page: &mut String) {
    page.push_str("<h2 id=\"tasks\">Tasks</h2>\n");
    let summary = &trace.summary;
    if summary.tasks == 0 {
        page.push_str("<p>The cluster had no task.</p>\n");
    }
    figure(
        page,
        &trace.stream,
        &format!(
            "Task stream of {} tasks on {} threads",
            count(summary.tasks),
            trace.threads
        ),
    );
    figure(
        page,
        &trace.progress,
        "Finished tasks over time, by key prefix; the table below has the numbers",
    );
    if !summary.prefixes.is_empty() {
        prefixes(trace, page);
    }
    page.push_str("<h2 id=\"workers\">Workers</h2>\n");
    workers(trace, page);
    page.push_str("<h2 id=\"errors\">Errors of tasks</h2>\n");
    errors(trace, page);
}

fn figure(page: &mut String, drawing: &str, label: &str) {
    if !drawing.is_empty() && drawing.len() <= FIGURE {
        writeln!(
            page,
            "<figure role=\"img\" aria-label=\"{label}\">{drawing}</figure>"
        )
        .ok();
    }
}

fn prefixes(trace: &Trace, page: &mut String) {
    page.push_str(
        "<h3>Time by key prefix</h3>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Prefix</th><th scope=\"col\" \
         class=\"n\">Tasks</th><th scope=\"col\" class=\"n\">Erred</th><th scope=\"col\" class=\"n\">Compute</th><th \
         scope=\"col\" class=\"n\">Mean</th><th scope=\"col\" class=\"n\">Longest</th><th scope=\"col\">Share</th></tr></thead>\
         <tbody>\n",
    );
    let all = &trace.summary.prefixes;
    let whole = trace.summary.compute_us.max(1) as f64;
    for prefix in all.iter().take(PREFIXES) {
        let [r, g, b, _] = timeline::Colors::prefix(timeline::color_index(&prefix.name));
        writeln!(
            page,
            "<tr><th scope=\"row\"><i style=\"background:rgb({r},{g},{b})\"></i>{}</th><td class=\"n\">{}</td><td \
             class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"bar\"><div \
             style=\"width:{:.1}%;background:rgb({r},{g},{b})\"></div></td></tr>",
            escape_within(&prefix.name, NAME),
            count(prefix.tasks),
            count(prefix.erred),
            duration(prefix.compute_us),
            duration(prefix.compute_us / prefix.tasks.max(1)),
            duration(prefix.longest_us),
            100.0 * prefix.compute_us as f64 / whole
        )
        .ok();
    }
    page.push_str("</tbody></table></div>\n");
    page.push_str(&more(all.len(), PREFIXES, "prefixes"));
}

fn workers(trace: &Trace, page: &mut String) {
    if trace.workers.is_empty() {
        page.push_str("<p>No worker was recorded.</p>\n");
        return;
    }
    page.push_str(
        "<div class=\"scroll\"><table><caption>The most that each had at one moment</caption><thead><tr><th scope=\"col\">Worker\
         </th><th scope=\"col\" class=\"n\">Tasks</th><th scope=\"col\" class=\"n\">Threads</th><th scope=\"col\" \
         class=\"n\">Memory</th><th scope=\"col\" class=\"n\">Limit</th><th scope=\"col\" class=\"n\">On disk</th><th \
         scope=\"col\" class=\"n\">CPU</th></tr></thead><tbody>\n",
    );
    for worker in trace.workers.iter().take(WORKERS) {
        writeln!(
            page,
            "<tr><th scope=\"row\">{} <span class=\"meta\">{}</span></th><td class=\"n\">{}</td><td class=\"n\">{}</td><td \
             class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.0} %</td></tr>",
            escape_within(&worker.name, NAME),
            escape_within(&worker.address, NAME),
            count(worker.tasks),
            worker.threads,
            bytes(worker.memory),
            if worker.memory_limit == 0 {
                "none".to_owned()
            } else {
                bytes(worker.memory_limit)
            },
            bytes(worker.spilled),
            worker.cpu
        )
        .ok();
    }
    page.push_str("</tbody></table></div>\n");
    page.push_str(&more(trace.workers.len(), WORKERS, "workers"));
}

fn errors(trace: &Trace, page: &mut String) {
    let groups = &trace.errors.groups;
    if groups.is_empty() {
        page.push_str("<p>No task raised.</p>\n");
        return;
    }
    page.push_str(
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Prefix</th><th scope=\"col\" class=\"n\">Tasks</th><th \
         scope=\"col\">Exception of the latest</th></tr></thead><tbody>\n",
    );
    for group in groups.iter().take(ERRORS) {
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td><b>{}</b><div class=\"meta\">{} on {}</div><pre>{}</pre>\
             </td></tr>",
            escape_within(&group.prefix, NAME),
            count(group.count),
            escape_within(&group.exception, EXCEPTION),
            escape_within(&group.key, NAME),
            escape_within(&group.worker, NAME),
            crate::html::escape(last_lines_within(&group.traceback, TRACEBACK))
        )
        .ok();
    }
    page.push_str("</tbody></table></div>\n");
    page.push_str(&more(groups.len(), ERRORS, "kinds of errors"));
}

/// Packages of the kernel and the cluster, as they were when the job began.
pub(super) fn versions(known: &Known<'_>, page: &mut String) {
    page.push_str("<h2 id=\"versions\">Versions</h2>\n");
    let scheduler = known
        .trace
        .map(|trace| &trace.versions)
        .filter(|found| !found.is_empty());
    match (known.versions, scheduler) {
        (Some(table), _) => side_by_side(table, page),
        (None, Some(packages)) => {
            page.push_str(
                "<table class=\"pairs\"><thead><tr><th scope=\"col\">Package</th><th scope=\"col\">Scheduler</th></tr></thead>\
                 <tbody>\n",
            );
            for (package, version) in packages.iter().take(PACKAGES) {
                writeln!(
                    page,
                    "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                    escape_within(package, NAME),
                    escape_within(version, NAME)
                )
                .ok();
            }
            page.push_str("</tbody></table>\n");
        }
        (None, None) => page.push_str("<p>The kernel was not compared with a cluster.</p>\n"),
    }
}

fn side_by_side(table: &VersionTable, page: &mut String) {
    page.push_str("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Package</th>");
    for column in table.columns.iter().take(COLUMNS) {
        write!(
            page,
            "<th scope=\"col\">{}</th>",
            escape_within(&column.title, NAME)
        )
        .ok();
    }
    page.push_str("<th scope=\"col\">What that means</th></tr></thead><tbody>\n");
    for row in table.rows.iter().take(PACKAGES) {
        let class = if row.agreement == Agreement::Breaks {
            " class=\"bad\""
        } else {
            ""
        };
        write!(
            page,
            "<tr{class}><th scope=\"row\">{}</th>",
            escape_within(&row.package, NAME)
        )
        .ok();
        for version in row.versions.iter().take(COLUMNS) {
            let version = version.as_deref().unwrap_or("\u{2013}");
            write!(page, "<td>{}</td>", escape_within(version, NAME)).ok();
        }
        let says = row.explanation.as_deref().unwrap_or("");
        writeln!(page, "<td>{}</td></tr>", escape_within(says, EXCEPTION)).ok();
    }
    page.push_str("</tbody></table></div>\n");
    for note in table.notes.iter().take(COLUMNS) {
        writeln!(page, "<p class=\"meta\">{}</p>", escape_within(note, EXCEPTION)).ok();
    }
}
