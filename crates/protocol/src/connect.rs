//! The Python that connects a notebook to a cluster of the gateway.

/// Python source that connects a kernel to the gateway cluster `name` and shows the client.
///
/// It names no address: every kernel's configuration leads `Gateway()` to the gateway that Gatehouse uses. Returns
/// `None` where `name` is not a cluster name (letters, digits, `.`, `-`, `_`), so that nothing a scheduler or gateway
/// says can become code.
pub fn connect_code(name: &str) -> Option<String> {
    is_cluster_name(name).then(|| {
        format!(
            "from dask_gateway import Gateway\n\ngateway = Gateway()\ncluster = gateway.connect(\"{name}\")\nclient = cluster.get_client()\nclient"
        )
    })
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
        let code =
            connect_code("dev.a3e43b27295246aca9b6472c60f78b5e").expect("a name as Kubernetes gives it");
        assert!(
            code.contains("gateway.connect(\"dev.a3e43b27295246aca9b6472c60f78b5e\")"),
            "{code}"
        );
    }

    #[test]
    fn a_name_never_becomes_code() {
        for hostile in ["", "a\")\nimport os", "../x", "-x", "a b", "é"] {
            assert_eq!(connect_code(hostile), None, "{hostile:?}");
        }
    }
}
