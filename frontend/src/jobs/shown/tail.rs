//! Staying at the end of what grows, unless the user looks at what is above it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo::timers::callback::Timeout;
use web_sys::Element;
use yew::prelude::*;

/// How long a movement away from the end may take to get away from it, in milliseconds.
const SETTLE_MS: f64 = 500.0;

/// This near to the end counts as at the end, in CSS pixels.
const NEAR_PX: i32 = 24;

/// What keeps an element at its end.
pub struct Tail {
    element: NodeRef,
    follows: Cell<bool>,
    /// Where the text stood, how long it was, and how much of it was in sight, in CSS pixels.
    stood: Cell<(i32, i32, i32)>,
    /// When the user last moved away, Unix time in milliseconds.
    left_at: Cell<f64>,
    later: RefCell<Option<Timeout>>,
    shown: UseStateSetter<bool>,
}

/// A tail of `element`, moved to the end with each `version` of its content; and whether it follows.
#[hook]
pub fn use_tail(element: &NodeRef, version: u32) -> (Rc<Tail>, bool) {
    let follows = use_state_eq(|| true);
    let tail = {
        let (element, shown) = (element.clone(), follows.setter());
        use_memo((), |()| Tail {
            element,
            follows: Cell::new(true),
            stood: Cell::default(),
            left_at: Cell::new(0.0),
            later: RefCell::default(),
            shown,
        })
    };
    use_effect_with(version, {
        let tail = Rc::clone(&tail);
        move |_| tail.look()
    });
    (tail, *follows)
}

impl Tail {
    fn set(&self, follows: bool) {
        self.follows.set(follows);
        self.shown.set(follows);
    }

    /// The user moves away, by wheel, key or pointer. Where the text stands does not tell: it moves by itself, too.
    pub fn leave(&self) {
        self.left_at.set(js_sys::Date::now());
        self.set(false);
    }

    /// Follows again.
    pub fn go_to_end(&self) {
        self.set(true);
        self.look();
    }

    /// Keeps to the end where it follows, and follows again where the user came back to it.
    fn look(&self) {
        let Some(element) = self.element.cast::<Element>() else {
            return;
        };
        let below = element.scroll_height() - element.scroll_top() - element.client_height();
        if self.follows.get() {
            if below > 0 {
                element.set_scroll_top(element.scroll_height());
            }
        } else if below < NEAR_PX && js_sys::Date::now() - self.left_at.get() > SETTLE_MS {
            self.set(true);
        }
        self.stood.set((
            element.scroll_top(),
            element.scroll_height(),
            element.client_height(),
        ));
    }

    /// Whether the user moved the text up. By itself it moves where its length changes, or its place.
    fn was_moved(&self) -> bool {
        let Some(element) = self.element.cast::<Element>() else {
            return false;
        };
        let (top, length, sight) = self.stood.get();
        (element.scroll_height(), element.client_height()) == (length, sight) && element.scroll_top() < top
    }

    /// After each scroll; and once more when all that came into sight has its height.
    pub fn scrolled(self: &Rc<Self>) {
        // By a wheel over a frame, or by its bar, of which nothing else tells.
        if self.follows.get() && self.was_moved() {
            self.leave();
        }
        self.look();
        let tail = Rc::downgrade(self);
        *self.later.borrow_mut() = Some(Timeout::new(200, move || {
            if let Some(tail) = tail.upgrade() {
                tail.look();
            }
        }));
    }
}
