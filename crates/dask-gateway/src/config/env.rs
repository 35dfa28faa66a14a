//! Environment variables as configuration: `DASK_GATEWAY__PUBLIC_ADDRESS` is `gateway.public_address`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{literal, tree};

/// The `gateway` part of what `DASK_*` variables say.
pub(super) fn collect(env: &HashMap<String, String>) -> Map<String, Value> {
    let mut found = Map::new();
    if set_by_gatehouse(env) {
        return found;
    }
    let mut variables: Vec<_> = env.iter().collect();
    // A whole mapping (DASK_GATEWAY) comes before the parts that correct it.
    variables.sort();
    for (name, value) in variables {
        let Some(key) = name.strip_prefix("DASK_") else {
            continue;
        };
        let key = key.to_lowercase().replace("__", ".");
        if key.split('.').next() == Some("gateway") {
            assign(&mut found, &key, interpret(value));
        }
    }
    found
}

/// Whether the gateway variables are those that a Gatehouse gave to its kernels and terminals.
fn set_by_gatehouse(env: &HashMap<String, String>) -> bool {
    env.get("GATEHOUSE_GATEWAY_ADDRESS")
        .is_some_and(|ours| env.get("DASK_GATEWAY__ADDRESS") == Some(ours))
}

/// As `dask.config.interpret_value`: a Python literal, a constant in YAML's spelling, or the text itself.
fn interpret(text: &str) -> Value {
    if let Some(value) = literal::parse(text) {
        return value;
    }
    match text.to_lowercase().as_str() {
        "none" | "null" => Value::Null,
        "false" => Value::Bool(false),
        "true" => Value::Bool(true),
        _ => Value::String(text.to_owned()),
    }
}

fn assign(map: &mut Map<String, Value>, dotted: &str, value: Value) {
    let (key, rest) = dotted
        .split_once('.')
        .map_or((dotted, None), |(key, rest)| (key, Some(rest)));
    let key = tree::canonical(map, key);
    let Some(rest) = rest else {
        map.insert(key, value);
        return;
    };
    let slot = map.entry(key).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Value::Object(inner) = slot {
        assign(inner, rest, value);
    }
}
