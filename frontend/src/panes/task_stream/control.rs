//! What the user does with a task stream, by gesture, key or button, and what comes of it.

use timeline::{Action, Located};

use super::filter::{Filter, keep_palette};
use super::scene::{Act, SLACK, Scene};
use super::state::State;
use crate::draw::gesture::{Gesture, Key};

/// Share of the window by which an arrow key moves it.
const STEP: f64 = 0.15;
/// Factor of a key's or button's zoom.
const ZOOM: f64 = 1.5;
/// How far an arrow key scrolls the rows, CSS pixels.
const SCROLL: f64 = 40.0;

impl State {
    fn pressed(&mut self, key: Key) {
        let middle = f64::from(self.camera.view().width()) / 2.0;
        match key {
            Key::Left => self.camera.step(-STEP),
            Key::Right => self.camera.step(STEP),
            Key::Up => self.scroll -= SCROLL,
            Key::Down => self.scroll += SCROLL,
            Key::PageUp => self.scroll -= self.size.height,
            Key::PageDown => self.scroll += self.size.height,
            Key::ZoomIn => self.camera.zoom(middle, ZOOM),
            Key::ZoomOut => self.camera.zoom(middle, 1.0 / ZOOM),
            Key::Fit => self.camera.fit(),
            Key::Follow => self.camera.toggle(),
            Key::First => self.camera.jump(false),
            Key::Last => self.camera.jump(true),
            Key::Statistics => self.open = !self.open,
            Key::Cancel => self.cancel(),
            Key::NextError | Key::PreviousError | Key::FullScreen => {}
        }
    }

    /// Takes back what was done last: a mark, a choice, the side box.
    fn cancel(&mut self) {
        if self.selecting || self.brush.is_some() {
            (self.selecting, self.brush) = (false, None);
        } else if self.picked.take().is_none() {
            self.open = false;
        }
    }

    fn choose(&mut self, change: impl FnOnce(&mut Filter)) {
        change(&mut self.filter);
        self.choice += 1;
    }

    /// Brings a rectangle into view and shows its details.
    fn go(&mut self, located: Located) {
        let rect = located.rect;
        let middle = rect.start_us as f64 + rect.duration_us as f64 / 2.0;
        self.camera.center(middle, rect.duration_us.max(1) as f64);
        if let Some(row) = self.rows.rows.iter().find(|row| row.lane == located.lane)
            && (row.y < self.scroll || row.y + row.height > self.scroll + self.size.height)
        {
            self.scroll = row.y - self.size.height / 2.0;
        }
        (self.picked, self.open) = (Some(located), true);
    }
}

impl Scene {
    pub(super) fn heard(&self, gesture: Gesture) {
        if matches!(gesture, Gesture::Pan { .. } | Gesture::Zoom { .. }) {
            self.moves();
        }
        let mut state = self.state.borrow_mut();
        let ratio = state.size.ratio;
        match gesture {
            Gesture::Pan { dx, dy } => {
                if dx != 0.0 {
                    state.camera.pan(dx * ratio);
                }
                state.scroll -= dy;
            }
            Gesture::Zoom { x, factor } => state.camera.zoom(x * ratio, factor),
            Gesture::Dive { x, .. } => {
                (state.opening, state.picked) = (false, None);
                state.camera.zoom(x * ratio, 3.0);
            }
            Gesture::Hover { x, y } => state.pointer = Some((x, y)),
            Gesture::Leave => state.pointer = None,
            Gesture::Brush { from, to } => {
                let view = state.camera.view();
                let moment = |x: f64| view.t_of(x.clamp(0.0, state.size.width) * ratio) as i64;
                state.brush = Some((moment(from.min(to)), moment(from.max(to))));
            }
            Gesture::Brushed => (state.open, state.selecting) = (true, false),
            Gesture::Click { x, y } => {
                let slack = (SLACK * ratio * state.camera.view().us_per_px()) as i64;
                let t = state.camera.view().t_of(x * ratio) as i64;
                let timeline = &self.client().read().stream.timeline;
                state.picked = state.rows.at(y + state.scroll).and_then(|row| {
                    let hit = timeline.hit(row.lane, t, slack, &state.colors)?;
                    Some(Located {
                        lane: row.lane,
                        rect: hit.rect,
                    })
                });
                state.brush = None;
                state.opening = state.picked.is_some();
            }
            Gesture::Key(key) => {
                drop(state);
                return self.perform(Act::Press(key));
            }
        }
        drop(state);
        if gesture == Gesture::Brushed {
            self.settle();
        }
        self.request();
    }

    /// Does what a control around the plot asks for.
    pub fn perform(&self, act: Act) {
        let mut state = self.state.borrow_mut();
        let settles = !matches!(act, Act::Press(_) | Act::Point(_));
        match act {
            Act::Press(key @ (Key::NextError | Key::PreviousError)) => {
                self.go_to_error(&mut state, key == Key::PreviousError);
            }
            Act::Press(Key::FullScreen) => self.full_screen(),
            Act::Press(key) => state.pressed(key),
            Act::Point(prefix) => state.pointed = prefix,
            Act::Prefix(name) => state.choose(|filter| filter.toggle(&name)),
            Act::Workers(text) => state.choose(|filter| filter.workers = text),
            Act::Everything => state.choose(|filter| *filter = Filter::default()),
            Act::Select => state.selecting = !state.selecting,
            Act::Palette => {
                state.safe = !state.safe;
                state.choice += 1;
                keep_palette(state.safe);
            }
            Act::Go(located) => state.go(located),
        }
        drop(state);
        if settles {
            self.settle();
        }
        self.request();
    }

    /// The next error after what is picked or seen, or the last before it; from the other end where there is none.
    fn go_to_error(&self, state: &mut State, back: bool) {
        let live = self.client().read();
        let lanes = state.lanes();
        let view = state.camera.view();
        let from = match state.picked.filter(|picked| picked.rect.action == Action::Erred) {
            Some(picked) => (picked.rect.start_us, picked.lane),
            None => (view.t_of(f64::from(view.width()) / 2.0) as i64, 0),
        };
        let end = if back { (i64::MAX, 0) } else { (i64::MIN, 0) };
        let find = |from| live.stream.timeline.next_error(&lanes, from, back, &state.colors);
        if let Some(error) = find(from).or_else(|| find(end)) {
            state.go(error);
        }
    }
}
