//! What a card says of its cluster's lease and cost, and what to do when its time is nearly up.

use std::rc::Rc;

use gloo::timers::callback::Interval;
use protocol::events::NoticeLevel;
use protocol::guard::{Lease, Limit, Spent};
use protocol::rest::Cluster;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::super::context::use_panel;
use super::fields::LeaseForm;
use super::{amount, hours};
use crate::ui::format;
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::{Button, Tone, banner, focus_first, focus_stayed};

/// How often the words follow the clock, milliseconds: when its time is nearly up, and before.
const TOLD_MS: u32 = 1_000;
const IDLE_MS: u32 = 10_000;

#[derive(Clone, PartialEq, Properties)]
pub struct LeaseStripProps {
    pub cluster: Rc<Cluster>,
}

/// Idle time, the next limit and what it costs; ticks by itself.
#[component]
pub fn LeaseStrip(props: &LeaseStripProps) -> Html {
    let panel = use_panel();
    let cluster = &props.cluster;
    let open = use_state_eq(|| false);
    let busy = use_state_eq(|| false);
    let root = use_node_ref();
    let tick = use_force_update();
    // By the second only where each counts: a card that is painted all the time costs the browser more than all its plots.
    let every = cluster.lease.as_ref().and_then(|lease| match lease.told {
        true => Some(TOLD_MS),
        false => (lease.due_at.is_some() || lease.idle_since.is_some()).then_some(IDLE_MS),
    });
    use_effect_with(every, move |every| {
        let timer = every.map(|ms| Interval::new(ms, move || tick.force_update()));
        move || drop(timer)
    });
    let Some(lease) = &cluster.lease else {
        return Html::default();
    };
    let now = js_sys::Date::now() as i64;
    let toggle = {
        let (open, is_open) = (open.setter(), *open);
        Callback::from(move |_: MouseEvent| open.set(!is_open))
    };
    let on_close = {
        let (open, root) = (open.setter(), root.clone());
        Callback::from(move |()| {
            focus_first(&root, ".gh-lease-toggle");
            open.set(false);
        })
    };
    let keep = {
        let (panel, name) = (panel.clone(), cluster.name.clone());
        let (busy, root) = (busy.setter(), root.clone());
        Callback::from(move |event: MouseEvent| {
            let (panel, name) = (panel.clone(), name.clone());
            let (busy, root) = (busy.clone(), root.clone());
            busy.set(true);
            spawn_local(async move {
                if let Err(error) = panel.store.api().keep(&name).await {
                    panel.fail(&error.message);
                }
                // The button goes with what was told; what stays says when the cluster ends now.
                if focus_stayed(&event) {
                    focus_first(&root, ".gh-lease-toggle");
                }
                busy.set(false);
            });
        })
    };
    let currency = panel
        .store
        .state()
        .guard
        .and_then(|guard| guard.usage.currency.clone());
    let told = (lease.told).then(|| {
        let action = match lease.limit {
            Some(Limit::Gateway) | None => Html::default(),
            Some(_) if lease.terms.stops => Button::new("Keep")
                .title("Give it more time")
                .busy(*busy)
                .on(keep)
                .testid("keep")
                .view(),
            Some(_) => Button::new("Keep")
                .title("Tell me later again")
                .busy(*busy)
                .on(keep)
                .tone(Tone::Quiet)
                .testid("keep")
                .view(),
        };
        banner(
            NoticeLevel::Warning,
            "lease-told",
            html! { {told_words(lease, now)} },
            action,
        )
    });
    html! {
        <div class="gh-lease" ref={root} data-testid="lease">
            {for told}
            <div class="gh-lease-line">
                <span class="gh-lease-words" title={lease.note.clone()} data-testid="lease-words">{words(lease, now)}</span>
                if let Some(cost) = &cluster.cost {
                    <span class="gh-figure" title={cost_title(cost)} data-testid="cluster-cost">{cost_words(cost, currency.as_deref())}</span>
                }
                {Button::new("Change when it ends by itself").only_icon(Icon::Chevron).tone(Tone::Quiet)
                    .expanded(*open).on(toggle).testid("lease-change").class("gh-button--tiny gh-lease-toggle").view()}
            </div>
            if *open {
                <p class="gh-hint gh-lease-note" data-testid="lease-note">{glyph(Icon::Info, 12)}<span>{lease.note.clone()}</span></p>
                <LeaseForm cluster={Rc::clone(cluster)} {on_close} />
            }
        </div>
    }
}

/// The lease in few words: how long it has been idle, and what comes next.
fn words(lease: &Lease, now: i64) -> String {
    let idle = lease
        .idle_since
        .map(|since| format!("Idle {}", format::duration(now - since)));
    let next = match (lease.due_at, lease.limit) {
        (Some(at), Some(Limit::Lifetime | Limit::Idle)) if lease.terms.stops => {
            Some(format!("stops in {}", format::duration(at - now)))
        }
        (Some(at), Some(Limit::Lifetime)) => Some(format!("notice in {}", format::duration(at - now))),
        (Some(at), Some(Limit::Gateway)) => {
            Some(format!("gateway stops it in {}", format::duration(at - now)))
        }
        _ => match lease.terms.idle_s {
            Some(limit) if lease.terms.stops => Some(format!("stops after {} idle", format::limit(limit))),
            Some(limit) => Some(format!("notice after {} idle", format::limit(limit))),
            None if lease.terms.lifetime_s.is_none() => Some("no limit".to_owned()),
            None => None,
        },
    };
    let said: Vec<String> = [idle, next].into_iter().flatten().collect();
    let mut text = said.join(" \u{b7} ");
    // A sentence's first letter, whichever part leads.
    if let Some(first) = text.get(..1).map(str::to_ascii_uppercase) {
        text.replace_range(..1, &first);
    }
    text
}

fn told_words(lease: &Lease, now: i64) -> String {
    let left = format::duration(lease.due_at.unwrap_or(now) - now);
    match lease.limit {
        Some(Limit::Gateway) => format!("The gateway stops it in about {left}. Only work prevents that."),
        Some(Limit::Idle) if lease.terms.stops => format!("It idles and is stopped in {left}."),
        Some(Limit::Lifetime) if lease.terms.stops => format!("Its time is up: it is stopped in {left}."),
        Some(Limit::Lifetime) => {
            "It has run as long as it was meant to. Shut it down if nobody needs it.".to_owned()
        }
        Some(Limit::Idle) => "It has had no work for a while. Shut it down if nobody needs it.".to_owned(),
        None => "It had no work when its scheduler was last heard.".to_owned(),
    }
}

fn cost_words(cost: &Spent, currency: Option<&str>) -> String {
    match (cost.amount, cost.per_hour, currency) {
        (Some(spent), Some(per_hour), Some(unit)) => {
            format!("{} {unit} \u{b7} {}/h", amount(spent), amount(per_hour))
        }
        (Some(spent), _, Some(unit)) => format!("{} {unit}", amount(spent)),
        _ => format!("{} worker-h", hours(cost.worker_hours)),
    }
}

fn cost_title(cost: &Spent) -> String {
    format!(
        "{} worker-hours, {} GiB-hours so far",
        hours(cost.worker_hours),
        hours(cost.memory_hours)
    )
}

#[cfg(test)]
mod tests {
    use protocol::guard::{AtEnd, Enforcer, LeaseTerms};

    use super::*;

    fn lease(stops: bool, due: Option<(i64, Limit)>) -> Lease {
        Lease {
            terms: LeaseTerms {
                idle_s: Some(3600),
                lifetime_s: None,
                stops,
                at_end: AtEnd::Stop,
            },
            enforced_by: Enforcer::Gatehouse,
            note: String::new(),
            idle_since: due.map(|_| 0),
            due_at: due.map(|(at, _)| at),
            limit: due.map(|(_, limit)| limit),
            told: false,
        }
    }

    #[test]
    fn a_lease_is_said_in_few_words() {
        let idle = lease(true, Some((3_600_000, Limit::Idle)));
        assert_eq!(words(&idle, 60_000), "Idle 1 m 00 s · stops in 59 m 00 s");
        assert_eq!(words(&lease(true, None), 0), "Stops after 1 h idle");
        assert_eq!(words(&lease(false, None), 0), "Notice after 1 h idle");
        let mut none = lease(true, None);
        none.terms.idle_s = None;
        assert_eq!(words(&none, 0), "No limit");
    }

    #[test]
    fn costs_are_money_or_hours() {
        let cost = Spent {
            amount: Some(1.234),
            per_hour: Some(0.5),
            worker_hours: 12.345,
            memory_hours: 24.0,
        };
        assert_eq!(cost_words(&cost, Some("EUR")), "1.23 EUR · 0.50/h");
        assert_eq!(cost_words(&cost, None), "12.3 worker-h");
    }
}
