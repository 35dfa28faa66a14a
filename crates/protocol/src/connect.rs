//! The Python that connects a notebook to a cluster of the gateway.

/// Python source that connects to the gateway cluster `name` and shows the client.
///
/// `access` is the Python that makes `gateway`. Without it the code names no address: the configuration of each of
/// Jupyter's kernels leads `Gateway()` to the gateway that Gatehouse uses. Returns `None` where `name` is not a cluster
/// name (letters, digits, `.`, `-`, `_`), so that nothing a scheduler or gateway says can become code.
pub fn connect_code(name: &str, access: Option<&str>) -> Option<String> {
    let access = access.unwrap_or("from dask_gateway import Gateway\n\ngateway = Gateway()\n");
    is_cluster_name(name).then(|| {
        [
            access,
            "cluster = gateway.connect(\"",
            name,
            "\")\nclient = cluster.get_client()\nclient",
        ]
        .concat()
    })
}

/// Python that makes `gateway` of the embedded gateway anywhere on its machine: port, user and password are read from
/// `record`, a file that only its owner can read, so that the code holds no secret.
pub fn embedded_access(record: &str) -> String {
    format!(
        r#"import json
from pathlib import Path

import dask
from dask_gateway import BasicAuth, Gateway

# The gateway that Gatehouse runs on this machine; only you can read this file.
own = json.loads(Path({record}).read_text())
dask.config.set({{"gateway.http-client.proxy": False}})
gateway = Gateway(
    f"http://127.0.0.1:{{own['port']}}",
    proxy_address=f"gateway://127.0.0.1:{{own['port']}}",
    auth=BasicAuth(own["user"], own["password"]),
)
"#,
        record = literal(record)
    )
}

/// Python that makes `gateway` of a site's gateway; how to authenticate is the configuration's to say, as everywhere.
pub fn remote_access(address: &str, proxy_address: Option<&str>) -> String {
    let proxy = proxy_address
        .map(|proxy| format!(", proxy_address={}", literal(proxy)))
        .unwrap_or_default();
    format!(
        "from dask_gateway import Gateway\n\n# Dask's configuration says how to authenticate: gateway.auth.\ngateway = \
         Gateway({}{proxy})\n",
        literal(address)
    )
}

/// A text as Python writes it: JSON's form is one of Python's.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether `name` can be the name of a gateway cluster: 1 to 200 of `[A-Za-z0-9._-]`, beginning with a letter or digit.
pub fn is_cluster_name(name: &str) -> bool {
    name.len() <= 200
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_connect() {
        let code = connect_code("dev.a3e43b27295246aca9b6472c60f78b5e", None)
            .expect("a name as Kubernetes gives it");
        assert!(
            code.contains(
                "gateway = Gateway()\ncluster = gateway.connect(\"dev.a3e43b27295246aca9b6472c60f78b5e\")"
            ),
            "{code}"
        );
    }

    #[test]
    fn a_name_never_becomes_code() {
        for hostile in ["", "a\")\nimport os", "../x", "-x", "a b", "é"] {
            assert_eq!(connect_code(hostile, None), None, "{hostile:?}");
        }
    }

    #[test]
    fn elsewhere_the_code_says_where_the_gateway_is() {
        let access = embedded_access("/home/a \"b\"/gateway.json");
        assert!(
            access.contains(r#"Path("/home/a \"b\"/gateway.json")"#),
            "{access}"
        );
        assert!(
            access.contains(r#"f"http://127.0.0.1:{own['port']}","#),
            "{access}"
        );
        let code = connect_code("c1", Some(&access)).expect("a name");
        assert!(code.contains(")\ncluster = gateway.connect(\"c1\")\n"), "{code}");
        let access = remote_access("https://hub.example/gateway", Some("gateway://hub.example:8786"));
        assert!(
            access.ends_with(
                "gateway = Gateway(\"https://hub.example/gateway\", proxy_address=\"gateway://hub.example:8786\")\n"
            ),
            "{access}"
        );
    }
}
