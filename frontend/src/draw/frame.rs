//! Work once in an animation frame, however often it is asked for; none while the page is hidden.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

/// Calls one function in the next animation frame after a request.
pub struct FrameRequest {
    /// Id of the frame that was asked for.
    pending: Rc<Cell<Option<i32>>>,
    callback: Closure<dyn FnMut(f64)>,
}

impl FrameRequest {
    /// `run` gets the frame's time, milliseconds.
    pub fn new(run: impl Fn(f64) + 'static) -> Self {
        let pending = Rc::new(Cell::new(None));
        let fired = Rc::clone(&pending);
        let callback = Closure::new(move |time| {
            fired.set(None);
            run(time);
        });
        Self { pending, callback }
    }

    pub fn request(&self) {
        if self.pending.get().is_some() {
            return;
        }
        match gloo::utils::window().request_animation_frame(self.callback.as_ref().unchecked_ref()) {
            Ok(id) => self.pending.set(Some(id)),
            Err(error) => gloo::console::error!("no animation frame:", error),
        }
    }
}

impl Drop for FrameRequest {
    fn drop(&mut self) {
        if let Some(id) = self.pending.take()
            && let Err(error) = gloo::utils::window().cancel_animation_frame(id)
        {
            gloo::console::error!("an animation frame could not be cancelled:", error);
        }
    }
}

/// Milliseconds on a clock that only goes forward.
pub fn now() -> f64 {
    gloo::utils::window()
        .performance()
        .map_or(0.0, |clock| clock.now())
}

/// Frames whose script time is remembered.
const REMEMBERED: usize = 300;

/// How long the last frames' scripts took, milliseconds, oldest first.
#[derive(Default)]
pub struct FrameTimes(RefCell<VecDeque<f64>>);

impl FrameTimes {
    /// Runs a frame's work and notes its time.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let begin = now();
        let result = work();
        let mut times = self.0.borrow_mut();
        if times.len() == REMEMBERED {
            times.pop_front();
        }
        times.push_back(now() - begin);
        result
    }

    /// What is remembered; nothing of it afterwards where `forget`.
    pub fn list(&self, forget: bool) -> Vec<f64> {
        let mut times = self.0.borrow_mut();
        let list = times.iter().copied().collect();
        if forget {
            times.clear();
        }
        list
    }
}
