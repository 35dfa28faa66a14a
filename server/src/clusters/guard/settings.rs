//! The section `guard` of `gatehouse.yaml`: when clusters end by themselves where nobody chose.

use std::time::Duration;

use protocol::guard::{AtEnd, LeaseTerms};
use serde::{Deserialize, Deserializer, de::Error as _};

/// A year: longer limits are slips of the finger.
pub(crate) const LONGEST_S: u64 = 366 * 86_400;

/// What the guard goes by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardSettings {
    /// A new cluster's idle limit, where the form is left as it is.
    #[serde(deserialize_with = "limit")]
    pub idle: Option<u64>,
    /// Its lifetime limit.
    #[serde(deserialize_with = "limit")]
    pub lifetime: Option<u64>,
    /// What becomes of it when the server ends that made it.
    pub at_end: AtEnd,
    /// So long before a cluster is stopped, the user is told.
    #[serde(deserialize_with = "duration")]
    pub warn: Duration,
    /// Clusters that notebooks and other tools made.
    pub others: OthersSettings,
}

/// What holds for clusters that were not made in the panel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OthersSettings {
    /// After so long without work the user is told.
    #[serde(deserialize_with = "limit")]
    pub idle: Option<u64>,
    /// Whether they are then stopped.
    pub stop: bool,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            idle: Some(3600),
            lifetime: None,
            at_end: AtEnd::Stop,
            warn: Duration::from_secs(300),
            others: OthersSettings::default(),
        }
    }
}

impl Default for OthersSettings {
    fn default() -> Self {
        Self {
            idle: Some(1800),
            stop: false,
        }
    }
}

impl GuardSettings {
    /// What a cluster gets that is made in the panel.
    pub fn own(&self) -> LeaseTerms {
        LeaseTerms {
            idle_s: self.idle,
            lifetime_s: self.lifetime,
            stops: true,
            at_end: self.at_end,
        }
    }

    /// What a cluster gets that was made elsewhere.
    pub fn others(&self) -> LeaseTerms {
        LeaseTerms {
            idle_s: self.others.idle,
            lifetime_s: None,
            stops: self.others.stop,
            at_end: AtEnd::Keep,
        }
    }

    pub fn warn_s(&self) -> u64 {
        self.warn.as_secs()
    }
}

/// Seconds of a text such as `30 min`, `1.5 h`, `90 s` or `2 d`.
pub(crate) fn parse_seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    let seconds = (number.parse::<f64>().ok()? * unit).round();
    (1.0..=LONGEST_S as f64)
        .contains(&seconds)
        .then_some(seconds as u64)
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "never" {
        return Ok(None);
    }
    parse_seconds(&text).map(Some).ok_or_else(|| {
        D::Error::custom(format!(
            "a limit is the word never, or a time like \"30 min\" or \"8 h\", at most 366 d, not {text:?}"
        ))
    })
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_seconds(&text).map(Duration::from_secs).ok_or_else(|| {
        D::Error::custom(format!(
            "warn must be a time like \"5 min\" or \"90 s\", not {text:?}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [
            ("90 s", 90),
            ("30 min", 1800),
            ("1.5h", 5400),
            (" 2 days ", 172_800),
        ] {
            assert_eq!(parse_seconds(text), Some(seconds), "{text}");
        }
        for text in ["", "5", "0 s", "min", "1 week", "-1 s", "1e3 s", "400 d"] {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn the_section_is_read() {
        let read = |text| serde_saphyr::from_str::<GuardSettings>(text).map_err(|error| error.to_string());
        let settings =
            read("idle: never\nlifetime: 8 h\nat_end: keep\nwarn: 90 s\nothers: {idle: 2 h, stop: true}\n")
                .unwrap();
        assert_eq!(
            settings.own(),
            LeaseTerms {
                idle_s: None,
                lifetime_s: Some(28_800),
                stops: true,
                at_end: AtEnd::Keep
            }
        );
        assert_eq!(settings.others().idle_s, Some(7200));
        assert!(settings.others().stops);
        assert_eq!(settings.warn_s(), 90);
        assert!(
            !GuardSettings::default().others().stops,
            "only where the user asked"
        );
        for (text, words) in [
            ("idle: 30", "30 min"),
            ("warn: never", "warn must be"),
            ("at_end: maybe", "maybe"),
            ("idel: 1 h", "idel"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{words:?} in {error}");
        }
    }
}
