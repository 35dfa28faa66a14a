//! Dask's configuration from files and environment, layer over layer.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::fs;
use std::path::Path;

use dask_gateway::{AuthConfig, ConfigError, ConfigSources, Environment, GatewayConfig, HttpProxy, Secret};
use serde_json::json;

struct Machine {
    temp: tempfile::TempDir,
    env: Environment,
}

impl Machine {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        // The machine that runs the tests may have an /etc/dask of its own.
        let root = temp.path().join("etc-dask").to_string_lossy().into_owned();
        Self {
            temp,
            env: [("DASK_ROOT_CONFIG", root)].into_iter().collect(),
        }
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.temp.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env
            .insert(name, value.replace("{tmp}", &self.temp.path().to_string_lossy()));
        self
    }

    fn resolve(&self) -> Result<GatewayConfig, ConfigError> {
        let below = |name: &str| self.temp.path().join(name);
        GatewayConfig::resolve(&ConfigSources {
            env: self.env.clone(),
            home: Some(below("home")),
            login: None,
            sys_prefix: Some(below("prefix")),
            site_prefixes: vec![below("prefix"), below("site")],
        })
    }

    fn address(&self) -> Option<String> {
        self.resolve().unwrap().address
    }
}

#[test]
fn nothing_names_a_gateway() {
    let machine = Machine::new();
    machine.file(
        "home/.config/dask/gateway.yaml",
        "# gateway:\n#   address: null\n",
    );
    let config = machine.resolve().unwrap();
    assert_eq!(
        (config.address, config.proxy_address, config.public_address),
        (None, None, None)
    );
    assert_eq!(config.http_proxy, HttpProxy::Environment);
}

#[test]
fn each_layer_overrides_the_one_below() {
    let mut machine = Machine::new();
    let yaml = |name: &str| format!("gateway: {{address: 'http://{name}/'}}\n");
    machine.file("etc-dask/gateway.yaml", &yaml("root"));
    assert_eq!(machine.address().unwrap(), "http://root");
    machine.file("prefix/etc/dask/x.yml", &yaml("prefix"));
    assert_eq!(machine.address().unwrap(), "http://prefix");
    machine.file("site/etc/dask/x.yaml", &yaml("site"));
    assert_eq!(machine.address().unwrap(), "http://site");
    machine
        .file("home/.config/dask/a.yaml", &yaml("home-a"))
        .file("home/.config/dask/b.JSON", &yaml("home-b"));
    assert_eq!(machine.address().unwrap(), "http://home-b");
    machine.file("home/.config/dask/c.txt", &yaml("not-read"));
    machine.file("named.conf", &yaml("named"));
    machine.env("DASK_CONFIG", "{tmp}/named.conf");
    assert_eq!(machine.address().unwrap(), "http://named");
    machine.env("DASK_GATEWAY__ADDRESS", "http://env");
    assert_eq!(machine.address().unwrap(), "http://env");
    machine.env("DASK_GATEWAY__ADDRESS", "None");
    assert_eq!(
        machine.address(),
        None,
        "a higher layer can say that there is none"
    );
}

impl Machine {
    fn nebari() -> Self {
        let machine = Self::new();
        machine.file(
            "etc-dask/gateway.yaml",
            r#"{"gateway":{"address":"http://nebari-dask-gateway-gateway-api.dev:8000",
                "public_address":"https://nebari.example/gateway","proxy_address":"tcp://nebari.example:8786",
                "auth":{"type":"jupyterhub"}}}"#,
        );
        machine
    }
}

#[test]
fn a_nebari_pod_is_understood() {
    let mut machine = Machine::nebari();
    machine.env("JUPYTERHUB_API_TOKEN", "tok");
    let config = machine.resolve().unwrap();
    assert_eq!(
        config.address.as_deref(),
        Some("http://nebari-dask-gateway-gateway-api.dev:8000")
    );
    assert_eq!(
        config.public_address.as_deref(),
        Some("https://nebari.example/gateway")
    );
    assert_eq!(config.proxy_address.as_deref(), Some("nebari.example:8786"));
    assert_eq!(
        config.auth,
        AuthConfig::JupyterHub {
            token: Some(Secret::new("tok"))
        }
    );
    assert!(!format!("{config:?}").contains("tok\""), "{config:?}");
    // A user's own file in the other spelling still overrides.
    machine.file(
        "home/.config/dask/gateway.yaml",
        "gateway:\n  public-address: /user/{NAME}/gw/\n",
    );
    machine.env("NAME", "alice");
    assert_eq!(
        machine.resolve().unwrap().public_address.as_deref(),
        Some("/user/alice/gw")
    );
}

#[test]
fn a_daskhub_is_understood() {
    let mut machine = Machine::new();
    machine
        .env(
            "DASK_GATEWAY__ADDRESS",
            "http://{PROXY_HOST}/services/dask-gateway",
        )
        .env("PROXY_HOST", "proxy-public")
        .env(
            "DASK_GATEWAY__PROXY_ADDRESS",
            "gateway://traefik-dask-gateway.ns:80",
        )
        .env("DASK_GATEWAY__PUBLIC_ADDRESS", "/services/dask-gateway/")
        .env("DASK_GATEWAY__AUTH__TYPE", "jupyterhub")
        .env("DASK_GATEWAY__CLUSTER__OPTIONS__IMAGE", "{JUPYTER_IMAGE_SPEC}")
        .env("DASK_GATEWAY__CLUSTER__OPTIONS__WORKER_CORES", "3");
    let config = machine.resolve().unwrap();
    assert_eq!(
        config.address.as_deref(),
        Some("http://proxy-public/services/dask-gateway")
    );
    assert_eq!(
        config.proxy_address.as_deref(),
        Some("traefik-dask-gateway.ns:80")
    );
    assert_eq!(config.public_address.as_deref(), Some("/services/dask-gateway"));
    assert_eq!(config.auth, AuthConfig::JupyterHub { token: None });
    assert_eq!(
        config.cluster_options,
        json!({"worker_cores": 3}).as_object().unwrap().clone()
    );
    assert!(
        config.warnings[0].contains("JUPYTER_IMAGE_SPEC"),
        "{:?}",
        config.warnings
    );
    machine.env("JUPYTER_IMAGE_SPEC", "img:1");
    assert_eq!(machine.resolve().unwrap().cluster_options["image"], "img:1");
}

#[test]
fn the_scheduler_address_follows_the_gateways() {
    for (address, proxy, expected) in [
        ("http://gw.example", None, "gw.example:80"),
        ("https://gw.example/x", None, "gw.example:443"),
        ("http://gw.example:8000", None, "gw.example:8000"),
        ("http://[::1]:8000", None, "[::1]:8000"),
        ("http://gw.example", Some("8786"), "gw.example:8786"),
        ("http://gw.example", Some("other:1"), "other:1"),
        ("http://gw.example", Some("tls://other:1/path"), "other:1"),
    ] {
        let mut machine = Machine::new();
        machine.env("DASK_GATEWAY__ADDRESS", address);
        if let Some(proxy) = proxy {
            machine.env("DASK_GATEWAY__PROXY_ADDRESS", proxy);
        }
        assert_eq!(
            machine.resolve().unwrap().proxy_address.as_deref(),
            Some(expected),
            "{address} {proxy:?}"
        );
    }
}

#[test]
fn basic_authentication_takes_its_user_and_password() {
    let mut machine = Machine::new();
    machine
        .env("DASK_GATEWAY__ADDRESS", "http://h")
        .env("USER", "carol");
    assert_eq!(
        machine.resolve().unwrap().auth,
        AuthConfig::Basic {
            username: "carol".into(),
            password: Secret::new("")
        }
    );
    machine
        .env(
            "DASK_GATEWAY__AUTH__KWARGS",
            "{'username': 'dora', 'password': 'x'}",
        )
        .env("DASK_GATEWAY__AUTH__KWARGS__PASSWORD", "12345");
    let config = machine.resolve().unwrap();
    assert_eq!(
        config.auth,
        AuthConfig::Basic {
            username: "dora".into(),
            password: Secret::new("12345")
        }
    );
    assert!(!format!("{config:?}").contains("12345"));
    machine.env("DASK_GATEWAY__AUTH__TYPE", "my.module.Auth");
    assert_eq!(machine.resolve().unwrap().auth.kind(), "my.module.Auth");
}

#[test]
fn variables_that_another_gatehouse_set_do_not_count() {
    let mut machine = Machine::new();
    machine
        .env("DASK_GATEWAY__ADDRESS", "http://127.0.0.1:1/secret")
        .env("DASK_GATEWAY__AUTH__KWARGS__PASSWORD", "x")
        .env("GATEHOUSE_GATEWAY_ADDRESS", "http://127.0.0.1:1/secret");
    assert_eq!(machine.address(), None);
    // The user has set another one since.
    machine.env("DASK_GATEWAY__ADDRESS", "http://site");
    assert_eq!(machine.address().unwrap(), "http://site");
    let mut nebari = Machine::nebari();
    nebari
        .env("DASK_GATEWAY__ADDRESS", "http://127.0.0.1:1")
        .env("GATEHOUSE_GATEWAY_ADDRESS", "http://127.0.0.1:1");
    assert!(
        nebari.address().unwrap().starts_with("http://nebari"),
        "files still count"
    );
}

#[test]
fn mistakes_are_sentences() {
    let broken = Machine::new();
    broken.file("home/.config/dask/odd.yaml", "gateway: [\n  password: hunter2\n");
    let error = broken.resolve().unwrap_err();
    assert!(matches!(&error, ConfigError::Malformed { path, .. } if path.ends_with("odd.yaml")));
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let list = Machine::new();
    list.file("home/.config/dask/odd.yaml", "- a\n");
    assert!(list.resolve().unwrap_err().to_string().contains("mapping"));
    let mut missing = Machine::new();
    missing.env("DASK_GATEWAY__ADDRESS", "http://{NOT_THERE}:8000");
    let error = missing.resolve().unwrap_err().to_string();
    assert!(
        error.contains("NOT_THERE") && error.contains("gateway.address"),
        "{error}"
    );
    let mut number = Machine::new();
    number.env("DASK_GATEWAY__ADDRESS", "8000");
    assert!(
        number
            .resolve()
            .unwrap_err()
            .to_string()
            .contains("gateway.address")
    );
}

#[test]
fn an_address_with_a_secret_is_refused_and_not_shown() {
    for (key, text) in [
        ("gateway.address", "http://bob:sekret@h/gw"),
        ("gateway.address", "http://h/gw?token=sekret"),
        ("gateway.proxy-address", "gateway://bob:sekret@h:8786"),
        ("gateway.public-address", "https://bob:sekret@h/gateway"),
    ] {
        let mut machine = Machine::new();
        let variable = key.to_uppercase().replace('.', "__").replace('-', "_");
        machine
            .env("DASK_GATEWAY__ADDRESS", "http://h")
            .env(&format!("DASK_{variable}"), text);
        let error = machine.resolve().unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
        assert!(error.to_string().contains("gateway.auth.kwargs"), "{error}");
        for words in [error.to_string(), format!("{error:?}")] {
            assert!(!words.contains("sekret") && !words.contains("bob"), "{words}");
        }
    }
}

#[test]
fn other_parts_of_the_files_do_not_matter() {
    let machine = Machine::new();
    machine.file(
        "home/.config/dask/x.yaml",
        "distributed:\n  worker: {1: 2, on: yes, x: 0o17, y: [~, 1.5, !!str 3]}\ngateway:\n  address: http://h\n  http-client: {proxy: false}\n",
    );
    let config = machine.resolve().unwrap();
    assert_eq!(
        (config.address.as_deref(), config.http_proxy),
        (Some("http://h"), HttpProxy::Off)
    );
}

#[test]
fn the_process_itself_is_a_source() {
    let sources = ConfigSources::of_process(Some(Path::new("/usr").to_owned()), Vec::new());
    assert!(sources.env.get("PATH").is_some());
    assert!(
        !format!("{sources:?}").contains("PATH"),
        "an environment holds secrets"
    );
}
