//! A job's output as the panel keeps it: in blocks, bounded, without terminal control sequences.

use std::collections::VecDeque;
use std::rc::Rc;

use protocol::jobs::JobOutput;

/// Text kept at most, in bytes; the oldest goes first.
pub const KEEP: usize = 10 << 20;

/// Size at which a block is closed, so that a browser can skip those out of sight.
const BLOCK: usize = 32 << 10;

/// Where text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
    Result,
    Error,
}

/// A run of text of one stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// Names the block for as long as it lives.
    pub id: u64,
    pub stream: Stream,
    pub text: String,
}

/// Everything that a job has said so far.
#[derive(Default)]
pub struct Output {
    blocks: VecDeque<Rc<Block>>,
    next_id: u64,
    bytes: usize,
    dropped: bool,
    ansi: Ansi,
    /// A carriage return was read: the next character that is no line feed starts the line anew.
    carriage: bool,
}

impl Output {
    /// Takes one message in.
    pub fn push(&mut self, message: &JobOutput) {
        match message {
            JobOutput::Stdout { text } => self.text(Stream::Stdout, text),
            JobOutput::Stderr { text } => self.text(Stream::Stderr, text),
            // An update of something shown before, such as a progress bar's, would only repeat it.
            JobOutput::Shown {
                data, update: false, ..
            } => {
                if let Some(text) = data.get("text/plain") {
                    self.whole(Stream::Result, text);
                }
            }
            JobOutput::Error {
                name,
                value,
                traceback,
            } => {
                if traceback.is_empty() {
                    self.whole(Stream::Error, &format!("{name}: {value}"));
                } else {
                    self.whole(Stream::Error, &traceback.join("\n"));
                }
            }
            JobOutput::Shown { .. } | JobOutput::Cell { .. } | JobOutput::End { .. } => {}
        }
    }

    /// The blocks, oldest first. A block that did not change is the same `Rc` as before.
    pub fn blocks(&self) -> impl Iterator<Item = &Rc<Block>> {
        self.blocks.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether the beginning was let go.
    pub fn dropped(&self) -> bool {
        self.dropped
    }

    /// All that is kept, as one text.
    pub fn to_text(&self) -> String {
        let mut all = String::with_capacity(self.bytes + 64);
        for block in &self.blocks {
            if matches!(block.stream, Stream::Result | Stream::Error)
                && !all.is_empty()
                && !all.ends_with('\n')
            {
                all.push('\n');
            }
            all.push_str(&block.text);
        }
        all
    }

    /// A text that stands for itself and ends with a line feed.
    fn whole(&mut self, stream: Stream, text: &str) {
        self.ansi = Ansi::default();
        self.carriage = false;
        self.open(stream);
        self.text(stream, text);
        if !text.ends_with('\n') {
            self.text(stream, "\n");
        }
    }

    fn open(&mut self, stream: Stream) {
        self.blocks.push_back(Rc::new(Block {
            id: self.next_id,
            stream,
            text: String::new(),
        }));
        self.next_id += 1;
    }

    fn text(&mut self, stream: Stream, text: &str) {
        let clean = self.ansi.strip(text);
        if clean.is_empty() {
            return;
        }
        if self.blocks.back().is_none_or(|last| last.stream != stream) {
            self.carriage = false;
            self.open(stream);
        }
        for line in clean.split_inclusive('\n') {
            self.line(stream, line);
        }
        while self.bytes > KEEP && self.blocks.len() > 1 {
            if let Some(first) = self.blocks.pop_front() {
                self.bytes -= first.text.len();
                self.dropped = true;
            }
        }
    }

    /// Adds at most one line; it may lack its end.
    fn line(&mut self, stream: Stream, line: &str) {
        let closed = self.blocks.back().is_some_and(|last| {
            last.text.len() >= BLOCK && last.text.ends_with('\n') || last.text.len() >= 16 * BLOCK
        });
        if closed {
            self.open(stream);
        }
        let Some(last) = self.blocks.back_mut() else {
            return;
        };
        // Shared with what is shown: then a copy of at most one block is made, once a repaint.
        if Rc::get_mut(last).is_none() {
            let copy = Block {
                id: last.id,
                stream: last.stream,
                text: last.text.clone(),
            };
            *last = Rc::new(copy);
        }
        let Some(block) = Rc::get_mut(last) else { return };
        let before = block.text.len();
        for piece in line.split_inclusive('\r') {
            let (piece, returns) = match piece.strip_suffix('\r') {
                Some(rest) => (rest, true),
                None => (piece, false),
            };
            if self.carriage && !piece.is_empty() {
                if !piece.starts_with('\n') {
                    let start = block.text.rfind('\n').map_or(0, |at| at + 1);
                    block.text.truncate(start);
                }
                self.carriage = false;
            }
            block.text.push_str(piece);
            self.carriage |= returns;
        }
        self.bytes = self.bytes - before + block.text.len();
    }
}

/// Removes terminal control sequences, also those that a message cuts in two.
#[derive(Default)]
struct Ansi {
    state: Escape,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// After ESC.
    Begun,
    /// In `ESC [ …`, until a letter.
    Control,
    /// In `ESC ] …`, until BEL or ESC.
    Command,
}

impl Ansi {
    fn strip(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            self.state = match (self.state, c) {
                (_, '\u{1b}') => Escape::Begun,
                (Escape::None, c) => {
                    if c == '\n' || c == '\t' || c == '\r' || !c.is_control() {
                        out.push(c);
                    }
                    Escape::None
                }
                (Escape::Begun, '[') => Escape::Control,
                (Escape::Begun, ']') => Escape::Command,
                (Escape::Begun, _) => Escape::None,
                (Escape::Control, '\u{40}'..='\u{7e}') => Escape::None,
                (Escape::Control, _) => Escape::Control,
                (Escape::Command, '\u{7}') => Escape::None,
                (Escape::Command, _) => Escape::Command,
            };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdout(output: &mut Output, text: &str) {
        output.push(&JobOutput::Stdout { text: text.into() });
    }

    #[test]
    fn streams_keep_their_order_and_colour() {
        let mut output = Output::default();
        stdout(&mut output, "a\n");
        stdout(&mut output, "b\n");
        output.push(&JobOutput::Stderr {
            text: "warn\n".into(),
        });
        output.push(&JobOutput::Shown {
            data: [("text/plain".to_owned(), "42".to_owned())].into(),
            result: true,
            id: None,
            update: false,
        });
        let seen: Vec<_> = output.blocks().map(|b| (b.stream, b.text.as_str())).collect();
        assert_eq!(
            seen,
            [
                (Stream::Stdout, "a\nb\n"),
                (Stream::Stderr, "warn\n"),
                (Stream::Result, "42\n")
            ]
        );
        assert_eq!(output.to_text(), "a\nb\nwarn\n42\n");
    }

    #[test]
    fn control_sequences_go_even_when_cut() {
        let mut output = Output::default();
        stdout(&mut output, "\u{1b}[0;31mred\u{1b}[");
        stdout(&mut output, "0m plain\u{1b}]0;title\u{7}!");
        output.push(&JobOutput::Error {
            name: "E".into(),
            value: "x".into(),
            traceback: vec!["\u{1b}[1mTraceback\u{1b}[0m".into(), "E: x".into()],
        });
        assert_eq!(output.to_text(), "red plain!\nTraceback\nE: x\n");
    }

    #[test]
    fn a_carriage_return_rewrites_its_line_only() {
        let mut output = Output::default();
        stdout(&mut output, "head\n10 %\r20 %\r");
        stdout(&mut output, "30 %");
        stdout(&mut output, "\rdone\r\nnext\r\n");
        assert_eq!(output.to_text(), "head\ndone\nnext\n");
    }

    #[test]
    fn only_the_last_of_much_output_is_kept() {
        let mut output = Output::default();
        let line = "x".repeat(1023) + "\n";
        for _ in 0..(12 << 10) {
            stdout(&mut output, &line);
        }
        assert!(output.dropped());
        let kept: usize = output.blocks().map(|b| b.text.len()).sum();
        assert!(kept <= KEEP && kept > KEEP - 2 * BLOCK, "{kept}");
        assert_eq!(kept, output.bytes);
    }

    #[test]
    fn blocks_that_rest_are_not_copied() {
        let mut output = Output::default();
        for _ in 0..100 {
            stdout(&mut output, &("y".repeat(999) + "\n"));
        }
        let before: Vec<_> = output.blocks().cloned().collect();
        stdout(&mut output, "more\n");
        let same = output
            .blocks()
            .zip(&before)
            .filter(|(a, b)| Rc::ptr_eq(a, b))
            .count();
        assert_eq!(same, before.len() - 1);
    }
}
