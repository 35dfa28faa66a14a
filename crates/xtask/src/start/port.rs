//! Which port JupyterLab gets.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, anyhow};

const FIRST: u16 = 8888;
const LAST: u16 = 8987;

/// The port asked for if it is free; without a wish the first free one from JupyterLab's usual port on.
///
/// # Errors
/// When the port asked for is taken.
pub(super) fn choose(wish: Option<u16>) -> Result<u16> {
    match wish {
        Some(port) => free(port).with_context(|| {
            format!(
                "Port {port} cannot be used: choose another one with `npm start -- --port N`, or leave `--port` away to get \
                 the next free one"
            )
        }),
        None => (FIRST..=LAST)
            .find_map(|port| free(port).ok())
            .ok_or_else(|| anyhow!("The ports {FIRST} to {LAST} are all in use: name a free one with `npm start -- --port N`")),
    }
}

fn free(port: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_with_a_way_out() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = choose(Some(port)).unwrap_err().to_string();
        assert!(
            error.contains(&port.to_string()) && error.contains("--port"),
            "{error}"
        );
    }

    #[test]
    fn zero_means_any() {
        assert_ne!(choose(Some(0)).unwrap(), 0);
    }
}
