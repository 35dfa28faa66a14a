//! Paints a plot on its canvas: only what has changed, and only while somebody can see it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo::events::EventListener;
use protocol::live::{Errors, Progress, Worker};
use serde_json::Value;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, HtmlElement, ResizeObserver};
use yew::Callback;

use super::chrome::Standing;
use super::plot::{Body, Data, Picture, Plot, Room, Tip};
use super::view::View;
use crate::draw::canvas::{Size, resize};
use crate::draw::frame::{FrameRequest, FrameTimes};
use crate::draw::shape::{Area, paint};
use crate::draw::theme::{Theme, ThemeWatch};
use crate::state::live::{Live, LiveClient, Subscription};

/// A plot of a cluster and how the user looks at it.
pub struct Look {
    pub name: &'static str,
    pub title: &'static str,
    pub plot: &'static dyn Plot,
    pub client: Rc<LiveClient>,
    pub view: RefCell<View>,
    /// What was asked of the scheduler.
    pub fetched: RefCell<Value>,
    /// Raised with each change of the two above.
    pub revision: Cell<u32>,
    /// What the pointer finds, CSS pixels.
    pub spots: RefCell<Vec<(Area, Tip)>>,
    pub times: FrameTimes,
}

impl Look {
    /// Does something with what the plot is made from.
    pub fn with<T>(&self, act: impl FnOnce(&Data<'_>) -> T) -> T {
        act(&Data {
            live: &self.client.read(),
            view: &self.view.borrow(),
            fetched: &self.fetched.borrow(),
        })
    }

    /// What there is to find at a place: its number among the spots.
    pub fn find(&self, x: f64, y: f64) -> Option<usize> {
        self.spots.borrow().iter().rposition(|(area, _)| area.holds(x, y))
    }

    pub fn changed(&self) {
        self.revision.set(self.revision.get() + 1);
    }
}

/// What was told last, as far as the plot wants it. It is kept, so that nothing else can take its place in memory.
#[derive(Clone, Default)]
struct Told {
    progress: Option<Rc<Progress>>,
    workers: Option<Rc<[Worker]>>,
    errors: Option<Rc<Errors>>,
    /// Time of the last sample, and how many there are.
    samples: (i64, usize),
    /// What there is of a recording, and the moment of it, where the plot shows time.
    span: Option<(i64, i64)>,
    at: Option<i64>,
}

impl Told {
    fn of(live: &Live, plot: &dyn Plot) -> Self {
        let topics = plot.topics();
        let last = live.samples.back().map_or(0, |sample| sample.at_us);
        Self {
            progress: live.progress.clone().filter(|_| topics.progress),
            workers: live.workers.clone().filter(|_| topics.workers),
            errors: live.errors.clone().filter(|_| topics.errors),
            samples: if topics.series {
                (last, live.samples.len())
            } else {
                (0, 0)
            },
            span: live.span,
            at: live.at.filter(|_| topics.series),
        }
    }
}

fn same<T: ?Sized>(a: &Option<Rc<T>>, b: &Option<Rc<T>>) -> bool {
    a.as_ref().map(Rc::as_ptr).map(<*const T>::cast::<u8>)
        == b.as_ref().map(Rc::as_ptr).map(<*const T>::cast::<u8>)
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        same(&self.progress, &other.progress)
            && same(&self.workers, &other.workers)
            && same(&self.errors, &other.errors)
            && self.samples == other.samples
            && (self.span, self.at) == (other.span, other.at)
    }
}

/// What a painting depends on.
#[derive(Clone, Default, PartialEq)]
struct Painted {
    told: Told,
    revision: u32,
    size: Size,
}

/// The painter of one pane.
pub struct Painter {
    look: Rc<Look>,
    body: HtmlElement,
    canvas: HtmlCanvasElement,
    theme: RefCell<Theme>,
    painted: RefCell<Painted>,
    drawn: RefCell<Picture>,
    standing: RefCell<Option<Standing>>,
    frame: FrameRequest,
    /// Told when what is around the canvas has to follow.
    shown: Callback<()>,
    subscription: RefCell<Option<Subscription>>,
    kept: RefCell<Option<Kept>>,
}

struct Kept {
    _theme: ThemeWatch,
    _window: EventListener,
    observer: Option<ResizeObserver>,
    _observed: Closure<dyn FnMut()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
    }
}

impl Painter {
    pub fn start(
        look: Rc<Look>,
        body: HtmlElement,
        canvas: HtmlCanvasElement,
        shown: Callback<()>,
    ) -> Rc<Self> {
        let painter = Rc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            Self {
                look,
                theme: RefCell::new(Theme::of(&body)),
                body,
                canvas,
                painted: RefCell::default(),
                drawn: RefCell::default(),
                standing: RefCell::default(),
                frame: FrameRequest::new(move |_| {
                    if let Some(painter) = weak.upgrade() {
                        painter.look.times.measure(|| painter.paint());
                    }
                }),
                shown,
                subscription: RefCell::default(),
                kept: RefCell::default(),
            }
        });
        let with = |act: fn(&Rc<Self>)| {
            let weak = Rc::downgrade(&painter);
            move || {
                if let Some(painter) = weak.upgrade() {
                    act(&painter);
                }
            }
        };
        let observed = Closure::<dyn FnMut()>::new(with(Self::sized));
        let observer = ResizeObserver::new(observed.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            observer.observe(&painter.body);
        }
        let resized = with(Self::sized);
        painter.kept.replace(Some(Kept {
            _theme: ThemeWatch::new(with(|painter| {
                painter.theme.replace(Theme::of(&painter.body));
                painter.look.changed();
                painter.request();
            })),
            _window: EventListener::new(&gloo::utils::window(), "resize", move |_| resized()),
            observer,
            _observed: observed,
        }));
        painter.sized();
        painter
    }

    pub fn request(&self) {
        self.frame.request();
    }

    pub fn size(&self) -> Size {
        Size::of(&self.body)
    }

    /// Listens as long as there is room to show something.
    fn sized(self: &Rc<Self>) {
        if self.size().is_empty() {
            self.subscription.replace(None);
            return;
        }
        if self.subscription.borrow().is_none() {
            let weak = Rc::downgrade(self);
            let told = move || {
                if let Some(painter) = weak.upgrade() {
                    painter.request();
                }
            };
            let subscription = self.look.client.subscribe(self.look.plot.topics(), told);
            self.subscription.replace(Some(subscription));
        }
        self.request();
    }

    fn paint(&self) {
        let size = self.size();
        if size.is_empty() {
            return;
        }
        let (told, standing) = {
            let live = self.look.client.read();
            (Told::of(&live, self.look.plot), Standing::of(&live))
        };
        let now = Painted {
            told,
            revision: self.look.revision.get(),
            size,
        };
        let before = self.painted.replace(now.clone());
        if before != now
            && self.look.plot.body() == Body::Canvas
            && !self.look.view.borrow().table
            && let Err(error) = self.draw(size, before.size != now.size || before.revision != now.revision)
        {
            gloo::console::error!("a plot could not be painted:", error);
        }
        let standing = Some(standing);
        if before.told != now.told || before.revision != now.revision || *self.standing.borrow() != standing {
            self.standing.replace(standing);
            self.shown.emit(());
        }
    }

    /// Draws where the picture is another one, or `anyway`.
    fn draw(&self, size: Size, anyway: bool) -> Result<(), String> {
        let theme = self.theme.borrow();
        let room = Room {
            width: size.width,
            height: size.height,
            theme: &theme,
        };
        let picture = self.look.with(|data| self.look.plot.picture(data, room));
        if !anyway && *self.drawn.borrow() == picture {
            return Ok(());
        }
        // Rounded up, a picture that fits would be scrolled by a part of a pixel.
        let fitting = (size.height * size.ratio).floor() / size.ratio;
        let height = if picture.height > size.height {
            picture.height
        } else {
            fitting
        };
        resize(&self.canvas, size.width, height.max(1.0), size.ratio);
        self.look.spots.replace(picture.spots.clone());
        let painted = paint(&self.canvas, &picture.shapes, &theme, size.ratio);
        self.drawn.replace(picture);
        painted
    }
}
