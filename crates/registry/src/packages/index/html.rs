//! The little HTML of the simple API: anchors of a page read, and a page written. (PEP 503)

use std::ops::Range;

use serde_json::Value;

/// An anchor of a page, up to and with the line break that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Where it points to, unescaped.
    pub href: String,
    /// When the file was uploaded, which some servers say here as PEP 700 does in JSON.
    pub uploaded: Option<String>,
    /// Where it begins in the text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The anchors of a page that point somewhere, in order.
pub fn anchors(text: &str) -> Vec<Anchor> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next_tag(bytes, at) {
        if let Some(after) = bytes[start..].strip_prefix(b"<!--") {
            let length = find(after, b"-->").unwrap_or(after.len());
            at = start + 4 + length;
            continue;
        }
        let Some(end) = tag_end(bytes, start) else { break };
        at = end;
        let tag = &text[start..end];
        if !is_tag(tag, "a") {
            continue;
        }
        let Some(href) = attribute(tag, "href") else { continue };
        let end = closing(bytes, end).map_or(end, |closed| after_break(bytes, closed));
        let uploaded = attribute(tag, "data-upload-time").map(|range| tag[range].to_owned());
        found.push(Anchor { href: unescape(&tag[href]), uploaded, start, end });
        at = end;
    }
    found
}

/// A page whose anchors point elsewhere: `rewrite` is given where one points to, and says where it is to point. Everything
/// else stays as it is.
pub fn with_links(text: &str, rewrite: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len() * 2);
    let (mut at, mut copied) = (0, 0);
    while let Some(start) = next_tag(bytes, at) {
        if let Some(after) = bytes[start..].strip_prefix(b"<!--") {
            at = start + 4 + find(after, b"-->").unwrap_or(after.len());
            continue;
        }
        let Some(end) = tag_end(bytes, start) else { break };
        at = end;
        let tag = &text[start..end];
        let Some(href) = attribute(tag, "href").filter(|_| is_tag(tag, "a")) else { continue };
        let Some(other) = rewrite(&unescape(&tag[href.clone()])) else { continue };
        out.push_str(&text[copied..start + href.start]);
        out.push_str(&escape(&other));
        copied = start + href.end;
    }
    out + &text[copied..]
}

/// A project's page with the files of a JSON document.
pub fn page(document: &Value) -> String {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = escape(&text(document, "name"));
    let mut page = format!(
        "<!DOCTYPE html>\n<html>\n  <head>\n    <meta name=\"pypi:repository-version\" content=\"1.1\">\n    \
         <title>Links for {name}</title>\n  </head>\n  <body>\n    <h1>Links for {name}</h1>\n"
    );
    for file in document.get("files").and_then(Value::as_array).into_iter().flatten() {
        let hashes = file.get("hashes").and_then(Value::as_object);
        let preferred =
            hashes.and_then(|hashes| hashes.get_key_value("sha256").or_else(|| hashes.iter().next()));
        let fragment = match preferred {
            Some((function, Value::String(hex))) => format!("#{function}={hex}"),
            _ => String::new(),
        };
        page += &format!("<a href=\"{}\"", escape(&(text(file, "url") + &fragment)));
        let python = text(file, "requires-python");
        if !python.is_empty() {
            page += &format!(" data-requires-python=\"{}\"", escape(&python));
        }
        let uploaded = text(file, "upload-time");
        if !uploaded.is_empty() {
            page += &format!(" data-upload-time=\"{}\"", escape(&uploaded));
        }
        match file.get("yanked") {
            Some(Value::String(why)) => page += &format!(" data-yanked=\"{}\"", escape(why)),
            Some(Value::Bool(true)) => page += " data-yanked=\"\"",
            _ => {}
        }
        for key in ["core-metadata", "dist-info-metadata"] {
            let value = match file.get(key) {
                Some(Value::Object(sums)) => sums
                    .iter()
                    .find_map(|(function, hex)| Some(format!("{function}={}", hex.as_str()?)))
                    .unwrap_or_else(|| "true".to_owned()),
                Some(Value::Bool(true)) => "true".to_owned(),
                _ => continue,
            };
            page += &format!(" data-{key}=\"{}\"", escape(&value));
        }
        page += &format!(">{}</a><br>\n", escape(&text(file, "filename")));
    }
    page + "  </body>\n</html>\n"
}

fn next_tag(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.iter().position(|byte| *byte == b'<').map(|at| from + at)
}

/// After the `>` that ends a tag; quoted values may hold one.
fn tag_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate().skip(start + 1) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

fn is_tag(tag: &str, name: &str) -> bool {
    let rest = tag[1..].get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
    rest.is_some()
        && tag[1 + name.len()..].starts_with(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')
}

/// After the `</a>` that follows.
fn closing(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(start) = next_tag(bytes, at) {
        let end = tag_end(bytes, start)?;
        match &bytes[start + 1..end] {
            [b'/', b'a' | b'A', ..] => return Some(end),
            // An anchor within an anchor: the first was never closed.
            [b'a' | b'A', next, ..] if next.is_ascii_whitespace() => return None,
            _ => at = end,
        }
    }
    None
}

/// After a `<br>` that follows, with the blanks up to the end of the line.
fn after_break(bytes: &[u8], from: usize) -> usize {
    let blanks = |at: usize| at + bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let mut at = blanks(from);
    if bytes.get(at) == Some(&b'<')
        && let Some(end) = tag_end(bytes, at)
        && bytes[at + 1..end].len() >= 3
        && bytes[at + 1..at + 3].eq_ignore_ascii_case(b"br")
    {
        at = blanks(end);
    }
    if bytes[at..].starts_with(b"\r\n") {
        at + 2
    } else if bytes[at..].starts_with(b"\n") {
        at + 1
    } else {
        at
    }
}

/// Where in a tag the value of an attribute stands.
fn attribute(tag: &str, wanted: &str) -> Option<Range<usize>> {
    let inner = tag.get(1..tag.len().checked_sub(1)?)?;
    let mut rest = inner.trim_start_matches(|c: char| !c.is_ascii_whitespace());
    // What is left of the tag ends where its inner part does.
    let place = |rest: &str| 1 + inner.len() - rest.len();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = rest[end..].trim_start();
        let Some(after) = rest.strip_prefix('=') else {
            // `=` alone would stand still.
            rest = if end == 0 { rest.get(1..)? } else { rest };
            continue;
        };
        let after = after.trim_start();
        let (start, value, next) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let (value, next) = after[1..].split_once(quote)?;
                (place(&after[1..]), value, next)
            }
            _ => {
                let end = after.find(|c: char| c.is_ascii_whitespace()).unwrap_or(after.len());
                let (value, next) = after.split_at(end);
                (place(after), value, next)
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(start..start + value.len());
        }
        rest = next;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescape(text: &str) -> String {
    let named = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    named.replace("&#x27;", "'").replace("&#43;", "+").replace("&#x2B;", "+").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_point_elsewhere_and_all_else_stays() {
        let page = "<!-- <a href=\"/c\"> --><A class=x HREF='../a-1.whl?x&amp;y#sha256=0' data-x>a</A><br>\n<a href=/b>b</a><i href=/c>";
        let mut seen = Vec::new();
        let rewritten = with_links(page, &mut |href| {
            seen.push(href.to_owned());
            (href != "/b").then(|| format!("/to?{href}"))
        });
        assert_eq!(seen, ["../a-1.whl?x&y#sha256=0", "/b"]);
        assert_eq!(rewritten, page.replace("'../a", "'/to?../a"));
        assert_eq!(with_links("<a href", &mut |_| Some(String::new())), "<a href");
    }
}
