//! The client view, as Python shows it in a notebook, and who is connected.

use serde_json::Value;
use yew::prelude::*;

use super::{list, text};
use crate::ui::format;

/// What the server says of a cluster's clients.
pub(super) fn clients(view: &Value, title: &str, base_url: &str) -> Html {
    let scheduler = &view["scheduler"];
    let connected = list(view, "clients");
    // Below our own prefix, or an address of its own.
    let dashboard = text(view, "dashboard").map(|path| {
        let page = gloo::utils::window().location().href().unwrap_or_default();
        let below = if path.contains("://") {
            path
        } else {
            format!("{base_url}{path}")
        };
        web_sys::Url::new_with_base(&below, &page).map_or(below, |url| url.href())
    });
    let size = format!(
        "{}, {}, {}",
        format::count(number(scheduler, "workers"), "worker"),
        format::count(number(scheduler, "threads"), "thread"),
        format::bytes(number(scheduler, "memory_limit"))
    );
    let facts = [
        ("Connection method", text(view, "connection_method")),
        ("Cluster type", text(view, "cluster_type")),
        ("Name", text(view, "name")),
        ("Dashboard", dashboard),
        ("Scheduler", text(scheduler, "address")),
        ("Running for", since(scheduler, "started_at")),
        ("Size", Some(size)),
    ];
    html! {
        <>
            <section class="gh-client" aria-label="Client" data-testid="client-view">
                <header>
                    <span class="gh-client-square" aria-hidden="true" />
                    <h3>{"Client"}<small>{title.to_owned()}</small></h3>
                </header>
                <dl>{for facts.into_iter().map(fact)}</dl>
            </section>
            <section aria-label="Connected clients" data-testid="connected-clients">
                <h3>{"Connected clients"}<span class="gh-count gh-figure">{connected.len()}</span></h3>
                if connected.is_empty() {
                    <p class="gh-note">{"Nobody is connected now. Gatehouse watches without being a client."}</p>
                } else {
                    <ul class="gh-connected">{for connected.iter().map(client)}</ul>
                }
                if let Some(limited) = text(view, "limited") {
                    <p class="gh-note" data-testid="clients-limited">{limited}</p>
                }
            </section>
        </>
    }
}

fn fact((name, value): (&'static str, Option<String>)) -> Html {
    let Some(value) = value else {
        return Html::default();
    };
    let value = match name {
        "Dashboard" => html! {
            <a href={value.clone()} target="_blank" rel="noopener" data-testid="client-dashboard">{value}</a>
        },
        _ => Html::from(value),
    };
    html! { <div><dt>{name}</dt><dd>{value}</dd></div> }
}

fn client(client: &Value) -> Html {
    let id = text(client, "id").unwrap_or_default();
    let times = [
        ("connected for ", "connected_at", ""),
        ("heard ", "last_seen_at", " ago"),
    ]
    .map(|(before, name, after)| Some(format!("{before}{}{after}", since(client, name)?)));
    let has = ["python", "dask", "distributed"].map(|name| Some(format!("{name} {}", text(client, name)?)));
    let kept = client["results"].as_u64();
    let more = [
        text(client, "address").map(|address| format!("from {address}")),
        kept.map(|kept| format!("keeps {}", format::count(kept, "result"))),
        (client["of_worker"].as_bool() == Some(true)).then(|| "made by a task on a worker".to_owned()),
    ];
    html! {
        <li data-testid="connected-client" data-client={id.clone()}>
            <code>{id}</code>
            {line(&times)}
            {line(&has)}
            {line(&more)}
        </li>
    }
}

/// What is known of some things, on a line of their own.
fn line(parts: &[Option<String>]) -> Html {
    let known: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
    if known.is_empty() {
        return Html::default();
    }
    html! { <span class="gh-recording-sub">{known.join(" \u{b7} ")}</span> }
}

/// The time since a moment that a field names, as it was when the answer came.
fn since(tree: &Value, name: &str) -> Option<String> {
    Some(format::duration(
        js_sys::Date::now() as i64 - tree[name].as_i64()?,
    ))
}

fn number(tree: &Value, name: &str) -> u64 {
    tree[name].as_u64().unwrap_or_default()
}
