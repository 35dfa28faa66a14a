//! A plot of Dask's own dashboard, as Bokeh draws it, in a frame.

use serde_json::Value;
use yew::prelude::*;

use super::PlotProps;
use super::chrome::notice;
use crate::state::rest::Api;
use crate::state::socket::Task;
use crate::ui::widgets::Button;

#[derive(Clone, PartialEq, Properties)]
pub struct BokehProps {
    pub of: PlotProps,
    /// The last part of the plot's path, such as `individual-task-stream`.
    pub page: AttrValue,
}

/// Asks for the dashboard's plots first: what stands in the way is then said in words, where a frame would be blank.
#[component]
pub fn BokehPane(props: &BokehProps) -> Html {
    let found = use_state_eq(|| None::<Result<Option<AttrValue>, AttrValue>>);
    let asked = use_state_eq(|| 0_u32);
    {
        let found = found.setter();
        use_effect_with((props.clone(), *asked), move |(props, _)| {
            found.set(None);
            let props = props.clone();
            let asking = Task::spawn(async move {
                let PlotProps {
                    base_url, cluster, ..
                } = props.of;
                let plots = Api::new(base_url).ask(&cluster, "plots").await;
                found.set(Some(match plots {
                    Ok(plots) => Ok(path_of(&plots, &props.page)),
                    Err(error) => Err(error.message.into()),
                }));
            });
            move || drop(asking)
        });
    }
    let PlotProps {
        cluster,
        base_url,
        label,
    } = &props.of;
    let again = {
        let (next, asked) = (*asked + 1, asked.setter());
        Callback::from(move |_: MouseEvent| asked.set(next))
    };
    let retry = |title: &'static str, text: AttrValue| {
        html! {
            <>
                {notice(title.into(), text)}
                <p class="gh-frame-again">{Button::new("Try again").on(again.clone()).testid("bokeh-again").view()}</p>
            </>
        }
    };
    let body = match &*found {
        None => notice("Asking for the plot\u{2026}".into(), "Dask\u{2019}s dashboard is being reached.".into()),
        Some(Ok(Some(path))) => html! {
            <iframe
                class="gh-frame"
                src={format!("{base_url}{path}")}
                title={format!("{} of {label}, as Dask\u{2019}s dashboard draws it", props.page)}
                data-testid="bokeh-frame"
            />
        },
        Some(Ok(None)) => retry(
            "The dashboard has no such plot",
            "This cluster\u{2019}s version of Dask does not offer it. Open another one from the cluster\u{2019}s card.".into(),
        ),
        Some(Err(why)) => retry("Dask\u{2019}s dashboard can\u{2019}t be shown", why.clone()),
    };
    html! {
        <section
            class="gh-pane"
            aria-label={format!("Dask\u{2019}s dashboard of {label}")}
            data-testid="pane-bokeh"
            data-cluster={cluster.clone()}
        >
            {body}
        </section>
    }
}

/// Reads a list of [`protocol::rest::Plot`].
fn path_of(plots: &Value, page: &str) -> Option<AttrValue> {
    let mut paths = plots.as_array()?.iter().filter_map(|plot| plot["path"].as_str());
    let path = paths.find(|path| path.rsplit('/').next() == Some(page))?;
    Some(path.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_found_by_the_end_of_its_path() {
        let plots = serde_json::json!([
            {"title": "Task Stream", "path": "clusters/a.1/individual-task-stream"},
            {"title": "GPU", "path": "clusters/a.1/individual-gpu"},
        ]);
        let path = path_of(&plots, "individual-gpu");
        assert_eq!(path.as_deref(), Some("clusters/a.1/individual-gpu"));
        assert_eq!(path_of(&plots, "gpu"), None);
    }
}
