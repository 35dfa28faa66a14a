//! What panel, panes and page share: buttons, icons, and figures in words.

pub mod clipboard;
pub mod format;
pub mod icons;
pub mod number;
pub mod slot;
pub mod widgets;
