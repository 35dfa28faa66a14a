//! The form in braces: JSON, and YAML's own `{NAME: value}`.

use super::Mapping;
use super::scalar::{self, Scalar};

pub(super) fn read(text: &str, into: &mut Mapping) -> Result<(), String> {
    let mut cursor = Cursor {
        whole: text,
        rest: text,
    };
    cursor.skip();
    cursor.take('{');
    loop {
        cursor.skip();
        if cursor.take('}') {
            break;
        }
        let line = cursor.line();
        let (name, quoted) = cursor.name()?;
        cursor.skip();
        if !cursor.take(':') {
            return Err(cursor.wrong(&format!("a colon must follow the name “{name}”")));
        }
        if !quoted && !cursor.rest.starts_with([' ', '\t', '\n', '\r', ',', '}']) {
            return Err(cursor.wrong(&format!("a space must follow the colon of “{name}”")));
        }
        cursor.skip();
        let value = cursor.value(&name)?;
        into.insert(line, name, value)?;
        cursor.skip();
        if !cursor.take(',') && !cursor.rest.starts_with('}') {
            return Err(cursor.wrong("a comma or the closing brace is missing"));
        }
    }
    cursor.skip();
    if cursor.rest.is_empty() {
        Ok(())
    } else {
        Err(cursor.wrong("nothing may follow the closing brace"))
    }
}

struct Cursor<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl Cursor<'_> {
    fn line(&self) -> usize {
        self.whole[..self.whole.len() - self.rest.len()]
            .matches('\n')
            .count()
            + 1
    }

    fn wrong(&self, why: &str) -> String {
        format!("Line {}: {why}.", self.line())
    }

    /// Whether a remark may begin here: at the beginning or after a blank.
    fn after_blank(&self) -> bool {
        let before = &self.whole[..self.whole.len() - self.rest.len()];
        before.is_empty() || before.ends_with([' ', '\t', '\n', '\r'])
    }

    /// Skips blanks, line ends and remarks.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
            if !(self.rest.starts_with('#') && self.after_blank()) {
                return;
            }
            self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
        }
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let (text, rest) = scalar::quoted(self.rest).map_err(|why| self.wrong(&format!("a text {why}")))?;
        self.rest = rest;
        Ok(text)
    }

    /// A name and whether it was quoted.
    fn name(&mut self) -> Result<(String, bool), String> {
        if self.rest.starts_with(['"', '\'']) {
            return Ok((self.quoted()?, true));
        }
        if self.rest.is_empty() {
            return Err(self.wrong("the closing brace is missing"));
        }
        if scalar::refuse_start(self.rest).is_some() {
            return Err(self.wrong("a name is missing"));
        }
        let text = self.plain()?;
        if scalar::is_null(&text) {
            Err(self.wrong("a name is missing"))
        } else {
            Ok((text, false))
        }
    }

    fn value(&mut self, name: &str) -> Result<Scalar, String> {
        if self.rest.is_empty() {
            return Err(self.wrong(&format!(
                "the value of “{name}” and the closing brace are missing"
            )));
        }
        if self.rest.starts_with([',', '}']) {
            return Ok(Scalar::plain(""));
        }
        if self.rest.starts_with(['"', '\'']) {
            return Ok(Scalar::quoted(self.quoted()?));
        }
        if let Some(why) = scalar::refuse_start(self.rest) {
            return Err(self.wrong(&format!("the value of “{name}” {why}")));
        }
        Ok(Scalar::plain(&self.plain()?))
    }

    /// A text without quotes: up to a colon that ends a name, a comma, a brace or the end of the line.
    fn plain(&mut self) -> Result<String, String> {
        let ends = |at: usize, c: char| match c {
            ',' | '{' | '}' | '[' | ']' | '\n' | '\r' => true,
            ':' => {
                let next = self.rest[at + 1..].chars().next();
                next.is_none_or(|c| c.is_whitespace() || matches!(c, ',' | '{' | '}' | '[' | ']'))
            }
            '#' => self.rest[..at].ends_with([' ', '\t']),
            _ => false,
        };
        let end = self
            .rest
            .char_indices()
            .find(|(at, c)| ends(*at, *c))
            .map_or(self.rest.len(), |(at, _)| at);
        let text = self.rest[..end].trim_end_matches([' ', '\t']).to_owned();
        self.rest = &self.rest[end..];
        // Another line would go on with this text; braces and brackets can't be part of it.
        let mut look = Cursor {
            whole: self.whole,
            rest: self.rest,
        };
        look.skip();
        if look.rest.starts_with([',', '}', ':']) {
            Ok(text)
        } else {
            Err(self.wrong(&format!(
                "after “{text}” a comma or the closing brace is missing, or it needs quotes"
            )))
        }
    }
}
