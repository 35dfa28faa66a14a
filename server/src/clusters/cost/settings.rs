//! The section `cost` of `gatehouse.yaml`: what clusters cost, and what they may cost.

use std::collections::BTreeMap;

use protocol::rest::OptionValues;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::embedded::in_order;

/// Rates and budgets. Without rates, hours are counted and nothing costs anything.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostSettings {
    /// Such as `EUR`.
    pub currency: Option<String>,
    #[serde(deserialize_with = "optional_price")]
    pub worker_hour: Option<f64>,
    #[serde(deserialize_with = "optional_price")]
    pub scheduler_hour: Option<f64>,
    /// Rates by an option's field and value, in the file's order: the first that is found counts.
    #[serde(deserialize_with = "in_order")]
    pub options: Vec<(String, BTreeMap<String, OptionRates>)>,
    pub budget: BudgetSettings,
}

/// What a choice costs; what it does not say is as for every cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptionRates {
    #[serde(deserialize_with = "optional_price")]
    pub worker_hour: Option<f64>,
    #[serde(deserialize_with = "optional_price")]
    pub scheduler_hour: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetSettings {
    #[serde(deserialize_with = "optional_price")]
    pub day: Option<f64>,
    #[serde(deserialize_with = "optional_price")]
    pub month: Option<f64>,
    /// Percent of a budget from which on it is said.
    #[serde(deserialize_with = "percent")]
    pub warn_percent: f64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            day: None,
            month: None,
            warn_percent: 80.0,
        }
    }
}

/// What a cluster costs, an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub worker: f64,
    pub scheduler: f64,
}

impl Rates {
    /// What an hour with so many workers costs.
    pub fn per_hour(self, workers: u32) -> f64 {
        self.scheduler + self.worker * f64::from(workers)
    }
}

impl CostSettings {
    /// Whether anything has a price.
    pub fn has_rates(&self) -> bool {
        let any = |worker: Option<f64>, scheduler: Option<f64>| worker.or(scheduler).is_some();
        any(self.worker_hour, self.scheduler_hour)
            || self
                .options
                .iter()
                .flat_map(|(_, values)| values.values())
                .any(|rates| any(rates.worker_hour, rates.scheduler_hour))
    }

    /// What a cluster with these options costs; `None` where nothing has a price.
    pub fn rates(&self, options: &OptionValues) -> Option<Rates> {
        self.has_rates().then(|| {
            let chosen: Vec<&OptionRates> = self
                .options
                .iter()
                .filter_map(|(field, values)| values.get(&word(options.get(field)?)))
                .collect();
            let first = |of: fn(&OptionRates) -> Option<f64>, otherwise: Option<f64>| {
                chosen
                    .iter()
                    .find_map(|rates| of(rates))
                    .or(otherwise)
                    .unwrap_or(0.0)
            };
            Rates {
                worker: first(|rates| rates.worker_hour, self.worker_hour),
                scheduler: first(|rates| rates.scheduler_hour, self.scheduler_hour),
            }
        })
    }

    /// What amounts are counted in; empty where nothing has a price.
    pub fn unit(&self) -> String {
        match &self.currency {
            _ if !self.has_rates() => String::new(),
            Some(currency) => currency.clone(),
            None => "credits".to_owned(),
        }
    }
}

/// An option's value as the file writes it.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn optional_price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match f64::deserialize(deserializer)? {
        price if price.is_finite() && price >= 0.0 => Ok(Some(price)),
        price => Err(D::Error::custom(format!(
            "{price} is no price: it must be 0 or more"
        ))),
    }
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match f64::deserialize(deserializer)? {
        percent if (1.0..=100.0).contains(&percent) => Ok(percent),
        percent => Err(D::Error::custom(format!(
            "warn_percent must be 1 to 100, not {percent}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<CostSettings, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    fn options(value: Value) -> OptionValues {
        value.as_object().cloned().unwrap()
    }

    const FILE: &str = "
currency: EUR
worker_hour: 0.1
scheduler_hour: 0.05
options:
  gpu:
    true: { worker_hour: 2 }
  profile:
    Small Worker: { worker_hour: 0.2, scheduler_hour: 0 }
budget: { month: 100 }
";

    #[test]
    fn the_first_option_with_a_price_counts() {
        let settings = read(FILE).unwrap();
        let rates = |value| settings.rates(&options(value)).unwrap();
        assert_eq!(
            rates(json!({"profile": "Other"})),
            Rates {
                worker: 0.1,
                scheduler: 0.05
            }
        );
        assert_eq!(
            rates(json!({"profile": "Small Worker"})),
            Rates {
                worker: 0.2,
                scheduler: 0.0
            }
        );
        // The price of a worker from the one, of the scheduler from the other.
        let both = rates(json!({"profile": "Small Worker", "gpu": true}));
        assert_eq!(
            both,
            Rates {
                worker: 2.0,
                scheduler: 0.0
            }
        );
        assert!((both.per_hour(3) - 6.0).abs() < 1e-9);
        assert_eq!(settings.unit(), "EUR");
    }

    #[test]
    fn without_rates_nothing_costs_anything() {
        let settings = CostSettings::default();
        assert_eq!(settings.rates(&OptionValues::new()), None);
        assert_eq!(settings.unit(), "");
        assert_eq!(read("worker_hour: 1").unwrap().unit(), "credits");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("worker_hour: -1", "0 or more"),
            ("budget: {month: .nan}", "no price"),
            ("budget: {warn_percent: 0}", "1 to 100"),
            ("workers: 1", "workers"),
            ("options: {profile: {Small: {worker: 1}}}", "worker"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{words:?} in {error}");
        }
    }
}
