//! `str.format(**os.environ)`, the part of it that Dask's configuration uses.

use super::{ConfigError, Environment};

/// Replaces each `{VARIABLE}` of `text`; `{{` and `}}` stand for braces.
pub(super) fn fill(key: &str, text: &str, env: &Environment) -> Result<String, ConfigError> {
    let bad = |reason: &str| ConfigError::BadValue {
        key: key.to_owned(),
        reason: reason.to_owned(),
    };
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        filled.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            filled.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err(bad("a single } stands in it; write }} for a brace"));
        }
        let Some((variable, after)) = after.split_once('}') else {
            return Err(bad("a { in it is not closed; write {{ for a brace"));
        };
        let number = variable.bytes().all(|c| c.is_ascii_digit());
        if number || variable.contains(['.', '[', '!', ':', '{']) {
            return Err(bad(
                "braces in it may only hold the name of an environment variable; write {{ for a brace",
            ));
        }
        let Some(value) = env.get(variable) else {
            return Err(ConfigError::MissingVariable {
                key: key.to_owned(),
                variable: variable.to_owned(),
            });
        };
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A value that means `text`, whatever braces are in it.
pub fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, ConfigError> {
        let env = [("USER", "alice"), ("A-B", "dash")].into_iter().collect();
        fill("gateway.address", text, &env)
    }

    #[test]
    fn variables_are_filled_in() {
        assert_eq!(filled("/user/{USER}/gw").unwrap(), "/user/alice/gw");
        assert_eq!(filled("{{{USER}}}").unwrap(), "{alice}");
        assert_eq!(filled("{A-B}").unwrap(), "dash");
        assert_eq!(filled("plain").unwrap(), "plain");
        assert_eq!(filled(&literal("{a}{{b")).unwrap(), "{a}{{b");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = filled("http://{NOPE}").unwrap_err().to_string();
        assert!(
            error.contains("NOPE") && error.contains("gateway.address"),
            "{error}"
        );
    }

    #[test]
    fn broken_templates_are_errors() {
        for broken in [
            "{",
            "}",
            "{USER",
            "{}",
            "{0}",
            "{USER.x}",
            "{USER!r}",
            "{USER:>9}",
            "a}b",
        ] {
            assert!(filled(broken).is_err(), "{broken}");
        }
    }
}
