//! The form for a scheduler's address, and the certificate's files where it speaks TLS.

use protocol::events::NoticeLevel;
use serde_json::{Map, Value};
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::super::context::{Sheet, use_panel};
use crate::state::socket::Task;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner, field_error, focus_first, sheet, use_id};

/// A field: its name in the request, its words, an example, what helps to fill it in, and whether it is for TLS alone.
struct Field {
    name: &'static str,
    label: &'static str,
    example: &'static str,
    hint: &'static str,
    tls: bool,
}

const FIELDS: [Field; 5] = [
    Field {
        name: "address",
        label: "Address",
        example: "tcp://127.0.0.1:8786",
        hint: "client.scheduler.address tells it in a notebook. Only this address is connected to.",
        tls: false,
    },
    Field {
        name: "label",
        label: "Label",
        example: "What it is for",
        hint: "",
        tls: false,
    },
    Field {
        name: "ca_file",
        label: "Authority\u{2019}s certificate",
        example: "/path/to/ca.pem",
        hint: "Paths on the machine of Gatehouse, as distributed.comm.tls names them.",
        tls: true,
    },
    Field {
        name: "cert_file",
        label: "Client\u{2019}s certificate",
        example: "/path/to/client.pem",
        hint: "",
        tls: true,
    },
    Field {
        name: "key_file",
        label: "Its key",
        example: "/path/to/client.key",
        hint: "Empty where it is in the certificate\u{2019}s file.",
        tls: true,
    },
];

/// Attaches to a scheduler; it stays open until the scheduler answered.
#[component]
pub fn AttachForm() -> Html {
    let panel = use_panel();
    let id = use_id("attach");
    let root = use_node_ref();
    let typed = use_state_eq(|| FIELDS.map(|_| String::new()));
    // The field that is wrong and why; no field where it is something else.
    let refused = use_state_eq(|| None::<(Option<String>, String)>);
    let asking = use_mut_ref(|| None::<Task>);
    let sending = use_state_eq(|| false);
    use_effect_with((), {
        let root = root.clone();
        move |()| focus_first(&root, "input")
    });
    // The keyboard goes where something is to be corrected.
    use_effect_with((*refused).clone(), {
        let root = root.clone();
        move |refused| {
            if refused.is_some() {
                focus_first(&root, "[aria-invalid]");
            }
        }
    });

    let secure = typed[0].trim_start().starts_with("tls://");
    let onsubmit = {
        let (panel, typed, refused) = (panel.clone(), typed.clone(), refused.clone());
        let (asking, sending) = (asking.clone(), sending.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if *sending {
                return;
            }
            let request: Map<String, Value> = FIELDS
                .iter()
                .zip(typed.iter())
                .filter(|(field, text)| {
                    (!field.tls || secure) && (field.name == "address" || !text.trim().is_empty())
                })
                .map(|(field, text)| (field.name.to_owned(), Value::from(text.as_str())))
                .collect();
            sending.set(true);
            refused.set(None);
            let (panel, refused, sending) = (panel.clone(), refused.setter(), sending.setter());
            asking.replace(Some(Task::spawn(async move {
                match panel.store.api().attach(&Value::Object(request)).await {
                    Ok(()) => panel.go.emit(Sheet::Home),
                    Err(error) => {
                        refused.set(Some((error.field, error.message)));
                        sending.set(false);
                    }
                }
            })));
        })
    };
    let cancel = {
        let (asking, sending) = (asking.clone(), sending.setter());
        Callback::from(move |_: MouseEvent| {
            asking.replace(None);
            sending.set(false);
        })
    };
    let field = |at: usize| {
        let Field {
            name,
            label,
            example,
            hint,
            ..
        } = FIELDS[at];
        let wrong = refused
            .as_ref()
            .filter(|(field, _)| field.as_deref() == Some(name))
            .map(|(_, message)| message.clone());
        let oninput = {
            let typed = typed.clone();
            Callback::from(move |event: InputEvent| {
                let mut now = (*typed).clone();
                now[at] = event.target_unchecked_into::<HtmlInputElement>().value();
                typed.set(now);
            })
        };
        let (field_id, below) = (format!("{id}-{name}"), format!("{id}-{name}-below"));
        html! {
            <div class="gh-field" key={name}>
                <label class="gh-label" for={field_id.clone()}>
                    {label}
                    if name == "label" {
                        <small>{"optional"}</small>
                    }
                </label>
                <input
                    id={field_id}
                    class={if wrong.is_some() { "gh-input gh-invalid" } else { "gh-input" }}
                    type="text"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    placeholder={example}
                    value={typed[at].clone()}
                    {oninput}
                    disabled={*sending}
                    aria-invalid={wrong.is_some().then_some("true")}
                    aria-describedby={below.clone()}
                    data-testid={format!("attach-{name}")}
                />
                if let Some(wrong) = wrong {
                    {field_error(Some(below.into()), format!("error-{name}"), &wrong)}
                } else if !hint.is_empty() {
                    <p class="gh-hint" id={below}>{hint}</p>
                }
            </div>
        }
    };
    let elsewhere = refused.as_ref().filter(|(name, _)| {
        let shown = FIELDS.iter().filter(|field| !field.tls || secure);
        !shown
            .map(|field| Some(field.name))
            .any(|shown| shown == name.as_deref())
    });
    sheet(
        "attach-form",
        "Attach to a scheduler".into(),
        &panel.go.reform(|()| Sheet::Home),
        Html::default(),
        html! {
            <form class="gh-form" ref={root} {onsubmit} novalidate=true>
                <div class="gh-sheet-body">
                    <p class="gh-hint">
                        {"Watch any Dask scheduler with the same panes: one that "}<code>{"dask scheduler"}</code>
                        {" started, or a "}<code>{"LocalCluster"}</code>{" in a notebook. It is never changed."}
                    </p>
                    {for (0..FIELDS.len()).filter(|at| !FIELDS[*at].tls || secure).map(field)}
                </div>
                if let Some((_, message)) = elsewhere {
                    {banner(NoticeLevel::Error, "attach-error", html! { {message.clone()} }, Html::default())}
                }
                <footer class="gh-sheet-footer">
                    if *sending {
                        {Button::new("Cancel").tone(Tone::Quiet).on(cancel).testid("attach-cancel").view()}
                    }
                    {Button::new(if *sending { "Connecting\u{2026}" } else { "Attach" }).icon(Icon::Plus).tone(Tone::Primary).submits().busy(*sending).testid("attach-submit").class("gh-push").view()}
                </footer>
            </form>
        },
    )
}
