//! What a shutdown would lose, in words.

use serde_json::Value;

use crate::ui::format;

/// Clusters that a question names one by one; the others are counted.
const NAMED: usize = 8;

/// A cluster that is about to be shut down.
pub struct Doomed {
    pub title: String,
    /// What the scheduler said just now, or why it could not be asked; `None` for a cluster that has not started yet.
    pub stake: Option<Result<Value, String>>,
    /// Jobs of ours that run on it.
    pub jobs: usize,
}

impl Doomed {
    /// What is there to lose, in a few words each.
    fn losses(&self) -> Vec<String> {
        let mut losses = Vec::new();
        if let Some(Ok(stake)) = &self.stake {
            let figure = |name: &str| stake[name].as_u64().unwrap_or_default();
            let mut add = |n: u64, noun: &str, rest: &str| {
                if n > 0 {
                    losses.push(format!("{}{rest}", format::count(n, noun)));
                }
            };
            add(figure("tasks_running"), "task", " under way");
            let bytes = format!(" in memory ({})", format::bytes(figure("bytes")));
            add(figure("tasks_in_memory"), "result", &bytes);
            add(
                figure("clients"),
                "client",
                " connected (a notebook, for example)",
            );
        }
        if self.jobs > 0 {
            losses.push(format!(
                "{} running on it",
                format::count(self.jobs as u64, "job")
            ));
        }
        losses
    }

    /// What is not known of it, in a sentence.
    fn doubt(&self) -> Option<String> {
        match self.stake.as_ref()? {
            Err(why) => Some(format!("What it holds could not be asked: {why}")),
            Ok(stake) => match (stake["stale"].as_str(), stake["clients"].is_null()) {
                (Some(stale), _) => Some(stale.to_owned()),
                (None, true) => Some("Whether clients are connected is not known.".to_owned()),
                (None, false) => None,
            },
        }
    }

    /// The question's text where it is the only one.
    fn alone(&self) -> String {
        if self.stake.is_none() {
            return "It has not started yet; its start is given up.".to_owned();
        }
        let losses = self.losses();
        let mut lines = Vec::new();
        if !losses.is_empty() {
            lines.push("This is lost:".to_owned());
            lines.extend(losses.iter().map(|loss| format!("\u{2022} {loss}")));
        } else if self.doubt().is_none() {
            lines.push(
                "Nothing is lost: it works on no task, holds no result, and no client is connected."
                    .to_owned(),
            );
        }
        lines.extend(self.doubt());
        lines.join("\n")
    }

    /// Its line among several.
    fn line(&self) -> String {
        let losses = self.losses();
        let what = match (&self.stake, self.doubt()) {
            (None, _) => "its start is given up".to_owned(),
            (_, Some(doubt)) if losses.is_empty() => doubt,
            (_, _) if losses.is_empty() => "nothing".to_owned(),
            (_, Some(doubt)) => format!("{}. {doubt}", losses.join(", ")),
            (_, None) => losses.join(", "),
        };
        format!("\u{2022} {}: {what}", self.title)
    }
}

/// Title and text of the question before these are shut down.
pub fn question(doomed: &[Doomed]) -> (String, String) {
    if let [only] = doomed {
        return (format!("Shut down {}?", only.title), only.alone());
    }
    let mut lines: Vec<_> = doomed.iter().take(NAMED).map(Doomed::line).collect();
    if doomed.len() > NAMED {
        lines.push(format!("\u{2022} and {} more", doomed.len() - NAMED));
    }
    let count = format::count(doomed.len() as u64, "cluster");
    (
        format!("Shut down {count}?"),
        format!("What is lost with each:\n{}", lines.join("\n")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn doomed(title: &str, stake: Option<Result<Value, String>>) -> Doomed {
        Doomed {
            title: title.to_owned(),
            stake,
            jobs: 0,
        }
    }

    fn busy() -> Value {
        json!({"workers": 2, "tasks_running": 12, "tasks_in_memory": 1, "bytes": 1_572_864, "clients": 2, "stale": null})
    }

    #[test]
    fn what_is_lost_is_named() {
        let mut one = doomed("etl", Some(Ok(busy())));
        one.jobs = 1;
        let (title, text) = question(&[one]);
        assert_eq!(title, "Shut down etl?");
        assert_eq!(
            text,
            "This is lost:\n\u{2022} 12 tasks under way\n\u{2022} 1 result in memory (1.5 MiB)\n\u{2022} 2 clients \
             connected (a notebook, for example)\n\u{2022} 1 job running on it"
        );
    }

    #[test]
    fn nothing_is_said_to_be_safe_that_was_not_seen() {
        let idle = json!({"tasks_running": 0, "tasks_in_memory": 0, "bytes": 0, "clients": 0, "stale": null});
        assert!(
            question(&[doomed("a", Some(Ok(idle)))])
                .1
                .starts_with("Nothing is lost")
        );
        let unknown =
            json!({"tasks_running": 0, "tasks_in_memory": 0, "bytes": 0, "clients": null, "stale": null});
        let text = question(&[doomed("a", Some(Ok(unknown)))]).1;
        assert_eq!(text, "Whether clients are connected is not known.");
        let text = question(&[doomed("a", Some(Err("No answer.".to_owned())))]).1;
        assert!(
            text.contains("No answer.") && !text.contains("Nothing is lost"),
            "{text}"
        );
        assert!(question(&[doomed("a", None)]).1.contains("given up"));
    }

    #[test]
    fn several_take_a_line_each() {
        let many: Vec<_> = (0..10).map(|n| doomed(&format!("c{n}"), None)).collect();
        let (title, text) = question(&many);
        assert_eq!(title, "Shut down 10 clusters?");
        assert_eq!(text.lines().count(), 1 + NAMED + 1);
        assert!(text.ends_with("and 2 more"), "{text}");
        let two = question(&[doomed("a", Some(Ok(busy()))), doomed("b", None)]).1;
        assert!(
            two.contains("a: 12 tasks under way, 1 result") && two.contains("b: its start is given up"),
            "{two}"
        );
    }
}
