//! The sheet of the form for a new cluster, while its options are asked for and when they can't be had.

use std::rc::Rc;

use protocol::events::NoticeLevel;
use protocol::rest::{ApiError, GatewayState, Options};
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::super::context::{Sheet, use_panel};
use super::super::presets::Presets;
use super::new::ClusterForm;
use crate::ui::icons::Icon;
use crate::ui::widgets::{Button, banner, sheet, spinner};

/// Where the gateway's options are.
#[derive(Clone, PartialEq)]
enum Source {
    Loading,
    Ready {
        options: Rc<Options>,
        presets: Rc<Presets>,
        /// Why presets could not be read.
        trouble: Option<String>,
    },
    Failed(ApiError),
}

#[derive(Clone, PartialEq, Properties)]
pub struct NewClusterProps {
    /// `None` while it is not known.
    pub gateway: Option<GatewayState>,
}

/// The form in its sheet, from loading its options to the created cluster.
#[component]
pub fn NewCluster(props: &NewClusterProps) -> Html {
    let panel = use_panel();
    let source = use_state(|| Source::Loading);
    let load = {
        let (api, source, drafts) = (panel.store.api(), source.setter(), panel.drafts.clone());
        Callback::from(move |()| {
            let (api, source, drafts) = (api.clone(), source.clone(), drafts.clone());
            source.set(Source::Loading);
            spawn_local(async move {
                let (options, presets) = futures_util::join!(api.options(), api.get("presets".to_owned()));
                // Without presets the form is still a form.
                let (presets, trouble) = match presets {
                    Ok(tree) => (Presets::read(&tree), None),
                    Err(error) => (Presets::default(), Some(error.message)),
                };
                source.set(match options {
                    Ok(options) => {
                        let options = Rc::new(options);
                        drafts.keep_options(Rc::clone(&options));
                        Source::Ready {
                            options,
                            presets: Rc::new(presets),
                            trouble,
                        }
                    }
                    Err(error) => Source::Failed(error),
                });
            });
        })
    };
    // Once when it opens, and again when a gateway that did not answer comes up.
    use_effect_with(props.gateway, {
        let (load, failed) = (load.clone(), !matches!(*source, Source::Ready { .. }));
        move |_| {
            if failed {
                load.emit(());
            }
        }
    });
    let on_close = panel.go.reform(|()| Sheet::Home);
    sheet(
        "new-cluster-form",
        "New cluster".into(),
        &on_close,
        Html::default(),
        html! {
            {match &*source {
                Source::Loading => html! {
                    <div class="gh-empty" data-testid="loading">{spinner()}<p>{"Asking the gateway for its options\u{2026}"}</p></div>
                },
                Source::Failed(error) => html! {
                    <div class="gh-sheet-body">
                        {banner(NoticeLevel::Error, "options-error", html! { {error.message.clone()} }, Button::new("Try again").icon(Icon::Refresh).on(load.reform(|_: MouseEvent| ())).view())}
                    </div>
                },
                Source::Ready { options, presets, trouble } => html! {
                    <ClusterForm options={Rc::clone(options)} presets={Rc::clone(presets)} trouble={trouble.clone()} />
                },
            }}
        },
    )
}
