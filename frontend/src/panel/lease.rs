//! When a cluster ends by itself: drafts as typed, checked into what the server takes.

use protocol::guard::{AtEnd, LeaseTerms};

use crate::ui::number;

/// The lease part of a form, as typed: minutes without work, hours at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseDraft {
    pub idles: bool,
    pub idle: String,
    pub ends: bool,
    pub lifetime: String,
    /// Whether it is stopped then; otherwise the user is only told.
    pub stops: bool,
    pub keep: bool,
    /// Seconds that a limit must be longer than.
    pub least_s: u64,
}

/// One of the lease's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseField {
    Idle,
    Lifetime,
}

/// The field that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseError {
    pub field: LeaseField,
    pub message: String,
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

impl LeaseDraft {
    /// The draft that shows these terms, ready to be changed.
    pub fn of(terms: &LeaseTerms, least_s: u64) -> Self {
        let text = |limit: Option<u64>, unit: f64, otherwise: &str| {
            limit.map_or_else(|| otherwise.to_owned(), |s| tidy(s as f64 / unit))
        };
        Self {
            idles: terms.idle_s.is_some(),
            idle: text(terms.idle_s, MINUTE, "60"),
            ends: terms.lifetime_s.is_some(),
            lifetime: text(terms.lifetime_s, HOUR, "8"),
            stops: terms.stops,
            keep: terms.at_end == AtEnd::Keep,
            least_s,
        }
    }

    pub fn text(&self, field: LeaseField) -> &str {
        match field {
            LeaseField::Idle => &self.idle,
            LeaseField::Lifetime => &self.lifetime,
        }
    }

    /// What the server is asked for.
    pub fn accept(&self) -> Result<LeaseTerms, LeaseError> {
        Ok(LeaseTerms {
            idle_s: self
                .idles
                .then(|| self.limit(LeaseField::Idle, MINUTE, "minutes"))
                .transpose()?,
            lifetime_s: self
                .ends
                .then(|| self.limit(LeaseField::Lifetime, HOUR, "hours"))
                .transpose()?,
            stops: self.stops,
            at_end: if self.keep { AtEnd::Keep } else { AtEnd::Stop },
        })
    }

    fn limit(&self, field: LeaseField, unit: f64, units: &str) -> Result<u64, LeaseError> {
        let least = if self.stops { self.least_s as f64 } else { 0.0 };
        match number::parse(self.text(field)).map(|n| (n * unit).round()) {
            Some(seconds) if seconds > least && seconds <= 366.0 * 24.0 * HOUR => Ok(seconds as u64),
            _ => Err(LeaseError {
                field,
                message: format!(
                    "Enter {units}, more than {} and at most a year.",
                    tidy(least / unit)
                ),
            }),
        }
    }
}

/// A number with two decimals at most.
fn tidy(value: f64) -> String {
    ((value * 100.0).round() / 100.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> LeaseDraft {
        let terms = LeaseTerms {
            idle_s: Some(3600),
            lifetime_s: None,
            stops: true,
            at_end: AtEnd::Stop,
        };
        LeaseDraft::of(&terms, 300)
    }

    #[test]
    fn what_is_shown_is_what_was_agreed() {
        for terms in [
            draft().accept().unwrap(),
            LeaseTerms {
                idle_s: None,
                lifetime_s: Some(5400),
                stops: false,
                at_end: AtEnd::Keep,
            },
        ] {
            assert_eq!(LeaseDraft::of(&terms, 300).accept(), Ok(terms));
        }
        assert_eq!(draft().idle, "60");
    }

    #[test]
    fn limits_leave_time_to_tell() {
        let with = |idle: &str, stops| LeaseDraft {
            idle: idle.into(),
            stops,
            ..draft()
        };
        for wrong in ["5", "0", "-1", "x", "", "1e9"] {
            let error = with(wrong, true).accept().unwrap_err();
            assert_eq!(error.field, LeaseField::Idle, "{wrong}");
            assert!(error.message.contains("more than 5 and"), "{}", error.message);
        }
        assert_eq!(with("5.5", true).accept().unwrap().idle_s, Some(330));
        assert_eq!(with("1", false).accept().unwrap().idle_s, Some(60));
        let off = LeaseDraft {
            idles: false,
            ..with("x", true)
        };
        assert_eq!(off.accept().unwrap().idle_s, None);
    }
}
