//! Msgpack bodies: decoding within bounds, and access to what is loosely typed.
//!
//! Dask's maps have arrays, integers and nil as keys, which is why messages stay [`rmpv::Value`]s until a typed
//! reply picks out what it knows.

use rmpv::Value;

use crate::frame::Limits;

/// A body that is not msgpack within our bounds.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It ends before its last value does, or has bytes after it.
    #[error("its msgpack document is cut short or followed by other bytes")]
    Length,
    /// It holds more values than we take.
    #[error("it holds more than the {limit} values allowed")]
    TooManyValues { limit: u64 },
    /// It is nested deeper than we take.
    #[error("it is nested deeper than the {limit} levels allowed")]
    TooDeep { limit: usize },
    /// It uses a marker that msgpack reserves.
    #[error("it is not msgpack")]
    NotMsgpack,
}

/// Decodes one msgpack document.
///
/// # Errors
/// [`DecodeError`], found before any value is built.
pub fn decode(body: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
    scan(body, limits)?;
    // rmpv counts a container and its contents as two levels, and a leaf as two more.
    let depth = limits.depth.saturating_mul(2).saturating_add(4);
    rmpv::decode::read_value_with_max_depth(&mut &body[..], depth).map_err(|_scanned| DecodeError::NotMsgpack)
}

/// Walks over the document without building it, so that neither nesting nor a heap of tiny values can hurt.
fn scan(body: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    let mut rest = body;
    let mut values: u64 = 0;
    // Values still expected in each open container, innermost last.
    let mut open: Vec<u64> = vec![1];
    while let Some(expected) = open.last_mut() {
        if *expected == 0 {
            open.pop();
            continue;
        }
        *expected -= 1;
        values += 1;
        if values > limits.values {
            return Err(DecodeError::TooManyValues { limit: limits.values });
        }
        if let Some(children) = skip_one(&mut rest)? {
            if open.len() > limits.depth {
                return Err(DecodeError::TooDeep { limit: limits.depth });
            }
            open.push(children);
        }
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(DecodeError::Length)
    }
}

/// Steps over one value; a container's children are left for the caller, who is told their number.
fn skip_one(rest: &mut &[u8]) -> Result<Option<u64>, DecodeError> {
    let marker = number(rest, 1)?;
    let payload = match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 0,
        0x80..=0x8f => return Ok(Some(2 * (marker & 0x0f))),
        0x90..=0x9f => return Ok(Some(marker & 0x0f)),
        0xa0..=0xbf => marker & 0x1f,
        0xc4 | 0xd9 => number(rest, 1)?,
        0xc5 | 0xda => number(rest, 2)?,
        0xc6 | 0xdb => number(rest, 4)?,
        0xc7 => number(rest, 1)? + 1,
        0xc8 => number(rest, 2)? + 1,
        0xc9 => number(rest, 4)? + 1,
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 => 2,
        0xca | 0xce | 0xd2 => 4,
        0xcb | 0xcf | 0xd3 => 8,
        0xd4..=0xd8 => (1 << (marker - 0xd4)) + 1,
        0xdc => return number(rest, 2).map(Some),
        0xdd => return number(rest, 4).map(Some),
        0xde => return Ok(Some(2 * number(rest, 2)?)),
        0xdf => return Ok(Some(2 * number(rest, 4)?)),
        _ => return Err(DecodeError::NotMsgpack),
    };
    advance(rest, payload)?;
    Ok(None)
}

/// A big-endian unsigned number of up to 4 bytes.
fn number(rest: &mut &[u8], bytes: u64) -> Result<u64, DecodeError> {
    Ok(advance(rest, bytes)?
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn advance<'a>(rest: &mut &'a [u8], bytes: u64) -> Result<&'a [u8], DecodeError> {
    let (passed, left) = usize::try_from(bytes)
        .ok()
        .and_then(|n| rest.split_at_checked(n))
        .ok_or(DecodeError::Length)?;
    *rest = left;
    Ok(passed)
}

/// Writes a value as msgpack.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    rmpv::encode::write_value(&mut body, value).expect("writing into a Vec does not fail");
    body
}

/// A map with string keys, as requests are.
pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(
        pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

/// The value under a string key; none if this is no map or lacks the key.
pub fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value
        .as_map()?
        .iter()
        .find_map(|(k, v)| (k.as_str() == Some(key)).then_some(v))
}

/// A string under a key.
pub fn get_str<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    get(value, key)?.as_str()
}

/// A non-negative integer under a key; Python may well have made it a float.
pub fn get_u64(value: &Value, key: &str) -> Option<u64> {
    to_u64(get(value, key)?)
}

/// A finite number under a key.
pub fn get_f64(value: &Value, key: &str) -> Option<f64> {
    to_f64(get(value, key)?)
}

pub(crate) fn to_u64(value: &Value) -> Option<u64> {
    match value {
        Value::F64(x) if *x >= 0.0 && *x < 18_446_744_073_709_551_616.0 => Some(*x as u64),
        _ => value.as_u64(),
    }
}

pub(crate) fn to_f64(value: &Value) -> Option<f64> {
    value.as_f64().filter(|x| x.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits {
            values: 1000,
            depth: 16,
            ..Limits::default()
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f32>()
                .prop_filter("equal to itself", |x| !x.is_nan())
                .prop_map(Value::from),
            any::<f64>()
                .prop_filter("equal to itself", |x| !x.is_nan())
                .prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Binary),
            (any::<i8>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(t, b)| Value::Ext(t, b)),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((inner.clone(), inner), 0..6).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_survive_a_round_trip(value in any_value()) {
            let limits = Limits { values: 100_000, ..Limits::default() };
            prop_assert_eq!(decode(&encode(&value), &limits).expect("decodes"), value);
        }

        #[test]
        fn a_cut_document_is_an_error(value in any_value(), cut in any::<prop::sample::Index>()) {
            let body = encode(&value);
            let short = &body[..cut.index(body.len())];
            prop_assert!(decode(short, &Limits::default()).is_err());
        }

        #[test]
        fn noise_is_an_error_or_a_value(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = decode(&body, &limits()) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn bounds_hold_before_anything_is_built() {
        // An array that claims four billion nils, and one that holds more than allowed.
        assert!(matches!(
            decode(&[0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0], &limits()),
            Err(DecodeError::Length)
        ));
        let many = encode(&Value::Array(vec![Value::Nil; 1001]));
        assert!(matches!(
            decode(&many, &limits()),
            Err(DecodeError::TooManyValues { .. })
        ));
        let mut deep = vec![0x91; 1_000_000];
        deep.push(0xc0);
        let generous = Limits {
            values: 10_000_000,
            ..limits()
        };
        assert!(matches!(
            decode(&deep, &generous),
            Err(DecodeError::TooDeep { .. })
        ));
        let mut just_deep_enough = vec![0x91; 16];
        just_deep_enough.push(0xc0);
        assert!(decode(&just_deep_enough, &limits()).is_ok());
        assert!(matches!(decode(&[0xc1], &limits()), Err(DecodeError::NotMsgpack)));
        assert!(matches!(
            decode(&[0xc0, 0xc0], &limits()),
            Err(DecodeError::Length)
        ));
    }

    #[test]
    fn the_default_depth_fits_a_thread_of_the_runtime() {
        let depth = Limits::default().depth;
        let mut body = vec![0x91; depth];
        body.push(0xc0);
        let decoded = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || decode(&body, &Limits::default()).is_ok())
            .expect("a thread")
            .join();
        assert!(decoded.expect("no overflow"));
    }

    #[test]
    fn loosely_typed_fields_are_read() {
        let value = map([
            ("n", 7.0.into()),
            ("s", "x".into()),
            ("nan", f64::NAN.into()),
            ("neg", (-1).into()),
        ]);
        assert_eq!(get_u64(&value, "n"), Some(7));
        assert_eq!(get_f64(&value, "n"), Some(7.0));
        assert_eq!(get_str(&value, "s"), Some("x"));
        assert_eq!(get_f64(&value, "nan"), None);
        assert_eq!(get_u64(&value, "neg"), None);
        assert_eq!(get(&Value::Nil, "n"), None);
        let odd = Value::Map(vec![
            (Value::Array(vec!["execute".into()]), 1.into()),
            (Value::Nil, 2.into()),
        ]);
        assert_eq!(get(&odd, "execute"), None);
    }
}
