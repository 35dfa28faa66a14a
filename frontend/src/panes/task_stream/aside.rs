//! The box beside the plot: what a stretch of time adds up to, as figures and tables, and the details of one task.

use std::fmt::Write;

use protocol::live::Details;
use timeline::{Action, Located, PrefixStats};
use yew::prelude::*;

use super::legend::swatch;
use super::rows::short;
use super::scene::Act;
use super::state::State;
use super::story::{Line, Story};
use super::tip::{action_name, clock, is_nowhere, key};
use super::{Key, on};
use crate::draw::units::{count, duration};
use crate::state::live::Live;
use crate::ui::clipboard::CopyButton;
use crate::ui::format;

/// Prefixes and tasks that are listed.
const PREFIXES: usize = 40;
const SLOWEST: usize = 12;

/// What the box shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aside {
    /// What is added up: what was marked, or what is in view.
    title: &'static str,
    range: String,
    figures: Vec<(&'static str, String)>,
    /// Name, colour and sums, the most time first.
    prefixes: Vec<(String, timeline::Rgba, PrefixStats)>,
    /// Prefixes that are not listed.
    unnamed: usize,
    slowest: Vec<Named>,
    task: Option<Task>,
}

/// A rectangle in words.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    located: Located,
    prefix: String,
    duration: String,
    worker: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Task {
    prefix: String,
    /// Names and values.
    facts: Vec<(&'static str, String)>,
    error: Option<String>,
    /// `None` while it is on its way.
    story: Option<Vec<Line>>,
}

impl Aside {
    pub(super) fn of(state: &State, live: &Live, story: &Story) -> Self {
        let stream = &live.stream;
        let timeline = &stream.timeline;
        let (start, end) = timeline.bounds().unwrap_or_default();
        let view = state.camera.view();
        let seen = (view.t0_us().max(start), view.t1_us().min(end));
        let (from, to) = state.brush.unwrap_or(seen);
        let span = (to - from).max(1);
        let lanes = state.lanes();
        let stats = timeline.stats(&lanes, from, to, &state.colors);
        let threads = f64::from(stats.lanes.max(1));
        let share = |us: i64| format!("{:.1} %", us as f64 * 100.0 / (span as f64 * threads));
        let of = |action: Action| stats.spent_us[action as usize];
        let tasks: u64 = stats.prefixes.iter().map(|sum| sum.tasks).sum();
        let erred: u64 = stats.prefixes.iter().map(|sum| sum.erred).sum();
        let busy = stats.compute_us() as f64 / span as f64;
        let whole = (span as f64 * threads) as i64;
        let hidden = (whole - stats.idle_us - stats.spent_us.iter().sum::<i64>()).max(0);
        let mut prefixes: Vec<_> = (0_u16..)
            .zip(&stats.prefixes)
            .filter(|(_, sum)| sum.tasks > 0)
            .filter_map(|(id, sum)| {
                let name = stream.prefixes.get(usize::from(id))?.prefix.name.clone();
                // As it is when no other is highlighted.
                let [r, g, b, _] = state.colors.of(id, Action::Compute);
                Some((name, [r, g, b, 255], *sum))
            })
            .collect();
        prefixes.sort_by_key(|(_, _, sum)| std::cmp::Reverse(sum.busy_us));
        let unnamed = prefixes.len().saturating_sub(PREFIXES);
        prefixes.truncate(PREFIXES);
        let slowest = timeline.longest(&lanes, from, to, SLOWEST, &state.colors);
        Self {
            title: if state.brush.is_some() {
                "Selection"
            } else {
                "In view"
            },
            range: format!("{}, from {}", duration(span as u64), clock(from)),
            figures: vec![
                ("Tasks", count(tasks)),
                ("Erred", count(erred)),
                (
                    "Parallelism",
                    format!("{busy:.2} of {}", count(u64::from(stats.lanes))),
                ),
                ("Compute", share(stats.compute_us())),
                ("Transfer", share(of(Action::Transfer))),
                ("Disk", share(of(Action::DiskRead) + of(Action::DiskWrite))),
                ("Deserialize", share(of(Action::Deserialize))),
                ("Idle", share(stats.idle_us)),
            ]
            .into_iter()
            // What a filter hides is work all the same.
            .chain((!state.filter.prefixes.is_empty()).then(|| ("Hidden by the filter", share(hidden))))
            .collect(),
            prefixes,
            unnamed,
            slowest: slowest
                .into_iter()
                .filter_map(|located| named(live, located))
                .collect(),
            task: state.picked.and_then(|picked| task(live, picked, story)),
        }
    }

    /// What is shown, as lines of cells that a spreadsheet takes.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\t{}\n", self.title, self.range);
        let task = self.task.iter().flat_map(|task| &task.facts);
        for (name, value) in self.figures.iter().chain(task) {
            text += &format!("{name}\t{value}\n");
        }
        text += "\nprefix\ttasks\terred\tseconds\tlongest seconds\n";
        for (name, _, sum) in &self.prefixes {
            let seconds = |us: i64| us as f64 / 1e6;
            // Writing to a text does not fail.
            writeln!(
                text,
                "{name}\t{}\t{}\t{}\t{}",
                sum.tasks,
                sum.erred,
                seconds(sum.busy_us),
                seconds(sum.longest_us)
            )
            .ok();
        }
        text += "\nslowest\tduration\tworker\n";
        for slow in &self.slowest {
            text += &format!("{}\t{}\t{}\n", slow.prefix, slow.duration, slow.worker);
        }
        text
    }
}

fn named(live: &Live, located: Located) -> Option<Named> {
    let stream = &live.stream;
    let prefix = &stream.prefixes.get(usize::from(located.rect.prefix))?.prefix;
    Some(Named {
        located,
        prefix: prefix.name.clone(),
        duration: duration(located.rect.duration_us),
        worker: stream.lanes.get(usize::from(located.lane))?.worker_name.clone(),
    })
}

fn task(live: &Live, picked: Located, story: &Story) -> Option<Task> {
    let Named { prefix, worker, .. } = named(live, picked)?;
    let record = picked.rect.record;
    let details = live.details(record);
    let details = details.as_deref();
    let pending = "\u{2026}";
    let text = |of: fn(&Details) -> Option<String>| details.map_or(Some(pending.to_owned()), of);
    let mut facts = vec![
        (
            "Key",
            text(|details| Some(key(details).to_owned())).unwrap_or_default(),
        ),
        (
            "Worker",
            details
                .filter(|details| !is_nowhere(details))
                .map_or(worker.clone(), |details| {
                    format!("{} {}", short(&worker), details.worker)
                }),
        ),
        ("Start", clock(picked.rect.start_us)),
    ];
    let mut parts = live.stream.timeline.locate(record);
    parts.sort_by_key(|part| part.rect.start_us);
    facts.extend(
        parts
            .iter()
            .map(|part| (action_name(part.rect.action), duration(part.rect.duration_us))),
    );
    facts.extend(text(|details| details.type_name.clone()).map(|name| ("Type", name)));
    facts.extend(text(|details| details.nbytes.map(format::bytes)).map(|bytes| ("Size", bytes)));
    let lines = if story.record == Some(record) {
        story.lines.clone()
    } else {
        None
    };
    Some(Task {
        prefix,
        facts,
        error: details.and_then(|details| details.error.clone()),
        story: lines,
    })
}

/// The box; the table and the list say without a picture what the plot shows.
pub(super) fn view(aside: Option<&Aside>, act: &Callback<Act>) -> Html {
    let Some(aside) = aside else {
        return Html::default();
    };
    let text = {
        let aside = aside.clone();
        Callback::from(move |()| aside.text())
    };
    html! {
        <aside class="gh-aside" aria-label="Statistics and details" data-testid="stream-aside">
            <div class="gh-aside-head">
                <strong>{aside.title}</strong>
                <span>{aside.range.clone()}</span>
                <CopyButton {text} label="Copy as a table" testid="aside-copy" />
                <button type="button" class="gh-tool" onclick={on(act, Act::Press(Key::Statistics))} data-testid="aside-close">{"Close"}</button>
            </div>
            { for aside.task.iter().map(task_view) }
            {facts("gh-aside-figures", &aside.figures)}
            <table class="gh-aside-table" data-testid="stats-table">
                <thead>
                    <tr>{ for ["Prefix", "Tasks", "Time", "Mean", "Longest"].map(|name| html! { <th scope="col">{name}</th> }) }</tr>
                </thead>
                <tbody>{ for aside.prefixes.iter().map(prefix_view) }</tbody>
            </table>
            if aside.unnamed > 0 {
                <p>{format!("and {} more prefixes", aside.unnamed)}</p>
            }
            <h3>{"Longest tasks"}</h3>
            <ol class="gh-aside-list" data-testid="slowest">
                { for aside.slowest.iter().map(|slow| html! {
                    <li>
                        <button type="button" onclick={on(act, Act::Go(slow.located))} title={slow.worker.clone()}>
                            <span>{slow.prefix.clone()}</span><span>{slow.duration.clone()}</span>
                        </button>
                    </li>
                }) }
            </ol>
        </aside>
    }
}

fn facts(class: &'static str, facts: &[(&'static str, String)]) -> Html {
    html! {
        <dl {class}>
            { for facts.iter().map(|(name, value)| html! { <><dt>{*name}</dt><dd>{value.clone()}</dd></> }) }
        </dl>
    }
}

fn prefix_view((name, color, sum): &(String, timeline::Rgba, PrefixStats)) -> Html {
    let time = |us: i64| html! { <td>{duration(us as u64)}</td> };
    html! {
        <tr>
            <th scope="row">{swatch(*color, false)}<span title={name.clone()}>{name.clone()}</span></th>
            <td>{count(sum.tasks)}</td>
            {time(sum.busy_us)}
            {time(sum.busy_us / sum.tasks.max(1) as i64)}
            {time(sum.longest_us)}
        </tr>
    }
}

fn task_view(task: &Task) -> Html {
    html! {
        <section class="gh-aside-task" data-testid="task-details">
            <h3>{task.prefix.clone()}</h3>
            {facts("gh-aside-facts", &task.facts)}
            if let Some(error) = &task.error {
                <pre class="gh-tip-error">{error.clone()}</pre>
            }
            <ol class="gh-aside-story" aria-label="What became of it" data-testid="story">
                { for task.story.iter().flatten().map(|line| html! {
                    <li title={line.cause.clone()}><span>{line.after.clone()}</span>{line.change.clone()}</li>
                }) }
            </ol>
        </section>
    }
}
