//! The form for a scheduler's address, and the certificate's files where it speaks TLS.

use protocol::events::NoticeLevel;
use serde_json::{Map, Value};
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::super::context::{Panel, Sheet};
use crate::state::socket::Task;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner, field_error, focus_first, sheet};

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

#[derive(Clone, PartialEq, Properties)]
pub struct AttachFormProps {
    pub panel: Panel,
}

pub enum Msg {
    /// A field has another text.
    Typed(usize, String),
    Submit,
    Cancel,
    Refused(Refusal),
}

/// What is wrong: the field, where it is one, and why.
pub struct Refusal {
    field: Option<String>,
    message: String,
}

/// Attaches to a scheduler; it stays open until the scheduler answered.
#[derive(Default)]
pub struct AttachForm {
    root: NodeRef,
    typed: [String; FIELDS.len()],
    refused: Option<Refusal>,
    asking: Option<Task>,
    /// The keyboard goes where something is to be corrected.
    corrects: bool,
}

impl AttachForm {
    /// Whether a field is shown: certificates are for TLS.
    fn shows(&self, field: &Field) -> bool {
        !field.tls || self.typed[0].trim_start().starts_with("tls://")
    }

    fn submit(&mut self, ctx: &Context<Self>) {
        let given = FIELDS.iter().zip(&self.typed).filter(|(field, text)| {
            self.shows(field) && (field.name == "address" || !text.trim().is_empty())
        });
        let request: Map<String, Value> = given
            .map(|(field, text)| (field.name.to_owned(), Value::from(text.as_str())))
            .collect();
        let (panel, link) = (ctx.props().panel.clone(), ctx.link().clone());
        self.refused = None;
        self.asking = Some(Task::spawn(async move {
            match panel.store.api().attach(&Value::Object(request)).await {
                Ok(()) => panel.go.emit(Sheet::Home),
                Err(error) => link.send_message(Msg::Refused(Refusal {
                    field: error.field,
                    message: error.message,
                })),
            }
        }));
    }

    fn field(&self, ctx: &Context<Self>, at: usize) -> Html {
        let Field {
            name,
            label,
            example,
            hint,
            ..
        } = FIELDS[at];
        let wrong = self
            .refused
            .as_ref()
            .filter(|refused| refused.field.as_deref() == Some(name));
        let oninput = ctx.link().callback(move |event: InputEvent| {
            Msg::Typed(at, event.target_unchecked_into::<HtmlInputElement>().value())
        });
        let (id, below) = (format!("gh-attach-{name}"), format!("gh-attach-{name}-below"));
        html! {
            <div class="gh-field">
                <label class="gh-label" for={id.clone()}>
                    {label}
                    if name == "label" {
                        <small>{"optional"}</small>
                    }
                </label>
                <input
                    {id}
                    class={if wrong.is_some() { "gh-input gh-invalid" } else { "gh-input" }}
                    type="text"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    placeholder={example}
                    value={self.typed[at].clone()}
                    {oninput}
                    disabled={self.asking.is_some()}
                    aria-invalid={wrong.is_some().then_some("true")}
                    aria-describedby={below.clone()}
                    data-testid={format!("attach-{name}")}
                />
                if let Some(wrong) = wrong {
                    {field_error(Some(below.into()), format!("error-{name}"), &wrong.message)}
                } else if !hint.is_empty() {
                    <p class="gh-hint" id={below}>{hint}</p>
                }
            </div>
        }
    }
}

impl Component for AttachForm {
    type Message = Msg;
    type Properties = AttachFormProps;

    fn create(_: &Context<Self>) -> Self {
        Self::default()
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Typed(at, text) => self.typed[at] = text,
            Msg::Submit if self.asking.is_none() => self.submit(ctx),
            Msg::Submit => return false,
            Msg::Cancel => self.asking = None,
            Msg::Refused(refused) => {
                self.asking = None;
                self.refused = Some(refused);
                self.corrects = true;
            }
        }
        true
    }

    fn rendered(&mut self, _: &Context<Self>, first: bool) {
        if first {
            focus_first(&self.root, "input");
        }
        if std::mem::take(&mut self.corrects) {
            focus_first(&self.root, "[aria-invalid]");
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let sending = self.asking.is_some();
        let onsubmit = ctx.link().callback(|event: SubmitEvent| {
            event.prevent_default();
            Msg::Submit
        });
        // What belongs to no field that is seen.
        let elsewhere = self.refused.as_ref().filter(|refused| {
            let mut shown = FIELDS.iter().filter(|field| self.shows(field));
            !shown.any(|field| Some(field.name) == refused.field.as_deref())
        });
        sheet(
            "attach-form",
            "Attach to a scheduler".into(),
            &ctx.props().panel.go.reform(|()| Sheet::Home),
            Html::default(),
            html! {
                <form class="gh-form" ref={self.root.clone()} {onsubmit} novalidate=true>
                    <div class="gh-sheet-body">
                        <p class="gh-hint">
                            {"Watch any Dask scheduler with the same panes: one that "}<code>{"dask scheduler"}</code>
                            {" started, or a "}<code>{"LocalCluster"}</code>{" in a notebook. It is never changed."}
                        </p>
                        {for (0..FIELDS.len()).filter(|at| self.shows(&FIELDS[*at])).map(|at| self.field(ctx, at))}
                    </div>
                    if let Some(refused) = elsewhere {
                        {banner(NoticeLevel::Error, "attach-error", html! { {refused.message.clone()} }, Html::default())}
                    }
                    <footer class="gh-sheet-footer">
                        if sending {
                            {Button::new("Cancel").tone(Tone::Quiet).on(ctx.link().callback(|_: MouseEvent| Msg::Cancel)).testid("attach-cancel").view()}
                        }
                        {Button::new(if sending { "Connecting\u{2026}" } else { "Attach" }).icon(Icon::Plus).tone(Tone::Primary).submits().busy(sending).testid("attach-submit").class("gh-push").view()}
                    </footer>
                </form>
            },
        )
    }
}
