//! Recordings: the list, and what can be done with one: open it in the plots, export it, delete it.

mod export;

use protocol::recordings::{PANE_PREFIX, Recording, RecordingState};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use self::export::exports;
use super::context::{Panel, use_panel};
use super::more_panes::more_panes;
use crate::plots;
use crate::state::events::State;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone};

#[derive(Clone, PartialEq, Properties)]
pub struct RecordingsProps {
    pub state: State,
}

/// The section with the recordings, newest first.
#[component]
pub fn Recordings(props: &RecordingsProps) -> Html {
    let panel = use_panel();
    // The recording whose exports are shown, and how far one is.
    let open = use_state_eq(|| None::<AttrValue>);
    let under_way = use_state_eq(|| None::<AttrValue>);
    let Some(list) = props.state.recordings.as_ref().filter(|list| !list.is_empty()) else {
        return Html::default();
    };
    let jupyter = props
        .state
        .status
        .as_ref()
        .is_some_and(|status| status.jupyter.available && !status.jupyter.private);
    html! {
        <section class="gh-section" aria-label="Recordings" data-testid="recordings">
            <header class="gh-section-header">
                <h2>{"Recordings"}</h2>
                <span class="gh-count gh-figure">{list.len()}</span>
            </header>
            <ul class="gh-recordings">
                {for list.iter().map(|recording| {
                    let expanded = open.as_deref() == Some(recording.id.as_str());
                    let toggle = {
                        let (open, id) = (open.setter(), AttrValue::from(recording.id.clone()));
                        Callback::from(move |_: MouseEvent| open.set((!expanded).then(|| id.clone())))
                    };
                    html! {
                        <li key={recording.id.clone()} class="gh-recording" data-testid="recording" data-recording={recording.id.clone()}>
                            {row(&panel, recording, expanded, toggle)}
                            if expanded {
                                {exports(&panel, recording, jupyter, &under_way)}
                            }
                        </li>
                    }
                })}
            </ul>
        </section>
    }
}

fn row(panel: &Panel, recording: &Recording, expanded: bool, toggle: Callback<MouseEvent>) -> Html {
    let title = title_of(recording).to_owned();
    let open = |plot: &'static str| {
        let host = panel.host.clone();
        let cluster = format!("{PANE_PREFIX}{}", recording.id);
        let title = format!(
            "{} \u{b7} {title} (recorded)",
            plots::title(plot).unwrap_or_default()
        );
        Callback::from(move |_: MouseEvent| host.open_pane(plot, &cluster, &title))
    };
    let button = |plot: &'static str, icon, testid| {
        Button::new(plots::title(plot).unwrap_or_default())
            .only_icon(icon)
            .tone(Tone::Quiet)
            .on(open(plot))
            .testid(testid)
            .view()
    };
    let facts = match (recording.state, recording.ended_at) {
        (RecordingState::Recording, _) | (_, None) => "recording\u{2026}".to_owned(),
        (_, Some(ended)) => format!(
            "{} \u{b7} {} \u{b7} {}",
            format::count(recording.tasks, "task"),
            format::duration(ended - recording.started_at),
            format::bytes(recording.bytes)
        ),
    };
    let began = js_sys::Date::new(&(recording.started_at as f64).into());
    let began = String::from(began.to_locale_string("default", &wasm_bindgen::JsValue::UNDEFINED));
    html! {
        <>
            <span class="gh-recording-text" title={format!("{} \u{b7} {began}", recording.cluster)}>
                <span class="gh-ellipsis">{title.clone()}</span>
                <span class="gh-recording-sub">{began}</span>
                <span class="gh-recording-sub" data-testid="recording-facts">{facts}</span>
                if let Some(message) = &recording.message {
                    <span class="gh-recording-sub gh-bad">{message.clone()}</span>
                }
            </span>
            <span class="gh-recording-tools">
                {button("task-stream", Icon::TaskStream, "recording-task-stream")}
                {button("progress", Icon::Progress, "recording-progress")}
                {button("status", Icon::Tiles, "recording-status")}
                {Button::new("Export").only_icon(Icon::External).tone(Tone::Quiet)
                    .on(toggle).expanded(expanded).testid("recording-export").view()}
                if recording.state != RecordingState::Recording {
                    {Button::new("Delete").only_icon(Icon::Cross).tone(Tone::Quiet)
                        .on(delete(panel, recording)).testid("recording-delete").view()}
                }
            </span>
            {more_panes(plots::is_recorded, open)}
        </>
    }
}

/// The label of the cluster, or its short name.
fn title_of(recording: &Recording) -> &str {
    format::title(recording.label.as_deref(), &recording.cluster)
}

/// Asks, then deletes.
fn delete(panel: &Panel, recording: &Recording) -> Callback<MouseEvent> {
    let (panel, id, title) = (
        panel.clone(),
        recording.id.clone(),
        title_of(recording).to_owned(),
    );
    let tasks = format::count(recording.tasks, "task");
    Callback::from(move |_: MouseEvent| {
        let (panel, id) = (panel.clone(), id.clone());
        let question = format!("Delete the recording of {title}?");
        let body = format!("What is known of its {tasks} is lost. This can\u{2019}t be undone.");
        spawn_local(async move {
            if panel.host.confirm(question, body, "Delete".to_owned()).await
                && let Err(error) = panel.store.api().delete_recording(&id).await
            {
                panel.fail(&error.message);
            }
        });
    })
}
