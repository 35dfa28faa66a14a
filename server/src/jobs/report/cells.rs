//! The code and what it showed: a notebook cell by cell, a script or a snippet as one.

use std::fmt::Write;

use protocol::jobs::WorkKind;

use super::form;
use super::outputs::{Cell, Output, Outputs};
use super::words::{fair_share, plain};
use super::{CODE, Known, RICH, TEXT};
use crate::html::{bytes, count, escape_within, escaped_len, last_lines_within};

/// Cells of a notebook that are shown.
const CELLS: usize = 200;

/// Bytes of the name and the message of an error, which stand beside what is shared.
const TITLE: usize = 400;

/// A cell of the notebook.
struct Shown<'a> {
    source: String,
    is_code: bool,
    /// Its number among those that run.
    runs: Option<usize>,
    outputs: Option<&'a Cell>,
}

pub(super) fn write(known: &Known<'_>, page: &mut String) {
    let Some(plan) = known.plan else { return };
    let all = plan.notebook["cells"].as_array().map_or(&[][..], Vec::as_slice);
    let cells: Vec<Shown<'_>> = all
        .iter()
        .enumerate()
        .take(CELLS)
        .map(|(at, cell)| {
            let runs = plan.cells.iter().position(|run| run.at == at);
            Shown {
                source: super::super::plan::source_of(cell),
                is_code: cell["cell_type"] == "code",
                runs,
                outputs: runs.and_then(|runs| known.outputs.of(runs)),
            }
        })
        .collect();
    let mut writer = Writer {
        code: fair_share(cells.iter().map(|cell| escaped_len(&cell.source)), CODE),
        text: fair_share(cells.iter().flat_map(needs), TEXT),
        rich: RICH,
        page,
    };
    if known.job.request.work.kind == WorkKind::Notebook {
        writer.page.push_str("<h2 id=\"code\">Notebook</h2>\n");
        for cell in &cells {
            writer.cell(cell, known.outputs);
        }
        if all.len() > CELLS {
            let more = count((all.len() - CELLS) as u64);
            writer.line(&format!("{more} more cells are in the executed notebook."));
        }
        return;
    }
    for cell in &cells {
        writer.page.push_str("<h2 id=\"code\">Code</h2>\n");
        writer.code(&cell.source);
        writer.page.push_str("<h2 id=\"output\">Output</h2>\n");
        match cell.outputs {
            Some(outputs) => writer.outputs(outputs),
            None => writer.line("It showed nothing."),
        }
    }
}

/// What each text of a cell's outputs takes.
fn needs<'a>(cell: &'a Shown<'_>) -> impl Iterator<Item = usize> + 'a {
    let outputs = cell.outputs.into_iter().flat_map(|cell| &cell.outputs);
    outputs.map(|output| match output {
        Output::Stream { text, .. } => escaped_len(&plain(text)),
        Output::Error { traceback, .. } => escaped_len(traceback),
        Output::Rich { form, .. } => escaped_len(form.text()),
    })
}

struct Writer<'a> {
    page: &'a mut String,
    /// What each code and each text may take.
    code: usize,
    text: usize,
    /// What is left for pages and images.
    rich: usize,
}

impl Writer<'_> {
    fn line(&mut self, words: &str) {
        writeln!(self.page, "<p class=\"meta\">{words}</p>").ok();
    }

    fn code(&mut self, source: &str) {
        writeln!(
            self.page,
            "<pre class=\"code\"><code>{}</code></pre>",
            escape_within(source, self.code)
        )
        .ok();
        if escaped_len(source) > self.code {
            self.line("The rest of the code is left out here; the job has all of it.");
        }
    }

    fn cell(&mut self, cell: &Shown<'_>, outputs: &Outputs) {
        self.page.push_str("<section class=\"cell\">\n");
        if !cell.is_code {
            writeln!(self.page, "<pre>{}</pre>", escape_within(&cell.source, self.code)).ok();
        } else if !cell.source.trim().is_empty() {
            let number = cell
                .runs
                .and_then(|runs| outputs.of(runs))
                .and_then(|cell| cell.count);
            let label = match (number, cell.runs) {
                (Some(number), _) => format!("In [{number}]"),
                (None, Some(_)) => "Did not run to its end".to_owned(),
                (None, None) => "Left out of the run".to_owned(),
            };
            writeln!(self.page, "<div class=\"label\">{label}</div>").ok();
            self.code(&cell.source);
        }
        if let Some(outputs) = cell.outputs {
            self.outputs(outputs);
        }
        self.page.push_str("</section>\n");
    }

    fn outputs(&mut self, cell: &Cell) {
        if cell.left_out > 0 {
            self.line(&format!(
                "{} earlier outputs are left out here; the job has them.",
                count(cell.left_out)
            ));
        }
        let mut full: u64 = 0;
        for output in &cell.outputs {
            match output {
                Output::Stream {
                    is_error,
                    text,
                    left_out,
                } => self.stream(*is_error, text, *left_out),
                Output::Error { title, traceback } => self.error(title, traceback),
                Output::Rich { form, .. } => match self.rich.checked_sub(form.weight()) {
                    Some(left) => {
                        self.rich = left;
                        self.page.push_str(&form::html(form, self.text));
                    }
                    None => full += 1,
                },
            }
        }
        if full > 0 {
            self.line(&format!(
                "{} more that it showed had no room here; the executed notebook has them.",
                count(full)
            ));
        }
    }

    fn stream(&mut self, is_error: bool, text: &str, (mut size, mut lines): (u64, u64)) {
        let shown = plain(text);
        let end = last_lines_within(&shown, self.text);
        let cut = &shown[..shown.len() - end.len()];
        size += cut.len() as u64;
        lines += cut.bytes().filter(|byte| *byte == b'\n').count() as u64;
        if size > 0 {
            self.line(&format!(
                "{} lines ({}) before this are left out here; the job has all of them.",
                count(lines.max(1)),
                bytes(size)
            ));
        }
        if !end.is_empty() {
            let class = if is_error { " class=\"err\"" } else { "" };
            writeln!(self.page, "<pre{class}>{}</pre>", crate::html::escape(end)).ok();
        }
    }

    fn error(&mut self, title: &str, traceback: &str) {
        let end = last_lines_within(traceback, self.text);
        writeln!(
            self.page,
            "<p class=\"bad\"><b>{}</b></p>\n<pre class=\"raised\">{}{}</pre>",
            escape_within(title, TITLE),
            if end.len() < traceback.len() {
                "\u{2026}"
            } else {
                ""
            },
            crate::html::escape(end)
        )
        .ok();
    }
}
