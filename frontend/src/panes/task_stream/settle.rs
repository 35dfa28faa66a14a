//! What takes longer than a frame: sums for the side box, a task's story, what is kept for a reload. Done now and then.

use std::rc::Rc;

use gloo::timers::callback::Timeout;
use timeline::View;

use super::aside::Aside;
use super::filter::keep;
use super::scene::Scene;
use super::state::State;
use super::story::{self, Story};
use super::tip::is_nowhere;
use crate::state::live::Live;
use crate::state::socket::Task;

/// How long after a change, milliseconds.
const SETTLE_MS: u32 = 250;

/// What, if it changes, is worth a look when there is time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matter {
    view: View,
    choice: u32,
    open: bool,
    brush: Option<(i64, i64)>,
    picked: Option<u64>,
    told: bool,
    data: (u64, u64),
}

impl Matter {
    pub(super) fn of(state: &State, live: &Live) -> Self {
        let picked = state.picked.map(|picked| picked.rect.record);
        Self {
            view: state.camera.view(),
            choice: state.choice,
            open: state.open,
            brush: state.brush,
            picked,
            told: picked.is_some_and(|record| live.details(record).is_some()),
            data: (live.generation, live.stream.timeline.records()),
        }
    }
}

impl Scene {
    /// Now and then while something changes, and after it: keeps the choice, and says what the side box shows.
    pub(super) fn settle(&self) {
        self.settling.take();
        let mut state = self.state.borrow_mut();
        let live = self.client.read();
        state.arrange(&self.parts, &live);
        state.open |= std::mem::take(&mut state.opening);
        keep(&self.place.key(), &state.filter, &state.camera);
        let aside = state
            .open
            .then(|| Rc::new(Aside::of(&state, &live, &self.story.borrow())));
        let picked = state.picked.map(|picked| picked.rect.record);
        let key = picked
            .and_then(|record| live.details(record))
            .filter(|details| !is_nowhere(details))
            .map(|details| details.key.clone());
        drop((live, state));
        if let Some(record) = picked {
            self.client.ask_details(record);
            self.ask_story(record, key);
        }
        if *self.aside.borrow() != aside {
            self.aside.replace(aside.clone());
            self.outputs.aside.emit(aside);
        }
    }

    /// Asks the scheduler what became of a task, once.
    fn ask_story(&self, record: u64, key: Option<String>) {
        let (Some(key), Some(scene)) = (key, self.this.upgrade()) else {
            return;
        };
        if self.story.borrow().record == Some(record) {
            return;
        }
        let asked = async move {
            let lines = story::ask(&scene.place, &key).await;
            scene.story.borrow_mut().lines = Some(lines);
            scene.settle();
        };
        self.story.replace(Story {
            record: Some(record),
            lines: None,
        });
        self.asking.replace(Some(Task::spawn(asked)));
    }

    /// Settles soon, where something changed since the last time.
    pub(super) fn settle_later(&self, matter: Matter) {
        let mut last = self.matter.borrow_mut();
        if last.as_ref() != Some(&matter) && self.settling.borrow().is_none() {
            let this = self.this.clone();
            let settle = move || {
                if let Some(scene) = this.upgrade() {
                    scene.settle();
                    scene.request();
                }
            };
            self.settling.replace(Some(Timeout::new(SETTLE_MS, settle)));
            *last = Some(matter);
        }
    }
}
