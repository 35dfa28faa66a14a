//! What clusters are called where people read of them.

/// What tells a cluster apart at a glance: the first 8 characters of its hexadecimal part, or its name where it has
/// none. Kubernetes gateways put the namespace and a dot before it.
pub fn short_name(name: &str) -> &str {
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.len() > 12 && last.bytes().all(|b| b.is_ascii_hexdigit()) {
        &last[..8]
    } else {
        name
    }
}

/// The user's label, or the short name.
pub fn title<'a>(label: Option<&'a str>, name: &'a str) -> &'a str {
    match label.map(str::trim) {
        Some(label) if !label.is_empty() => label,
        _ => short_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_keep_what_differs() {
        assert_eq!(short_name("a3e43b27295246aca9b6472c60f78b5e"), "a3e43b27");
        assert_eq!(short_name("dev.a3e43b27295246aca9b6472c60f78b5e"), "a3e43b27");
        assert_eq!(short_name("nightly"), "nightly");
        assert_eq!(short_name("team.nightly"), "team.nightly");
        assert_eq!(title(Some("  "), "a3e43b27295246aca9b6472c60f78b5e"), "a3e43b27");
        assert_eq!(title(Some("etl"), "a3e43b27295246aca9b6472c60f78b5e"), "etl");
    }
}
