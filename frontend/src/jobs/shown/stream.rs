//! A job's output as it arrives, painted a few times a second at most.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::StreamExt;
use gloo::net::websocket::Message;
use gloo::net::websocket::futures::WebSocket;
use gloo::timers::callback::Timeout;
use protocol::jobs::JobOutput;
use yew::prelude::*;

use super::output::Output;
use crate::state::json;
use crate::state::socket::{self, Backoff, Task};

/// Between two repaints, in milliseconds: fast enough to look live, slow enough for a job that prints in a loop.
const PAINT_MS: u32 = 60;

/// The output of one job, shared between its connection and its view.
#[derive(Clone)]
pub struct Followed {
    pub output: Rc<RefCell<Output>>,
    /// Raised at each repaint.
    pub version: u32,
    /// The connection is lost and being made anew.
    pub lost: bool,
}

impl PartialEq for Followed {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.output, &other.output) && (self.version, self.lost) == (other.version, other.lost)
    }
}

/// What the connection has to say to the view.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Signal {
    version: u32,
    lost: bool,
}

enum Act {
    Painted,
    Lost(bool),
}

impl Reducible for Signal {
    type Action = Act;

    fn reduce(self: Rc<Self>, act: Act) -> Rc<Self> {
        Rc::new(match act {
            Act::Painted => Self {
                version: self.version.wrapping_add(1),
                ..*self
            },
            Act::Lost(lost) => Self { lost, ..*self },
        })
    }
}

/// Follows the output of the job `id` for as long as the component lives.
#[hook]
pub fn use_output(base_url: &AttrValue, id: &AttrValue) -> Followed {
    let output = use_memo(id.clone(), |_| Rc::new(RefCell::new(Output::default())));
    let signal = use_reducer_eq(Signal::default);
    use_effect_with((base_url.clone(), id.clone()), {
        let (output, dispatch) = (Rc::clone(&output), signal.dispatcher());
        move |(base_url, id)| {
            let task = Task::spawn(follow(base_url.clone(), id.clone(), Rc::clone(&output), dispatch));
            move || drop(task)
        }
    });
    Followed {
        output: Rc::clone(&output),
        version: signal.version,
        lost: signal.lost,
    }
}

async fn follow(
    base_url: AttrValue,
    id: AttrValue,
    output: Rc<RefCell<Output>>,
    signal: UseReducerDispatcher<Signal>,
) {
    let path = format!("api/v1/jobs/{}/output", socket::segment(&id));
    let mut backoff = Backoff::default();
    // Set while a repaint is due.
    let due: Rc<RefCell<Option<Timeout>>> = Rc::default();
    loop {
        let opened = socket::url(&base_url, &path)
            .ok()
            .and_then(|url| WebSocket::open(&url).ok());
        if let Some(mut socket) = opened {
            let mut first = true;
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else { continue };
                let message = match json::read::<JobOutput>(&text) {
                    Ok(message) => message,
                    Err(error) => {
                        gloo::console::warn!(format!("a message of a job could not be read: {error}"));
                        continue;
                    }
                };
                if std::mem::take(&mut first) {
                    // Every connection tells the output from its beginning.
                    *output.borrow_mut() = Output::default();
                    backoff.reset();
                    signal.dispatch(Act::Lost(false));
                }
                output.borrow_mut().push(&message);
                if due.borrow().is_none() {
                    let (signal, done) = (signal.clone(), Rc::clone(&due));
                    *due.borrow_mut() = Some(Timeout::new(PAINT_MS, move || {
                        done.borrow_mut().take();
                        signal.dispatch(Act::Painted);
                    }));
                }
                if matches!(message, JobOutput::End { .. }) {
                    signal.dispatch(Act::Painted);
                    return;
                }
            }
        }
        if backoff.attempts() > 0 {
            signal.dispatch(Act::Lost(true));
        }
        backoff.pause().await;
    }
}
