//! The task stream's index: lanes of rectangles, level of detail, raster. Native and wasm; no I/O.
//!
//! Times are microseconds since the Unix epoch, scheduler clock. A [`Timeline`] keeps what every worker thread did as
//! rectangles under a tree of summaries; a [`View`] says which stretch of time a row of pixels shows; [`raster_row`]
//! paints a lane into such a row in time that grows with the pixels and the logarithm of the rectangles; a [`Surface`]
//! repaints only what a change of either touched.

mod color;
mod forest;
mod key;
mod raster;
mod rect;
mod stats;
mod surface;
mod timeline;
mod view;

pub use color::{PALETTE, color_index, on_dark};
pub use key::key_split;
pub use protocol::live::Action;
pub use raster::{Colors, Columns, Painter, Rgba, SEAM_FROM, raster_row};
pub use rect::{MAX_TIME_US, Rect};
pub use stats::{PrefixStats, Stats};
pub use surface::Surface;
pub use timeline::{Hit, Located, Timeline, TimelineError};
pub use view::View;
