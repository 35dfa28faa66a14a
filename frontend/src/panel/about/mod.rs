//! Client and versions of a cluster: how Python connects, who is connected, and what does not fit together.

mod clients;
mod versions;

use serde_json::Value;
use yew::prelude::*;

use self::clients::clients;
use self::versions::Versions;
use super::context::{Panel, Sheet, use_panel};
use crate::state::events::State;
use crate::state::socket::Task;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, Tone, banner, sheet, spinner};
use gloo::timers::callback::Interval;
use protocol::events::NoticeLevel;

/// Between two looks at who is connected, milliseconds.
const LOOK_MS: u32 = 5_000;

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
        .class("gh-start")
        .view()
}

#[derive(Clone, PartialEq, Properties)]
pub struct AboutProps {
    pub state: State,
    /// Name of a cluster or of an attached scheduler.
    pub cluster: String,
}

/// The sheet.
#[component]
pub fn About(props: &AboutProps) -> Html {
    let panel = use_panel();
    let seen = use_state_eq(|| None::<Result<Value, String>>);
    let round = use_state_eq(|| 0_u32);
    let look = use_state_eq(|| 0_u32);
    use_effect_with((props.cluster.clone(), *look, *round), {
        let (api, seen) = (panel.store.api(), seen.setter());
        move |(cluster, ..): &(String, u32, u32)| {
            let cluster = cluster.clone();
            let asking = Task::spawn(async move {
                let answer = api.ask(&cluster, "clients").await;
                seen.set(Some(answer.map_err(|error| error.message)));
            });
            move || drop(asking)
        }
    });
    // Who comes and goes is seen without a click, but not while nobody can see it.
    use_effect_with(*look, {
        let look = look.clone();
        move |now| {
            let now = *now;
            let timer = Interval::new(LOOK_MS, move || {
                if !gloo::utils::document().hidden() {
                    look.set(now + 1);
                }
            });
            move || drop(timer)
        }
    });
    let again = {
        let round = round.clone();
        Callback::from(move |_: MouseEvent| round.set(*round + 1))
    };
    let title = props.state.title_of(&props.cluster).to_owned();
    let refresh = Button::new("Look again")
        .only_icon(Icon::Refresh)
        .tone(Tone::Quiet)
        .on(again)
        .testid("about-refresh")
        .class("gh-push")
        .view();
    sheet(
        "about-sheet",
        format!("Client & versions \u{b7} {title}").into(),
        &panel.go.reform(|()| Sheet::Home),
        refresh,
        html! {
            <div class="gh-sheet-body gh-about">
                {match &*seen {
                    None => spinner(),
                    Some(Err(why)) => banner(NoticeLevel::Error, "clients-error", html! { {why.clone()} }, Html::default()),
                    Some(Ok(view)) => clients(view, &panel.host.base_url()),
                }}
                <Versions cluster={props.cluster.clone()} round={*round} />
            </div>
        },
    )
}

/// The text of a field; `None` where it is missing.
fn text(tree: &Value, name: &str) -> Option<String> {
    tree[name].as_str().map(str::to_owned)
}
