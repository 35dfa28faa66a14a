//! Reads what the guard tells; by hand, which takes a tenth of derived readers.

use protocol::guard::{AtEnd, Budget, Deed, Guard, LeaseTerms, Spent, Usage};
use serde_json::Value;

/// Reads the guard's event; what is missing is empty.
pub fn guard(tree: &Value) -> Guard {
    let usage = &tree["usage"];
    Guard {
        defaults: terms(&tree["defaults"]),
        warn_s: tree["warn_s"].as_u64().unwrap_or_default(),
        keep_note: text(&tree["keep_note"]),
        usage: Usage {
            currency: text(&usage["currency"]),
            today: spent(&usage["today"]),
            month: spent(&usage["month"]),
            budgets: list(&usage["budgets"], |budget| Budget {
                period: text(&budget["period"]).unwrap_or_default(),
                limit: number(&budget["limit"]),
                spent: number(&budget["spent"]),
                warned: budget["warned"].as_bool().unwrap_or_default(),
            }),
        },
        deeds: list(&tree["deeds"], |deed| Deed {
            at: deed["at"].as_i64().unwrap_or_default(),
            cluster: text(&deed["cluster"]).unwrap_or_default(),
            label: text(&deed["label"]),
            what: text(&deed["what"]).unwrap_or_default(),
            message: text(&deed["message"]).unwrap_or_default(),
        }),
    }
}

/// Reads the terms of a lease; what is missing is no limit, and a stop.
pub fn terms(tree: &Value) -> LeaseTerms {
    LeaseTerms {
        idle_s: tree["idle_s"].as_u64(),
        lifetime_s: tree["lifetime_s"].as_u64(),
        stops: tree["stops"].as_bool().unwrap_or(true),
        at_end: match tree["at_end"].as_str() {
            Some("keep") => AtEnd::Keep,
            _ => AtEnd::Stop,
        },
    }
}

fn spent(tree: &Value) -> Spent {
    Spent {
        amount: tree["amount"].as_f64(),
        per_hour: tree["per_hour"].as_f64(),
        worker_hours: number(&tree["worker_hours"]),
        memory_hours: number(&tree["memory_hours"]),
    }
}

fn text(tree: &Value) -> Option<String> {
    tree.as_str().map(str::to_owned)
}

fn number(tree: &Value) -> f64 {
    tree.as_f64().unwrap_or_default()
}

fn list<T>(tree: &Value, read: fn(&Value) -> T) -> Vec<T> {
    tree.as_array().into_iter().flatten().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_written_reads_back() {
        let spent = |amount| Spent {
            amount,
            per_hour: Some(0.5),
            worker_hours: 1.5,
            memory_hours: 3.0,
        };
        let whole = Guard {
            defaults: LeaseTerms {
                idle_s: Some(60),
                lifetime_s: None,
                stops: false,
                at_end: AtEnd::Keep,
            },
            warn_s: 300,
            keep_note: Some("n".into()),
            usage: Usage {
                currency: Some("EUR".into()),
                today: spent(Some(1.0)),
                month: spent(None),
                budgets: vec![Budget {
                    period: "day".into(),
                    limit: 9.0,
                    spent: 8.0,
                    warned: true,
                }],
            },
            deeds: vec![Deed {
                at: 5,
                cluster: "c".into(),
                label: Some("l".into()),
                what: "told".into(),
                message: "m".into(),
            }],
        };
        assert_eq!(guard(&serde_json::to_value(&whole).unwrap()), whole);
    }
}
