//! The canvas backend of plotters, with crisp lines and with text measured by the canvas instead of the document.

use std::cell::RefCell;

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use plotters_canvas::CanvasBackend;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::canvas::context;

/// Widths that are remembered; a text takes the place of another one with the same hash.
const REMEMBERED: usize = 2048;

#[derive(Clone, Default)]
struct Width {
    font: String,
    text: String,
    /// In the canvas's pixels.
    width: f64,
}

thread_local! {
    static WIDTHS: RefCell<Vec<Width>> = const { RefCell::new(Vec::new()) };
}

/// Width of a text in a font (as CSS writes it), in the canvas's pixels. Measured once, without a look at the page.
pub fn text_width(context: &CanvasRenderingContext2d, font: &str, text: &str) -> f64 {
    WIDTHS.with_borrow_mut(|widths| {
        widths.resize(REMEMBERED, Width::default());
        let place = &mut widths[slot(font, text)];
        if place.text != text || place.font != font {
            context.set_font(font);
            let width = context.measure_text(text).map_or(0.0, |metrics| metrics.width());
            *place = Width {
                font: font.to_owned(),
                text: text.to_owned(),
                width,
            };
        }
        place.width
    })
}

/// FNV-1a of both, as an index.
fn slot(font: &str, text: &str) -> usize {
    let bytes = font.bytes().chain([0]).chain(text.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash as usize % REMEMBERED
}

/// The longest beginning of a text that fits `room`, with an ellipsis where something is cut; nothing where so little fits
/// that nobody could tell what it is.
pub fn fitting(context: &CanvasRenderingContext2d, font: &str, text: &str, room: f64) -> Option<String> {
    if text_width(context, font, text) <= room {
        return Some(text.to_owned());
    }
    let chars: Vec<char> = text.chars().collect();
    let cut = |n: usize| chars[..n].iter().chain(['…'].iter()).collect::<String>();
    let fits = |n: usize| text_width(context, font, &cut(n)) <= room;
    let (mut good, mut bad) = (0, chars.len());
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if fits(middle) { good = middle } else { bad = middle }
    }
    (good >= 5).then(|| cut(good))
}

/// Draws for plotters on a canvas.
pub struct Screen {
    inner: CanvasBackend,
    context: CanvasRenderingContext2d,
}

type Outcome<E> = Result<(), DrawingErrorKind<E>>;

impl Screen {
    pub fn new(canvas: &HtmlCanvasElement) -> Option<Self> {
        Some(Self {
            inner: CanvasBackend::with_canvas_object(canvas.clone())?,
            context: context(canvas)?,
        })
    }
}

impl DrawingBackend for Screen {
    type ErrorType = <CanvasBackend as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.inner.get_size()
    }

    fn ensure_prepared(&mut self) -> Outcome<Self::ErrorType> {
        self.inner.ensure_prepared()
    }

    fn present(&mut self) -> Outcome<Self::ErrorType> {
        self.inner.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Outcome<Self::ErrorType> {
        self.inner.draw_pixel(point, color)
    }

    /// Upright and level lines fill whole pixels, whatever their width: a stroke between two pixels would blur.
    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Outcome<Self::ErrorType> {
        let width = style.stroke_width().max(1) as i32;
        let (a, b) = (
            (from.0.min(to.0), from.1.min(to.1)),
            (from.0.max(to.0), from.1.max(to.1)),
        );
        if a.0 == b.0 {
            let x = a.0 - width / 2;
            return self.inner.draw_rect((x, a.1), (x + width, b.1), style, true);
        }
        if a.1 == b.1 {
            let y = a.1 - width / 2;
            return self.inner.draw_rect((a.0, y), (b.0, y + width), style, true);
        }
        self.inner.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Outcome<Self::ErrorType> {
        self.inner.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Outcome<Self::ErrorType> {
        let points: Vec<_> = path.into_iter().collect();
        match points[..] {
            [from, to] => self.draw_line(from, to, style),
            _ => self.inner.draw_path(points, style),
        }
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Outcome<Self::ErrorType> {
        self.inner.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Outcome<Self::ErrorType> {
        self.inner.fill_polygon(vert, style)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> Outcome<Self::ErrorType> {
        self.inner.draw_text(text, style, pos)
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        let font = format!("{}px {}", style.size(), style.family().as_str());
        let width = text_width(&self.context, &font, text);
        Ok((width.ceil() as u32, style.size().ceil() as u32))
    }
}
