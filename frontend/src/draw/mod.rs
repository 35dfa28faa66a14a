//! Drawing on canvases: frames, sizes, theme, axes, text, pointer and keys. Knows nothing of panes or clusters.

pub mod axis;
pub mod backend;
pub mod blit;
pub mod canvas;
pub mod frame;
pub mod gesture;
pub mod scale;
pub mod shape;
pub mod theme;
pub mod units;
