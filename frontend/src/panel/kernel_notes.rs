//! Notes on kernels whose `Gateway()` finds something else than Gatehouse does, until they are put away.

use protocol::events::NoticeLevel;
use protocol::kernels::KernelNote;
use yew::prelude::*;

use crate::state::kept::Place;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner};

/// Key of the notes that were put away, a line each.
const PUT_AWAY: &str = "gatehouse:kernel-notes";

/// Notes remembered at most; the oldest goes first.
const KEEP: usize = 50;

/// The notes that are not in `away`, which holds those that were put away.
pub(super) fn kernel_notes(notes: &[KernelNote], away: &UseStateHandle<Vec<String>>) -> Html {
    let shown = notes.iter().filter(|note| !away.contains(&mark(note)));
    html! { <>{for shown.map(|note| kernel_note(note, away.setter()))}</> }
}

fn kernel_note(note: &KernelNote, away: UseStateSetter<Vec<String>>) -> Html {
    let mark = mark(note);
    let dismiss = Callback::from(move |_: MouseEvent| {
        // Read again: another page may have put one away meanwhile.
        let mut marks = put_away();
        marks.push(mark.clone());
        let from = marks.len().saturating_sub(KEEP);
        marks.drain(..from);
        Place::Browser.set(PUT_AWAY, &marks.join("\n"));
        away.set(marks);
    });
    let content = html! {
        <div data-kernel={note.kernel.clone()}>
            <b>{note.display_name.clone()}</b>{": Gateway() finds something else in this kernel than Gatehouse."}
            <details class="gh-differences">
                <summary>{"What differs, what to do"}</summary>
                {for note.differences.iter().chain([&note.remedy]).map(|sentence| html! { <p>{sentence.clone()}</p> })}
            </details>
        </div>
    };
    let button = Button::new("Put away")
        .only_icon(Icon::Cross)
        .tone(Tone::Quiet)
        .title("Put away; it comes back when something else differs")
        .on(dismiss)
        .testid("kernel-note-dismiss")
        .view();
    banner(NoticeLevel::Warning, "kernel-note", content, button)
}

/// What was put away.
pub(super) fn put_away() -> Vec<String> {
    let kept = Place::Browser.get(PUT_AWAY).unwrap_or_default();
    kept.lines().map(str::to_owned).collect()
}

/// What tells a note from any other, also from one about the same kernel that says something else.
fn mark(note: &KernelNote) -> String {
    // FNV-1a: short, and the same on every page.
    let said = note.differences.iter().flat_map(|sentence| sentence.bytes());
    let hash = said.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} {hash:x}", note.kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_says_something_else_comes_back() {
        let note = |kernel: &str, differences: &[&str]| KernelNote {
            kernel: kernel.to_owned(),
            differences: differences.iter().map(|&sentence| sentence.to_owned()).collect(),
            ..KernelNote::default()
        };
        let first = mark(&note("a", &["x", "y"]));
        assert_eq!(first, mark(&note("a", &["x", "y"])));
        for other in [note("b", &["x", "y"]), note("a", &["x", "z"]), note("a", &["x"])] {
            assert_ne!(first, mark(&other));
        }
    }
}
