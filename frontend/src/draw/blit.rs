//! Rows of pixels onto a canvas, each stretched to its height.

use std::cell::Cell;

use timeline::Rgba;
use wasm_bindgen::{Clamped, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::canvas::{context, offscreen, resize};

/// A canvas of one pixel a row, from which rows are stretched.
///
/// Only a row's one line of pixels crosses into the browser; how high it is costs nothing here.
pub struct Blitter {
    canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
    /// Rows that were taken over.
    rows: Cell<usize>,
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
        Some(Self {
            canvas,
            context,
            rows: Cell::new(0),
        })
    }

    /// Takes over `pixels`, rows of `width`.
    pub fn load(&self, pixels: &[Rgba], width: usize) -> Result<(), JsValue> {
        let rows = pixels.len().checked_div(width).unwrap_or(0);
        self.rows.set(rows);
        if rows == 0 {
            return Ok(());
        }
        resize(&self.canvas, width as f64, rows as f64, 1.0);
        let data = ImageData::new_with_u8_clamped_array_and_sh(
            Clamped(pixels.as_flattened()),
            width as u32,
            rows as u32,
        )?;
        self.context.put_image_data(&data, 0.0, 0.0)
    }

    /// Draws the rows to the strips of `target`, and nothing between them: `span` columns from `from` on over a width of
    /// `width`. Where there are no such columns nothing is drawn.
    pub fn draw(
        &self,
        target: &CanvasRenderingContext2d,
        strips: &[Strip],
        (from, span): (f64, f64),
        width: f64,
    ) -> Result<(), JsValue> {
        target.set_image_smoothing_enabled(false);
        for (row, strip) in (0..self.rows.get()).zip(strips) {
            target.draw_image_with_html_canvas_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
                &self.canvas,
                from,
                row as f64,
                span,
                1.0,
                0.0,
                f64::from(strip.y),
                width,
                f64::from(strip.height),
            )?;
        }
        Ok(())
    }
}
