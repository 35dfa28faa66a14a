//! One HTML file that tells what a cluster did: no script, nothing loaded from elsewhere, at most a megabyte.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::recordings::Recording;

use super::super::reader::DataError;
use super::figure;
use super::scene::Scene;

/// Lines of each table; what is beyond is counted.
const PREFIXES: usize = 100;
const ERRORS: usize = 40;
const WORKERS: usize = 200;

/// Bytes of a traceback, whose end tells most.
const TRACEBACK: usize = 3_000;

/// The figure's size, pixels; as PNG it stays below what the report may weigh.
const FIGURE: (u32, u32) = (1_400, 700);
const MAX_FIGURE: usize = 600_000;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1400px;padding:0 1rem;color:#24292f;\
    background:#fff}h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}table{border-collapse:collapse;\
    width:100%}th,td{padding:.3rem .6rem;border-bottom:1px solid #d8dee4;text-align:left;vertical-align:top}td.n,th.n{\
    text-align:right;font-variant-numeric:tabular-nums}.facts{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:1rem 0;\
    padding:0;list-style:none}.facts b{display:block;font-size:1.25rem}img{max-width:100%;border:1px solid #d8dee4}i{\
    display:inline-block;width:.8em;height:.8em;margin-right:.5em}pre{font-size:12px;white-space:pre-wrap;margin:.3rem 0;\
    overflow-wrap:anywhere}.meta{color:#57606a;overflow-wrap:anywhere}@media(prefers-color-scheme:dark){body{color:#e6edf3;\
    background:#0d1117}th,td,img{border-color:#30363d}.meta{color:#8b949e}}";

pub(super) fn write(scene: &Scene, recording: &Recording, out: &mut dyn Write) -> Result<(), DataError> {
    let title = escape(&scene.title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}: what it did</title><style>{STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<p class=\"meta\">Cluster {}, scheduler {}. From {} UTC. Recorded by Gatehouse {}.</p>\n",
        escape(&recording.cluster),
        escape(&recording.scheduler),
        figure::moment(scene.range.0),
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
    more(out, all.len(), PREFIXES, "prefixes")
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
    more(out, groups.len(), ERRORS, "kinds of errors")
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
    more(out, scene.workers.len(), WORKERS, "workers")
}

fn more(out: &mut dyn Write, all: usize, shown: usize, what: &str) -> std::io::Result<()> {
    if all <= shown {
        return Ok(());
    }
    writeln!(
        out,
        "<p class=\"meta\">And {} more {what}; the Parquet export has all.</p>",
        count((all - shown) as u64)
    )
}

/// Text that is only text, wherever it stands in HTML.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn duration(us: u64) -> String {
    let seconds = us as f64 / 1e6;
    match us {
        0..1_000 => format!("{us} \u{b5}s"),
        1_000..1_000_000 => format!("{:.1} ms", seconds * 1e3),
        1_000_000..60_000_000 => format!("{seconds:.2} s"),
        60_000_000..3_600_000_000 => format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0),
        _ => format!(
            "{:.0} h {:.0} min",
            (seconds / 3600.0).floor(),
            (seconds / 60.0) % 60.0
        ),
    }
}

fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}").replace(".0 ", " ");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stay_words() {
        assert_eq!(
            escape("<script>'&\"</script>"),
            "&lt;script&gt;&#39;&amp;&quot;&lt;/script&gt;"
        );
    }

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!((count(999), count(1_234_567)), ("999".into(), "1,234,567".into()));
        assert_eq!(duration(1_500), "1.5 ms");
        assert_eq!(duration(75_000_000), "1 min 15 s");
        assert_eq!((bytes(512), bytes(3 << 29)), ("512 B".into(), "1.5 GiB".into()));
    }
}
