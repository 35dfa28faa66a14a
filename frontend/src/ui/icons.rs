//! Icons, drawn for a 16 px grid in the colour of the text around them.

use yew::prelude::*;

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Gatehouse,
    Plus,
    TaskStream,
    Progress,
    Plot,
    Scale,
    Code,
    Play,
    External,
    Download,
    Power,
    Copy,
    Check,
    Cross,
    Back,
    Chevron,
    Alert,
    Stop,
    Refresh,
    Minus,
    Tabs,
    Tiles,
    Info,
    Wrap,
    Bookmark,
    Pencil,
    Star,
    StarFilled,
    Trash,
    Select,
}

impl Icon {
    /// Path data and whether it is filled instead of stroked.
    fn path(self) -> (&'static str, bool) {
        match self {
            Self::Gatehouse => (
                "M1 2h1.3v1.4h1.4V2H5v3.2h1.6V4h2.8v1.2H11V2h1.3v1.4h1.4V2H15v12h-4v-3a3 3 0 0 0-6 0v3H1z",
                true,
            ),
            Self::Plus => ("M8 3.5v9M3.5 8h9", false),
            Self::Minus => ("M3.5 8h9", false),
            Self::TaskStream => (
                "M1.5 2.5h6v3h-6zM9 2.5h3v3H9zM4 6.5h7.5v3H4zM1.5 10.5h4v3h-4zM7 10.5h7.5v3H7z",
                true,
            ),
            Self::Progress => ("M1.5 2.5h12v3h-12zM1.5 6.5h7v3h-7zM1.5 10.5h9.5v3H1.5z", true),
            Self::Plot => (
                "M2 13.5h12M3.5 11.5v-3M6.5 11.5v-7M9.5 11.5v-5M12.5 11.5v-9",
                false,
            ),
            Self::Scale => ("M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9", false),
            Self::Code => ("M5.5 4 1.8 8l3.7 4M10.5 4l3.7 4-3.7 4", false),
            Self::Play => ("M4.5 2.8v10.4L13 8z", true),
            Self::External => ("M9 2.5h4.5V7M13.5 2.5 7.5 8.5M11.5 9.5v4h-9v-9h4", false),
            Self::Download => ("M8 2v7.5M4.7 6.4 8 9.7l3.3-3.3M2.5 13.5h11", false),
            Self::Power => ("M8 1.8v5.7M4.7 3.9a5.3 5.3 0 1 0 6.6 0", false),
            Self::Copy => ("M5.5 5.5h8v8h-8zM3.8 10.5H2.5v-8h8v1.3", false),
            Self::Check => ("m3 8.5 3.3 3.3L13 4.8", false),
            Self::Cross => ("m4 4 8 8M12 4l-8 8", false),
            Self::Back => ("M10 3 5 8l5 5", false),
            Self::Chevron => ("M4 6l4 4 4-4", false),
            Self::Alert => ("M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.4v.6", false),
            Self::Stop => ("M4 4h8v8H4z", true),
            Self::Refresh => ("M13.2 6.5A5.5 5.5 0 1 0 13.5 9M13.5 2.8v3.9H9.6", false),
            Self::Tabs => ("M2 3.5h12v9H2zM2 6.5h12M7 3.5v3", false),
            Self::Tiles => ("M2.5 2.5h4.7v11H2.5zM8.8 2.5h4.7v11H8.8z", false),
            Self::Wrap => (
                "M2 3.5h12M2 7.5h9.5a2.2 2.2 0 0 1 0 4.4H8M9.8 10 8 11.9l1.8 1.9M2 11.9h3",
                false,
            ),
            Self::Bookmark => ("M4 2.5h8v11L8 10.6 4 13.5z", false),
            Self::Pencil => ("m10.5 2.8 2.7 2.7L5.7 13H3v-2.7zM8.8 4.5l2.7 2.7", false),
            Self::Star => (STAR, false),
            Self::StarFilled => (STAR, true),
            Self::Trash => (
                "M2.5 4h11M6 4V2.3h4V4M4 4l.7 9.5h6.6L12 4M6.6 6.5v4.5M9.4 6.5v4.5",
                false,
            ),
            Self::Select => ("M2.5 2.5h8v8h-8zM4.5 6.5l1.5 1.5 3-3M5.5 13.5h8v-8", false),
            Self::Info => (
                "M8 1.9a6.1 6.1 0 1 0 0 12.2A6.1 6.1 0 0 0 8 1.9M8 7.3v3.6M8 4.9v.7",
                false,
            ),
        }
    }
}

const STAR: &str = "m8 1.8 1.9 4 4.3.6-3.1 3 .7 4.3L8 11.6l-3.8 2.1.7-4.3-3.1-3 4.3-.6z";

/// One icon, hidden from screen readers: the control around it carries the words. `size` is in CSS pixels.
pub fn glyph(icon: Icon, size: u32) -> Html {
    let (path, filled) = icon.path();
    let size = AttrValue::from(size.to_string());
    html! {
        <svg
            class={if filled { "gh-icon gh-icon--filled" } else { "gh-icon" }}
            width={size.clone()}
            height={size}
            viewBox="0 0 16 16"
            aria-hidden="true"
            focusable="false"
        >
            <path d={path} />
        </svg>
    }
}
