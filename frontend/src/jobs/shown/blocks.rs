//! A job's output on the page: text, pictures, HTML in a frame where nothing runs, and where a notebook's cells begin.

use std::rc::Rc;

use gloo::events::{EventListener, EventListenerOptions};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlIFrameElement};
use yew::prelude::*;

use super::output::{Block, CellState, Content, Rich, Stream};
use crate::draw::theme::{Theme, ThemeWatch, css};
use crate::ui::icons::{Icon, glyph};
use crate::ui::widgets::spinner;

/// Height of a line of output, as the style has it, in CSS pixels.
const LINE_PX: usize = 18;

/// Height of a frame beyond which it scrolls, CSS pixels.
const TALLEST_PX: i32 = 480;

/// A block that is the same only if it is the very same: its content is never compared.
#[derive(Clone)]
pub struct Shown(pub Rc<Block>);

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Clone, PartialEq, Properties)]
pub struct OutputBlockProps {
    pub block: Shown,
    /// The job was cancelled: that this interrupted it is no news.
    pub cancelled: bool,
    /// The job is over: what has not ended by now was cut off.
    pub over: bool,
    /// How many cells there are, where that is known.
    pub cells: Option<u32>,
}

#[component]
pub fn OutputBlock(props: &OutputBlockProps) -> Html {
    match &props.block.0.content {
        Content::Text(stream, text) => run(*stream, text, props.cancelled),
        Content::Rich {
            rich: Some(Rich::Picture(address)),
            text,
            ..
        } => html! {
            <p class="gh-out-picture"><img src={address.clone()} alt={text.clone()} data-testid="output-picture" /></p>
        },
        Content::Rich {
            rich: Some(Rich::Html(html)),
            ..
        } => html! { <HtmlFrame html={html.clone()} /> },
        Content::Rich { rich: None, text, .. } => run(Stream::Result, text, props.cancelled),
        Content::Cell { cell, source, state } => {
            let of = props.cells.map_or_else(String::new, |all| format!(" of {all}"));
            let (mark, key) = match (state, props.over) {
                (CellState::Done, _) => (glyph(Icon::Check, 12), "done"),
                (CellState::Running, false) => (spinner(), "running"),
                (CellState::Raised, _) | (CellState::Running, true) => (glyph(Icon::Alert, 12), "raised"),
            };
            html! {
                <details class="gh-out-cell" open=true data-testid="output-cell" data-state={key}>
                    <summary>{glyph(Icon::Chevron, 12)}<span>{format!("Cell {}{of}", cell + 1)}</span>{mark}</summary>
                    <pre class="gh-listing">{source.clone()}</pre>
                </details>
            }
        }
    }
}

fn run(stream: Stream, text: &str, cancelled: bool) -> Html {
    let class = match stream {
        Stream::Stdout => "gh-out",
        Stream::Stderr => "gh-out gh-out--stderr",
        Stream::Result => "gh-out gh-out--result",
        Stream::Error => "gh-out gh-out--error",
    };
    // Blocks out of sight are not laid out: their height is guessed, as if no line were wrapped.
    let height = text.bytes().filter(|b| *b == b'\n').count() * LINE_PX;
    let text = html! {
        <pre {class} style={format!("contain-intrinsic-block-size:auto {height}px")}>{text.to_owned()}</pre>
    };
    if cancelled && stream == Stream::Error {
        html! {
            <details class="gh-details" data-testid="job-interrupted">
                <summary>{glyph(Icon::Chevron, 12)}{"Where it was interrupted"}</summary>
                {text}
            </details>
        }
    } else {
        text
    }
}

#[derive(Clone, PartialEq, Properties)]
struct HtmlFrameProps {
    html: AttrValue,
}

/// HTML as a job showed it. Nothing in it runs, submits, leads elsewhere or is loaded; it is as high as its content.
#[component]
fn HtmlFrame(props: &HtmlFrameProps) -> Html {
    let frame = use_node_ref();
    let look = use_state_eq(|| None::<AttrValue>);
    let height = use_state_eq(|| 0);
    // What is clicked or unfolded inside makes it higher.
    let inside = use_mut_ref(Vec::<EventListener>::new);
    use_effect_with((), {
        let (frame, look) = (frame.clone(), look.setter());
        move |()| {
            let read = move || {
                if let Some(element) = frame.cast::<HtmlElement>() {
                    look.set(Some(style(&Theme::of(&element)).into()));
                }
            };
            read();
            let watch = ThemeWatch::new(read);
            move || drop(watch)
        }
    });
    let onload = {
        let (frame, height) = (frame.clone(), height.setter());
        Callback::from(move |_: Event| {
            let measure = {
                let (frame, height) = (frame.clone(), height.clone());
                move || {
                    if let Some(content) = content(&frame) {
                        height.set(content.scroll_height());
                    }
                }
            };
            measure();
            let Some(content) = content(&frame) else { return };
            // `toggle` does not bubble.
            let options = EventListenerOptions::run_in_capture_phase();
            let again = move |_: &Event| measure();
            *inside.borrow_mut() = ["toggle", "load"]
                .into_iter()
                .map(|name| EventListener::new_with_options(&content, name, options, again.clone()))
                .collect();
        })
    };
    let document = (*look).as_ref().map(|style| page(style, &props.html));
    html! {
        <iframe
            ref={frame}
            class="gh-out-frame"
            sandbox="allow-same-origin"
            title="HTML that the job showed"
            srcdoc={document}
            style={format!("height:{}px", (*height).clamp(20, TALLEST_PX))}
            {onload}
            data-testid="output-html"
        />
    }
}

/// The body of what is in the frame: without scripts of its own it may share our origin, so that it can be measured.
fn content(frame: &NodeRef) -> Option<Element> {
    let document = frame.cast::<HtmlIFrameElement>()?.content_document()?;
    document.body().map(JsCast::unchecked_into)
}

/// Nothing is loaded from anywhere: also a picture's address could tell somebody that it is looked at.
fn page(style: &str, html: &str) -> AttrValue {
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         img-src data:; style-src 'unsafe-inline'; font-src data:\"><base target=\"_blank\"><style>{style}</style><body>{html}</body>"
    )
    .into()
}

/// How plain HTML looks in this theme: as in a notebook's output.
fn style(theme: &Theme) -> String {
    let (ink, line) = (css(&theme.ink), css(&theme.border));
    let scheme = if theme.dark { "dark" } else { "light" };
    // A family may be quoted either way; neither ends the style.
    let font = theme.font.replace('<', "");
    format!(
        ":root{{color-scheme:{scheme}}}body{{display:flow-root;margin:0;padding:2px 0;font:13px/1.45 {font};color:{ink}}}\
         table{{border-collapse:collapse;font-size:12px}}td,th{{padding:3px 8px;text-align:right;border:0}}\
         thead{{border-bottom:1px solid {line}}}tbody tr:nth-child(even){{background:{line}}}a{{color:inherit}}img{{max-width:100%}}\
         svg[style*=\"stroke:rgb(0,0,0)\"]{{stroke:currentColor!important}}svg text:not([fill],[style]){{fill:currentColor}}"
    )
}
