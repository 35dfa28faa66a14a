//! What a pane tells tests and benches: a JavaScript property `gatehouse` on its root element.
//!
//! The task stream's:
//!
//! ```ts
//! interface StreamHook {
//!   inspect(): {
//!     records: number;              // task records taken in
//!     rects: number;                // rectangles held
//!     scheduler: string;            // identity of the scheduler, '' while unknown
//!     caughtUp: boolean;            // the history is complete
//!     view: { t0_us: number; t1_us: number };   // left and right end of the plot; time runs linearly between them
//!     plot: { x: number; y: number; w: number; h: number };  // CSS pixels on the canvas data-testid="raster"
//!     lanes: Lane[];                // threads, rows from top to bottom; those of a worker that came back share rows
//!     following: boolean;
//!     prefixes: { name: string; color: string; tasks: number }[];
//!     locate(record: number): Place[];
//!   };
//!   locate(record: number): Place[];             // rectangles of a record, [] where it has none here
//!   setView(t0_us: number, t1_us: number): void; // shows it with the next frame; following ends
//!   pan(dx: number): void;                       // by CSS pixels, as a drag to the right does
//!   zoom(factor: number): void;                  // around the middle of the plot
//!   frameStats(forget?: boolean): number[];      // script milliseconds of up to 300 painted frames, oldest first
//! }
//! interface Lane {
//!   worker: string;                 // address
//!   worker_name: string;
//!   thread: string;                 // decimal digits: it may not fit a number
//!   row_y: number; row_h: number;   // CSS pixels on the raster canvas; outside of 0..h where scrolled out of view
//! }
//! interface Place {
//!   lane: number;                   // index in lanes
//!   start_us: number; duration_us: number;
//!   prefix: string; action: string;
//!   color: [number, number, number, number];     // of a pixel that it covers wholly: red, green, blue, alpha, 0 to 255
//! }
//! ```
//!
//! The canvas is transparent where nothing ran, but for the lines of the grid, one pixel wide; [`timeline::raster_row`] says what colour each pixel has.
//!
//! Every other plot has `frameStats()` and the numbers that it shows:
//!
//! ```ts
//! interface PlotHook {
//!   inspect(): {
//!     columns: string[];                      // titles of the table
//!     rows: (string | number | null)[][];     // bytes, bytes a second, percent, seconds, microseconds since the epoch
//!     sums: (string | number | null)[];       // the row of totals, [] where there is none
//!     spots: { x: number; y: number; w: number; h: number; row: number | string }[];  // CSS pixels on the canvas
//!   };                                        // data-testid="plot"; row is an index in rows, or words of their own
//! }
//! ```
//!
//! Progress adds `{ prefixes: { name, color: '#RRGGBB', counts: { [state]: number } }[], totals: { [state]: number } }`,
//! states named as the scheduler does.

use std::rc::{Rc, Weak};

use js_sys::{Array, Object, Reflect};
use protocol::live::StateCounts;
use timeline::Colors;
use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;

use super::painter::Look;
use super::plot::{Cell, Tip};
use super::progress::states;
use super::task_stream::rows::Row;
use super::task_stream::{Scene, action_name};
use crate::state::live::Thread;

const PROPERTY: &str = "gatehouse";

/// A function that JavaScript may call with up to two arguments.
type Method = Closure<dyn FnMut(JsValue, JsValue) -> JsValue>;

/// Keeps the property; dropped, it is gone.
pub struct Hook {
    root: HtmlElement,
    _methods: Vec<Method>,
}

impl Hook {
    fn new(root: &HtmlElement, methods: Vec<(&str, Method)>) -> Self {
        let object = Object::new();
        let mut kept = Vec::new();
        for (name, method) in methods {
            set(&object, name, method.as_ref().clone());
            kept.push(method);
        }
        set(root, PROPERTY, object);
        Self {
            root: root.clone(),
            _methods: kept,
        }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        set(&self.root, PROPERTY, JsValue::UNDEFINED);
    }
}

fn set(object: &JsValue, name: &str, value: impl Into<JsValue>) {
    // Only a frozen object refuses, and these are our own.
    Reflect::set(object, &name.into(), &value.into()).ok();
}

fn object<const N: usize>(entries: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in entries {
        set(&object, name, value);
    }
    object.into()
}

fn method<T: 'static>(of: &Weak<T>, call: impl Fn(&Rc<T>, JsValue, JsValue) -> JsValue + 'static) -> Method {
    let of = of.clone();
    Closure::new(move |a, b| of.upgrade().map_or(JsValue::UNDEFINED, |of| call(&of, a, b)))
}

fn number(value: &JsValue) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Gives the task stream's root its property.
pub fn expose_stream(root: &HtmlElement, scene: &Rc<Scene>) -> Hook {
    let weak = Rc::downgrade(scene);
    let locate = method(&weak, |scene, record, _| places(scene, number(&record)));
    let locate_value: JsValue = locate.as_ref().clone();
    Hook::new(
        root,
        vec![
            (
                "inspect",
                method(&weak, move |scene, _, _| {
                    let seen = inspect_stream(scene);
                    set(&seen, "locate", locate_value.clone());
                    seen
                }),
            ),
            ("locate", locate),
            (
                "setView",
                method(&weak, |scene, t0, t1| {
                    scene.show_between(number(&t0), number(&t1));
                    JsValue::UNDEFINED
                }),
            ),
            (
                "pan",
                method(&weak, |scene, dx, _| {
                    scene.pan(number(&dx));
                    JsValue::UNDEFINED
                }),
            ),
            (
                "zoom",
                method(&weak, |scene, factor, _| {
                    scene.zoom(number(&factor));
                    JsValue::UNDEFINED
                }),
            ),
            (
                "frameStats",
                method(&weak, |scene, forget, _| {
                    numbers(scene.times.list(forget.is_truthy()))
                }),
            ),
        ],
    )
}

fn numbers(list: Vec<f64>) -> JsValue {
    list.into_iter().map(JsValue::from_f64).collect::<Array>().into()
}

fn inspect_stream(scene: &Scene) -> JsValue {
    let geometry = scene.geometry();
    let live = scene.client().read();
    let stream = &live.stream;
    let view = geometry.view;
    // Threads of one row stand together; the sort keeps their order.
    let mut place = vec![usize::MAX; stream.lanes.len()];
    for (n, row) in geometry.rows.rows.iter().enumerate() {
        place[usize::from(row.lane)] = n;
    }
    let of = |thread: &Thread| place[usize::from(thread.lane)];
    let mut threads: Vec<&Thread> = stream.threads.iter().collect();
    threads.retain(|thread| of(thread) < usize::MAX);
    threads.sort_by_key(|thread| of(thread));
    let lanes = threads.into_iter().map(|thread| {
        let row = &geometry.rows.rows[of(thread)];
        object([
            ("worker", thread.id.worker.as_str().into()),
            ("worker_name", thread.id.worker_name.as_str().into()),
            ("thread", thread.id.thread.to_string().into()),
            ("row_y", (row.y - geometry.scroll).into()),
            ("row_h", row.height.into()),
        ])
    });
    let prefixes = stream.prefixes.iter().map(|total| {
        object([
            ("name", total.prefix.name.as_str().into()),
            ("color", hex(total.prefix.color).into()),
            ("tasks", (total.tasks as f64).into()),
        ])
    });
    let width = f64::from(view.width());
    object([
        ("records", (stream.timeline.records() as f64).into()),
        ("rects", (stream.timeline.rects() as f64).into()),
        ("scheduler", stream.scheduler.as_str().into()),
        ("caughtUp", stream.caught_up.into()),
        (
            "view",
            object([
                ("t0_us", view.t_of(0.0).into()),
                ("t1_us", view.t_of(width).into()),
            ]),
        ),
        (
            "plot",
            object([
                ("x", 0.0.into()),
                ("y", 0.0.into()),
                ("w", (width / geometry.size.ratio).into()),
                ("h", geometry.size.height.into()),
            ]),
        ),
        ("lanes", lanes.collect::<Array>().into()),
        ("following", geometry.following.into()),
        ("prefixes", prefixes.collect::<Array>().into()),
    ])
}

/// Where the rectangles of a record are.
fn places(scene: &Scene, record: f64) -> JsValue {
    let rows = scene.geometry().rows;
    let colors = scene.colors();
    let live = scene.client().read();
    let found = live.stream.timeline.locate(record as u64);
    let list = found.into_iter().filter_map(|located| {
        let rect = located.rect;
        let shared = |row: &Row| {
            live.stream
                .threads
                .iter()
                .filter(|thread| thread.lane == row.lane)
                .count()
        };
        let place = rows.rows.iter().position(|row| row.lane == located.lane)?;
        let lane: usize = rows.rows[..place].iter().map(shared).sum();
        let prefix = &live.stream.prefixes.get(usize::from(rect.prefix))?.prefix;
        Some(object([
            ("lane", (lane as f64).into()),
            ("start_us", (rect.start_us as f64).into()),
            ("duration_us", (rect.duration_us as f64).into()),
            ("prefix", prefix.name.as_str().into()),
            ("action", action_name(rect.action).into()),
            (
                "color",
                numbers(colors.of(rect.prefix, rect.action).map(f64::from).to_vec()),
            ),
        ]))
    });
    list.collect::<Array>().into()
}

fn hex(color: u8) -> String {
    let [r, g, b, _] = Colors::prefix(color);
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// Gives the root of any other plot its property.
pub fn expose_plot(root: &HtmlElement, look: &Rc<Look>) -> Hook {
    let weak = Rc::downgrade(look);
    Hook::new(
        root,
        vec![
            ("inspect", method(&weak, |look, _, _| inspect_plot(look))),
            (
                "frameStats",
                method(&weak, |look, _, _| numbers(look.times.list(false))),
            ),
        ],
    )
}

fn inspect_plot(look: &Look) -> JsValue {
    let table = look.with(|data| look.plot.table(data));
    let columns = table.columns.iter().map(|(name, _)| JsValue::from_str(name));
    let spots = look.spots.borrow();
    let spots = spots.iter().map(|(area, tip)| {
        let row = match tip {
            Tip::Row(row) => JsValue::from_f64(*row as f64),
            Tip::Words(words) => words.as_str().into(),
        };
        object([
            ("x", area.x.into()),
            ("y", area.y.into()),
            ("w", area.w.into()),
            ("h", area.h.into()),
            ("row", row),
        ])
    });
    let seen = object([
        ("columns", columns.collect::<Array>().into()),
        (
            "rows",
            table.rows.iter().map(|row| cells(row)).collect::<Array>().into(),
        ),
        ("sums", cells(&table.totals)),
        ("spots", spots.collect::<Array>().into()),
    ]);
    if look.name == "progress" {
        let progress = look.client.read().progress.clone().unwrap_or_default();
        let prefixes = progress.prefixes.iter().map(|prefix| {
            object([
                ("name", prefix.name.as_str().into()),
                ("color", hex(prefix.color).into()),
                ("counts", counts(&prefix.counts)),
            ])
        });
        set(&seen, "prefixes", prefixes.collect::<Array>());
        set(&seen, "totals", counts(&progress.totals));
    }
    seen
}

fn cells(row: &[Cell]) -> JsValue {
    row.iter()
        .map(|cell| match cell {
            Cell::Nothing => JsValue::NULL,
            Cell::Text(text) => text.as_str().into(),
            Cell::Number(number) => JsValue::from_f64(*number),
        })
        .collect::<Array>()
        .into()
}

fn counts(counts: &StateCounts) -> JsValue {
    object(states(counts).map(|(name, n)| (name, JsValue::from_f64(n as f64))))
}
