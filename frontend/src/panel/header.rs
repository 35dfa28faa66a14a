//! The top of the panel: its name, how the gateway is, and what is wrong where something is.

use protocol::events::NoticeLevel;
use protocol::rest::{GatewayKind, GatewayState, GatewayStatus};
use yew::prelude::*;

use super::context::Panel;
use crate::state::events::{Link, State};
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, banner};

/// The name and how the gateway is.
pub fn header(state: &State) -> Html {
    html! {
        <header class="gh-header">
            <span class="gh-brand">{glyph(Icon::Gatehouse, 16)}<h1>{"Gatehouse"}</h1></span>
            {status(state)}
        </header>
    }
}

/// How the gateway is, in a word or two; the tooltip tells more.
pub fn status(state: &State) -> Html {
    let gateway = state.status.as_ref().map(|status| &status.gateway);
    let (key, words) = match (&state.link, gateway) {
        (Link::Lost { .. }, _) => ("offline", "Offline"),
        (_, None) => ("connecting", "Connecting"),
        (_, Some(gateway)) => in_words(gateway),
    };
    html! {
        <span
            class={format!("gh-status gh-status--{key}")}
            title={gateway.map(|gateway| describe(gateway, &state.link))}
            role="status"
            data-testid="gateway-status"
            data-state={key}
        >
            <span class="gh-dot" aria-hidden="true" />
            {words}
        </span>
    }
}

/// What is wrong with the connection or the gateway, across the panel; nothing while all is well.
pub fn troubles(panel: &Panel, state: &State) -> Html {
    let gateway = state.status.as_ref().map(|status| &status.gateway);
    if let Link::Lost { message } = &state.link {
        let retry = {
            let store = panel.store.clone();
            Callback::from(move |_: MouseEvent| store.connect())
        };
        return banner(
            NoticeLevel::Warning,
            "connection-lost",
            html! { <><b>{"Connection lost, retrying."}</b>{" "}{message.clone()}</> },
            Button::new("Retry")
                .title("Connect now")
                .on(retry)
                .testid("retry")
                .view(),
        );
    }
    match gateway.and_then(trouble) {
        Some((level, message)) => banner(level, "gateway-message", html! { {message} }, Html::default()),
        None => html! {},
    }
}

/// The gateway's state for tests and styles, and in words short enough for a narrow sidebar.
fn in_words(gateway: &GatewayStatus) -> (&'static str, &'static str) {
    match (gateway.state, gateway.kind) {
        (GatewayState::Up, GatewayKind::Embedded) => ("up", "Local gateway"),
        (GatewayState::Up, GatewayKind::Remote) => ("up", "Gateway"),
        (GatewayState::Starting, _) => ("starting", "Starting"),
        (GatewayState::Down, _) => ("down", "Unreachable"),
        (GatewayState::Unauthorized, _) => ("unauthorized", "Access refused"),
    }
}

fn describe(gateway: &GatewayStatus, link: &Link) -> String {
    let kind = match gateway.kind {
        GatewayKind::Embedded => "Dask Gateway that Gatehouse runs on this machine",
        GatewayKind::Remote => "Dask Gateway of your configuration",
    };
    let mut words = kind.to_owned();
    if let Some(version) = &gateway.version {
        words.push_str(&format!(", version {version}"));
    }
    if let Some(address) = &gateway.address {
        words.push_str(&format!("\n{address}"));
    }
    if matches!(link, Link::Lost { .. }) {
        words.push_str("\nas it was when the connection was lost");
    }
    words
}

/// What to show across the panel, `None` while all is well.
fn trouble(gateway: &GatewayStatus) -> Option<(NoticeLevel, String)> {
    let message = |otherwise: &str| gateway.message.clone().unwrap_or_else(|| otherwise.to_owned());
    match gateway.state {
        GatewayState::Up => gateway
            .message
            .clone()
            .map(|message| (NoticeLevel::Warning, message)),
        GatewayState::Starting => Some((
            NoticeLevel::Info,
            message("The gateway is starting; this takes a few seconds."),
        )),
        GatewayState::Down => Some((
            NoticeLevel::Error,
            message(
                "The gateway does not answer. It is tried again by itself; check its address if this stays so.",
            ),
        )),
        GatewayState::Unauthorized => Some((
            NoticeLevel::Error,
            message("The gateway refuses our credentials. Check the authentication in Dask's configuration."),
        )),
    }
}
