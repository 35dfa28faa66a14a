//! Rows of pixels onto a canvas, each stretched to its height.

use timeline::Rgba;
use wasm_bindgen::{Clamped, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::canvas::{clear, context, offscreen, resize};

/// A canvas of one pixel a row, from which rows are stretched.
///
/// Only a row's one line of pixels crosses into the browser; how high it is costs nothing here.
pub struct Blitter {
    canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
}

/// Where a row goes, in the target's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strip {
    pub y: i32,
    pub height: i32,
}

impl Blitter {
    pub fn new() -> Option<Self> {
        let canvas = offscreen()?;
        let context = context(&canvas)?;
        Some(Self { canvas, context })
    }

    /// Draws `pixels`, rows of `width`, to the strips of `target`, and nothing between them.
    pub fn draw(
        &self,
        target: &CanvasRenderingContext2d,
        pixels: &[Rgba],
        width: usize,
        strips: &[Strip],
    ) -> Result<(), JsValue> {
        clear(target);
        let rows = pixels.len().checked_div(width).unwrap_or(0);
        if rows == 0 {
            return Ok(());
        }
        resize(&self.canvas, width as f64, rows as f64, 1.0);
        let data = ImageData::new_with_u8_clamped_array_and_sh(
            Clamped(pixels.as_flattened()),
            width as u32,
            rows as u32,
        )?;
        self.context.put_image_data(&data, 0.0, 0.0)?;
        target.set_image_smoothing_enabled(false);
        let w = width as f64;
        for (row, strip) in (0..rows).zip(strips) {
            target.draw_image_with_html_canvas_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
                &self.canvas,
                0.0,
                row as f64,
                w,
                1.0,
                0.0,
                f64::from(strip.y),
                w,
                f64::from(strip.height),
            )?;
        }
        Ok(())
    }
}
