//! Addresses are shown in panels, errors and logs, so one that holds a secret is refused, in words that don't repeat it.

use reqwest::Url;

/// Whether nothing secret stands in an address.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence that names the key; it quotes nothing of the address.
pub(super) fn check(text: &str) -> Result<(), String> {
    let authority = text.split_once("://").map_or(text, |(_scheme, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "a user name or password stands in it, and addresses are shown. Put them into \
             gateway.auth.kwargs.username and .password"
                .to_owned(),
        );
    }
    if text.contains(['?', '#']) {
        return Err(
            "it must end with a path: no gateway takes what stands behind a ? or #, and addresses are shown. \
             Put tokens and passwords into gateway.auth.kwargs"
                .to_owned(),
        );
    }
    Ok(())
}

/// The URL of a gateway.
///
/// # Errors
/// What is wrong with it, as [`check`] says it.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    check(text)?;
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        // A password with a slash in it makes a broken URL, too.
        _ if text.contains('@') => Err("it must be a URL such as http://host:8000".to_owned()),
        _ => Err(format!(
            "it must be a URL such as http://host:8000, and is {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_address_is_taken() {
        for text in [
            "http://h",
            "https://h:8000/services/dask-gateway",
            "http://[::1]:8000/user/bob@x.org/gw",
        ] {
            assert_eq!(parse(text).unwrap().as_str().trim_end_matches('/'), text);
        }
        check("gateway://traefik:80").unwrap();
    }

    #[test]
    fn what_may_be_secret_is_refused_and_not_repeated() {
        for text in [
            "http://bob:sekret@h/gw",
            "http://sekret@h/gw",
            "bob:sekret@h:8000",
            "http://h/gw?token=sekret",
            "http://h/gw#sekret",
            "http://bob:se?kret@h",
            "http://bob:se/kret@h/gw",
            "tls://h/bob:sekret@",
        ] {
            let reason = parse(text).unwrap_err();
            assert!(!reason.contains("kret") && !reason.contains("bob"), "{reason}");
        }
        assert!(parse("8000").unwrap_err().contains("\"8000\""));
    }
}
