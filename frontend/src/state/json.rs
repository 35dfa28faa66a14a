//! Reading JSON with little code: every type is read from a tree, so that each has one reader in the module.

use protocol::events::Event;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Error, Value};

/// Reads any of the protocol's types.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    T::deserialize(tree(text)?)
}

/// Never inlined: one reader of trees is enough.
#[inline(never)]
fn tree(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
}

/// Reads an event as its own reader does, but without that reader, which holds every type a second time: a type that
/// is chosen by a field inside it is first read into a tree of serde's own.
pub fn read_event(text: &str) -> Result<Event, Error> {
    let mut tree = tree(text)?;
    let mut take = |field: &str| tree.get_mut(field).map(Value::take).unwrap_or_default();
    let event = take("event");
    Ok(match event.as_str().unwrap_or_default() {
        "snapshot" => Event::Snapshot {
            status: serde_json::from_value(take("status"))?,
            clusters: serde_json::from_value(take("clusters"))?,
            jobs: serde_json::from_value(take("jobs"))?,
        },
        "status" => Event::Status {
            status: serde_json::from_value(take("status"))?,
        },
        "clusters" => Event::Clusters {
            clusters: serde_json::from_value(take("clusters"))?,
        },
        "job" => Event::Job {
            job: serde_json::from_value(take("job"))?,
        },
        "notice" => Event::Notice {
            notice: serde_json::from_value(take("notice"))?,
        },
        other => return Err(Error::custom(format_args!("no event is called {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_by_their_own_reader() {
        let status = r#"{"version":"1","gateway":{"kind":"embedded","state":"up","address":null,"version":null,
            "message":null},"jupyter":{"available":true,"private":false,"message":null}}"#;
        let cluster = r#"{"name":"a","label":null,"state":"RUNNING","reason":null,"started_at":1,"stopped_at":null,
            "options":{},"scaling":{"mode":"adaptive","minimum":0,"maximum":2},"summary":null,"live":"live",
            "dashboard":null}"#;
        let job = r#"{"id":"j","name":"n","cluster":"a","kernel":null,"state":"queued","code":"","error":null,
            "created_at":1,"started_at":null,"ended_at":null}"#;
        for text in [
            format!(r#"{{"event":"snapshot","status":{status},"clusters":[{cluster}],"jobs":[{job}]}}"#),
            format!(r#"{{"event":"status","status":{status}}}"#),
            format!(r#"{{"event":"clusters","clusters":[{cluster},{cluster}]}}"#),
            format!(r#"{{"event":"job","job":{job}}}"#),
            r#"{"event":"notice","notice":{"level":"error","message":"m"}}"#.to_owned(),
        ] {
            let own: Event = serde_json::from_str(&text).expect("an event");
            assert_eq!(read_event(&text).expect("the same event"), own);
        }
        for wrong in ["{}", "[]", "x", r#"{"event":"party"}"#, r#"{"event":"job"}"#] {
            assert!(read_event(wrong).is_err(), "{wrong}");
        }
    }
}
