//! A job's output as a tab keeps it: in blocks, bounded, text without terminal control sequences.

use std::collections::{BTreeMap, VecDeque};
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

/// Something to see, in the form of it that shows most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rich {
    /// Shown in a frame where nothing of it runs.
    Html(String),
    /// Address of a picture, with its data in it.
    Picture(String),
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A run of text of one stream.
    Text(Stream, String),
    /// Something that was shown.
    Rich {
        /// `None` where there are only words.
        rich: Option<Rich>,
        /// The same in words.
        text: String,
        /// Names it, so that it can be shown anew.
        display: Option<String>,
    },
    /// A notebook's cell begins here; counted from 0.
    Cell {
        cell: u32,
        source: String,
        state: CellState,
    },
}

/// How a notebook's cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellState {
    Running,
    Done,
    Raised,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Names the block for as long as it lives.
    pub id: u64,
    pub content: Content,
}

impl Block {
    fn bytes(&self) -> usize {
        match &self.content {
            Content::Text(_, text) => text.len(),
            Content::Rich { rich, text, .. } => {
                text.len() + rich.as_ref().map_or(0, |rich| rich.data().len())
            }
            Content::Cell { source, .. } => source.len(),
        }
    }

    /// The run of text that goes on in it, where it is one of this stream.
    fn run(&mut self, of: Stream) -> Option<&mut String> {
        match &mut self.content {
            Content::Text(stream, text) if *stream == of => Some(text),
            _ => None,
        }
    }
}

impl Rich {
    /// The form that shows most; `None` where there is only text.
    fn of(data: &BTreeMap<String, String>) -> Option<Self> {
        if let Some(html) = data.get("text/html") {
            return Some(Self::Html(html.clone()));
        }
        for kind in ["image/png", "image/jpeg", "image/gif"] {
            if let Some(picture) = data.get(kind) {
                let picture: String = picture.split_ascii_whitespace().collect();
                return Some(Self::Picture(format!("data:{kind};base64,{picture}")));
            }
        }
        let svg = data.get("image/svg+xml")?;
        // As a picture its scripts don't run.
        let svg = js_sys::encode_uri_component(svg);
        Some(Self::Picture(format!("data:image/svg+xml,{}", svg.as_string()?)))
    }

    fn data(&self) -> &str {
        match self {
            Self::Html(data) | Self::Picture(data) => data,
        }
    }
}

/// What was shown, in words: its source where it has no plainer form.
fn words(data: &BTreeMap<String, String>) -> String {
    let forms = ["text/markdown", "text/latex", "application/json", "text/plain"];
    let found = forms.iter().find_map(|form| data.get(*form));
    found.cloned().unwrap_or_default()
}

/// Everything that a job has said so far.
#[derive(Default)]
pub struct Output {
    blocks: VecDeque<Rc<Block>>,
    next_id: u64,
    /// Where the output of the cell that runs begins.
    cell_from: u64,
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
            JobOutput::Shown { data, update, id, .. } => {
                let (rich, text) = (Rich::of(data), words(data));
                if *update {
                    self.update(&rich, &text, id.as_deref());
                } else if rich.is_none() && id.is_none() {
                    self.whole(Stream::Result, &text);
                } else {
                    self.add(Content::Rich {
                        rich,
                        text,
                        display: id.clone(),
                    });
                }
            }
            JobOutput::Cell { ended: true, .. } => self.cell_is(CellState::Done),
            JobOutput::Cell { cell, source, .. } => {
                // What is no notebook is one cell, which is shown as the job's code.
                if let Some(source) = source {
                    self.add(Content::Cell {
                        cell: *cell,
                        source: source.clone(),
                        state: CellState::Running,
                    });
                }
                self.cell_from = self.next_id;
            }
            JobOutput::Cleared => self.clear(),
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
                self.cell_is(CellState::Raised);
            }
            JobOutput::End { .. } => {}
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
            let (text, alone) = match &block.content {
                Content::Text(stream, text) => (text, matches!(stream, Stream::Result | Stream::Error)),
                Content::Rich { text, .. } => (text, true),
                Content::Cell { .. } => continue,
            };
            if alone && !all.is_empty() && !all.ends_with('\n') {
                all.push('\n');
            }
            all.push_str(text);
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
        self.add(Content::Text(stream, String::new()));
    }

    fn add(&mut self, content: Content) {
        let block = Block {
            id: self.next_id,
            content,
        };
        self.next_id += 1;
        self.bytes += block.bytes();
        self.blocks.push_back(Rc::new(block));
        self.drop_surplus();
    }

    /// Shows something anew where it was shown.
    fn update(&mut self, rich: &Option<Rich>, text: &str, id: Option<&str>) {
        for block in &mut self.blocks {
            match &block.content {
                Content::Rich { display, .. } if display.is_some() && display.as_deref() == id => {}
                _ => continue,
            }
            let next = Block {
                id: block.id,
                content: Content::Rich {
                    rich: rich.clone(),
                    text: text.to_owned(),
                    display: id.map(str::to_owned),
                },
            };
            self.bytes = self.bytes - block.bytes() + next.bytes();
            *block = Rc::new(next);
        }
        self.drop_surplus();
    }

    /// Takes away what the cell has shown that runs.
    fn clear(&mut self) {
        while let Some(last) = self.blocks.pop_back_if(|last| last.id >= self.cell_from) {
            self.bytes -= last.bytes();
        }
        self.ansi = Ansi::default();
        self.carriage = false;
    }

    /// How the cell stands that runs. One that raised stays so when it ends.
    fn cell_is(&mut self, now: CellState) {
        let mut cells = self.blocks.iter_mut().rev();
        let last = cells.find(|block| matches!(block.content, Content::Cell { .. }));
        if let Some(last) = last
            && let Content::Cell { state, .. } = &mut Rc::make_mut(last).content
            && *state == CellState::Running
        {
            *state = now;
        }
    }

    fn drop_surplus(&mut self) {
        while self.bytes > KEEP && self.blocks.len() > 1 {
            if let Some(first) = self.blocks.pop_front() {
                self.bytes -= first.bytes();
                self.dropped = true;
            }
        }
    }

    fn text(&mut self, stream: Stream, text: &str) {
        let clean = self.ansi.strip(text);
        if clean.is_empty() {
            return;
        }
        let last = self.blocks.back().filter(|last| last.id >= self.cell_from);
        let goes_on =
            matches!(last.map(|last| &last.content), Some(Content::Text(last, _)) if *last == stream);
        if !goes_on {
            self.carriage = false;
            self.open(stream);
        }
        for line in clean.split_inclusive('\n') {
            self.line(stream, line);
        }
        self.drop_surplus();
    }

    /// Adds at most one line; it may lack its end.
    fn line(&mut self, stream: Stream, line: &str) {
        let closed = matches!(self.blocks.back().map(|last| &last.content),
            Some(Content::Text(_, text)) if text.len() >= BLOCK && text.ends_with('\n') || text.len() >= 16 * BLOCK);
        if closed {
            self.open(stream);
        }
        let Some(last) = self.blocks.back_mut() else {
            return;
        };
        // Shared with what is shown: then a copy of at most one block is made, once a repaint.
        let Some(text) = Rc::make_mut(last).run(stream) else {
            return;
        };
        let before = text.len();
        for piece in line.split_inclusive('\r') {
            let (piece, returns) = match piece.strip_suffix('\r') {
                Some(rest) => (rest, true),
                None => (piece, false),
            };
            if self.carriage && !piece.is_empty() {
                if !piece.starts_with('\n') {
                    let start = text.rfind('\n').map_or(0, |at| at + 1);
                    text.truncate(start);
                }
                self.carriage = false;
            }
            text.push_str(piece);
            self.carriage |= returns;
        }
        self.bytes = self.bytes - before + text.len();
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
mod tests;
