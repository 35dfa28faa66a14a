//! Task keys: strings, numbers, bytes and tuples of these, shown as Python's `str(key)` shows them.

use std::fmt;

use rmpv::Value;

/// A task's key, borrowed from a message. [`fmt::Display`] gives what Python's `str(key)` gives:
/// `inc-1f` for a string, `('sum-abc', 0)` for a tuple.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskKey<'a>(pub &'a Value);

impl fmt::Display for TaskKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            Some(text) => f.write_str(text),
            None => write_repr(f, self.0),
        }
    }
}

fn write_repr(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Nil => f.write_str("None"),
        Value::Boolean(true) => f.write_str("True"),
        Value::Boolean(false) => f.write_str("False"),
        Value::Integer(n) => write!(f, "{n}"),
        Value::F32(x) => write_float(f, f64::from(*x)),
        Value::F64(x) => write_float(f, *x),
        Value::String(text) => write_str_repr(f, &String::from_utf8_lossy(text.as_bytes())),
        Value::Binary(bytes) | Value::Ext(_, bytes) => write_bytes_repr(f, bytes),
        Value::Array(items) => {
            f.write_str("(")?;
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                write_repr(f, item)?;
            }
            f.write_str(if items.len() == 1 { ",)" } else { ")" })
        }
        Value::Map(pairs) => {
            f.write_str("{")?;
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                write_repr(f, key)?;
                f.write_str(": ")?;
                write_repr(f, value)?;
            }
            f.write_str("}")
        }
    }
}

/// Python's shortest float: plain from 1e-4 up to 1e16, with a two-digit exponent beyond.
fn write_float(f: &mut fmt::Formatter<'_>, x: f64) -> fmt::Result {
    if x.is_nan() {
        return f.write_str("nan");
    }
    if x.is_infinite() {
        return f.write_str(if x > 0.0 { "inf" } else { "-inf" });
    }
    if x == 0.0 || (1e-4..1e16).contains(&x.abs()) {
        return write!(f, "{x:?}");
    }
    let text = format!("{x:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    write!(f, "{mantissa}e{sign}{digits:0>2}")
}

fn quote_for(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn write_str_repr(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = quote_for(text.contains('\''), text.contains('"'));
    write!(f, "{quote}")?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "{quote}")
}

fn write_bytes_repr(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let quote = quote_for(bytes.contains(&b'\''), bytes.contains(&b'"'));
    write!(f, "b{quote}")?;
    for &byte in bytes {
        match byte {
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            b'\\' => f.write_str("\\\\")?,
            b if char::from(b) == quote => write!(f, "\\{quote}")?,
            b' '..=b'~' => write!(f, "{}", char::from(byte))?,
            _ => write!(f, "\\x{byte:02x}")?,
        }
    }
    write!(f, "{quote}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value) -> String {
        TaskKey(&value).to_string()
    }

    #[test]
    fn keys_read_as_python_prints_them() {
        assert_eq!(shown("inc-0f's".into()), "inc-0f's");
        assert_eq!(
            shown(Value::Array(vec!["sum-abc".into(), 0.into()])),
            "('sum-abc', 0)"
        );
        assert_eq!(shown(Value::Array(vec!["a".into()])), "('a',)");
        assert_eq!(shown(Value::Array(Vec::new())), "()");
        assert_eq!(
            shown(Value::Array(vec![
                "it's".into(),
                "say \"it's\"\n\u{1}é".into(),
                Value::Array(vec![(-1).into()])
            ])),
            "(\"it's\", 'say \"it\\'s\"\\n\\x01é', (-1,))"
        );
        assert_eq!(shown(7.into()), "7");
        assert_eq!(shown(Value::Nil), "None");
        assert_eq!(shown(Value::Binary(b"raw-\xff'".to_vec())), "b\"raw-\\xff'\"");
        assert_eq!(shown(Value::Array(vec![true.into(), Value::Nil])), "(True, None)");
    }

    #[test]
    fn floats_read_as_python_prints_them() {
        for (x, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1e300, "1e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(shown(x.into()), text);
        }
    }
}
