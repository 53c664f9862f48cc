//! What answers say in their headers (RFC 9110).

use std::time::Duration;
use ureq::Body;
use ureq::http::Response;

/// A header's value as text.
pub fn text(response: &Response<Body>, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).filter(|text| !text.is_empty())
}

/// Where the bytes of a partial answer begin (`Content-Range: bytes 7-9/10`).
pub fn range_start(response: &Response<Body>) -> Option<u64> {
    text(response, "content-range")?.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// What a later request can name to be told whether the bytes are still these: a strong entity tag, else the date.
pub fn strong_validator(response: &Response<Body>) -> Option<String> {
    text(response, "etag").filter(|etag| !etag.starts_with("W/")).or_else(|| text(response, "last-modified"))
}

/// How long an upstream wants not to be asked again; dates are not taken.
pub fn retry_after(response: &Response<Body>) -> Option<Duration> {
    text(response, "retry-after")?.parse().ok().map(Duration::from_secs)
}

/// The file name that `Content-Disposition` asks for (RFC 6266), if it is a plain name.
pub fn file_name(disposition: &str) -> Option<String> {
    let mut names = (None, None);
    for parameter in split_parameters(disposition) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter.as_str(), ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "filename*" => names.0 = extended(value.trim()),
            "filename" => names.1 = Some(unquoted(value.trim())),
            _ => {}
        }
    }
    let name = names.0.or(names.1)?;
    // Some send a whole path; what counts is its end, as browsers have it.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let plain = !name.is_empty() && name != "." && name != ".." && name.len() <= 255;
    (plain && !name.chars().any(char::is_control)).then_some(name)
}

/// At semicolons outside of quotes.
fn split_parameters(text: &str) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in text.chars() {
        match c {
            ';' if !quoted => {
                parts.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::new();
    let mut characters = inside.chars();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

/// `UTF-8''na%C3%AFve` (RFC 8187).
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = oci::url::decoded(text);
    charset.eq_ignore_ascii_case("utf-8").then(|| String::from_utf8(bytes).ok())?
}

/// Seconds since 1970 of an HTTP date in its one form that is still sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn parse_date(text: &str) -> Option<i64> {
    build::base::debian::parse_date(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain() {
        let name = |text: &str| file_name(text);
        assert_eq!(name("attachment; filename=\"a b.tar\""), Some("a b.tar".to_owned()));
        assert_eq!(name("attachment; filename=a.tar; size=3"), Some("a.tar".to_owned()));
        assert_eq!(name("inline; filename=\"a\\\"b;c\""), Some("a\"b;c".to_owned()));
        assert_eq!(name("attachment; filename=x; filename*=UTF-8''na%C3%AFve"), Some("naïve".to_owned()));
        assert_eq!(name("attachment; filename=\"../../etc/passwd\""), Some("passwd".to_owned()));
        for bad in
            ["attachment", "attachment; filename=\"..\"", "attachment; filename=\"\"", "filename=\"a/\""]
        {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_date("yesterday"), None);
    }
}
