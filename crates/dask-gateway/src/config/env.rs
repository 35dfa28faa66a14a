//! Environment variables as configuration: `DASK_GATEWAY__PUBLIC_ADDRESS` is `gateway.public_address`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value};

use super::{ConfigError, Environment, literal, tree};

/// What a Dask process hands its whole configuration on in.
const INHERITED: &str = "DASK_INTERNAL_INHERIT_CONFIG";

/// The parts of Dask's configuration that are read here.
const PARTS: [&str; 2] = ["gateway", "distributed"];

/// What `DASK_*` variables say, as `dask.config.collect_env`; those of the gateway may be left out.
///
/// # Errors
/// A part of something that is no mapping, for which `import dask` fails.
pub(super) fn collect(env: &Environment, without_gateway: bool) -> Result<Map<String, Value>, ConfigError> {
    let mut found = inherited(env)?;
    for (name, value) in env.iter() {
        let Some(key) = name.strip_prefix("DASK_") else {
            continue;
        };
        let key = key.to_lowercase().replace("__", ".");
        let part = key.split('.').next().unwrap_or_default();
        if PARTS.contains(&part) && !(without_gateway && part == "gateway") {
            assign(&mut found, &key, interpret(value)).map_err(|NoMapping| ConfigError::BadValue {
                key: key.clone(),
                reason: format!(
                    "{name} sets a part of what another variable sets as a whole, and that is no mapping"
                ),
            })?;
        }
    }
    Ok(found)
}

fn inherited(env: &Environment) -> Result<Map<String, Value>, ConfigError> {
    let Some(text) = env.get(INHERITED) else {
        return Ok(Map::new());
    };
    let json = URL_SAFE.decode(text).ok();
    json.and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| ConfigError::BadValue {
            key: INHERITED.to_owned(),
            reason: "it must be what dask.config.serialize makes".to_owned(),
        })
}

/// Whether the gateway variables are those that a Gatehouse gave to its kernels and terminals.
pub(super) fn set_by_gatehouse(env: &Environment) -> bool {
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

struct NoMapping;

fn assign(map: &mut Map<String, Value>, dotted: &str, value: Value) -> Result<(), NoMapping> {
    let (key, rest) = dotted
        .split_once('.')
        .map_or((dotted, None), |(key, rest)| (key, Some(rest)));
    let key = tree::canonical(map, key);
    let Some(rest) = rest else {
        map.insert(key, value);
        return Ok(());
    };
    match map.entry(key).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => assign(inner, rest, value),
        _ => Err(NoMapping),
    }
}
