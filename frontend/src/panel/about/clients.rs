//! The client view, as Python shows it in a notebook, and who is connected.

use serde_json::Value;
use yew::prelude::*;

use super::text;
use crate::ui::format;
use crate::ui::widgets::Elapsed;

/// What the server says of a cluster's clients.
pub(super) fn clients(view: &Value, base_url: &str) -> Html {
    let scheduler = &view["scheduler"];
    let list = view["clients"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Below our own prefix, or an address of its own.
    let dashboard = text(view, "dashboard").map(|path| {
        if path.contains("://") {
            return path;
        }
        let page = gloo::utils::window().location().href().unwrap_or_default();
        let below = format!("{base_url}{path}");
        web_sys::Url::new_with_base(&below, &page).map_or(below, |url| url.href())
    });
    let size = format!(
        "{}, {}, {}",
        format::count(number(scheduler, "workers"), "worker"),
        format::count(number(scheduler, "threads"), "thread"),
        format::bytes(number(scheduler, "memory_limit"))
    );
    html! {
        <>
            <section class="gh-client" aria-label="Client" data-testid="client-view">
                <header>
                    <span class="gh-client-square" aria-hidden="true" />
                    <h3>{"Client"}</h3>
                </header>
                <dl>
                    {fact("Connection method", text(view, "connection_method").map(Html::from))}
                    {fact("Cluster type", text(view, "cluster_type").map(Html::from))}
                    {fact("Name", code(text(view, "name")))}
                    {fact("Dashboard", dashboard.map(|url| html! {
                        <a href={url.clone()} target="_blank" rel="noopener" data-testid="client-dashboard">{url}</a>
                    }))}
                    {fact("Scheduler", code(text(scheduler, "address")))}
                    {fact("Started", since(scheduler, "started_at").map(|ago| html! { <>{ago}{" ago"}</> }))}
                    {fact("Size", Some(size.into()))}
                </dl>
            </section>
            <section aria-label="Connected clients" data-testid="connected-clients" data-count={list.len().to_string()}>
                <h3>{"Connected clients"}<span class="gh-count gh-figure">{list.len()}</span></h3>
                if list.is_empty() {
                    <p class="gh-note">{"Nobody is connected now. Gatehouse watches without being a client."}</p>
                } else {
                    <ul class="gh-connected">{for list.iter().map(client)}</ul>
                }
                if let Some(limited) = text(view, "limited") {
                    <p class="gh-note" data-testid="clients-limited">{limited}</p>
                }
            </section>
        </>
    }
}

fn client(client: &Value) -> Html {
    let id = text(client, "id").unwrap_or_default();
    let of_worker = client["of_worker"].as_bool() == Some(true);
    let has = [
        ("python", "Python"),
        ("dask", "dask"),
        ("distributed", "distributed"),
    ];
    let has: Vec<String> = has
        .iter()
        .filter_map(|(name, words)| Some(format!("{words} {}", text(client, name)?)))
        .collect();
    let results = client["results"]
        .as_u64()
        .map(|kept| format!("keeps {}", format::count(kept, "result")));
    let more: Vec<String> = text(client, "address")
        .map(|address| format!("from {address}"))
        .into_iter()
        .chain(results)
        .chain(of_worker.then(|| "made by a task on a worker".to_owned()))
        .collect();
    html! {
        <li key={id.clone()} data-testid="connected-client" data-client={id.clone()}>
            <code>{id}</code>
            <span class="gh-recording-sub">
                if let Some(connected) = since(client, "connected_at") {
                    {"connected for "}{connected}
                }
                if let Some(seen) = since(client, "last_seen_at") {
                    {" \u{b7} heard "}{seen}{" ago"}
                }
            </span>
            if !has.is_empty() {
                <span class="gh-recording-sub" data-testid="client-versions">{has.join(" \u{b7} ")}</span>
            }
            if !more.is_empty() {
                <span class="gh-recording-sub">{more.join(" \u{b7} ")}</span>
            }
        </li>
    }
}

fn fact(name: &'static str, value: Option<Html>) -> Html {
    match value {
        None => Html::default(),
        Some(value) => html! { <><dt>{name}</dt><dd>{value}</dd></> },
    }
}

fn code(text: Option<String>) -> Option<Html> {
    text.map(|text| html! { <code>{text}</code> })
}

/// The time since a moment that a field names.
fn since(tree: &Value, name: &str) -> Option<Html> {
    let since = tree[name].as_i64()?;
    Some(html! { <Elapsed {since} /> })
}

fn number(tree: &Value, name: &str) -> u64 {
    tree[name].as_u64().unwrap_or_default()
}
