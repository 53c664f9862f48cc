//! What RFC 3986 says of parts of a URL, for everybody here who takes one apart.

/// Percent-encoding undone; what is none stays as it is. (RFC 3986, 2.1)
pub fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// As [`decoded`]; a text that is no UTF-8 afterwards stays as it is.
pub fn decoded_text(text: &str) -> String {
    String::from_utf8(decoded(text)).unwrap_or_else(|_| text.to_owned())
}

/// A path without `.` and `..`; empty parts stay, servers tell them apart. (RFC 3986, 5.2.4)
pub fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(decoded_text("a%20b%2f%zz%+1%"), "a b/%zz%+1%");
        assert_eq!(decoded_text("%ff"), "%ff");
        assert_eq!(decoded("%ff"), [0xff]);
    }

    #[test]
    fn dots() {
        for (path, expected) in [
            ("", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
            ("/../../a//b/", "/a//b/"),
        ] {
            assert_eq!(without_dots(path), expected, "{path}");
        }
    }
}
