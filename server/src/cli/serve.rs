//! `gatehouse serve`: the panel and its API, for as long as somebody wants them.

use std::collections::BTreeMap;

use anyhow::Context;
use tracing::info;

use super::house::{House, Name};
use super::signals::Signals;
use super::{ServeArgs, listen};
use crate::http::{Token, assets_folder, router};

/// Where browsers reach the door.
struct Address {
    listener: listen::Listener,
    token: Option<Token>,
    /// What a person opens, token included; `None` on a unix socket.
    url: Option<String>,
    /// What stands before `clusters/{name}/status`.
    public: String,
}

/// Serves until a signal comes or the parent is gone.
///
/// # Errors
/// A sentence, where something that is needed at the start is not there.
pub(super) async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("Signals can't be listened to")?;
    let address = bind(&args).await?;
    let instance = args.instance.clone().unwrap_or_else(|| {
        format!(
            "standalone-{}-{}",
            std::process::id(),
            &crate::state_dir::random_hex()[..8]
        )
    });
    let name = Name {
        instance,
        public: address.public.clone(),
        tells_access: address.url.is_some(),
        parent_pid: args.parent_pid,
        root: None,
    };
    let mut house = House::open(&args.house, name).await?;
    let app = house.app(assets_folder(args.assets.clone()));
    let serving = address
        .listener
        .serve(router(app, address.token.clone()), house.stop.clone());
    house.requests.spawn(serving);
    announce(&args, address.url.as_deref(), &house.kernel_env);
    house.live().await;

    let why = signals.end_is_asked(args.parent_pid).await;
    info!(why, "ending");
    house.end().await;
    if let Some(socket) = &args.socket {
        std::fs::remove_file(socket).ok();
    }
    Ok(())
}

async fn bind(args: &ServeArgs) -> anyhow::Result<Address> {
    if let Some(socket) = &args.socket {
        let public = args.public_url.clone().unwrap_or_else(|| "/gatehouse".to_owned());
        return Ok(Address {
            listener: listen::unix(socket).await?,
            token: None,
            url: None,
            public: trim(&public),
        });
    }
    let (listener, port) = listen::loopback(args.port).await?;
    let secret = crate::state_dir::random_hex();
    Ok(Address {
        listener: listen::Listener::Tcp(listener),
        token: Some(Token::new(&secret, port)),
        url: Some(format!("http://127.0.0.1:{port}/?token={secret}")),
        public: trim(
            args.public_url
                .as_deref()
                .unwrap_or(&format!("http://127.0.0.1:{port}")),
        ),
    })
}

fn trim(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn announce(args: &ServeArgs, url: Option<&str>, kernel_env: &BTreeMap<String, String>) {
    if args.ready_json {
        println!(
            "{}",
            serde_json::json!({ "event": "ready", "url": url, "kernel_env": kernel_env })
        );
    } else if let Some(url) = url {
        println!("Gatehouse is at {url}");
    }
}
