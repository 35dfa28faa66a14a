//! Logs of the scheduler or of a worker: by level, with words to look for, followed while they grow.

use protocol::live::Topics;
use serde_json::Value;
use yew::prelude::*;

use super::bars;
use super::plot::{Body, Column, Controls, Data, Figure, Plot, Table};
use super::view::{Change, View};
use crate::draw::scale::Unit;
use crate::draw::units::count;
use crate::state::socket::segment;
use crate::ui::clipboard::CopyButton;

/// Lines shown at most, the latest.
const SHOWN: usize = 2000;

const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

pub struct Logs;

const COLUMNS: [Column; 2] = [("Level", Unit::Text), ("Text", Unit::Text)];

fn rank(level: &str) -> usize {
    LEVELS
        .iter()
        .position(|known| *known == level)
        .unwrap_or(LEVELS.len())
}

/// The entries as level and text, oldest first: those that the view lets through.
fn entries<'a>(data: &Data<'a>) -> Vec<(&'a str, &'a str)> {
    let least = if data.view.choice.is_empty() {
        0
    } else {
        rank(&data.view.choice)
    };
    let words = data.view.search.to_lowercase();
    let list = data.fetched["entries"].as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
        .filter_map(|entry| Some((entry["level"].as_str()?, entry["text"].as_str()?)))
        .filter(|(level, text)| {
            rank(level) >= least && (words.is_empty() || text.to_lowercase().contains(&words))
        })
        .collect()
}

impl Plot for Logs {
    fn body(&self) -> Body {
        Body::List
    }

    fn topics(&self) -> Topics {
        bars::TOPICS
    }

    fn source(&self, view: &View) -> Option<String> {
        Some(if view.worker.is_empty() {
            "logs".to_owned()
        } else {
            format!("logs?worker={}", segment(&view.worker))
        })
    }

    fn controls(&self) -> Controls {
        Controls {
            worker: Some("Scheduler"),
            choice: Some("All levels"),
            search: true,
        }
    }

    fn choices(&self, _: &Data<'_>) -> Vec<String> {
        LEVELS.map(str::to_owned).to_vec()
    }

    fn table(&self, data: &Data<'_>) -> Table {
        Table {
            columns: &COLUMNS,
            rows: entries(data)
                .into_iter()
                .map(|(level, text)| vec![level.into(), text.into()])
                .collect(),
            totals: Vec::new(),
        }
    }

    fn list(&self, data: &Data<'_>, _: &Callback<Change>) -> Html {
        let entries = entries(data);
        let shown = &entries[entries.len().saturating_sub(SHOWN)..];
        let left_out = entries.len() - shown.len();
        let text: String = shown
            .iter()
            .map(|(level, text)| format!("{level} {text}\n"))
            .collect();
        let text = Callback::from(move |()| text.clone());
        // The outer element grows upwards: who has not scrolled back sees the last line, also when there are more.
        html! {
            <div class="gh-logs" tabindex="0" data-testid="log">
                <div>
                    if left_out > 0 {
                        <p class="gh-table-none">{format!("{} earlier lines are not shown: look for words to find them.", count(left_out as u64))}</p>
                    }
                    if shown.is_empty() {
                        <p class="gh-table-none">{"No line of the log is like that."}</p>
                    } else {
                        <span class="gh-logs-copy"><CopyButton {text} label="Copy these lines" testid="copy-log" /></span>
                    }
                    { for shown.iter().map(|(level, text)| html! {
                        <div class={line(level)}><b>{(*level).to_owned()}</b><span>{(*text).to_owned()}</span></div>
                    }) }
                </div>
            </div>
        }
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        if *data.fetched == Value::Null {
            return Vec::new();
        }
        let entries = entries(data);
        let bad = entries.iter().filter(|(level, _)| rank(level) >= 3).count() as u64;
        let mut figures = vec![(count(entries.len() as u64), "lines", false)];
        if bad > 0 {
            figures.push((count(bad), "errors", true));
        }
        figures
    }

    fn empty(&self) -> (&'static str, &'static str) {
        ("Nothing logged", "The log is empty so far.")
    }
}

fn line(level: &str) -> &'static str {
    match rank(level) {
        0 => "gh-log gh-log--dim",
        2 => "gh-log gh-log--warn",
        3 | 4 => "gh-log gh-log--bad",
        _ => "gh-log",
    }
}

#[cfg(test)]
mod tests {
    use protocol::inspect::{LogEntry, Logs};

    use super::*;
    use crate::state::live::Live;

    #[test]
    fn lines_are_chosen_by_level_and_words() {
        let entry = |level: &str, text: &str| LogEntry {
            level: level.into(),
            text: text.into(),
        };
        let logs = Logs {
            entries: vec![
                entry("DEBUG", "tick"),
                entry("INFO", "Register worker"),
                entry("WARNING", "Slow"),
                entry("ERROR", "Broken worker"),
            ],
        };
        let fetched = serde_json::to_value(&logs).expect("JSON");
        let live = Live::default();
        let texts = |choice: &str, search: &str| {
            let view = View {
                choice: choice.into(),
                search: search.into(),
                ..View::default()
            };
            let data = Data {
                live: &live,
                view: &view,
                fetched: &fetched,
            };
            entries(&data)
                .iter()
                .map(|(_, text)| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts("", "").len(), 4);
        assert_eq!(texts("WARNING", ""), ["Slow", "Broken worker"]);
        assert_eq!(texts("", "WORKER"), ["Register worker", "Broken worker"]);
    }
}
