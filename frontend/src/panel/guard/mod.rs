//! The guard in the panel: leases, what was used and what it may cost, and what was done about clusters.

pub mod budget;
pub mod fields;
pub mod strip;

use protocol::guard::{Budget, Deed, Guard, Spent};
use yew::prelude::*;

use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::meter;

/// An amount of money: cents, or more places where it is less.
pub fn amount(value: f64) -> String {
    if value > 0.0 && value < 0.01 {
        format!("{value:.3}")
    } else {
        format!("{value:.2}")
    }
}

/// Hours with the places that are read.
pub fn hours(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    }
}

/// The section with what was used and what the guard did; nothing while there is neither.
pub fn guard_section(state: &State) -> Html {
    let Some(guard) = &state.guard else {
        return Html::default();
    };
    let usage = &guard.usage;
    if guard.deeds.is_empty() && usage.month.worker_hours <= 0.0 && usage.month.amount.unwrap_or(0.0) <= 0.0 {
        return Html::default();
    }
    let row = |words: &'static str, spent: &Spent, testid: &'static str| {
        html! {
            <div>
                <dt>{words}</dt>
                <dd class="gh-figure" data-testid={testid} title={format!("{} worker-hours, {} GiB-hours", hours(spent.worker_hours), hours(spent.memory_hours))}>
                    {match (spent.amount, &usage.currency) {
                        (Some(spent), Some(unit)) => format!("{} {unit}", amount(spent)),
                        _ => format!("{} worker-h \u{b7} {} GiB-h", hours(spent.worker_hours), hours(spent.memory_hours)),
                    }}
                </dd>
            </div>
        }
    };
    html! {
        <section class="gh-section" aria-label="Usage" data-testid="guard">
            <header class="gh-section-header"><h2>{"Usage"}</h2></header>
            <dl class="gh-usage">
                {row("Today", &usage.today, "usage-today")}
                {row("This month", &usage.month, "usage-month")}
            </dl>
            {for usage.budgets.iter().map(|budget| budget_meter(budget, usage.currency.as_deref().unwrap_or_default()))}
            {history(guard)}
        </section>
    }
}

fn budget_meter(budget: &Budget, unit: &str) -> Html {
    let label = if budget.period == "day" {
        "Budget today"
    } else {
        "Budget this month"
    };
    let text = format!("{} / {} {unit}", amount(budget.spent), amount(budget.limit));
    html! {
        <div data-testid="budget" data-period={budget.period.clone()} data-warned={budget.warned.to_string()}>
            {meter(label, text, format::percent(budget.spent, budget.limit), true)}
        </div>
    }
}

fn history(guard: &Guard) -> Html {
    if guard.deeds.is_empty() {
        return Html::default();
    }
    html! {
        <details class="gh-details" data-testid="guard-history">
            <summary>{glyph(Icon::Chevron, 12)}{"What the guard did"}</summary>
            <ul class="gh-deeds">
                {for guard.deeds.iter().map(deed)}
            </ul>
        </details>
    }
}

fn deed(deed: &Deed) -> Html {
    let at = js_sys::Date::new(&(deed.at as f64).into());
    let at = String::from(at.to_locale_string("default", &wasm_bindgen::JsValue::UNDEFINED));
    html! {
        <li data-testid="deed" data-what={deed.what.clone()} data-cluster={deed.cluster.clone()}>
            <span class="gh-recording-sub">{at}</span>
            <span>{deed.message.clone()}</span>
        </li>
    }
}
