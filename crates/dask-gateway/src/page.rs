//! What a person would read of an error page: hubs and login services answer programs with HTML.

/// What is shown of a text that the gateway or something before it sends.
const MAX_CHARS: usize = 500;

/// Elements whose content is not said to the reader of an error.
const SILENT: [&str; 8] = [
    "script", "style", "head", "nav", "header", "footer", "noscript", "svg",
];

/// A text or page in one line, shortened; `None` where it says nothing.
pub(crate) fn said(body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    let text = if body.trim_start().starts_with('<') {
        let text = one_line(&visible(&body));
        if text.is_empty() {
            one_line(&title(&body))
        } else {
            text
        }
    } else {
        one_line(&body)
    };
    if text.chars().count() <= MAX_CHARS {
        return Some(text).filter(|text| !text.is_empty());
    }
    let mut short: String = text.chars().take(MAX_CHARS).collect();
    if let Some(at) = short.rfind(' ') {
        short.truncate(at);
    }
    Some(short + " …")
}

/// A message of the gateway, which may quote a page too.
pub(crate) fn message(text: &str) -> String {
    let text = said(text.as_bytes()).unwrap_or_default();
    text.trim_end_matches('.').to_owned()
}

fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn title(page: &str) -> String {
    let lower = page.to_ascii_lowercase();
    let inside = lower
        .find("<title>")
        .map(|at| at + "<title>".len())
        .and_then(|from| Some((from, from + lower[from..].find('<')?)));
    inside.map_or_else(String::new, |(from, to)| entities(&page[from..to]))
}

/// The text between the tags.
fn visible(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        text.push(' ');
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some((tag, after)) = rest[1..].split_once('>') else {
            rest = "";
            break;
        };
        rest = after;
        let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        if SILENT.contains(&name.as_str()) && !tag.ends_with('/') {
            let end = after.to_ascii_lowercase().find(&format!("</{name}"));
            rest = end.map_or("", |end| &after[end..]);
        }
    }
    text.push_str(rest);
    entities(&text)
}

fn entities(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let named = rest[1..].split_once(';').and_then(|(name, after)| {
            let code = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
            let c = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                "nbsp" => ' ',
                "hellip" => '…',
                _ => match name.strip_prefix('#')? {
                    hex if hex.starts_with(['x', 'X']) => code(&hex[1..], 16)?,
                    digits => code(digits, 10)?,
                },
            };
            Some((c, after))
        });
        match named {
            Some((c, after)) => {
                decoded.push(c);
                rest = after;
            }
            None => {
                decoded.push('&');
                rest = &rest[1..];
            }
        }
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_a_person_reads_it() {
        let hub = "<!DOCTYPE HTML>\n<html><head><title>JupyterHub</title><style>a {}</style></head><body>\
            <!-- <b>x</b> --><nav>Home Token</nav><script>if (a < b) {}</script><div class=\"error\"><h1>403 : Forbidden</h1>\
            <p>You don&#39;t have &quot;access&quot; &amp; so&nbsp;on &#x2026; &bogus; &</p></div></body></html>";
        assert_eq!(
            said(hub.as_bytes()).unwrap(),
            "403 : Forbidden You don't have \"access\" & so on … &bogus; &"
        );
        let only_title = b"<html><head><title>502 Bad\nGateway</title></head><body></body></html>";
        assert_eq!(said(only_title).unwrap(), "502 Bad Gateway");
        for nothing in ["", " \n", "<html></html>", "<", "<!--", "<script>alert(1)"] {
            assert_eq!(said(nothing.as_bytes()), None, "{nothing}");
        }
    }

    #[test]
    fn a_text_is_one_short_line() {
        assert_eq!(
            said(b"500 Internal Server Error\n\nServer got itself in trouble").unwrap(),
            "500 Internal Server Error Server got itself in trouble"
        );
        let long = said("word ".repeat(500).as_bytes()).unwrap();
        assert!(
            long.ends_with("word …") && long.chars().count() <= MAX_CHARS + 2,
            "{long}"
        );
        assert_eq!(message("<p>Too much.</p>"), "Too much");
        assert_eq!(
            message("profile must be < 3, got 4."),
            "profile must be < 3, got 4"
        );
    }
}
