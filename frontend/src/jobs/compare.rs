//! Two runs side by side: how long they took, what of, how much memory they needed and what they cost.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::jobs::{CreateJob, Job, JobSummary};
use protocol::rest::ApiError;
use serde_json::Value;
use yew::prelude::*;

use super::view::View;
use super::{Tab, currency, words};
use crate::state::events::State;
use crate::state::socket::Task;
use crate::ui::format;
use crate::ui::widgets::banner;

/// One figure of both; `None` where a run has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    pub values: [Option<f64>; 2],
    pub words: [String; 2],
}

impl Line {
    fn new(name: &str, values: [Option<f64>; 2], words: impl Fn(f64) -> String) -> Self {
        Self {
            name: name.to_owned(),
            words: values.map(|value| value.map_or_else(|| "\u{2013}".to_owned(), &words)),
            values,
        }
    }

    /// How much more or less the second has, in words; `None` where there is nothing to say.
    fn change(&self) -> Option<String> {
        let [Some(one), Some(other)] = self.values else {
            return None;
        };
        if one == other {
            return Some("same".to_owned());
        }
        if one <= 0.0 || other <= 0.0 {
            return None;
        }
        let ratio = other / one;
        if (ratio - 1.0).abs() < 0.005 {
            return Some("same".to_owned());
        }
        Some(if ratio < 0.01 {
            "less than 0.01 \u{d7}".to_owned()
        } else if ratio >= 2.0 || ratio <= 0.5 {
            format!("{ratio:.2} \u{d7}")
        } else {
            format!("{:+.0} %", (ratio - 1.0) * 100.0)
        })
    }
}

fn both<T>(jobs: [&Job; 2], of: impl Fn(&Job) -> Option<T>, to: impl Fn(T) -> f64) -> [Option<f64>; 2] {
    jobs.map(|job| of(job).map(&to))
}

/// The figures of both runs as wholes.
fn wholes(jobs: [&Job; 2], currency: Option<&str>) -> Vec<Line> {
    let of = |name, of: fn(&JobSummary) -> u64, words: fn(u64) -> String| {
        let values = both(jobs, |job| job.summary.as_ref().map(of), |figure| figure as f64);
        Line::new(name, values, |value| words(value as u64))
    };
    let number = |n: u64| n.to_string();
    let mut lines = vec![
        Line::new("Duration", both(jobs, words::ran, |ms| ms as f64), |ms| {
            words::span(ms as u64 * 1_000)
        }),
        of("Tasks", |summary| summary.tasks, number),
        of("Erred", |summary| summary.erred, number),
        of("Compute", |summary| summary.compute_us, words::span),
        of("Transfer", |summary| summary.transfer_us, words::span),
        of("Workers at most", |summary| summary.peak_workers.into(), number),
        of("Peak memory", |summary| summary.peak_memory, format::bytes),
        of(
            "Peak memory of a worker",
            |summary| summary.peak_worker_memory,
            format::bytes,
        ),
    ];
    let money = both(jobs, |job| job.cost.as_ref()?.amount, |amount| amount);
    if let Some(unit) = currency.filter(|_| money.iter().any(Option::is_some)) {
        lines.push(Line::new("Cost", money, |value| {
            format!("{} {unit}", words::amount(value))
        }));
    }
    let hours = both(jobs, |job| Some(job.cost.as_ref()?.worker_hours), |hours| hours);
    lines.push(Line::new(words::WORKER_TIME, hours, words::worker_time));
    lines
}

/// Time by key prefix, those that took longest in either run first.
fn by_prefix(jobs: [&Job; 2]) -> Vec<Line> {
    let times = jobs.map(|job| {
        let prefixes = job.summary.iter().flat_map(|summary| &summary.prefixes);
        prefixes
            .map(|prefix| (prefix.name.as_str(), prefix.compute_us))
            .collect::<HashMap<_, _>>()
    });
    let mut names: Vec<&str> = times.iter().flat_map(|times| times.keys().copied()).collect();
    names.sort_unstable();
    names.dedup();
    let longest = |name: &str| times.iter().filter_map(|times| times.get(name)).max().copied();
    names.sort_by_key(|name| Reverse(longest(name)));
    names
        .into_iter()
        .map(|name| {
            let values = [&times[0], &times[1]].map(|times| times.get(name).map(|us| *us as f64));
            Line::new(name, values, |us| words::span(us as u64))
        })
        .collect()
}

/// What was asked for otherwise: name, and both values.
fn differences(one: &CreateJob, other: &CreateJob) -> Vec<(String, [String; 2])> {
    let flat = |request: &CreateJob| {
        let mut found = Vec::new();
        let tree = serde_json::to_string(request)
            .ok()
            .and_then(|text| crate::state::json::tree(&text).ok())
            .unwrap_or_default();
        flatten("", &tree, &mut found);
        found
    };
    let (one, other) = (flat(one), flat(other));
    let mut names: Vec<&String> = one.iter().chain(&other).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let value = |of: &[(String, Value)], name: &str| {
        let found = of.iter().find(|(known, _)| known == name);
        found.map_or(Value::Null, |(_, value)| value.clone())
    };
    names
        .into_iter()
        .filter_map(|name| {
            let values = [value(&one, name), value(&other, name)];
            (values[0] != values[1]).then(|| {
                let words = values.map(|value| match value {
                    Value::Null => "\u{2013}".to_owned(),
                    // All of it would be no glance.
                    Value::String(text) if name == "work.source" => {
                        format::count(text.lines().count() as u64, "line")
                    }
                    Value::String(text) => text,
                    other => crate::state::json::write(&other),
                });
                (title(name), words)
            })
        })
        .collect()
}

/// What a setting is called in the form.
fn title(setting: &str) -> String {
    for (under, kind) in [
        ("work.parameters.", "Parameter"),
        ("place.options.", "Option"),
        ("environment.", "Variable"),
    ] {
        if let Some(name) = setting.strip_prefix(under) {
            return format!("{kind} {name}");
        }
    }
    let title = match setting {
        "work.source" => "Code",
        "work.path" => "File",
        "work.kind" => "Kind",
        "work.args" => "Arguments",
        "place.kind" => "Place",
        "place.cluster" => "Cluster",
        "place.wait_for" => "Begin with",
        "place.wait_limit_s" => "Seconds to wait",
        "place.scaling.mode" => "Scaling",
        "place.scaling.workers" => "Workers",
        "place.scaling.minimum" => "Minimum",
        "place.scaling.maximum" => "Maximum",
        "name" => "Name",
        "kernel" => "Kernel",
        "folder" => "Working folder",
        "time_limit_s" => "Time limit in seconds",
        "retries" => "Retries",
        "on_mismatch" => "Versions that don\u{2019}t fit",
        other => other,
    };
    title.to_owned()
}

fn flatten(path: &str, tree: &Value, found: &mut Vec<(String, Value)>) {
    match tree {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, found);
            }
        }
        leaf => found.push((path.to_owned(), leaf.clone())),
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct CompareProps {
    pub tab: Tab,
    pub state: State,
    pub one: String,
    pub other: String,
}

type Asked = Result<[Rc<Job>; 2], ApiError>;

#[component]
pub fn Compare(props: &CompareProps) -> Html {
    let tab = &props.tab;
    let asked = use_state(|| None::<Asked>);
    use_effect_with((props.one.clone(), props.other.clone()), {
        let (api, asked) = (tab.panel.store.api(), asked.setter());
        move |(one, other)| {
            let (one, other) = (one.clone(), other.clone());
            let task = Task::spawn(async move {
                let (one, other) = futures_util::join!(api.job(&one), api.job(&other));
                asked.set(Some(one.and_then(|one| Ok([Rc::new(one), Rc::new(other?)]))));
            });
            move || drop(task)
        }
    });
    let jobs = match &*asked {
        None => return super::waiting("Asking for both jobs\u{2026}"),
        Some(Err(error)) => {
            return banner(
                NoticeLevel::Error,
                "compare-error",
                html! { {error.message.clone()} },
                Html::default(),
            );
        }
        Some(Ok(jobs)) => jobs,
    };
    let pair = [&*jobs[0], &*jobs[1]];
    let currency = currency(&props.state);
    let prefixes = by_prefix(pair);
    let differences = differences(&pair[0].request, &pair[1].request);
    html! {
        <section class="gh-job-page" aria-label="Compare jobs" data-testid="job-compare">
            <header class="gh-job-head"><div class="gh-job-title"><h2>{"Compare jobs"}</h2></div></header>
            <div class="gh-job-scroll">
                <table class="gh-job-table gh-job-table--compare">
                    <thead>
                        <tr>
                            <th><span class="gh-unseen">{"Figure"}</span></th>
                            {for pair.iter().map(|job| html! {
                                <th class="gh-right">
                                    <button type="button" class="gh-link" onclick={tab.panel.opens_jobs(View::Job(job.id.clone()))}>{job.name.clone()}</button>
                                    <small>{words::moment(job.started_at.unwrap_or(job.created_at))}</small>
                                    <span class="gh-job-state">{words::icon(job.state)}{words::state(job)}</span>
                                </th>
                            })}
                            <th class="gh-right">{"Change"}</th>
                        </tr>
                    </thead>
                    <tbody>
                        {for wholes(pair, currency).iter().map(|line| row(line, 0.0, "compare-whole"))}
                    </tbody>
                    if !prefixes.is_empty() {
                        <tbody>
                            <tr><th colspan="4">{"Compute by key prefix"}</th></tr>
                            {for {
                                let longest = prefixes.iter().flat_map(|line| line.values).flatten().fold(0.0, f64::max);
                                prefixes.iter().map(move |line| row(line, longest, "compare-prefix")).collect::<Vec<_>>()
                            }}
                        </tbody>
                    }
                    if !differences.is_empty() {
                        <tbody>
                            <tr><th colspan="4">{"Settings that differ"}</th></tr>
                            {for differences.into_iter().map(|(name, [one, other])| html! {
                                <tr data-testid="compare-difference">
                                    <td>{name}</td>
                                    <td class="gh-right gh-job-value">{one}</td>
                                    <td class="gh-right gh-job-value">{other}</td>
                                    <td />
                                </tr>
                            })}
                        </tbody>
                    }
                </table>
            </div>
        </section>
    }
}

/// A line of the table; the values also as bars where `longest` is what the longest stands for.
fn row(line: &Line, longest: f64, testid: &'static str) -> Html {
    html! {
        <tr data-testid={testid} data-name={line.name.clone()}>
            <td class="gh-ellipsis">{line.name.clone()}</td>
            {for line.values.iter().zip(&line.words).map(|(value, words)| {
                let share = value.filter(|_| longest > 0.0).map(|value| 100.0 * value / longest);
                html! {
                    <td class="gh-right gh-figure">
                        {words.clone()}
                        if let Some(share) = share {
                            <span class="gh-share"><i style={format!("width:{share:.1}%")} /></span>
                        }
                    </td>
                }
            })}
            <td class="gh-right gh-figure">{line.change().unwrap_or_default()}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use protocol::jobs::{PrefixTime, Work};

    use super::*;

    fn job(id: &str, prefixes: &[(&str, u64)]) -> Job {
        let prefixes = prefixes.iter().map(|(name, compute_us)| PrefixTime {
            name: (*name).into(),
            compute_us: *compute_us,
            ..PrefixTime::default()
        });
        Job {
            started_at: Some(1_000),
            ended_at: Some(3_000),
            summary: Some(JobSummary {
                tasks: 10,
                prefixes: prefixes.collect(),
                ..JobSummary::default()
            }),
            ..Job::queued(id, id, CreateJob::default(), 0)
        }
    }

    #[test]
    fn what_took_longest_in_either_comes_first() {
        let (one, other) = (
            job("1", &[("sum", 5), ("inc", 20)]),
            job("2", &[("sum", 40), ("read", 1)]),
        );
        let lines = by_prefix([&one, &other]);
        let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["sum", "inc", "read"]);
        assert_eq!(lines[0].change().as_deref(), Some("8.00 \u{d7}"));
        assert_eq!(lines[1].change(), None, "the other never did that");
    }

    #[test]
    fn a_change_is_told_as_one_says_it() {
        for (values, change) in [
            ([1.0, 1.0], "same"),
            ([1000.0, 1001.0], "same"),
            ([1000.0, 1.0], "less than 0.01 \u{d7}"),
            ([10.0, 11.0], "+10 %"),
            ([10.0, 6.0], "-40 %"),
            ([10.0, 2.0], "0.20 \u{d7}"),
        ] {
            let line = Line::new("x", values.map(Some), |value| value.to_string());
            assert_eq!(line.change().as_deref(), Some(change));
        }
        assert_eq!(
            Line::new("x", [None, Some(1.0)], |_| String::new()).change(),
            None
        );
    }

    #[test]
    fn wholes_say_what_is_missing() {
        let (one, mut other) = (job("1", &[]), job("2", &[]));
        other.summary = None;
        let lines = wholes([&one, &other], Some("EUR"));
        let of = |name: &str| lines.iter().find(|line| line.name == name).expect("a line");
        assert_eq!(of("Duration").words, ["2.0 s", "2.0 s"]);
        assert_eq!(of("Tasks").words, ["10", "\u{2013}"]);
        assert!(lines.iter().all(|line| line.name != "Cost"), "there are no rates");
    }

    #[test]
    fn only_what_differs_is_named() {
        let mut one = CreateJob {
            work: Work {
                source: "a\nb".into(),
                ..Work::default()
            },
            ..CreateJob::default()
        };
        let other = one.clone();
        assert!(differences(&one, &other).is_empty());
        one.work.source = "a".into();
        one.retries = 2;
        one.environment.insert("N".into(), "1".into());
        let found = differences(&one, &other);
        let words = |name: &str| {
            let line = found.iter().find(|(known, _)| known == name);
            line.map(|(_, words)| words.clone()).expect("a difference")
        };
        assert_eq!(words("Code"), ["1 line", "2 lines"]);
        assert_eq!(words("Retries"), ["2", "0"]);
        assert_eq!(words("Variable N"), ["1", "\u{2013}"]);
        assert_eq!(found.len(), 3);
    }
}
