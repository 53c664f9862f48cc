//! The `Link` header, by which lists go on. (RFC 8288; OCI distribution specification, "Listing Tags")

/// The target of the link to the next page.
pub(crate) fn next(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest[start + 1..].split_once('>')?;
        // Parameters go up to the comma before the next target; a comma in quotes is nothing registries write.
        let end = after.find(',').unwrap_or(after.len());
        let is_next = after[..end].split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = &after[end..];
    }
    None
}

/// A header that links to the next page.
pub(crate) fn write(target: &str) -> String {
    format!("<{target}>; rel=\"next\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page() {
        assert_eq!(next("</v2/a/tags/list?n=2&last=b>; rel=\"next\""), Some("/v2/a/tags/list?n=2&last=b"));
        assert_eq!(next("<a>; rel=prev, <b>; rel=next"), Some("b"));
        assert_eq!(next(&write("/x")), Some("/x"));
        for none in ["", "<a>", "<a", "a; rel=next", "<a>; rel=\"prev\""] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
