//! What clusters cost: rates, what was used, budgets.

mod settings;
mod usage;

use std::sync::PoisonError;
use std::time::Duration;

use dask_gateway::{ClusterReport, ClusterStatus};
use protocol::events::NoticeLevel;
use protocol::guard::{Budget, Spent, Usage};
use protocol::rest::{Cluster, ClusterState, ClusterSummary, CreateCluster, Scaling};

pub use self::settings::{BudgetSettings, CostSettings, OptionRates, Rates};
pub(super) use self::usage::{Present, Totals, counted_until, forget};
use self::usage::{count, of_cluster, totals};
use super::{ClusterError, Clusters};
use crate::clock::now_ms;
use crate::store::StoreError;

/// Who would spend a budget within this time is asked.
const ASK_HOURS: f64 = 1.0;

/// A scheduler that was not reached for so long since we began is counted without workers.
const UNREACHED: Duration = Duration::from_secs(60);

const GIB: f64 = (1_u64 << 30) as f64;

impl Clusters {
    /// Counts what the running clusters used, and warns where a budget is nearly spent. `uptime` is how long this server
    /// has looked. Returns those that it counted.
    pub(super) async fn count_usage(&self, uptime: Duration) -> Result<Vec<Present>, StoreError> {
        let now = now_ms();
        let (unit, store) = (self.0.guard.cost.unit(), &self.0.store);
        let present = self.present(uptime);
        if !present.is_empty() {
            count(store, self.0.client.address(), &unit, now, present.clone(), true).await?;
        }
        let totals = totals(store, &unit, now).await?;
        let day = totals.day.clone();
        *self.totals() = totals;
        self.warn_of_budgets(&day).await?;
        self.publish_guard().await?;
        Ok(present)
    }

    /// Reads what was used before this server began: a budget may be spent already.
    pub(super) async fn recall_usage(&self) -> Result<(), StoreError> {
        let used = totals(&self.0.store, &self.0.guard.cost.unit(), now_ms()).await?;
        *self.totals() = used;
        Ok(())
    }

    /// Counts once more those that ran at the last count and do not any more, and those whose size is another. Says whether a
    /// whole count is due: something ended, or runs that was never counted.
    pub(super) async fn count_changed(
        &self,
        counted: &mut Vec<Present>,
        uptime: Duration,
    ) -> Result<bool, StoreError> {
        let ended: Vec<Present> = {
            let book = self.book();
            let runs = |present: &mut Present| {
                let report = book.reports.get(&present.cluster);
                report.is_some_and(|report| report.status == ClusterStatus::Running)
            };
            counted.extract_if(.., |present| !runs(present)).collect()
        };
        let (mut strangers, mut before, mut after) = (false, Vec::new(), Vec::new());
        for present in self.present(uptime) {
            match counted.iter_mut().find(|known| known.cluster == present.cluster) {
                Some(known) => {
                    if !known.is_as_big_as(&present) {
                        before.push(known.clone());
                        after.push(present.clone());
                    }
                    // At its end it has the workers that it had last, not those of the last count.
                    *known = present;
                }
                None => strangers = true,
            }
        }
        let (store, gateway, unit) = (&self.0.store, self.0.client.address(), self.0.guard.cost.unit());
        let now = now_ms();
        let is_due = strangers || !ended.is_empty();
        if !before.is_empty() {
            // Up to this moment it had the old size, from now on it has the new one.
            count(store, gateway, &unit, now, before, true).await?;
            count(store, gateway, &unit, now, after, true).await?;
        }
        if !ended.is_empty() {
            count(store, gateway, &unit, now, ended, false).await?;
        }
        Ok(is_due)
    }

    /// Counts what one cluster used until now, where it runs, and returns what it used in all, to the last digit; `None` where
    /// nothing of it was ever counted.
    pub(super) async fn count_one(&self, name: &str) -> Result<Option<Spent>, StoreError> {
        let (unit, store) = (self.0.guard.cost.unit(), &self.0.store);
        // One whose workers are not known yet is counted when they are.
        let mut present = self.present(Duration::ZERO);
        present.retain(|present| present.cluster == name);
        if !present.is_empty() {
            count(store, self.0.client.address(), &unit, now_ms(), present, true).await?;
        }
        of_cluster(store, &unit, name).await
    }

    fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.0.guard.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `of` makes of each running cluster and of what its scheduler said last.
    fn of_running<T>(&self, of: impl Fn(&ClusterReport, Option<ClusterSummary>) -> Option<T>) -> Vec<T> {
        let book = self.book();
        let running = book
            .reports
            .values()
            .filter(|report| report.status == ClusterStatus::Running);
        running
            .filter_map(|report| {
                let feed = book.watchers.get(&report.name).map(crate::live::Watcher::feed);
                of(report, feed.and_then(|feed| feed.summary().borrow().clone()))
            })
            .collect()
    }

    fn present(&self, uptime: Duration) -> Vec<Present> {
        self.of_running(|report, summary| {
            // Its workers are not known yet: counted when they are, from where it was counted last.
            if summary.is_none() && uptime < UNREACHED {
                return None;
            }
            let summary = summary.unwrap_or_default();
            Some(Present {
                cluster: report.name.clone(),
                started_at: report.start_time?,
                workers: f64::from(summary.workers),
                memory_gib: summary.memory_limit as f64 / GIB,
                rates: self.0.guard.cost.rates(&report.options),
            })
        })
    }

    /// What a cluster used so far, rounded so that what nobody sees is not told.
    pub(super) fn cluster_cost(&self, cluster: &Cluster) -> Option<Spent> {
        let workers = cluster.summary.as_ref().map_or(0, |summary| summary.workers);
        let rates = self.0.guard.cost.rates(&cluster.options);
        let spent = self.totals().clusters.get(&cluster.name).cloned()?;
        let runs = cluster.state == ClusterState::Running;
        let per_hour = rates.filter(|_| runs).map(|rates| rates.per_hour(workers));
        Some(told(&spent, per_hour))
    }

    /// What all clusters use.
    pub(super) fn usage(&self) -> Usage {
        let cost = &self.0.guard.cost;
        let per_hour = cost.has_rates().then(|| rounded(self.per_hour(), 1e4));
        let totals = self.totals().clone();
        let shown = |spent: &Spent| Spent {
            amount: spent.amount.map(|amount| rounded(amount, 1e3)),
            per_hour,
            worker_hours: rounded(spent.worker_hours, 1e4),
            memory_hours: rounded(spent.memory_hours, 1e4),
        };
        Usage {
            currency: Some(cost.unit()).filter(|unit| !unit.is_empty()),
            today: shown(&totals.today),
            month: shown(&totals.month),
            budgets: budgets(cost, &totals),
        }
    }

    /// What an hour of everything that runs costs.
    fn per_hour(&self) -> f64 {
        let prices = self.of_running(|report, summary| {
            let rates = self.0.guard.cost.rates(&report.options)?;
            Some(rates.per_hour(summary.map_or(0, |summary| summary.workers)))
        });
        prices.into_iter().sum()
    }

    async fn warn_of_budgets(&self, day: &str) -> Result<(), StoreError> {
        let unit = self.0.guard.cost.unit();
        let found = budgets(&self.0.guard.cost, &self.totals().clone());
        for budget in found.into_iter().filter(|budget| budget.warned) {
            let period = if budget.period == "day" {
                day
            } else {
                day.get(..7).unwrap_or(day)
            };
            let spent = budget.spent >= budget.limit;
            let stage = if spent { "spent" } else { "nearly" };
            let key = format!("budget {} {period} {stage} of {}", budget.period, budget.limit);
            if !self.first_time(key).await? {
                continue;
            }
            let of = if budget.period == "day" {
                "today"
            } else {
                "this month"
            };
            let message = format!(
                "{:.2} of {:.2} {unit} that clusters may cost {of} {}",
                budget.spent,
                budget.limit,
                if spent {
                    "are spent: shut down what nobody needs."
                } else {
                    "are spent."
                }
            );
            self.notify(NoticeLevel::Warning, message.clone());
            self.done("", "budget", message).await?;
        }
        Ok(())
    }

    /// Whether a new cluster fits into the budgets; where not, the error is a question that the user can answer.
    ///
    /// # Errors
    /// [`ClusterError::OverBudget`].
    pub fn check_create(&self, request: &CreateCluster) -> Result<(), ClusterError> {
        let mut options = self.0.config.cluster_options.clone();
        options.extend(request.options.clone());
        let workers = request.scaling.as_ref().map_or(0, most);
        let rates = self.0.guard.cost.rates(&options).unwrap_or_default();
        self.check_budget(rates.per_hour(workers), "With this cluster")
    }

    /// Whether more workers fit into the budgets. A cluster that is not there is for others to say.
    ///
    /// # Errors
    /// [`ClusterError::OverBudget`].
    pub fn check_scale(&self, name: &str, scaling: &Scaling) -> Result<(), ClusterError> {
        let Ok(cluster) = self.get(name) else {
            return Ok(());
        };
        let now = cluster.summary.as_ref().map_or(0, |summary| summary.workers);
        let more = most(scaling).saturating_sub(now);
        let rates = self.0.guard.cost.rates(&cluster.options).unwrap_or_default();
        self.check_budget(rates.worker * f64::from(more), "With so many workers")
    }

    fn check_budget(&self, more_per_hour: f64, with: &str) -> Result<(), ClusterError> {
        let cost = &self.0.guard.cost;
        let (totals, per_hour) = (self.totals().clone(), self.per_hour() + more_per_hour);
        if more_per_hour <= 0.0 {
            return Ok(());
        }
        match exceeded(&budgets(cost, &totals), per_hour, &cost.unit(), with) {
            Some(question) => Err(ClusterError::OverBudget(question)),
            None => Ok(()),
        }
    }
}

/// Workers that a size may come to.
fn most(scaling: &Scaling) -> u32 {
    match *scaling {
        Scaling::Unknown => 0,
        Scaling::Manual { workers } => workers,
        Scaling::Adaptive { maximum, .. } => maximum,
    }
}

fn budgets(cost: &CostSettings, totals: &Totals) -> Vec<Budget> {
    let budget = |period: &str, limit: Option<f64>, spent: &Spent| {
        let (limit, spent) = (limit?, spent.amount?);
        Some(Budget {
            period: period.to_owned(),
            limit,
            spent: rounded(spent, 1e3),
            warned: spent >= limit * cost.budget.warn_percent / 100.0,
        })
    };
    let day = budget("day", cost.budget.day, &totals.today);
    let month = budget("month", cost.budget.month, &totals.month);
    [day, month].into_iter().flatten().collect()
}

/// What to ask the user, where a budget would be spent within the hour at that price.
fn exceeded(budgets: &[Budget], per_hour: f64, unit: &str, with: &str) -> Option<String> {
    let budget = budgets
        .iter()
        .find(|budget| budget.spent + per_hour * ASK_HOURS > budget.limit)?;
    let of = if budget.period == "day" {
        "today"
    } else {
        "this month"
    };
    let left = budget.limit - budget.spent;
    let when = if left <= 0.0 {
        "is spent already".to_owned()
    } else {
        format!(
            "would be spent in about {:.0} min",
            (left / per_hour * 60.0).max(1.0)
        )
    };
    Some(format!(
        "{with}, all clusters together cost {per_hour:.2} {unit} an hour, and the budget of {:.2} {unit} for {of} {when} \
         ({:.2} {unit} are spent).",
        budget.limit, budget.spent
    ))
}

/// What is told of what one cluster used. Hours to 4 ms: that of a short job is a small part of one.
fn told(spent: &Spent, per_hour: Option<f64>) -> Spent {
    Spent {
        amount: spent.amount.map(|amount| rounded(amount, 1e3)),
        per_hour: per_hour.map(|amount| rounded(amount, 1e4)),
        worker_hours: rounded(spent.worker_hours, 1e6),
        memory_hours: rounded(spent.memory_hours, 1e6),
    }
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limit: f64, spent: f64) -> Vec<Budget> {
        let settings = CostSettings {
            worker_hour: Some(1.0),
            budget: BudgetSettings {
                month: Some(limit),
                ..BudgetSettings::default()
            },
            ..CostSettings::default()
        };
        let totals = Totals {
            month: Spent {
                amount: Some(spent),
                ..Spent::default()
            },
            ..Totals::default()
        };
        budgets(&settings, &totals)
    }

    #[test]
    fn who_would_spend_a_budget_is_asked() {
        let ask = |spent, per_hour| exceeded(&budget(100.0, spent), per_hour, "EUR", "With this cluster");
        assert_eq!(ask(0.0, 99.0), None);
        assert_eq!(ask(95.0, 5.0), None);
        let question = ask(95.0, 10.0).unwrap();
        assert!(question.contains("10.00 EUR an hour"), "{question}");
        assert!(question.contains("in about 30 min"), "{question}");
        assert!(ask(101.0, 0.5).unwrap().contains("is spent already"));
    }

    #[test]
    fn a_budget_warns_before_it_is_spent() {
        assert!(!budget(100.0, 79.9)[0].warned);
        assert!(budget(100.0, 80.0)[0].warned);
        assert!(exceeded(&[], 1e9, "EUR", "").is_none(), "no budget, no question");
    }

    #[test]
    fn a_few_seconds_of_a_worker_are_told() {
        let told = told(
            &Spent {
                amount: Some(0.123_456),
                per_hour: None,
                worker_hours: 5.0 / 3600.0,
                memory_hours: 1.0 / 3600.0,
            },
            Some(1.000_04),
        );
        assert_eq!((told.amount, told.per_hour), (Some(0.123), Some(1.0)));
        assert_eq!((told.worker_hours, told.memory_hours), (0.001_389, 0.000_278));
    }

    #[test]
    fn an_adaptive_cluster_may_come_to_its_maximum() {
        assert_eq!(
            most(&Scaling::Adaptive {
                minimum: 1,
                maximum: 7
            }),
            7
        );
        assert_eq!(most(&Scaling::Unknown), 0);
    }
}
