//! Client and versions of a cluster: how Python connects, who is connected, and what does not fit together.

mod clients;
mod versions;

use gloo::timers::callback::Interval;
use protocol::events::NoticeLevel;
use serde_json::Value;
use yew::prelude::*;

use self::clients::clients;
use super::context::{Panel, Sheet};
use crate::state::kept::Place;
use crate::state::socket::{Task, segment};
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner, focus_back, sheet, spinner};

/// Between two looks at who is connected, milliseconds.
const LOOK_MS: u32 = 5_000;

/// Key of the kernel that was chosen last.
const KERNEL: &str = "gatehouse:kernel";

/// The way to the sheet, from a card.
pub fn about_button(panel: &Panel, cluster: &str) -> Html {
    let cluster = cluster.to_owned();
    let open = panel.go.reform(move |_: MouseEvent| Sheet::About {
        cluster: cluster.clone(),
    });
    Button::new("Client & versions")
        .icon(Icon::Info)
        .tone(Tone::Quiet)
        .title("Who is connected, and whether all versions fit together")
        .on(open)
        .testid("about")
        .class("gh-start gh-flush")
        .view()
}

#[derive(Clone, PartialEq, Properties)]
pub struct AboutProps {
    pub panel: Panel,
    /// Name of a cluster or of an attached scheduler, and what the user calls it.
    pub cluster: String,
    pub title: String,
}

/// An answer of the server, or the sentence of its error.
type Answer = Result<Value, String>;

/// What the server is asked.
#[derive(Clone, Copy, PartialEq)]
pub enum Question {
    Clients,
    Kernels,
    Versions,
}

pub enum Msg {
    Told(Question, Answer),
    /// Another kernel to compare with.
    Choose(String),
    Again,
    Tick,
}

/// The sheet. A component with messages: a hook for each of its answers would cost kilobytes.
pub struct About {
    told: [Option<Answer>; 3],
    asking: [Option<Task>; 3],
    /// The notebook's kernel or what the user chose; the first of the list where there is neither.
    chosen: Option<String>,
    body: NodeRef,
    /// Who comes and goes is seen without a click.
    _tick: Interval,
}

impl About {
    fn ask(&mut self, ctx: &Context<Self>, question: Question) {
        let AboutProps { panel, cluster, .. } = ctx.props();
        let (api, link) = (panel.store.api(), ctx.link().clone());
        let path = match question {
            Question::Clients => format!("clusters/{}/clients", segment(cluster)),
            Question::Kernels => "kernels".to_owned(),
            Question::Versions => format!(
                "clusters/{}/versions?kernel={}",
                segment(cluster),
                segment(&versions::kernel(self.kernels(), self.chosen.as_deref()))
            ),
        };
        self.asking[question as usize] = Some(Task::spawn(async move {
            let answer = api.get(path).await.map_err(|error| error.message);
            link.send_message(Msg::Told(question, answer));
        }));
    }

    fn kernels(&self) -> &[Value] {
        match &self.told[Question::Kernels as usize] {
            Some(Ok(Value::Array(list))) => list,
            _ => &[],
        }
    }
}

impl Component for About {
    type Message = Msg;
    type Properties = AboutProps;

    fn create(ctx: &Context<Self>) -> Self {
        let link = ctx.link().clone();
        let notebook = ctx.props().panel.host.active_kernel();
        let mut about = Self {
            told: [None, None, None],
            asking: [None, None, None],
            // Whether the notebook at hand fits is the question that brings somebody here.
            chosen: notebook
                .map(|kernel| kernel.name)
                .or_else(|| Place::Browser.get(KERNEL)),
            body: NodeRef::default(),
            _tick: Interval::new(LOOK_MS, move || link.send_message(Msg::Tick)),
        };
        for question in [Question::Clients, Question::Kernels, Question::Versions] {
            about.ask(ctx, question);
        }
        about
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Told(question, answer) => {
                self.asking[question as usize] = None;
                self.told[question as usize] = Some(answer);
                // Only now it is known which kernel is the first.
                if question == Question::Kernels && !self.kernels().is_empty() {
                    self.ask(ctx, Question::Versions);
                }
            }
            Msg::Choose(kernel) => {
                Place::Browser.set(KERNEL, &kernel);
                self.chosen = Some(kernel);
                self.ask(ctx, Question::Versions);
            }
            Msg::Again => {
                self.ask(ctx, Question::Clients);
                self.ask(ctx, Question::Versions);
            }
            Msg::Tick => {
                // Not while nobody can see it, and not before the last answer.
                if !gloo::utils::document().hidden() && self.asking[Question::Clients as usize].is_none() {
                    self.ask(ctx, Question::Clients);
                }
                return false;
            }
        }
        true
    }

    fn rendered(&mut self, _: &Context<Self>, first: bool) {
        if first {
            focus_back(&self.body);
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let AboutProps {
            panel,
            cluster,
            title,
        } = ctx.props();
        let refresh = Button::new("Look again")
            .only_icon(Icon::Refresh)
            .tone(Tone::Quiet)
            .on(ctx.link().callback(|_: MouseEvent| Msg::Again))
            .testid("about-refresh")
            .class("gh-push")
            .view();
        let base_url = panel.host.base_url();
        let on_close = {
            let (drafts, cluster) = (panel.drafts.clone(), cluster.clone());
            panel.go.reform(move |()| {
                drafts.focus_card(cluster.clone());
                Sheet::Home
            })
        };
        sheet(
            "about-sheet",
            "Client & versions".into(),
            &on_close,
            refresh,
            html! {
                <div class="gh-sheet-body gh-about" ref={self.body.clone()}>
                    {told(&self.told[Question::Clients as usize], "clients-error", &|view| clients(view, title, &base_url))}
                    <section aria-label="Versions" data-testid="versions-part">
                        <h3>
                            {"Versions"}
                            if self.asking[Question::Versions as usize].is_some() {
                                {spinner()}
                            }
                        </h3>
                        {versions::choice(
                            self.kernels(),
                            self.told[Question::Kernels as usize].as_ref().map(|told| told.as_ref().err()),
                            self.chosen.as_deref(),
                            ctx.link().callback(Msg::Choose),
                        )}
                        {told(&self.told[Question::Versions as usize], "versions-error", &versions::side_by_side)}
                    </section>
                </div>
            },
        )
    }
}

/// An answer as `show` shows it.
fn told(answer: &Option<Answer>, testid: &'static str, show: &dyn Fn(&Value) -> Html) -> Html {
    match answer {
        None => spinner(),
        Some(Err(why)) => banner(
            NoticeLevel::Error,
            testid,
            html! { {why.clone()} },
            Html::default(),
        ),
        Some(Ok(tree)) => show(tree),
    }
}

/// The text of a field; `None` where it is missing.
fn text(tree: &Value, name: &str) -> Option<String> {
    tree[name].as_str().map(str::to_owned)
}

/// The entries of a list, none where it is missing.
fn list<'a>(tree: &'a Value, name: &str) -> &'a [Value] {
    tree[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
