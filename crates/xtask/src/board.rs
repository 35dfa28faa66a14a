//! What a person sees while steps run: names, bars and elapsed time; plain lines where there is no terminal.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const BAR_CELLS: usize = 20;
/// Without a terminal, a long step says this often that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The lines of the steps that run now, below the lines of those that ended.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    terminal: bool,
    colour: bool,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<usize, Running>,
    /// Lines drawn below the cursor's resting place, to be drawn over.
    drawn: usize,
    tick: usize,
}

#[derive(Debug)]
struct Running {
    title: String,
    since: Instant,
    told: Instant,
    done: Option<(u64, u64)>,
    line: String,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Done,
    Failed,
    Note,
}

impl Board {
    pub(crate) fn new() -> Self {
        let terminal = stderr().is_terminal() && std::env::var_os("CI").is_none();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        Self {
            state: Mutex::default(),
            terminal,
            colour,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(&self, id: usize, title: &str) {
        let now = Instant::now();
        let running = Running {
            title: title.to_owned(),
            since: now,
            told: now,
            done: None,
            line: String::new(),
        };
        self.state().running.insert(id, running);
        if !self.terminal {
            self.say(&format!("  → {title}"));
        }
    }

    /// The last thing a step's tool said.
    pub(crate) fn line(&self, id: usize, line: &str) {
        if let Some(running) = self.state().running.get_mut(&id) {
            running.line = line.to_owned();
        }
    }

    pub(crate) fn progress(&self, id: usize, done: u64, total: u64) {
        if let Some(running) = self.state().running.get_mut(&id) {
            running.done = Some((done, total));
        }
    }

    /// Ends a step's line and leaves one that stays.
    pub(crate) fn end(&self, id: usize, mark: Mark, remark: &str) {
        let running = self.state().running.remove(&id);
        if let Some(running) = running {
            let remark = if remark.is_empty() {
                String::new()
            } else {
                format!(" · {remark}")
            };
            self.mark(
                mark,
                &format!(
                    "{}{remark}  {}",
                    running.title,
                    self.dim(&elapsed(running.since.elapsed()))
                ),
            );
        }
    }

    /// A line of its own with a mark.
    pub(crate) fn mark(&self, mark: Mark, text: &str) {
        let (sign, colour) = match mark {
            Mark::Done => ("✔", "32"),
            Mark::Failed => ("✘", "31"),
            Mark::Note => ("·", "33"),
        };
        self.say(&format!("  {} {text}", self.paint(sign, colour)));
    }

    /// Prints lines above those of the running steps.
    pub(crate) fn say(&self, text: &str) {
        let mut state = self.state();
        let mut out = String::new();
        erase(&mut out, &mut state);
        out.push_str(text);
        out.push('\n');
        self.draw(&mut out, &mut state);
        write_err(&out);
    }

    /// Redraws the running steps; called a few times a second.
    pub(crate) fn tick(&self) {
        let mut state = self.state();
        state.tick += 1;
        let mut out = String::new();
        if self.terminal {
            erase(&mut out, &mut state);
            self.draw(&mut out, &mut state);
        } else {
            for running in state
                .running
                .values_mut()
                .filter(|running| running.told.elapsed() > HEARTBEAT)
            {
                running.told = Instant::now();
                let done = running
                    .done
                    .map_or(String::new(), |(done, total)| format!(", {done} of {total}"));
                out.push_str(&format!(
                    "    {}: {}{done}\n",
                    running.title,
                    elapsed(running.since.elapsed())
                ));
            }
        }
        write_err(&out);
    }

    fn draw(&self, out: &mut String, state: &mut State) {
        if !self.terminal {
            return;
        }
        let width = usize::from(tcgetwinsize(stderr()).map_or(80, |size| size.ws_col.max(40)));
        let spinner = SPINNER[state.tick % SPINNER.len()];
        for running in state.running.values() {
            let bar = running
                .done
                .map_or(String::new(), |(done, total)| bar(done, total));
            let head = format!("{}{bar}  {}", running.title, elapsed(running.since.elapsed()));
            let room = width.saturating_sub(head.chars().count() + 8);
            let line: String = running
                .line
                .chars()
                .filter(|c| !c.is_control())
                .take(room)
                .collect();
            let text = format!("  {} {head}  {}\n", self.paint(spinner, "36"), self.dim(&line));
            out.push_str(&text);
        }
        state.drawn = state.running.len();
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint(text, "1")
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint(text, "2")
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn erase(out: &mut String, state: &mut State) {
    if state.drawn > 0 {
        out.push_str(&format!("\x1b[{}A\x1b[J", state.drawn));
        state.drawn = 0;
    }
}

fn write_err(text: &str) {
    // A closed terminal must not stop the clean-up that follows.
    stderr().lock().write_all(text.as_bytes()).ok();
}

fn bar(done: u64, total: u64) -> String {
    let cells = usize::try_from(done * BAR_CELLS as u64 / total.max(1))
        .unwrap_or(BAR_CELLS)
        .min(BAR_CELLS);
    format!(
        "  {}{} {done}/{total}",
        "━".repeat(cells),
        "┄".repeat(BAR_CELLS - cells)
    )
}

/// A duration as a person says it.
pub(crate) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 60 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1}s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_stays_in_its_cells() {
        assert_eq!(bar(0, 0).chars().filter(|c| *c == '━').count(), 0);
        assert_eq!(bar(5, 10).chars().filter(|c| *c == '━').count(), BAR_CELLS / 2);
        assert_eq!(bar(30, 10).chars().filter(|c| *c == '━').count(), BAR_CELLS);
    }

    #[test]
    fn elapsed_reads_well() {
        assert_eq!(elapsed(Duration::from_millis(1234)), "1.2s");
        assert_eq!(elapsed(Duration::from_secs(125)), "2m 05s");
    }
}
