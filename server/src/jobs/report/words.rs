//! Text as a terminal would leave it, and how a bound is shared among texts.

/// What a terminal would show of it: no colours, and of a line that was written over, its last form.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut line = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                // Parameters, then a letter that ends the sequence.
                while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                chars.next_if(|c| matches!(c, '@'..='~'));
            }
            '\r' if chars.peek().is_some_and(|next| *next != '\n') => shown.truncate(line),
            '\n' => {
                shown.push('\n');
                line = shown.len();
            }
            '\t' => shown.push('\t'),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

/// The most that each may take so that all together stay within `room`: those that need less leave it to the others.
pub(super) fn fair_share(needs: impl IntoIterator<Item = usize>, mut room: usize) -> usize {
    let mut needs: Vec<usize> = needs.into_iter().collect();
    needs.sort_unstable();
    let mut left = needs.len();
    for need in needs {
        if need > room / left {
            return room / left;
        }
        room -= need;
        left -= 1;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_needed_to_read_it() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m \u{7}bell\r\n"), "red bell\n");
        assert_eq!(plain("one\n 10 %\r 50 %\r100 %\ntwo\r"), "one\n100 %\ntwo");
        assert_eq!(plain("a\tb\u{1b}"), "a\tb");
    }

    #[test]
    fn who_needs_little_leaves_room() {
        assert_eq!(fair_share([1, 2, 3], 6), usize::MAX);
        assert_eq!(fair_share([10, 100, 100], 110), 50);
        assert_eq!(fair_share([100, 100], 0), 0);
        assert_eq!(fair_share([], 5), usize::MAX);
    }
}
