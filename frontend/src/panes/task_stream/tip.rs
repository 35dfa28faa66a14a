//! What is told of the rectangle under the pointer.

use protocol::live::Details;
use timeline::{Action, Colors, Hit, View};
use yew::prelude::*;

use crate::draw::canvas::Size;
use crate::draw::units::{count, duration, time_of_day};
use crate::state::live::Live;
use crate::ui::format;

/// Rectangles below this width share their place with others, CSS pixels.
const NARROW: f64 = 4.0;

/// A tooltip's content and place.
#[derive(Clone, Debug, PartialEq)]
pub struct Tip {
    /// Of the pointer, CSS pixels in the plot.
    pub x: f64,
    pub y: f64,
    /// Whether it lies left of the pointer, and above it: where more room is.
    pub left: bool,
    pub above: bool,
    pub color: String,
    pub prefix: String,
    /// `None` until the server told it.
    pub key: Option<String>,
    pub action: Action,
    pub duration: String,
    pub start: String,
    pub worker: String,
    pub address: String,
    pub result: Option<String>,
    pub error: Option<String>,
    pub others: u64,
}

impl Tip {
    pub fn of(
        live: &Live,
        lane: u16,
        hit: &Hit,
        (x, y): (f64, f64),
        view: View,
        size: Size,
        colors: &Colors,
    ) -> Option<Self> {
        let rect = &hit.rect;
        let lane = live.stream.lanes.get(usize::from(lane))?;
        let prefix = &live.stream.prefixes.get(usize::from(rect.prefix))?.prefix;
        let details = live.details(rect.record);
        // A rectangle that can be seen by itself has no company worth mentioning.
        let narrow = (rect.duration_us as f64) < NARROW * size.ratio * view.us_per_px();
        let [r, g, b, a] = colors.of(rect.prefix, rect.action);
        Some(Self {
            x,
            y,
            left: x > size.width / 2.0,
            above: y > size.height / 2.0,
            color: format!("rgba({r},{g},{b},{})", f64::from(a) / 255.0),
            prefix: prefix.name.clone(),
            key: details.as_deref().map(|details| key(details).to_owned()),
            action: rect.action,
            duration: duration(rect.duration_us),
            start: clock(rect.start_us),
            worker: lane.worker_name.clone(),
            address: details
                .as_deref()
                .filter(|details| !is_nowhere(details))
                .map_or(&lane.worker, |details| &details.worker)
                .clone(),
            result: details
                .as_ref()
                .and_then(|details| match (&details.type_name, details.nbytes) {
                    (Some(name), Some(bytes)) => Some(format!("{name}, {}", format::bytes(bytes))),
                    (name, bytes) => name.clone().or(bytes.map(format::bytes)),
                }),
            error: details.as_ref().and_then(|details| details.error.clone()),
            others: if narrow { hit.others } else { 0 },
        })
    }
}

/// Whether neither the server's memory nor a recording has the record any more.
pub(super) fn is_nowhere(details: &Details) -> bool {
    details.key.is_empty()
}

/// The key of a task, or why there is none.
pub(super) fn key(details: &Details) -> &str {
    if is_nowhere(details) {
        "No longer known: the record is neither in memory nor in a recording."
    } else {
        &details.key
    }
}

/// A moment of the local day, to the millisecond.
pub(super) fn clock(t_us: i64) -> String {
    let zone_us = -(js_sys::Date::new_0().get_timezone_offset() as i64) * 60_000_000;
    let second = time_of_day(t_us, zone_us, 1_000_000);
    let millis = time_of_day(t_us, zone_us, 1_000);
    format!("{}{}", second, millis.trim_start_matches(|c: char| c != '.'))
}

/// What a rectangle's thread did, in Dask's words.
pub fn action_name(action: Action) -> &'static str {
    match action {
        Action::Compute => "compute",
        Action::Transfer => "transfer",
        Action::DiskRead => "disk-read",
        Action::DiskWrite => "disk-write",
        Action::Deserialize => "deserialize",
        Action::Erred => "compute, raised",
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct TipBoxProps {
    /// Lets who holds it say what is shown.
    pub link: TipLink,
}

/// A way to the tooltip that does not repaint what is around it.
#[derive(Clone, Default)]
pub struct TipLink(std::rc::Rc<std::cell::RefCell<Option<Callback<Option<Tip>>>>>);

impl PartialEq for TipLink {
    fn eq(&self, other: &Self) -> bool {
        std::rc::Rc::ptr_eq(&self.0, &other.0)
    }
}

impl TipLink {
    pub fn show(&self, tip: Option<Tip>) {
        let show = self.0.borrow().clone();
        if let Some(show) = show {
            show.emit(tip);
        }
    }
}

/// The tooltip itself; it lies beside the pointer and never under it.
#[component]
pub fn TipBox(props: &TipBoxProps) -> Html {
    let tip = use_state_eq(|| None::<Tip>);
    {
        let setter = tip.setter();
        use_effect_with(props.link.clone(), move |link| {
            link.0.replace(Some(Callback::from(move |tip| setter.set(tip))));
            let link = link.clone();
            move || drop(link.0.take())
        });
    }
    let Some(tip) = &*tip else { return Html::default() };
    let row = |name: &'static str, value: Html| html! { <><dt>{name}</dt><dd>{value}</dd></> };
    html! {
        <div class="gh-tip" style={placement(tip)} role="tooltip" data-testid="tip">
            <div class="gh-tip-head">
                <span class="gh-swatch" style={format!("background:{}", tip.color)} />
                <strong>{tip.prefix.clone()}</strong>
                <span class="gh-tip-duration">{tip.duration.clone()}</span>
            </div>
            <dl>
                {row("Key", html! { <code>{tip.key.clone().unwrap_or_else(|| "\u{2026}".to_owned())}</code> })}
                {row("Action", action_name(tip.action).into())}
                {row("Worker", html! { <>{tip.worker.clone()}{" "}<small>{tip.address.clone()}</small></> })}
                {row("Start", tip.start.clone().into())}
                if let Some(result) = &tip.result {
                    {row("Result", result.clone().into())}
                }
                if let Some(error) = &tip.error {
                    {row("Error", html! { <span class="gh-tip-error">{error.clone()}</span> })}
                }
            </dl>
            if tip.others > 0 {
                <div class="gh-tip-others">{format!("and {} more here: zoom in to tell them apart", count(tip.others))}</div>
            }
        </div>
    }
}

/// Beside the pointer; the plot's size is 100 %.
fn placement(tip: &Tip) -> String {
    let across = if tip.left {
        format!("right:calc(100% - {:.0}px + 14px)", tip.x)
    } else {
        format!("left:{:.0}px", tip.x + 14.0)
    };
    let down = if tip.above {
        format!("bottom:calc(100% - {:.0}px + 10px)", tip.y)
    } else {
        format!("top:{:.0}px", tip.y + 14.0)
    };
    format!("{across};{down}")
}
