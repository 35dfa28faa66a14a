//! Reading JSON with little code: text becomes a tree, and one lean reader takes the protocol's types out of it.
//!
//! The derived readers are compiled once for each way of giving them data, and serde_json's ways are made for speed:
//! they would be a seventh of the module. This one looks up a struct's fields by name and knows what the protocol's
//! types need, no more.

mod watched;

use protocol::events::Event;
use protocol::recordings::{Recording, RecordingState};
use serde::Deserialize;
use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

/// What is wrong with a text, for the log.
#[derive(Debug)]
pub struct Error(String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    // One sentence for all that the derived readers may miss: the log shows the text beside it.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn unknown_variant(variant: &str, _: &'static [&'static str]) -> Self {
        Self(format!("unknown {variant}"))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self(format!("unknown {field}"))
    }
}

/// Reads any of the protocol's types.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    T::deserialize(Lean(&tree(text)?))
}

/// Reads a text as it is; the one place where JSON is parsed.
#[inline(never)]
pub fn tree(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(Error::custom)
}

/// Writes a value on one line.
pub fn write(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Reads an event, which its field `event` chooses.
pub fn read_event(text: &str) -> Result<Event, Error> {
    let tree = tree(text)?;
    let field = |name: &str| Lean(tree.get(name).unwrap_or(&Value::Null));
    Ok(
        match tree.get("event").and_then(Value::as_str).unwrap_or_default() {
            "snapshot" => Event::Snapshot {
                status: Deserialize::deserialize(field("status"))?,
                clusters: Deserialize::deserialize(field("clusters"))?,
                jobs: Deserialize::deserialize(field("jobs"))?,
            },
            "status" => Event::Status {
                status: Deserialize::deserialize(field("status"))?,
            },
            "clusters" => Event::Clusters {
                clusters: Deserialize::deserialize(field("clusters"))?,
            },
            "figures" => Event::Figures {
                figures: Deserialize::deserialize(field("figures"))?,
            },
            "job" => Event::Job {
                job: Box::new(Deserialize::deserialize(field("job"))?),
            },
            "recordings" => Event::Recordings {
                recordings: list(&tree["recordings"], recording),
            },
            "attached" => Event::Attached {
                attached: list(&tree["attached"], watched::attached),
            },
            "kernel_notes" => Event::KernelNotes {
                notes: list(&tree["notes"], watched::kernel_note),
            },
            "guard" => Event::Guard {
                guard: super::guard::guard(field("guard").0),
            },
            "notice" => Event::Notice {
                notice: Deserialize::deserialize(field("notice"))?,
            },
            other => return Err(Error(format!("no event is called \"{other}\""))),
        },
    )
}

/// Each of a list's entries, read by hand.
fn list<T>(tree: &Value, read: fn(&Value) -> T) -> Vec<T> {
    tree.as_array().into_iter().flatten().map(read).collect()
}

/// Reads a part of a tree; `None` where it is missing or something else.
fn part<T: DeserializeOwned>(tree: &Value) -> Option<T> {
    T::deserialize(Lean(tree)).ok()
}

/// Reads a recording; by hand, which takes a tenth of a derived reader.
fn recording(tree: &Value) -> Recording {
    let text = |name: &str| tree[name].as_str().map(str::to_owned);
    let number = |name: &str| tree[name].as_i64();
    let count = |name: &str| number(name).unwrap_or_default().cast_unsigned();
    Recording {
        id: text("id").unwrap_or_default(),
        cluster: text("cluster").unwrap_or_default(),
        label: text("label"),
        scheduler: text("scheduler").unwrap_or_default(),
        state: match tree["state"].as_str() {
            Some("recording") => RecordingState::Recording,
            Some("stopped") => RecordingState::Stopped,
            _ => RecordingState::Ready,
        },
        started_at: number("started_at").unwrap_or_default(),
        ended_at: number("ended_at"),
        tasks: count("tasks"),
        lost: count("lost"),
        bytes: count("bytes"),
        message: text("message"),
    }
}

/// A value of the tree, ready to be read.
#[derive(Clone, Copy)]
struct Lean<'a>(&'a Value);

impl<'de> Deserializer<'de> for Lean<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(list) => visitor.visit_seq(List(list.iter())),
            Value::Object(map) => visitor.visit_map(Entries {
                entries: map.iter(),
                value: &Value::Null,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(text) => visitor.visit_str(text),
            _ => Err(Error("expected a text".to_owned())),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(list) => visitor.visit_seq(List(list.iter())),
            _ => Err(Error("expected a list".to_owned())),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Entries {
                entries: map.iter(),
                value: &Value::Null,
            }),
            _ => Err(Error("expected a mapping".to_owned())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Fields {
                map,
                fields: fields.iter().enumerate(),
                value: &Value::Null,
            }),
            _ => Err(Error("expected an object".to_owned())),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(Name(text)),
            _ => Err(Error("expected a name".to_owned())),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct ignored_any
    }
}

struct List<'a>(std::slice::Iter<'a, Value>);

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0
            .next()
            .map(|value| seed.deserialize(Lean(value)))
            .transpose()
    }
}

/// All entries of an object, for a mapping.
struct Entries<'a> {
    entries: serde_json::map::Iter<'a>,
    value: &'a Value,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = value;
        let name: StrDeserializer<'_, Error> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Lean(self.value))
    }
}

/// The fields of a struct that an object holds, named by their place; what else it holds is not looked at.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    fields: std::iter::Enumerate<std::slice::Iter<'static, &'static str>>,
    value: &'a Value,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        for (place, name) in self.fields.by_ref() {
            if let Some(value) = self.map.get(*name) {
                self.value = value;
                let place: U64Deserializer<Error> = (place as u64).into_deserializer();
                return seed.deserialize(place).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Lean(self.value))
    }
}

/// An enum's variant without data.
struct Name<'a>(&'a str);

impl<'de> EnumAccess<'de> for Name<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Name<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(Error("a variant with data".to_owned()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error("a variant with data".to_owned()))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(Error("a variant with data".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use protocol::jobs::{Job, JobOutput};
    use protocol::rest::{ApiError, Created, Options, Scaled};

    use super::*;

    const STATUS: &str = r#"{"version":"1","gateway":{"kind":"embedded","state":"up","address":null,"version":null,
        "message":"m"},"jupyter":{"available":true,"private":false,"message":null},"later":[1,{}]}"#;
    const CLUSTER: &str = r#"{"name":"a","label":null,"state":"RUNNING","reason":null,"started_at":1795334509547,
        "stopped_at":null,"options":{"a":1,"b":-1,"c":0.5,"d":{"x":[null,true,"é"]}},
        "scaling":{"mode":"adaptive","minimum":0,"maximum":2},"summary":{"workers":1,"threads":2,"memory_limit":8589934592,
        "memory_used":1,"cpu":99,"tasks_processing":0,"tasks_in_memory":0},"live":"live","dashboard":"d"}"#;
    const JOB: &str = r#"{"id":"j","name":"n","request":{"work":{"kind":"notebook","source":"s","path":"p.ipynb",
        "args":["-v"],"parameters":{"n":[1]}},"place":{"kind":"fresh","options":{"a":1},"scaling":{"mode":"manual","workers":2},
        "wait_for":2},"environment":{"A":"b"},"retries":1,"on_mismatch":"stop"},"cluster":"a","cluster_label":null,
        "state":"queued","doing":"waits","cells":{"done":1,"all":3},"attempt":1,"mismatches":["m"],"error":null,
        "created_at":1,"started_at":null,"ended_at":null}"#;

    /// Reads with both readers.
    fn same<T: DeserializeOwned + PartialEq + std::fmt::Debug>(text: &str) {
        let own: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            read::<T>(text).unwrap_or_else(|error| panic!("{text}: {error}")),
            own
        );
    }

    #[test]
    fn types_are_read_as_by_their_own_reader() {
        same::<protocol::rest::Status>(STATUS);
        same::<protocol::rest::Cluster>(CLUSTER);
        same::<Vec<Job>>(&format!("[{JOB},{JOB}]"));
        same::<Created>(r#"{"name":"a"}"#);
        same::<Scaled>(r#"{"warning":"less"}"#);
        same::<Scaled>("{}");
        same::<ApiError>(r#"{"code":"invalid","message":"m","field":"f","request_id":"r"}"#);
        same::<ApiError>(r#"{"code":"invalid","message":"m","request_id":"r"}"#);
        same::<Options>(
            r#"{"options":[{"field":"a","label":"A","default":"x","spec":{"type":"select","options":["x"]}},
            {"field":"b","label":"B","default":1,"spec":{"type":"int","min":-9223372036854775808,"max":null}},
            {"field":"c","label":"C","default":0.5,"spec":{"type":"float","min":0,"max":1.5}},
            {"field":"d","label":"D","default":{},"spec":{"type":"mapping"}},
            {"field":"e","label":"E","default":null,"spec":{"type":"colour","of":[1]}}]}"#,
        );
        for text in [
            r#"{"kind":"stdout","text":"a"}"#,
            r#"{"kind":"error","name":"n","value":"v","traceback":["a","b"]}"#,
            r#"{"kind":"end","state":"failed","error":null}"#,
            r#"{"kind":"shown","data":{"text/plain":"a"},"result":true,"id":null,"update":false}"#,
            r#"{"kind":"cell","cell":1,"ended":true}"#,
        ] {
            same::<JobOutput>(text);
        }
    }

    #[test]
    fn events_are_read_as_by_their_own_reader() {
        for text in [
            format!(r#"{{"event":"snapshot","status":{STATUS},"clusters":[{CLUSTER}],"jobs":[{JOB}]}}"#),
            format!(r#"{{"event":"status","status":{STATUS}}}"#),
            format!(r#"{{"event":"clusters","clusters":[{CLUSTER},{CLUSTER}]}}"#),
            r#"{"event":"figures","figures":[{"name":"a","summary":{"workers":1,"threads":2,"memory_limit":8589934592,
            "memory_used":1,"cpu":99,"tasks_processing":0,"tasks_in_memory":0},"cost":null}]}"#
                .to_owned(),
            format!(r#"{{"event":"job","job":{JOB}}}"#),
            r#"{"event":"recordings","recordings":[{"id":"a","cluster":"c","label":null,"scheduler":"s","state":"ready",
            "started_at":1,"ended_at":null,"tasks":2,"lost":0,"bytes":3,"message":"m"}]}"#
                .to_owned(),
            r#"{"event":"attached","attached":[{"id":"a","name":"attached:a","label":"l","address":"tcp://h:1",
            "attached_at":1,"live":"lost","message":"m","summary":{"workers":1,"threads":2,"memory_limit":8589934592,
            "memory_used":1,"cpu":99,"tasks_processing":0,"tasks_in_memory":0}},{"id":"b","name":"attached:b","label":"m",
            "address":"tcp://h:2","attached_at":2,"live":"live","message":null,"summary":null}]}"#
                .to_owned(),
            r#"{"event":"kernel_notes","notes":[{"kernel":"k","display_name":"K","differences":["a","b"],"remedy":"r"}]}"#
                .to_owned(),
            r#"{"event":"notice","notice":{"level":"error","message":"m"}}"#.to_owned(),
        ] {
            let own: Event = serde_json::from_str(&text).expect("an event");
            assert_eq!(read_event(&text).expect("the same event"), own);
        }
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for wrong in ["{}", "[]", "x", r#"{"event":"party"}"#, r#"{"event":"job"}"#] {
            assert!(read_event(wrong).is_err(), "{wrong}");
        }
        for wrong in ["{}", "null", r#"{"name":1}"#, r#"["a"]"#] {
            assert!(read::<Created>(wrong).is_err(), "{wrong}");
        }
        assert!(read::<Job>(&JOB.replace("queued", "asleep")).is_err());
        assert!(read::<JobOutput>(r#"{"kind":"song"}"#).is_err());
    }
}
