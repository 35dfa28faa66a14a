//! One HTML file that tells what a cluster did: no script, nothing loaded from elsewhere, at most a megabyte.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::recordings::Recording;

use super::super::reader::DataError;
use super::figure;
use super::scene::Scene;
use crate::clock::utc;
use crate::html::{self, bytes, count, duration, escape, more};

/// Lines of each table; what is beyond is counted.
const PREFIXES: usize = 100;
const ERRORS: usize = 40;
const WORKERS: usize = 200;

/// Bytes of a traceback, whose end tells most.
const TRACEBACK: usize = 3_000;

/// The figure's size, pixels; as PNG it stays below what the report may weigh.
const FIGURE: (u32, u32) = (1_400, 700);
const MAX_FIGURE: usize = 600_000;

pub(super) fn write(scene: &Scene, recording: &Recording, out: &mut dyn Write) -> Result<(), DataError> {
    let title = escape(&scene.title);
    write!(
        out,
        "{}<h1>{title}</h1>\n<p class=\"meta\">Cluster {}, scheduler {}. From {} UTC. Recorded by Gatehouse {}.</p>\n",
        html::head(&format!("{}: what it did", scene.title), ""),
        escape(&recording.cluster),
        escape(&recording.scheduler),
        utc(scene.range.0),
        env!("CARGO_PKG_VERSION"),
    )?;
    facts(scene, recording, out)?;
    let picture = picture(scene)?;
    writeln!(
        out,
        "<h2>Task stream</h2>\n<img alt=\"Task stream of {} tasks on {} threads\" src=\"data:image/png;base64,{}\">",
        scene.tasks,
        scene.lanes.len(),
        STANDARD.encode(picture)
    )?;
    prefixes(scene, out)?;
    errors(scene, out)?;
    workers(scene, out)?;
    out.write_all(b"</body></html>\n")?;
    Ok(())
}

/// The figure, smaller where it would be too heavy.
fn picture(scene: &Scene) -> Result<Vec<u8>, DataError> {
    // A few threads need no tall picture.
    let rows = u32::try_from(scene.lanes.len()).unwrap_or(u32::MAX);
    let mut size = (
        FIGURE.0,
        rows.saturating_mul(28).saturating_add(130).clamp(240, FIGURE.1),
    );
    loop {
        let picture = figure::png(scene, size)?;
        if picture.len() <= MAX_FIGURE || size.0 <= 700 {
            return Ok(picture);
        }
        size = (size.0 * 4 / 5, (size.1 * 4 / 5).max(200));
    }
}

fn facts(scene: &Scene, recording: &Recording, out: &mut dyn Write) -> std::io::Result<()> {
    let (from, to) = scene.range;
    let busy: u64 = scene.prefixes.iter().map(|prefix| prefix.busy_us).sum();
    let wall = (to - from).max(1) as f64;
    let share = 100.0 * busy as f64 / (wall * scene.lanes.len().max(1) as f64);
    let facts = [
        (count(scene.tasks), "tasks"),
        (count(scene.erred), "of them erred"),
        (duration((to - from).unsigned_abs()), "from the first to the last"),
        (duration(busy), "of compute"),
        (duration(scene.transfer_us), "of transfers"),
        (format!("{share:.0} %"), "of the threads' time computing"),
        (count(scene.workers.len() as u64), "workers"),
        (count(scene.lanes.len() as u64), "threads"),
        (count(recording.lost), "records lost"),
    ];
    out.write_all(b"<ul class=\"facts\">")?;
    for (figure, words) in facts {
        write!(out, "<li><b>{figure}</b>{words}</li>")?;
    }
    out.write_all(b"</ul>\n")
}

fn prefixes(scene: &Scene, out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(
        b"<h2>Time by key prefix</h2>\n<table><thead><tr><th>Prefix<th class=\"n\">Tasks<th class=\"n\">Erred<th class=\"n\">\
          Compute<th class=\"n\">Mean<th class=\"n\">Longest</tr></thead><tbody>\n",
    )?;
    let all = scene.by_time();
    for prefix in all.iter().take(PREFIXES) {
        let [r, g, b, _] = timeline::Colors::prefix(prefix.color);
        writeln!(
            out,
            "<tr><td><i style=\"background:rgb({r},{g},{b})\"></i>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td class=\"n\">{}</tr>",
            escape(&prefix.name),
            count(prefix.tasks),
            count(prefix.erred),
            duration(prefix.busy_us),
            duration(prefix.busy_us / prefix.tasks.max(1)),
            duration(prefix.longest_us)
        )?;
    }
    out.write_all(b"</tbody></table>\n")?;
    out.write_all(more(all.len(), PREFIXES, "prefixes").as_bytes())
}

fn errors(scene: &Scene, out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(b"<h2>Errors</h2>\n")?;
    let groups = &scene.errors.groups;
    if groups.is_empty() {
        return out.write_all(b"<p>No task raised.</p>\n");
    }
    out.write_all(
        b"<table><thead><tr><th>Prefix<th class=\"n\">Tasks<th>Exception of the latest</tr></thead><tbody>\n",
    )?;
    for group in groups.iter().take(ERRORS) {
        let trace = &group.traceback;
        let tail = &trace[trace.ceil_char_boundary(trace.len().saturating_sub(TRACEBACK))..];
        writeln!(
            out,
            "<tr><td>{}<td class=\"n\">{}<td><b>{}</b><div class=\"meta\">{} on {}</div><pre>{}</pre></tr>",
            escape(&group.prefix),
            count(group.count),
            escape(&group.exception),
            escape(&group.key),
            escape(&group.worker),
            escape(tail)
        )?;
    }
    out.write_all(b"</tbody></table>\n")?;
    out.write_all(more(groups.len(), ERRORS, "kinds of errors").as_bytes())
}

fn workers(scene: &Scene, out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(
        b"<h2>Workers and the most they had</h2>\n<table><thead><tr><th>Worker<th class=\"n\">Tasks<th class=\"n\">Threads\
          <th class=\"n\">Memory<th class=\"n\">Limit<th class=\"n\">On disk<th class=\"n\">CPU</tr></thead><tbody>\n",
    )?;
    for (address, peaks) in scene.workers.iter().take(WORKERS) {
        writeln!(
            out,
            "<tr><td>{} <span class=\"meta\">{}</span><td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td class=\"n\">{:.0} %</tr>",
            escape(&peaks.name),
            escape(address),
            count(peaks.tasks),
            peaks.threads,
            bytes(peaks.memory),
            if peaks.memory_limit == 0 {
                "none".to_owned()
            } else {
                bytes(peaks.memory_limit)
            },
            bytes(peaks.spilled),
            peaks.cpu
        )?;
    }
    out.write_all(b"</tbody></table>\n")?;
    out.write_all(more(scene.workers.len(), WORKERS, "workers").as_bytes())
}
