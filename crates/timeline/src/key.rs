//! The prefix of a task's key, as Dask's `key_split` gives it.

/// The key prefix that `dask.utils.key_split` gives for a string key.
///
/// A tuple key as its text (`('sum-abc', 0)`) works as it does in Dask, which saw such text in keys for years. Where the
/// tuple itself is at hand, Dask takes its first element; so should the caller.
pub fn key_split(key: &str) -> String {
    prefix_of(key).unwrap_or_else(|| "Other".to_owned())
}

/// `None` where Python's code raises, which it answers with "Other".
fn prefix_of(key: &str) -> Option<String> {
    let mut words = key.split('-');
    let first = words.next()?;
    let mut prefix = if is_python_alpha(first.chars().next()?) {
        first.to_owned()
    } else {
        let head = first.split(',').next()?;
        head.trim_matches(['_', '\'', '(', ')', '"']).to_owned()
    };
    for word in words.take_while(|word| is_name_part(word)) {
        prefix.push('-');
        prefix.push_str(word);
    }
    if prefix.len() == 32 && prefix.bytes().all(|b| matches!(b, b'a'..=b'f' | b'0'..=b'9')) {
        return Some("data".to_owned());
    }
    if prefix.chars().next()? == '<' {
        let inner = prefix.trim_matches(['<', '>']);
        let class = inner.split(is_python_space).find(|word| !word.is_empty())?;
        return class.rsplit('.').next().map(str::to_owned);
    }
    Some(prefix)
}

/// Whether a word after a dash belongs to the prefix: letters only, and not what Dask takes for a hash, which is any eight
/// letters that begin with one of a to f.
fn is_name_part(word: &str) -> bool {
    let letters = !word.is_empty() && word.chars().all(is_python_alpha);
    letters && !(word.chars().count() == 8 && word.starts_with(|c| matches!(c, 'a'..='f')))
}

/// What Python's `str.isalpha` takes for a letter: without the letter-like numerals (`Ⅶ`) that Rust counts in.
fn is_python_alpha(c: char) -> bool {
    c.is_alphabetic() && !c.is_numeric()
}

/// What Python's `str.split` splits at: Unicode's white space and four control characters.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::{PALETTE, color_index};

    /// One line for each key: key, prefix and colour as Python gave them, made by `tests/data/key_split.py`.
    const TABLE: &str = include_str!("../tests/data/key_split.tsv");

    #[test]
    fn prefixes_and_colours_are_pythons() {
        let mut lines = 0;
        for line in TABLE.lines() {
            let mut fields = line.split('\t');
            let (Some(key), Some(prefix), Some(color)) = (fields.next(), fields.next(), fields.next()) else {
                panic!("three fields expected in {line:?}");
            };
            assert_eq!(key_split(key), prefix, "{key:?}");
            let [r, g, b] = PALETTE[usize::from(color_index(prefix))];
            assert_eq!(format!("#{r:02X}{g:02X}{b:02X}"), color, "{prefix:?}");
            lines += 1;
        }
        assert!(lines > 100, "{lines} lines");
    }
}
