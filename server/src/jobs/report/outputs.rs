//! What the cells showed, as much of it as a report may hold: taken in line by line, so that a flood costs no memory.

use std::collections::{BTreeMap, VecDeque};

use super::super::output::Line;
use super::form::{self, Form};
use super::words::plain;

/// Bytes of a stream's end that are held; never less than a report shows of all text.
const HELD: usize = super::TEXT;

/// Outputs of one cell, and of all together, that are held.
const OF_CELL: usize = 60;
const OF_ALL: usize = 400;

/// Something that a cell showed.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    Stream {
        is_error: bool,
        /// Its end.
        text: String,
        /// Bytes and lines before it.
        left_out: (u64, u64),
    },
    Rich {
        id: Option<String>,
        form: Form,
    },
    Error {
        /// Such as `ValueError: boom`.
        title: String,
        traceback: String,
    },
}

/// What one cell showed.
#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) outputs: VecDeque<Output>,
    /// Outputs before those.
    pub(super) left_out: u64,
    /// Its execution count, once it ended.
    pub(super) count: Option<u32>,
}

/// What the cells of an attempt showed.
#[derive(Debug, Default)]
pub(in crate::jobs) struct Outputs {
    /// By number among those that run.
    cells: BTreeMap<usize, Cell>,
    current: usize,
    held: usize,
}

impl Outputs {
    /// What a cell showed, counted among those that run; `None` where it showed nothing.
    pub(super) fn of(&self, cell: usize) -> Option<&Cell> {
        self.cells.get(&cell)
    }

    /// Takes in the next line of the output file.
    pub(in crate::jobs) fn take(&mut self, line: &Line) {
        match line {
            Line::Stdout { text } => self.stream(false, text),
            Line::Stderr { text } => self.stream(true, text),
            Line::Shown {
                data,
                id,
                update: true,
                ..
            } => self.update(id.as_deref(), data),
            Line::Shown { data, id, .. } => {
                let (id, form) = (id.clone(), form::of(data));
                self.push(Output::Rich { id, form });
            }
            Line::Error {
                name,
                value,
                traceback,
            } => {
                let title = if value.is_empty() {
                    name.clone()
                } else {
                    format!("{name}: {value}")
                };
                self.push(Output::Error {
                    title,
                    traceback: plain(&traceback.join("\n")),
                });
            }
            Line::Cell { cell, ended, count } => {
                self.current = *cell as usize;
                if *ended {
                    self.cell().count = *count;
                }
            }
            Line::Cleared => {
                let cell = self.cell();
                cell.left_out = 0;
                let gone = std::mem::take(&mut cell.outputs).len();
                self.held -= gone;
            }
            Line::Ready { .. } | Line::End { .. } | Line::Unknown => {}
        }
    }

    fn cell(&mut self) -> &mut Cell {
        self.cells.entry(self.current).or_default()
    }

    fn stream(&mut self, is_error: bool, more: &str) {
        if let Some(Output::Stream {
            is_error: before,
            text,
            left_out,
        }) = self.cell().outputs.back_mut()
            && *before == is_error
        {
            text.push_str(more);
            // Twice as much is held for a while, so that not every line moves all that is held.
            if text.len() > 2 * HELD {
                keep_end(text, left_out);
            }
            return;
        }
        let mut text = more.to_owned();
        let mut left_out = (0, 0);
        if text.len() > 2 * HELD {
            keep_end(&mut text, &mut left_out);
        }
        self.push(Output::Stream {
            is_error,
            text,
            left_out,
        });
    }

    /// What was shown under this id looks like this now.
    fn update(&mut self, id: Option<&str>, data: &BTreeMap<String, String>) {
        if id.is_none() {
            return;
        }
        for output in self.cells.values_mut().flat_map(|cell| &mut cell.outputs) {
            if let Output::Rich { id: known, form } = output
                && known.as_deref() == id
            {
                *form = form::of(data);
            }
        }
    }

    fn push(&mut self, output: Output) {
        let full = self.held >= OF_ALL;
        let cell = self.cell();
        if cell.outputs.len() >= OF_CELL || full && !cell.outputs.is_empty() {
            // What failed stays longest.
            let first = cell
                .outputs
                .iter()
                .position(|output| !matches!(output, Output::Error { .. }));
            cell.outputs.remove(first.unwrap_or(0));
            cell.left_out += 1;
        } else if full {
            cell.left_out += 1;
            return;
        } else {
            self.held += 1;
        }
        self.cell().outputs.push_back(output);
    }
}

/// Cuts a stream's beginning off, at a line's end where there is one.
fn keep_end(text: &mut String, left_out: &mut (u64, u64)) {
    let cut = text.ceil_char_boundary(text.len() - HELD);
    let cut = text[cut..].find('\n').map_or(cut, |end| cut + end + 1);
    left_out.0 += cut as u64;
    left_out.1 += text[..cut].bytes().filter(|byte| *byte == b'\n').count() as u64;
    text.drain(..cut);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Line {
        Line::Stdout { text: text.into() }
    }

    fn shown(id: Option<&str>, text: &str, update: bool) -> Line {
        Line::Shown {
            data: [("text/plain".to_owned(), text.to_owned())].into(),
            result: false,
            id: id.map(str::to_owned),
            update,
        }
    }

    #[test]
    fn a_flood_leaves_its_end() {
        let mut outputs = Outputs::default();
        let line = "0123456789 012345678\n";
        let lines = 20_000_000 / line.len() as u64;
        for _ in 0..lines / 1000 {
            outputs.take(&out(&line.repeat(1000)));
        }
        outputs.take(&out("the end"));
        let cell = outputs.of(0).unwrap();
        let Output::Stream { text, left_out, .. } = &cell.outputs[0] else {
            panic!("{cell:?}")
        };
        assert!(
            text.len() <= 2 * HELD && text.ends_with("\nthe end"),
            "{} bytes",
            text.len()
        );
        let all = lines / 1000 * 1000 * line.len() as u64 + 7;
        assert_eq!(left_out.0 + text.len() as u64, all);
        assert_eq!(left_out.1, left_out.0 / line.len() as u64);
    }

    #[test]
    fn many_outputs_are_counted_and_the_last_ones_kept() {
        let mut outputs = Outputs::default();
        for turn in 0..1_000 {
            outputs.take(&out(&format!("{turn}\n")));
            outputs.take(&Line::Stderr { text: "e\n".into() });
        }
        let cell = outputs.of(0).unwrap();
        assert_eq!(
            (cell.outputs.len(), cell.left_out),
            (OF_CELL, 2_000 - OF_CELL as u64)
        );
        for cell in 1..100 {
            outputs.take(&Line::Cell {
                cell,
                ended: false,
                count: None,
            });
            for _ in 0..10 {
                outputs.take(&shown(None, "x", false));
            }
        }
        let held: usize = outputs.cells.values().map(|cell| cell.outputs.len()).sum();
        let left_out: u64 = outputs.cells.values().map(|cell| cell.left_out).sum();
        assert_eq!((held, left_out), (OF_ALL, 2_000 + 990 - OF_ALL as u64));
    }

    #[test]
    fn what_is_cleared_leaves_room() {
        let mut outputs = Outputs::default();
        for turn in 0..OF_ALL + 1 {
            outputs.take(&out("before\n"));
            outputs.take(&shown(None, &turn.to_string(), false));
            outputs.take(&Line::Cleared);
        }
        outputs.take(&out("after\n"));
        let cell = outputs.of(0).unwrap();
        assert_eq!((cell.outputs.len(), cell.left_out, outputs.held), (1, 0, 1));
    }

    #[test]
    fn what_is_shown_anew_takes_its_place() {
        let mut outputs = Outputs::default();
        outputs.take(&shown(Some("bar"), "0 %", false));
        outputs.take(&out("between"));
        outputs.take(&shown(Some("bar"), "100 %", true));
        let cell = outputs.of(0).unwrap();
        assert_eq!(cell.outputs.len(), 2);
        let Output::Rich { form, .. } = &cell.outputs[0] else {
            panic!("{cell:?}")
        };
        assert_eq!(*form, Form::Text("100 %".into()));
    }
}
