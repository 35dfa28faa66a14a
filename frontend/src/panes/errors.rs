//! Errors: what tasks raised, by prefix and exception, with traceback and cause.

use protocol::live::{ErrorGroup, Topics};
use timeline::Colors;
use yew::prelude::*;

use super::plot::{Body, Cell, Column, Controls, Data, Figure, Plot, Table};
use super::view::{Change, View};
use crate::draw::scale::Unit;
use crate::draw::units::{count, plural};
use crate::ui::clipboard::CopyButton;

pub struct Errors;

const COLUMNS: [Column; 8] = [
    ("Prefix", Unit::Text),
    ("Exception", Unit::Text),
    ("Tasks", Unit::Count),
    ("First", Unit::Time),
    ("Last", Unit::Time),
    ("Key", Unit::Text),
    ("Raised by", Unit::Text),
    ("Worker", Unit::Text),
];

fn groups<'a>(data: &Data<'a>) -> &'a [ErrorGroup] {
    data.live.errors.as_deref().map_or(&[], |errors| &errors.groups)
}

/// Whether what the user looks for is in it.
fn matches(group: &ErrorGroup, view: &View) -> bool {
    let words = view.search.to_lowercase();
    let texts = [&group.prefix, &group.exception, &group.key, &group.traceback];
    texts.iter().any(|text| text.to_lowercase().contains(&words))
}

impl Plot for Errors {
    fn body(&self) -> Body {
        Body::List
    }

    fn topics(&self) -> Topics {
        Topics {
            errors: true,
            ..Topics::default()
        }
    }

    fn controls(&self) -> Controls {
        Controls {
            search: true,
            ..Controls::default()
        }
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let row = |group: &ErrorGroup| -> Vec<Cell> {
            vec![
                group.prefix.as_str().into(),
                group.exception.as_str().into(),
                group.count.into(),
                (group.first_us as f64).into(),
                (group.last_us as f64).into(),
                group.key.as_str().into(),
                group.cause.as_deref().into(),
                group.worker.as_str().into(),
            ]
        };
        Table {
            columns: &COLUMNS,
            rows: groups(data).iter().map(row).collect(),
            totals: Vec::new(),
        }
    }

    fn list(&self, data: &Data<'_>, _: &Callback<Change>) -> Html {
        let found: Vec<_> = groups(data)
            .iter()
            .filter(|group| matches(group, data.view))
            .collect();
        if found.is_empty() {
            return html! { <p class="gh-table-none">{"No error holds these words."}</p> };
        }
        html! { <ul class="gh-errors">{ for found.into_iter().map(item) }</ul> }
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        let Some(errors) = data.live.errors.as_deref() else {
            return Vec::new();
        };
        vec![
            (count(errors.total), "erred tasks", errors.total > 0),
            (count(errors.groups.len() as u64), "different errors", false),
        ]
    }

    fn empty(&self) -> (&'static str, &'static str) {
        (
            "No errors",
            "No task has raised since Gatehouse first reached the scheduler.",
        )
    }
}

fn item(group: &ErrorGroup) -> Html {
    let [r, g, b, _] = Colors::prefix(group.color);
    let whole = format!(
        "{}\n{}\nkey: {}\nworker: {}\n",
        group.traceback.trim_end(),
        group.exception,
        group.key,
        group.worker
    );
    let text = Callback::from(move |()| whole.trim_start().to_owned());
    let time = |us: i64| Unit::Time.say(us as f64);
    let fact = |name: &'static str, value: &str| {
        html! { <><dt>{name}</dt><dd><code>{value.to_owned()}</code></dd></> }
    };
    html! {
        <li key={format!("{}\n{}", group.prefix, group.exception)} data-testid="error">
            <details>
                <summary>
                    <span class="gh-swatch" style={format!("background:rgb({r},{g},{b})")} />
                    <strong>{group.prefix.clone()}</strong>
                    <code class="gh-error-text" title={group.exception.clone()}>{group.exception.clone()}</code>
                    <span class="gh-error-count">{plural(group.count, "task")}</span>
                    <time title={format!("first at {}", time(group.first_us))}>{time(group.last_us)}</time>
                    <CopyButton {text} label="Copy this error" class="gh-button--tiny" testid="copy-error" />
                </summary>
                <dl>
                    {fact("Exception", &group.exception)}
                    {fact("Key", &group.key)}
                    if let Some(cause) = &group.cause {
                        {fact("Raised by", cause)}
                    }
                    {fact("Worker", &group.worker)}
                </dl>
                if group.traceback.is_empty() {
                    <p class="gh-note">{"The scheduler sent no traceback of it."}</p>
                } else {
                    <pre tabindex="0">{group.traceback.trim_end().to_owned()}</pre>
                }
            </details>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_looked_for_in_the_traceback_too() {
        let group = ErrorGroup {
            prefix: "inc".into(),
            exception: "ValueError('boom')".into(),
            traceback: "  File \"job.py\", line 3, in inc".into(),
            ..ErrorGroup::default()
        };
        let found = |search: &str| {
            let view = View {
                search: search.into(),
                ..View::default()
            };
            matches(&group, &view)
        };
        assert!(found("") && found("BOOM") && found("job.py"));
        assert!(!found("KeyError"));
    }
}
