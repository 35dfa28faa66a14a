//! What became of a task: asked of the scheduler when somebody looks at the task.

use protocol::recordings::PANE_PREFIX;
use serde_json::Value;
use yew::AttrValue;

use crate::draw::units::duration;
use crate::state::rest::Api;
use crate::state::socket::segment;

/// Which cluster a pane shows, and where it is asked.
#[derive(Clone, Debug)]
pub struct Place {
    pub base_url: AttrValue,
    pub cluster: AttrValue,
}

impl Place {
    /// Whether what it shows is over.
    pub(super) fn is_recording(&self) -> bool {
        self.cluster.starts_with(PANE_PREFIX)
    }

    /// What the pane's choice is kept under.
    pub(super) fn key(&self) -> String {
        format!("gatehouse-stream {} {}", self.base_url, self.cluster)
    }
}

/// The story of the task that was asked for last.
#[derive(Default)]
pub(super) struct Story {
    pub(super) record: Option<u64>,
    /// `None` while it is on its way.
    pub(super) lines: Option<Vec<Line>>,
}

/// A change of state: how long after the first one, from what to what, and what set it off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub after: String,
    pub change: String,
    pub cause: String,
}

/// Asks; a failure is a line too.
pub(super) async fn ask(place: &Place, key: &str) -> Vec<Line> {
    if place.cluster.starts_with(PANE_PREFIX) {
        return vec![Line {
            change: "A recording has no story of its tasks: only a scheduler that runs can tell it."
                .to_owned(),
            ..Line::default()
        }];
    }
    match Api::new(place.base_url.clone())
        .ask(&place.cluster, &format!("story?key={}", segment(key)))
        .await
    {
        Ok(story) => lines(&story),
        Err(error) => vec![Line {
            change: error.message,
            ..Line::default()
        }],
    }
}

/// Reads a [`protocol::inspect::Story`].
fn lines(story: &Value) -> Vec<Line> {
    let mut first = None;
    let transitions = story.get("transitions").and_then(Value::as_array);
    let lines = transitions.into_iter().flatten().map(|transition| {
        let text = |name: &str| transition.get(name).and_then(Value::as_str).unwrap_or_default();
        let at_us = transition
            .get("at_us")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        let begin = *first.get_or_insert(at_us);
        Line {
            after: format!("+{}", duration(at_us.saturating_sub(begin).max(0) as u64)),
            change: format!("{} \u{2192} {}", text("from"), text("to")),
            cause: text("stimulus").to_owned(),
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use protocol::inspect::{Story, Transition};

    use super::*;

    #[test]
    fn a_story_is_read() {
        let step = |at_us, from: &str, to: &str| Transition {
            at_us,
            from: from.into(),
            to: to.into(),
            stimulus: "update-graph".into(),
        };
        let story = Story {
            transitions: vec![
                step(1_000_000, "released", "waiting"),
                step(1_020_000, "waiting", "processing"),
            ],
        };
        let lines = lines(&serde_json::to_value(&story).expect("JSON"));
        let after: Vec<_> = lines.iter().map(|line| line.after.as_str()).collect();
        assert_eq!(after, ["+0 µs", "+20 ms"]);
        assert_eq!(lines[1].change, "waiting \u{2192} processing");
    }
}
