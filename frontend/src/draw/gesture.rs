//! What people do with a plot: drag, wheel, pinch, point, press keys.

use std::cell::RefCell;
use std::rc::Rc;

use gloo::events::{EventListener, EventListenerOptions};
use wasm_bindgen::prelude::*;
use web_sys::{Event, HtmlElement, KeyboardEvent, PointerEvent, WheelEvent};

/// Movement, CSS pixels, up to which a press is no drag.
const CLICK_SLOP: f64 = 3.0;
/// Height of a line where a wheel counts lines, CSS pixels.
const LINE: f64 = 16.0;

/// One gesture; places are CSS pixels from the element's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gesture {
    /// The content is pulled along.
    Pan {
        dx: f64,
        dy: f64,
    },
    /// Time gets `factor` times as long on the screen, around `x`.
    Zoom {
        x: f64,
        factor: f64,
    },
    /// The pointer is over a place and nothing is pressed.
    Hover {
        x: f64,
        y: f64,
    },
    Leave,
    /// A press without a drag.
    Click {
        x: f64,
        y: f64,
    },
    /// A stretch is being marked, from where it began to where the pointer is: with Shift, or where the element has the
    /// class `gh-selecting`.
    Brush {
        from: f64,
        to: f64,
    },
    /// The stretch is marked.
    Brushed,
    /// A double click.
    Dive {
        x: f64,
        y: f64,
    },
    Key(Key),
}

/// Keys that mean something to a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Left,
    Right,
    Up,
    Down,
    ZoomIn,
    ZoomOut,
    Fit,
    Follow,
    First,
    Last,
    PageUp,
    PageDown,
    NextError,
    PreviousError,
    Statistics,
    FullScreen,
    Cancel,
}

impl Key {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "ArrowLeft" => Self::Left,
            "ArrowRight" => Self::Right,
            "ArrowUp" => Self::Up,
            "ArrowDown" => Self::Down,
            "+" | "=" => Self::ZoomIn,
            "-" | "_" => Self::ZoomOut,
            "0" => Self::Fit,
            "f" | "F" => Self::Follow,
            "Home" => Self::First,
            "End" => Self::Last,
            "PageUp" => Self::PageUp,
            "PageDown" => Self::PageDown,
            "e" | "]" => Self::NextError,
            "E" | "[" => Self::PreviousError,
            "s" | "S" => Self::Statistics,
            "x" | "X" => Self::FullScreen,
            "Escape" => Self::Cancel,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy)]
struct Pressed {
    id: i32,
    x: f64,
    y: f64,
}

#[derive(Default)]
struct Pointers {
    pressed: Vec<Pressed>,
    dragging: bool,
    travelled: f64,
    /// Where a stretch that is being marked began.
    brush: Option<f64>,
}

/// Listens on an element for as long as it is kept.
pub struct Gestures(#[expect(dead_code, reason = "kept for their Drop")] Vec<EventListener>);

impl Gestures {
    /// Its children must let pointers through (`pointer-events: none`): places are measured from the event's target.
    pub fn on(element: &HtmlElement, heard: impl Fn(Gesture) + 'static) -> Self {
        let heard = Rc::new(heard);
        let pointers = Rc::new(RefCell::new(Pointers::default()));
        let mut listeners = Vec::new();
        for name in [
            "pointerdown",
            "pointermove",
            "pointerup",
            "pointercancel",
            "pointerleave",
        ] {
            let (heard, pointers, target) = (Rc::clone(&heard), Rc::clone(&pointers), element.clone());
            listeners.push(EventListener::new(element, name, move |event| {
                let found = pointer(&mut pointers.borrow_mut(), &target, event);
                if let Some(gesture) = found {
                    heard(gesture);
                }
            }));
        }
        let prevented = EventListenerOptions::enable_prevent_default();
        for name in ["wheel", "keydown"] {
            let heard = Rc::clone(&heard);
            listeners.push(EventListener::new_with_options(
                element,
                name,
                prevented,
                move |event| {
                    if let Some(gesture) = wheel(event).or_else(|| key(event)) {
                        event.prevent_default();
                        heard(gesture);
                    }
                },
            ));
        }
        listeners.push(EventListener::new(element, "dblclick", move |event| {
            if let Some(event) = event.dyn_ref::<web_sys::MouseEvent>() {
                heard(Gesture::Dive {
                    x: f64::from(event.offset_x()),
                    y: f64::from(event.offset_y()),
                });
            }
        }));
        Self(listeners)
    }
}

fn pointer(pointers: &mut Pointers, target: &HtmlElement, event: &Event) -> Option<Gesture> {
    let event = event.dyn_ref::<PointerEvent>()?;
    let now = Pressed {
        id: event.pointer_id(),
        x: f64::from(event.offset_x()),
        y: f64::from(event.offset_y()),
    };
    match event.type_().as_str() {
        "pointerdown" if event.button() == 0 => {
            // Without it a drag ends at the element's edge, no worse.
            target.set_pointer_capture(now.id).ok();
            pointers.pressed.push(now);
            let marks = event.shift_key() || target.class_list().contains("gh-selecting");
            pointers.brush = marks.then_some(now.x);
            (pointers.dragging, pointers.travelled) = (pointers.pressed.len() > 1, 0.0);
            None
        }
        "pointerup" | "pointercancel" => {
            let pressed = pointers.pressed.iter().any(|p| p.id == now.id);
            let click = pressed && !pointers.dragging && event.type_() == "pointerup";
            pointers.pressed.retain(|p| p.id != now.id);
            pointers.dragging = !pointers.pressed.is_empty();
            set_dragging(target, false);
            if click {
                return Some(Gesture::Click { x: now.x, y: now.y });
            }
            (pressed && pointers.brush.take().is_some()).then_some(Gesture::Brushed)
        }
        "pointerleave" if pointers.pressed.is_empty() => Some(Gesture::Leave),
        "pointermove" => moved(pointers, target, now),
        _ => None,
    }
}

fn moved(pointers: &mut Pointers, target: &HtmlElement, now: Pressed) -> Option<Gesture> {
    let Some(at) = pointers.pressed.iter().position(|p| p.id == now.id) else {
        return pointers
            .pressed
            .is_empty()
            .then_some(Gesture::Hover { x: now.x, y: now.y });
    };
    let before = std::mem::replace(&mut pointers.pressed[at], now);
    if let Some(other) = pointers.pressed.iter().find(|p| p.id != now.id) {
        let (old, new) = (
            (before.x - other.x).abs().max(8.0),
            (now.x - other.x).abs().max(8.0),
        );
        return Some(Gesture::Zoom {
            x: f64::midpoint(now.x, other.x),
            factor: new / old,
        });
    }
    let (dx, dy) = (now.x - before.x, now.y - before.y);
    pointers.travelled += dx.abs() + dy.abs();
    if !pointers.dragging && pointers.travelled > CLICK_SLOP {
        pointers.dragging = true;
        set_dragging(target, pointers.brush.is_none());
    }
    let gesture = match pointers.brush {
        Some(from) => Gesture::Brush { from, to: now.x },
        None => Gesture::Pan { dx, dy },
    };
    pointers.dragging.then_some(gesture)
}

/// Shows the closed hand.
fn set_dragging(target: &HtmlElement, dragging: bool) {
    // Only its looks depend on the class.
    target
        .class_list()
        .toggle_with_force("gh-dragging", dragging)
        .ok();
}

fn wheel(event: &Event) -> Option<Gesture> {
    let event = event.dyn_ref::<WheelEvent>()?;
    let unit = if event.delta_mode() == WheelEvent::DOM_DELTA_PIXEL {
        1.0
    } else {
        LINE
    };
    let (dx, dy) = (event.delta_x() * unit, event.delta_y() * unit);
    if event.shift_key() || dx.abs() > dy.abs() {
        let across = if dx == 0.0 { dy } else { dx };
        return Some(Gesture::Pan { dx: -across, dy: 0.0 });
    }
    if event.alt_key() {
        return Some(Gesture::Pan { dx: 0.0, dy: -dy });
    }
    // A pinch on a touchpad comes as a wheel with Ctrl and small steps.
    let speed = if event.ctrl_key() { 0.01 } else { 0.0022 };
    Some(Gesture::Zoom {
        x: f64::from(event.offset_x()),
        factor: (-dy * speed).clamp(-1.0, 1.0).exp(),
    })
}

fn key(event: &Event) -> Option<Gesture> {
    let event = event.dyn_ref::<KeyboardEvent>()?;
    if event.ctrl_key() || event.alt_key() || event.meta_key() {
        return None;
    }
    Key::of(&event.key()).map(Gesture::Key)
}
