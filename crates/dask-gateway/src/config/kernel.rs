//! What `Gateway()` finds in a kernel whose kernelspec has an environment of its own, beside what we found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{AuthConfig, ConfigError, ConfigSources, GatewayConfig, HttpProxy};

/// The parts of a kernelspec that change what Dask's configuration says; reads the `spec` of Jupyter's `api/kernelspecs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KernelSpec {
    pub argv: Vec<String>,
    /// May name variables of the Jupyter Server as `${NAME}`.
    pub env: BTreeMap<String, String>,
}

impl KernelSpec {
    /// `sys.prefix` of the kernel's Python, where `argv` tells it.
    fn prefix(&self) -> Option<PathBuf> {
        let runner = self
            .argv
            .iter()
            .position(|word| word == "nb_conda_kernels.runner");
        if let Some(at) = runner {
            // `python -m nb_conda_kernels.runner CONDA_ROOT ENVIRONMENT …`
            return self.argv.get(at + 2).map(PathBuf::from);
        }
        let python = Path::new(self.argv.first()?);
        let folder = python.parent().filter(|folder| folder.ends_with("bin"))?;
        python
            .is_absolute()
            .then(|| folder.parent().map(Path::to_owned))
            .flatten()
    }
}

impl ConfigSources {
    /// As the kernels of a kernelspec see them, where these are the ones of the Jupyter Server that starts them.
    #[must_use]
    pub fn of_kernel(&self, spec: &KernelSpec) -> Self {
        let mut kernel = self.clone();
        for (name, value) in &spec.env {
            kernel
                .env
                .insert(name, substitute(value, |name| self.env.get(name)));
        }
        if let Some(prefix) = spec.prefix() {
            kernel.site_prefixes = vec![prefix.clone()];
            kernel.sys_prefix = Some(prefix);
        }
        kernel
    }
}

/// `string.Template(text).safe_substitute(…)`, with which Jupyter fills a kernelspec's environment.
fn substitute<'a>(text: &str, variable: impl Fn(&str) -> Option<&'a str>) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let (name, end) = match after.strip_prefix('{') {
            Some(braced) => braced
                .split_once('}')
                .map_or(("", 0), |(name, _)| (name, name.len() + 2)),
            None => {
                let end = after.find(|c| !is_word(c)).unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        let named =
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_word);
        match variable(name).filter(|_| named) {
            Some(value) => {
                filled.push_str(value);
                rest = &after[end..];
            }
            None => {
                filled.push('$');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// One thing that `Gateway()` does otherwise in a kernel. Its `Display` is a sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key of Dask's configuration.
    pub key: &'static str,
    /// What it says here, and there; `None` where it says nothing.
    pub ours: Option<String>,
    pub kernels: Option<String>,
    consequence: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(
            f,
            "In this kernel {} is {}, and {} in Gatehouse: {}.",
            self.key,
            shown(&self.kernels),
            shown(&self.ours),
            self.consequence
        )
    }
}

/// What a kernel's `Gateway()` does otherwise than we do; empty where it does the same.
///
/// `ours` is what the kernels are meant to find: the configuration that the server uses, or, where kernels reach it
/// through variables that the server handed out, [`GatewayConfig::of_python`] of `jupyter` itself. `jupyter` is what
/// the Jupyter Server that starts the kernels has, those variables included.
///
/// # Errors
/// Why `Gateway()` fails in the kernel, such as a template that names a variable which is missing there.
pub fn differences(
    ours: &GatewayConfig,
    jupyter: &ConfigSources,
    spec: &KernelSpec,
) -> Result<Vec<Difference>, ConfigError> {
    let theirs = GatewayConfig::of_python(&jupyter.of_kernel(spec))?;
    let mut found = Vec::new();
    let mut compare = |key, ours: Option<String>, kernels: Option<String>, consequence| {
        if ours != kernels {
            found.push(Difference {
                key,
                ours,
                kernels,
                consequence,
            });
        }
    };
    let address = |config: &GatewayConfig| config.address.clone();
    compare(
        "gateway.address",
        address(ours),
        address(&theirs),
        "its Gateway() speaks to another gateway, whose clusters are not shown here",
    );
    compare(
        "gateway.proxy-address",
        ours.proxy_address.clone(),
        theirs.proxy_address.clone(),
        "its clients look for schedulers elsewhere",
    );
    compare(
        "gateway.public-address",
        ours.public_address.clone(),
        theirs.public_address.clone(),
        "the dashboard links that it prints lead elsewhere",
    );
    let (our_login, their_login) = logins(&ours.auth, &theirs.auth);
    compare(
        "gateway.auth",
        Some(our_login),
        Some(their_login),
        "the gateway may take it for somebody else, whose clusters are not shown here",
    );
    let proxy = |config: &GatewayConfig| Some(proxy(&config.http_proxy).to_owned());
    let same_proxy = ours.http_proxy == theirs.http_proxy;
    compare(
        "gateway.http-client.proxy",
        proxy(ours),
        if same_proxy {
            proxy(ours)
        } else {
            proxy(&theirs).map(|text| another(text, ours))
        },
        "it may not reach the gateway",
    );
    let fields = ours.cluster_options.keys().chain(theirs.cluster_options.keys());
    let differing: std::collections::BTreeSet<&String> = fields
        .filter(|field| ours.cluster_options.get(*field) != theirs.cluster_options.get(*field))
        .collect();
    let list = |config: &GatewayConfig| {
        let set: Vec<String> = differing
            .iter()
            .filter_map(|field| {
                let value = config.cluster_options.get(*field)?;
                Some(format!("{field} = {value}"))
            })
            .collect();
        (!set.is_empty()).then(|| set.join(", "))
    };
    compare(
        "gateway.cluster.options",
        list(ours),
        list(&theirs),
        "clusters that it makes have other defaults",
    );
    Ok(found)
}

/// Who logs in and how, in words that differ where the secrets do.
fn logins(ours: &AuthConfig, theirs: &AuthConfig) -> (String, String) {
    let named = |auth: &AuthConfig| match auth {
        AuthConfig::Basic { username, .. } => format!("basic as {username}"),
        AuthConfig::JupyterHub { token: None } => "jupyterhub without a token".to_owned(),
        AuthConfig::JupyterHub { token: Some(_) } => "jupyterhub with a token".to_owned(),
        AuthConfig::Unsupported { kind } => kind.clone(),
    };
    let (our_login, mut their_login) = (named(ours), named(theirs));
    if ours != theirs && our_login == their_login {
        their_login.push_str(" (another secret)");
    }
    (our_login, their_login)
}

fn proxy(proxy: &HttpProxy) -> &'static str {
    match proxy {
        HttpProxy::Environment => "that of the environment",
        HttpProxy::Off => "off",
        HttpProxy::Url(_) => "an address",
    }
}

/// Two addresses are both "an address".
fn another(text: String, ours: &GatewayConfig) -> String {
    if matches!(ours.http_proxy, HttpProxy::Url(_)) && text == "an address" {
        "another address".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jupyter(env: &[(&str, &str)]) -> ConfigSources {
        let mut sources = ConfigSources {
            env: env.iter().copied().collect(),
            home: None,
            login: Some("alice".to_owned()),
            sys_prefix: None,
            site_prefixes: Vec::new(),
        };
        sources.env.insert("DASK_ROOT_CONFIG", "/nowhere");
        sources
    }

    fn spec(env: &[(&str, &str)]) -> KernelSpec {
        let env: BTreeMap<&str, &str> = env.iter().copied().collect();
        let spec = serde_json::json!({"argv": ["python"], "env": env, "display_name": "Python"});
        serde_json::from_value(spec).unwrap()
    }

    fn found(env: &[(&str, &str)]) -> Vec<String> {
        let jupyter = jupyter(&[
            ("DASK_GATEWAY__ADDRESS", "http://gw:8000"),
            ("DASK_GATEWAY__AUTH__KWARGS__PASSWORD", "hunter2"),
        ]);
        let ours = GatewayConfig::resolve(&jupyter).unwrap();
        let found = differences(&ours, &jupyter, &spec(env)).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_kernel_of_the_same_environment_does_the_same() {
        assert_eq!(found(&[("OTHER", "1")]), [""; 0]);
    }

    #[test]
    fn what_differs_is_a_sentence_without_secrets() {
        let sentences = found(&[
            (
                "DASK_GATEWAY__ADDRESS",
                "http://$SITE/$DASK_CONFIG$$${DASK_ROOT_CONFIG}",
            ),
            ("DASK_GATEWAY__AUTH__KWARGS__PASSWORD", "hunter3"),
            (
                "DASK_GATEWAY__HTTP_CLIENT__PROXY",
                "http://bob:hunter4@proxy:3128",
            ),
            ("DASK_GATEWAY__CLUSTER__OPTIONS__IMAGE", "img:2"),
        ]);
        assert_eq!(
            sentences[0],
            "In this kernel gateway.address is http://$SITE/$DASK_CONFIG$/nowhere, and http://gw:8000 in Gatehouse: its \
             Gateway() speaks to another gateway, whose clusters are not shown here."
        );
        let all = sentences.join("\n");
        for words in [
            "basic as alice (another secret)",
            "an address",
            "image = \"img:2\"",
            "and nothing in",
        ] {
            assert!(all.contains(words), "{words} in {all}");
        }
        assert!(!all.contains("hunter"), "{all}");
    }

    #[test]
    fn a_kernel_that_fails_says_why() {
        let jupyter = jupyter(&[]);
        let ours = GatewayConfig::default();
        let spec = spec(&[("DASK_GATEWAY__ADDRESS", "http://{NOPE}")]);
        let error = differences(&ours, &jupyter, &spec).unwrap_err().to_string();
        assert!(error.contains("NOPE"), "{error}");
    }

    #[test]
    fn our_own_variables_count_for_a_kernel() {
        let given = [
            ("DASK_GATEWAY__ADDRESS", "http://127.0.0.1:1"),
            ("GATEHOUSE_GATEWAY_ADDRESS", "http://127.0.0.1:1"),
        ];
        let jupyter = jupyter(&given);
        assert_eq!(GatewayConfig::resolve(&jupyter).unwrap().address, None);
        let ours = GatewayConfig::of_python(&jupyter).unwrap();
        assert_eq!(differences(&ours, &jupyter, &spec(&[])).unwrap(), []);
        let away = spec(&[("DASK_GATEWAY__ADDRESS", "http://site")]);
        let found = differences(&ours, &jupyter, &away).unwrap();
        assert_eq!(found[0].kernels.as_deref(), Some("http://site"));
    }

    #[test]
    fn the_python_of_a_kernel_has_files_of_its_own() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("etc/dask");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("x.yaml"), "gateway: {address: http://env}\n").unwrap();
        let python = temp.path().join("bin/python3").to_string_lossy().into_owned();
        let prefix = temp.path().to_string_lossy().into_owned();
        for argv in [
            vec![python.as_str(), "-m", "ipykernel_launcher"],
            vec![
                "python",
                "-m",
                "nb_conda_kernels.runner",
                "/opt/conda",
                &prefix,
                "python",
            ],
        ] {
            let spec = KernelSpec {
                argv: argv.into_iter().map(str::to_owned).collect(),
                env: BTreeMap::new(),
            };
            let found = differences(&GatewayConfig::default(), &jupyter(&[]), &spec).unwrap();
            assert_eq!(found[0].kernels.as_deref(), Some("http://env"));
        }
    }
}
