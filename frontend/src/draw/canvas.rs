//! Canvases that match the screen's pixels.

use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement};

/// Nothing is painted larger than this, CSS pixels: no screen is, and a canvas of it still fits in memory.
const LARGEST: i32 = 8192;

/// Size of an element, in CSS pixels and in the screen's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// CSS pixels.
    pub width: f64,
    pub height: f64,
    /// The screen's pixels for one CSS pixel.
    pub ratio: f64,
}

impl Size {
    /// The size that an element has now.
    pub fn of(element: &HtmlElement) -> Self {
        Self {
            width: f64::from(element.client_width().min(LARGEST)),
            height: f64::from(element.client_height().min(LARGEST)),
            ratio: gloo::utils::window().device_pixel_ratio().max(0.5),
        }
    }

    /// The screen's pixels for a length in CSS pixels.
    pub fn px(&self, css: f64) -> i32 {
        (css * self.ratio).round() as i32
    }

    pub fn is_empty(&self) -> bool {
        self.width < 1.0 || self.height < 1.0
    }
}

/// Gives a canvas a size, `width` by `height` CSS pixels, and as many of its own pixels as the screen has there.
/// A canvas that has them already keeps its content.
pub fn resize(canvas: &HtmlCanvasElement, width: f64, height: f64, ratio: f64) {
    let (w, h) = (
        (width * ratio).round().max(1.0),
        (height * ratio).round().max(1.0),
    );
    if canvas.width() != w as u32 {
        canvas.set_width(w as u32);
    }
    if canvas.height() != h as u32 {
        canvas.set_height(h as u32);
    }
    // The inverse of the rounding, so that the browser never scales.
    set_style(canvas, "width", &format!("{}px", w / ratio));
    set_style(canvas, "height", &format!("{}px", h / ratio));
}

/// Sets one property of an element's style.
pub fn set_style(element: &HtmlElement, property: &str, value: &str) {
    if let Err(error) = element.style().set_property(property, value) {
        gloo::console::error!("a style could not be set:", property, error);
    }
}

/// The two-dimensional context of a canvas.
pub fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}

/// A canvas that is on no page.
pub fn offscreen() -> Option<HtmlCanvasElement> {
    gloo::utils::document()
        .create_element("canvas")
        .ok()?
        .dyn_into()
        .ok()
}

/// Makes all of a canvas transparent.
pub fn clear(context: &CanvasRenderingContext2d) {
    if let Some(canvas) = context.canvas() {
        context.clear_rect(0.0, 0.0, f64::from(canvas.width()), f64::from(canvas.height()));
    }
}
