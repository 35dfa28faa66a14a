//! In which of its forms something that was displayed stands in a report.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::words::plain;
use crate::html::{bytes, escape, escape_within, escaped_len};

/// Bytes of HTML and of an image, as they stand in the report.
const MAX_HTML: usize = 60_000;
const MAX_IMAGE: usize = 150_000;

/// Bytes of a text in place of something that is too big.
const MAX_TEXT: usize = 8_000;

/// Images that browsers show from their bytes.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// A form that a report can hold.
#[derive(Debug, PartialEq)]
pub(super) enum Form {
    /// HTML that knows no script.
    Html(String),
    /// The address of an image and what it shows, as HTML.
    Image {
        data: String,
        alt: String,
    },
    Text(String),
    /// A sentence about what is left out, as HTML, and a text in its place.
    LeftOut {
        why: String,
        text: String,
    },
}

impl Form {
    /// Bytes that it needs in the report beside its text.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Html(html) => escaped_len(html) + escaped_len(FRAME),
            Self::Image { data, alt } => data.len() + alt.len(),
            Self::LeftOut { why, .. } => why.len(),
            Self::Text(_) => 0,
        }
    }

    /// The text in it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::LeftOut { text, .. } => text,
            Self::Html(_) | Self::Image { .. } => "",
        }
    }
}

/// The form to show: HTML before images before text, what needs a script or is too big left out.
pub(super) fn of(data: &BTreeMap<String, String>) -> Form {
    // Of what is written in a markup the source says more than the name of its Python type.
    let kinds = ["text/markdown", "text/latex", "application/json", "text/plain"];
    let words = kinds.iter().find_map(|kind| data.get(*kind));
    let text = words.map(|text| plain(text)).unwrap_or_default();
    let mut left_out = None;
    if let Some(html) = data.get("text/html") {
        if needs_script(html) {
            left_out = Some("What needs a script to be seen is in the executed notebook.".to_owned());
        } else if escaped_len(html) <= MAX_HTML {
            return Form::Html(html.clone());
        } else {
            left_out = Some(too_big("A table or page", html.len()));
        }
    }
    for (kind, image) in images(data) {
        let data = format!("data:{kind};base64,{image}");
        if data.len() <= MAX_IMAGE {
            let alt = if text.is_empty() {
                "Image that the code displayed".to_owned()
            } else {
                escape_within(text.trim(), 200)
            };
            return Form::Image { data, alt };
        }
        left_out = Some(too_big("An image", data.len() * 3 / 4));
    }
    match left_out {
        Some(why) => Form::LeftOut {
            why,
            text: text[..text.floor_char_boundary(MAX_TEXT)].to_owned(),
        },
        None if !text.is_empty() => Form::Text(text),
        None => match data.iter().find(|(kind, _)| kind.starts_with("text/")) {
            Some((_, text)) => Form::Text(plain(text)),
            None => {
                let kinds: Vec<_> = data.keys().take(3).map(|kind| escape_within(kind, 60)).collect();
                Form::LeftOut {
                    why: format!("Shown as {}; the executed notebook has it.", kinds.join(", ")),
                    text: String::new(),
                }
            }
        },
    }
}

/// Kind and base64 of each image, smallest last, so that one that fits is found.
fn images(data: &BTreeMap<String, String>) -> impl Iterator<Item = (&'static str, String)> {
    let svg = data
        .get("image/svg+xml")
        .map(|svg| ("image/svg+xml", STANDARD.encode(svg)));
    let others = IMAGES.into_iter().filter_map(|kind| {
        let lines = data.get(kind)?;
        let image: String = lines.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let is_base64 = image
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        is_base64.then_some((kind, image))
    });
    svg.into_iter().chain(others)
}

fn needs_script(html: &str) -> bool {
    html.as_bytes()
        .windows(7)
        .any(|window| window.eq_ignore_ascii_case(b"<script"))
}

pub(super) fn too_big(what: &str, size: usize) -> String {
    format!(
        "{what} of {} is left out here; the executed notebook has it.",
        bytes(size as u64)
    )
}

/// How plain HTML looks in its frame: as text around it, light and dark. Dask draws its arrays in black.
const FRAME: &str = "<style>:root{color-scheme:light dark}body{margin:6px;font:13px/1.45 system-ui,sans-serif}table{\
    border-collapse:collapse;font-size:12px;border:0}td,th{padding:3px 8px;text-align:right;border:0}thead{border-bottom:1px solid #8886}img{\
    max-width:100%}svg[style*='stroke:rgb(0,0,0)']{stroke:currentColor!important}svg text:not([fill],[style]){\
    fill:currentColor}</style>";

/// The form as HTML; `room` is what its text may take.
pub(super) fn html(form: &Form, room: usize) -> String {
    match form {
        Form::Html(html) => {
            // Without a script nothing can measure it: so many rows are so high.
            let rows = html.matches("<tr").count().max(html.matches("<br").count());
            let blocks = html.matches("<h").count() + html.matches("<p").count();
            let height = (36 + 27 * rows + 30 * blocks).clamp(90, 480);
            format!(
                "<iframe sandbox=\"\" title=\"HTML that the code displayed\" style=\"height:{height}px\" \
                 srcdoc=\"{}{}\"></iframe>\n",
                escape(FRAME),
                escape(html)
            )
        }
        Form::Image { data, alt } => format!("<p><img alt=\"{alt}\" src=\"{data}\"></p>\n"),
        Form::Text(text) => format!("<pre>{}</pre>\n", escape_within(text, room)),
        Form::LeftOut { why, text } => {
            let text = if text.is_empty() {
                String::new()
            } else {
                format!("<pre>{}</pre>\n", escape_within(text, room))
            };
            format!("<p class=\"meta\">{why}</p>\n{text}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        of(&pairs
            .iter()
            .map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned()))
            .collect())
    }

    #[test]
    fn the_richest_form_without_a_script_is_taken() {
        assert_eq!(
            form(&[("text/html", "<b>x</b>"), ("text/plain", "x")]),
            Form::Html("<b>x</b>".into())
        );
        assert!(matches!(
            form(&[("text/html", "<div></div><SCRIPT>x</SCRIPT>"), ("text/plain", "<x>")]),
            Form::LeftOut { why, text } if why.contains("needs a script") && text == "<x>"
        ));
        assert_eq!(
            form(&[("text/markdown", "# Title"), ("text/plain", "<Markdown object>")]),
            Form::Text("# Title".into())
        );
        assert_eq!(
            form(&[("application/json", "{\"a\":1}"), ("text/plain", "<JSON object>")]),
            Form::Text("{\"a\":1}".into())
        );
        let Form::Image { data, alt } =
            form(&[("image/png", "iVBO\nRw==\n"), ("text/plain", "<Figure \"1\">")])
        else {
            panic!("an image")
        };
        assert_eq!(
            (data.as_str(), alt.as_str()),
            ("data:image/png;base64,iVBORw==", "&lt;Figure &quot;1&quot;&gt;")
        );
        assert!(
            matches!(form(&[("image/png", "\" onerror=\"x")]), Form::LeftOut { .. }),
            "what is no base64 is no image"
        );
        assert!(matches!(
            form(&[("image/svg+xml", "<svg onload='x'/>")]),
            Form::Image { data, .. } if data.starts_with("data:image/svg+xml;base64,")
        ));
    }

    #[test]
    fn what_is_too_big_is_left_out_with_a_word() {
        let big = "A".repeat(MAX_IMAGE);
        let Form::LeftOut { why, text } = form(&[("image/png", &big), ("text/plain", "<Figure>")]) else {
            panic!("left out")
        };
        assert_eq!(
            (why.as_str(), text.as_str()),
            (
                "An image of 109.9 KiB is left out here; the executed notebook has it.",
                "<Figure>"
            )
        );
        assert!(matches!(
            form(&[("text/html", &"<td>".repeat(MAX_HTML))]),
            Form::LeftOut { .. }
        ));
    }

    #[test]
    fn a_page_in_a_page_can_do_nothing() {
        let shown = html(&Form::Html("\"><img onerror=x>".into()), 100);
        assert!(
            shown.contains("sandbox=\"\"")
                && shown.contains("srcdoc=\"&lt;style&gt;")
                && shown.ends_with("&lt;/style&gt;&quot;&gt;&lt;img onerror=x&gt;\"></iframe>\n"),
            "{shown}"
        );
    }
}
