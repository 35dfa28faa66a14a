//! Colours and font of the page, read from JupyterLab's CSS variables, and when they change.

use std::cell::Cell;

use gloo::events::EventListener;
use gloo::timers::callback::Timeout;
use plotters::style::RGBAColor;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlElement, MutationObserver, MutationObserverInit};

use super::canvas::{context, offscreen};
use crate::ui::number;

/// What canvases are painted with.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    pub dark: bool,
    pub background: RGBAColor,
    /// Text that is read.
    pub ink: RGBAColor,
    /// Text that is only looked up.
    pub muted: RGBAColor,
    pub border: RGBAColor,
    pub error: RGBAColor,
    pub brand: RGBAColor,
    pub font: String,
}

impl Theme {
    /// The theme around an element.
    pub fn of(element: &HtmlElement) -> Self {
        let style = gloo::utils::window().get_computed_style(element).ok().flatten();
        let read = |name: &str| {
            let value = style.as_ref()?.get_property_value(name).ok()?;
            let value = value.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        let color =
            |name: &str, fallback: RGBAColor| read(name).and_then(|value| parse(&value)).unwrap_or(fallback);
        let background = color("--jp-layout-color1", RGBAColor(255, 255, 255, 1.0));
        let dark = luminance(&background) < 0.5;
        let ink = if dark {
            RGBAColor(255, 255, 255, 0.87)
        } else {
            RGBAColor(0, 0, 0, 0.87)
        };
        let muted = if dark {
            RGBAColor(255, 255, 255, 0.6)
        } else {
            RGBAColor(0, 0, 0, 0.58)
        };
        let border = if dark {
            RGBAColor(255, 255, 255, 0.2)
        } else {
            RGBAColor(0, 0, 0, 0.14)
        };
        Self {
            dark,
            background,
            ink: color("--jp-ui-font-color1", ink),
            muted: color("--jp-ui-font-color2", muted),
            border: color("--jp-border-color2", border),
            error: color("--jp-error-color1", RGBAColor(211, 47, 47, 1.0)),
            brand: color("--jp-brand-color1", RGBAColor(25, 118, 210, 1.0)),
            font: read("--jp-ui-font-family").unwrap_or_else(|| "system-ui, sans-serif".to_owned()),
        }
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self {
            dark: false,
            background: RGBAColor(255, 255, 255, 1.0),
            ink: RGBAColor(0, 0, 0, 0.87),
            muted: RGBAColor(0, 0, 0, 0.58),
            border: RGBAColor(0, 0, 0, 0.14),
            error: RGBAColor(211, 47, 47, 1.0),
            brand: RGBAColor(25, 118, 210, 1.0),
            font: "system-ui, sans-serif".to_owned(),
        }
    }
}

/// Any colour that CSS knows, read by letting a canvas take it.
fn parse(css: &str) -> Option<RGBAColor> {
    let context = context(&offscreen()?)?;
    context.set_fill_style_str("#010203");
    context.set_fill_style_str(css);
    let normal = context.fill_style().as_string()?;
    (normal != "#010203").then(|| parse_normal(&normal)).flatten()
}

/// The two forms in which a canvas gives a colour back: `#rrggbb` and `rgba(r, g, b, a)`.
fn parse_normal(text: &str) -> Option<RGBAColor> {
    if let Some(hex) = text.strip_prefix('#') {
        let part = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        return Some(RGBAColor(part(0)?, part(2)?, part(4)?, 1.0));
    }
    let mut parts = text
        .strip_prefix("rgba(")?
        .strip_suffix(')')?
        .split(',')
        .map(str::trim);
    let mut byte = || parts.next()?.parse::<u8>().ok();
    let (r, g, b) = (byte()?, byte()?, byte()?);
    Some(RGBAColor(r, g, b, number::parse(parts.next()?)?))
}

/// How light a colour is, from 0 to 1.
pub fn luminance(color: &RGBAColor) -> f64 {
    (0.2126 * f64::from(color.0) + 0.7152 * f64::from(color.1) + 0.0722 * f64::from(color.2)) / 255.0
}

/// A colour as CSS.
pub fn css(color: &RGBAColor) -> String {
    format!("rgba({},{},{},{})", color.0, color.1, color.2, color.3)
}

/// JupyterLab hides its page for a frame when it changes the theme: what is painted in that frame has no place.
const AGAIN_MS: u32 = 100;

/// Calls back when the page's theme may have changed, and once more shortly after, for as long as it is kept.
pub struct ThemeWatch {
    observer: Option<MutationObserver>,
    _callback: Closure<dyn FnMut()>,
    _scheme: Option<EventListener>,
}

impl ThemeWatch {
    pub fn new(changed: impl Fn() + Clone + 'static) -> Self {
        let on_scheme = changed.clone();
        // Ends with the watch, which owns the closure.
        let later = Cell::new(None);
        let callback = Closure::<dyn FnMut()>::new(move || {
            changed();
            later.set(Some(Timeout::new(AGAIN_MS, changed.clone())));
        });
        let observer = MutationObserver::new(callback.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            let options = MutationObserverInit::new();
            options.set_attributes(true);
            let names = ["data-jp-theme-name", "data-jp-theme-light"].map(JsValue::from_str);
            options.set_attribute_filter(&names.into_iter().collect::<js_sys::Array>());
            if let Err(error) = observer.observe_with_options(&gloo::utils::body(), &options) {
                gloo::console::error!("changes of the theme will not be seen:", error);
            }
        }
        let query = gloo::utils::window()
            .match_media("(prefers-color-scheme: dark)")
            .ok()
            .flatten();
        let scheme = query.map(|query| EventListener::new(&query, "change", move |_| on_scheme()));
        Self {
            observer,
            _callback: callback,
            _scheme: scheme,
        }
    }
}

impl Drop for ThemeWatch {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_a_canvas_are_read() {
        assert_eq!(parse_normal("#ff8000"), Some(RGBAColor(255, 128, 0, 1.0)));
        assert_eq!(
            parse_normal("rgba(0, 0, 0, 0.87)"),
            Some(RGBAColor(0, 0, 0, 0.87))
        );
        assert_eq!(parse_normal("color(display-p3 1 0 0)"), None);
    }
}
