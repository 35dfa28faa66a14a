//! Who is connected to a scheduler, and what its workers' environments hold.

use std::collections::BTreeMap;
use std::time::Duration;

use rmpv::Value;

use crate::scheduler::{parse_versions, unexpected};
use crate::value::{get_str, map, to_f64, to_u64};
use crate::{CommError, Connection, TaskKey, Versions};

/// Read on the scheduler, as [`crate::Feed`]'s is. For each client: its name, when it was heard last, how many results it
/// wants kept, the packages that it said it has, and where it is.
const EXPRESSION: &str = "lambda s: [\
    [str(k), c.last_seen, len(c.wants_what), {'packages': (c.versions or {}).get('packages') or {}}, \
    str(getattr(getattr(s.client_comms.get(k), 'comm', None), 'peer_address', ''))] \
    for k, c in s.clients.items()]";

/// The scheduler goes on sending until it notices that nobody listens, which it does with the next message.
const GOES_ON: Duration = Duration::from_secs(1);

/// The scheduler's own stand-in for results that nobody waits for; no connection.
const FIRE_AND_FORGET: &str = "fire-and-forget";

/// Clients whose beginning is asked for: a request each.
const ASKED_FOR: usize = 100;

/// A client that is connected. What no operation without pickle tells is missing where the feed is refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    pub id: String,
    /// When it connected and when it was heard last, seconds since the epoch.
    pub since: Option<f64>,
    pub last_seen: Option<f64>,
    /// Results that it wants kept.
    pub wants: Option<u64>,
    /// `tcp://host:port` of its end of the connection.
    pub address: Option<String>,
    pub versions: Option<Versions>,
}

impl Connection {
    /// The clients as the scheduler itself knows them, by an expression of ours that its `feed` runs once. The connection
    /// is used up.
    ///
    /// # Errors
    /// As [`Connection::feed`].
    pub async fn clients_by_feed(mut self) -> Result<Vec<Client>, CommError> {
        let told = self.fed(EXPRESSION, GOES_ON).await?;
        let clients = told
            .as_array()
            .ok_or(unexpected("feed", "it is no list of clients"))?;
        Ok(clients
            .iter()
            .filter_map(client)
            .filter(|client| client.id != FIRE_AND_FORGET)
            .collect())
    }

    /// The clients by the scheduler's log of who came and who left: names and times only.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn clients_by_events(&mut self) -> Result<Vec<Client>, CommError> {
        let reply = self.call("events", [("topic", "all".into())]).await?;
        let events = reply
            .as_array()
            .ok_or(unexpected("events", "it is no list of events"))?;
        let mut there = BTreeMap::new();
        for event in events {
            match seen(event) {
                Some((at, "add-client", client)) => {
                    there.insert(client, at);
                }
                Some((_, "remove-client", client)) => {
                    there.remove(client);
                }
                _ => {}
            }
        }
        Ok(there
            .into_iter()
            .map(|(id, since)| Client {
                id: id.to_owned(),
                since: Some(since),
                ..Client::default()
            })
            .collect())
    }

    /// Adds when each client connected, where the scheduler remembers it.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn since_when(&mut self, clients: &mut [Client]) -> Result<(), CommError> {
        for client in clients.iter_mut().take(ASKED_FOR) {
            let reply = self
                .call("events", [("topic", Value::from(client.id.as_str()))])
                .await?;
            let events = reply.as_array().map(Vec::as_slice).unwrap_or_default();
            client.since = events.iter().rev().find_map(|event| match seen(event) {
                Some((at, "add-client", _)) => Some(at),
                _ => None,
            });
        }
        Ok(())
    }

    /// Versions in the workers' environments, by address; a worker that does not answer is left out.
    ///
    /// # Errors
    /// As [`Connection::call`], and [`CommError::UnexpectedReply`].
    pub async fn worker_versions(&mut self) -> Result<BTreeMap<String, Versions>, CommError> {
        let args = [
            ("msg", map([("op", "versions".into())])),
            ("on_error", "ignore".into()),
        ];
        let reply = self.call("broadcast", args).await?;
        let workers = reply
            .as_map()
            .ok_or(unexpected("broadcast", "it is no map of workers"))?;
        Ok(workers
            .iter()
            .filter_map(|(address, versions)| Some((TaskKey(address).to_string(), parse_versions(versions)?)))
            .collect())
    }
}

fn client(fields: &Value) -> Option<Client> {
    let fields = fields.as_array()?;
    let address = fields.get(4).and_then(Value::as_str).unwrap_or_default();
    Some(Client {
        id: fields.first()?.as_str()?.to_owned(),
        since: None,
        last_seen: fields.get(1).and_then(to_f64),
        wants: fields.get(2).and_then(to_u64),
        address: address.contains("://").then(|| address.to_owned()),
        versions: fields.get(3).and_then(parse_versions),
    })
}

/// `[time, {action, client}]` of an event that is about a client.
fn seen(event: &Value) -> Option<(f64, &str, &str)> {
    let [at, message] = event.as_array()?.as_slice() else {
        return None;
    };
    Some((
        to_f64(at)?,
        get_str(message, "action")?,
        get_str(message, "client")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expression_is_one_that_pickle_takes_as_it_is() {
        assert!(EXPRESSION.is_ascii() && !EXPRESSION.contains(['\\', '\n', '\r']));
    }

    #[test]
    fn a_client_is_read_tolerantly() {
        let packages = map([
            ("python", "3.11.7.final.0".into()),
            ("distributed", "2026.8.0".into()),
        ]);
        let full = Value::Array(vec![
            "Client-1".into(),
            12.5.into(),
            3.into(),
            map([("packages", packages)]),
            "tcp://127.0.0.1:5".into(),
        ]);
        let read = client(&full).expect("a client");
        assert_eq!(
            (
                read.id.as_str(),
                read.last_seen,
                read.wants,
                read.address.as_deref()
            ),
            ("Client-1", Some(12.5), Some(3), Some("tcp://127.0.0.1:5"))
        );
        assert_eq!(read.versions.expect("versions").python, "3.11.7");
        let bare = client(&Value::Array(vec!["Client-2".into()])).expect("a client");
        assert_eq!(
            bare,
            Client {
                id: "Client-2".to_owned(),
                ..Client::default()
            }
        );
        assert_eq!(client(&Value::Nil), None);
    }

    #[test]
    fn an_event_of_a_client_is_told_from_others() {
        let event = |message| Value::Array(vec![7.5.into(), message]);
        let came = event(map([("action", "add-client".into()), ("client", "c".into())]));
        assert_eq!(seen(&came), Some((7.5, "add-client", "c")));
        assert_eq!(seen(&event(map([("action", "add-worker".into())]))), None);
        assert_eq!(seen(&event("plain".into())), None);
    }
}
