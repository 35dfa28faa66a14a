//! Addresses of schedulers: plain TCP, TLS, and through a gateway.

use std::fmt;
use std::str::FromStr;

use crate::CommError;

/// Where a scheduler listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `tcp://host:port`
    Tcp { host: String, port: u16 },
    /// `tls://host:port`
    Tls { host: String, port: u16 },
    /// `gateway://host:port/cluster`: TLS to the gateway's proxy, which finds the cluster by the SNI.
    Gateway {
        host: String,
        port: u16,
        cluster: String,
    },
}

impl Address {
    /// Host (an IPv6 address without brackets) and port to connect to.
    pub fn host_port(&self) -> (&str, u16) {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port } | Self::Gateway { host, port, .. } => {
                (host, *port)
            }
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        !matches!(self, Self::Tcp { .. })
    }
}

impl FromStr for Address {
    type Err = CommError;

    fn from_str(text: &str) -> Result<Self, CommError> {
        let wrong = |reason| CommError::Address {
            address: text.to_owned(),
            reason,
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let (host, port) = parse_authority(authority).map_err(wrong)?;
        let no_path = || match path {
            None | Some("") => Ok(()),
            Some(_) => Err(wrong("only a gateway address has a path")),
        };
        match scheme {
            "tcp" => no_path().map(|()| Self::Tcp { host, port }),
            "tls" => no_path().map(|()| Self::Tls { host, port }),
            "gateway" => match path {
                Some(cluster) if !cluster.is_empty() && !cluster.contains('/') => Ok(Self::Gateway {
                    host,
                    port,
                    cluster: cluster.to_owned(),
                }),
                _ => Err(wrong("the cluster's name is missing after the port")),
            },
            _ => Err(wrong("the scheme is not known")),
        }
    }
}

fn parse_authority(authority: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = authority.rsplit_once(':').ok_or("the port is missing")?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner
            .strip_suffix(']')
            .ok_or("the bracket of the IPv6 address is not closed")?,
        None if host.contains(':') => return Err("an IPv6 address needs brackets"),
        None => host,
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || "@?#[]".contains(c))
    {
        return Err("the host is not valid");
    }
    match port.parse() {
        Ok(0) | Err(_) => Err("the port is not a number from 1 to 65535"),
        Ok(port) => Ok((host.to_owned(), port)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.host_port();
        let scheme = match self {
            Self::Tcp { .. } => "tcp",
            Self::Tls { .. } => "tls",
            Self::Gateway { .. } => "gateway",
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")?;
        } else {
            write!(f, "{scheme}://{host}:{port}")?;
        }
        match self {
            Self::Gateway { cluster, .. } => write!(f, "/{cluster}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_survive_a_round_trip() {
        for text in [
            "tcp://127.0.0.1:8786",
            "tls://[::1]:40000",
            "gateway://gw.example:443/dev.d9667a0c",
            "tcp://node-1:1",
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        let gateway: Address = "gateway://h:1/name".parse().expect("parses");
        assert_eq!(
            gateway,
            Address::Gateway {
                host: "h".into(),
                port: 1,
                cluster: "name".into()
            }
        );
        assert_eq!(
            "tls://[::1]:40000"
                .parse::<Address>()
                .expect("parses")
                .host_port(),
            ("::1", 40000)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("127.0.0.1:8786", "no scheme"),
            ("ws://h:1", "scheme is not known"),
            ("tcp://h", "port is missing"),
            ("tcp://h:0", "1 to 65535"),
            ("tcp://h:70000", "1 to 65535"),
            ("tcp://:1", "host"),
            ("tcp://user@h:1", "host"),
            ("tcp://::1:1", "brackets"),
            ("tcp://[::1:1", "not closed"),
            ("tcp://h:1/x", "path"),
            ("gateway://h:1", "name is missing"),
            ("gateway://h:1/", "name is missing"),
            ("gateway://h:1/a/b", "name is missing"),
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
