//! Dask's colours: which of 18 a name has.

use md5::{Digest, Md5};

/// Dask's palette of 18 colours (Viridis), as red, green, blue.
pub const PALETTE: [[u8; 3]; 18] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x16, 0x69],
    [0x47, 0x2A, 0x79],
    [0x43, 0x3C, 0x84],
    [0x3C, 0x4D, 0x8A],
    [0x35, 0x5D, 0x8C],
    [0x2E, 0x6C, 0x8E],
    [0x28, 0x7A, 0x8E],
    [0x23, 0x89, 0x8D],
    [0x1E, 0x97, 0x8A],
    [0x20, 0xA5, 0x85],
    [0x2E, 0xB2, 0x7C],
    [0x45, 0xBF, 0x6F],
    [0x64, 0xCB, 0x5D],
    [0x88, 0xD5, 0x47],
    [0xAF, 0xDC, 0x2E],
    [0xD7, 0xE2, 0x19],
    [0xFD, 0xE7, 0x24],
];

/// Index in [`PALETTE`] of a key prefix's colour, as `distributed.utils.color_of` chooses it.
pub fn color_index(name: &str) -> u8 {
    let digest = Md5::digest(name.as_bytes());
    let head = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (head % PALETTE.len() as u32) as u8
}

/// Relative luminance (WCAG 2) from which a colour stands out from a dark page: a contrast of 2.4 to #111.
const SEEN_ON_DARK: f64 = 0.085;

/// The colour where the page is dark: one that is nearly as dark as the page becomes lighter, and keeps its hue.
pub fn on_dark(rgb: [u8; 3]) -> [u8; 3] {
    let mixed = |white: u32| rgb.map(|part| part + ((255 - u32::from(part)) * white / 32) as u8);
    let seen = |rgb: &[u8; 3]| relative_luminance(*rgb) >= SEEN_ON_DARK;
    (0..=32).map(mixed).find(seen).unwrap_or(rgb)
}

fn relative_luminance(rgb: [u8; 3]) -> f64 {
    let linear = rgb.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_dark_page_all_colours_are_seen_and_apart() {
        let lifted = PALETTE.map(on_dark);
        for (n, rgb) in lifted.iter().enumerate() {
            assert!(relative_luminance(*rgb) >= SEEN_ON_DARK, "{n}");
            assert!(!lifted[..n].contains(rgb), "{n}");
        }
        assert_ne!(lifted[0], PALETTE[0]);
        // From the sixth on they were light enough.
        assert_eq!(lifted[6..], PALETTE[6..]);
    }

    #[test]
    fn colours_are_dasks() {
        for (name, rgb) in [
            ("inc", [0x45, 0xBF, 0x6F]),
            ("sum", [0xFD, 0xE7, 0x24]),
            ("rechunk-merge", [0x47, 0x2A, 0x79]),
            ("read-parquet", [0x2E, 0x6C, 0x8E]),
            ("getitem", [0xFD, 0xE7, 0x24]),
            ("slow", [0x28, 0x7A, 0x8E]),
            ("big", [0x43, 0x3C, 0x84]),
        ] {
            assert_eq!(PALETTE[usize::from(color_index(name))], rgb, "{name}");
        }
    }
}
