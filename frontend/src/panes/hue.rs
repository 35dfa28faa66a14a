//! Dask's colours beside its palette, a little lighter where a dark page would swallow them.

use plotters::prelude::*;
use timeline::{Colors, on_dark};

pub const BLUE: RGBColor = RGBColor(64, 92, 250);
pub const ORANGE: RGBColor = RGBColor(255, 165, 0);
pub const RED: RGBColor = RGBColor(229, 45, 45);
pub const GREEN: RGBColor = RGBColor(28, 150, 62);
pub const GRAY: RGBColor = RGBColor(136, 136, 136);

/// The same as CSS writes them.
pub const CSS_BLUE: &str = "#405cfa";
pub const CSS_ORANGE: &str = "#ffa500";
pub const CSS_RED: &str = "#e52d2d";
pub const CSS_GREEN: &str = "#1c963e";
pub const CSS_GRAY: &str = "#888";
pub const CSS_BLUE_70: &str = "#405cfab3";
pub const CSS_BLUE_40: &str = "#405cfa66";

/// The colour that a name has in Dask's palette, red, green and blue.
pub fn of_name(index: u8, dark: bool) -> [u8; 3] {
    let [r, g, b, _] = Colors::prefix(index);
    if dark { on_dark([r, g, b]) } else { [r, g, b] }
}
