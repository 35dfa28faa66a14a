//! A table of files and environments, resolved by Dask's own code and by ours.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::python;
use dask_gateway::{AuthConfig, ConfigSources, GatewayConfig, HttpProxy};
use serde_json::{Value, json};

struct Case {
    name: String,
    folder: PathBuf,
    sources: ConfigSources,
    /// What we make of it instead, where we differ on purpose.
    ours: Option<Value>,
}

fn cases(folder: &Path) -> Vec<Case> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/cases.yaml"));
    let table: Vec<Value> = serde_saphyr::from_str(&text.unwrap()).unwrap();
    let case = |(number, case): (usize, &Value)| {
        let folder = folder.join(number.to_string());
        let fill = |text: &str| text.replace("{tmp}", &folder.to_string_lossy());
        let below = |name: &str| folder.join(name);
        for (path, text) in case["files"].as_object().into_iter().flatten() {
            let path = below(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.as_str().unwrap()).unwrap();
        }
        let mut variables = vec![
            ("DASK_ROOT_CONFIG".to_owned(), fill("{tmp}/etc-dask")),
            ("HOME".to_owned(), fill("{tmp}/home")),
            ("USER".to_owned(), "carol".to_owned()),
        ];
        if case["bare"] != true {
            variables.push(("DASK_GATEWAY__ADDRESS".to_owned(), "http://gw:8000".to_owned()));
        }
        let mut sources = ConfigSources {
            env: variables.into_iter().collect(),
            home: Some(below("home")),
            sys_prefix: Some(below("prefix")),
            site_prefixes: vec![below("prefix"), below("site")],
            ..ConfigSources::of_process(None, Vec::new())
        };
        let sets = match &case["env"] {
            Value::Array(sets) => sets.clone(),
            set => vec![set.clone()],
        };
        for (name, value) in sets.iter().filter_map(Value::as_object).flatten() {
            sources.env.insert(name, fill(value.as_str().unwrap()));
        }
        Case {
            name: case["name"].as_str().unwrap().to_owned(),
            folder,
            sources,
            ours: case.get("ours").cloned(),
        }
    };
    table.iter().enumerate().map(case).collect()
}

fn as_dask_reads(cases: &[Case]) -> Vec<Value> {
    let asked: Vec<Value> = cases
        .iter()
        .map(|case| {
            let env: serde_json::Map<String, Value> = case
                .sources
                .env
                .iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            // JSON's mappings have no order here, so that the variables' own goes along.
            let order: Vec<&str> = case.sources.env.iter().map(|(name, _)| name).collect();
            json!({"env": env, "order": order, "sys_prefix": case.folder.join("prefix"),
                   "site_prefixes": [case.folder.join("prefix"), case.folder.join("site")]})
        })
        .collect();
    let mut child = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/resolve.py"))
        .env("HOME", cases[0].folder.join("python-home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = serde_json::to_vec(&asked).unwrap();
    child.stdin.take().unwrap().write_all(&asked).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn as_we_read(sources: &ConfigSources) -> Value {
    let config = match GatewayConfig::resolve(sources) {
        Ok(config) => config,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    if config.address.is_none() {
        return json!({"error": "no address"});
    }
    json!({
        "address": config.address,
        "public": config.public_address,
        "proxy": config.proxy_address.map(|at| format!("gateway://{at}")),
        "auth": match &config.auth {
            AuthConfig::Basic { username, password } => {
                json!({"kind": "BasicAuth", "username": username, "password": password.expose()})
            }
            AuthConfig::JupyterHub { token } => {
                json!({"kind": "JupyterHubAuth", "api_token": token.as_ref().map(|token| token.expose())})
            }
            AuthConfig::Unsupported { .. } => json!({"kind": "KerberosAuth"}),
        },
        "http_proxy": match &config.http_proxy {
            HttpProxy::Environment => "environment",
            HttpProxy::Off => "off",
            HttpProxy::Url(url) => url.expose(),
        },
        "options": config.cluster_options,
        "ca": config.tls_ca,
    })
}

#[test]
fn every_configuration_is_read_as_dask_reads_it() {
    let temp = tempfile::tempdir().unwrap();
    let cases = cases(temp.path());
    let answers = as_dask_reads(&cases);
    assert_eq!(answers.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, theirs) in cases.iter().zip(answers) {
        let ours = as_we_read(&case.sources);
        let fits = match (&case.ours, theirs["error"].as_str(), ours["error"].as_str()) {
            // A difference that is none any more would be a lie.
            (Some(wanted), _, _) => {
                let wanted = wanted.as_object().unwrap();
                wanted
                    .iter()
                    .all(|(key, value)| ours[key] == *value && theirs[key] != *value)
            }
            (None, Some(theirs), Some(ours)) => {
                // A missing variable is named.
                let missing = theirs
                    .strip_prefix("KeyError: ")
                    .map(|name| name.trim_matches('\''));
                missing.is_none_or(|name| ours.contains(name))
            }
            (None, _, _) => ours == theirs,
        };
        if !fits {
            wrong.push(format!("{}:\n  ours   {ours}\n  Dask's {theirs}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
