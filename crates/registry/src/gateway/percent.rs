//! Percent-encoding. (RFC 3986, 2.1)

/// For a path; [`oci::url::decoded_text`] undoes it.
pub(super) fn encode(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(encode("a b/ü"), "a%20b/%C3%BC");
        assert_eq!(oci::url::decoded_text(&encode("a b/ü%")), "a b/ü%");
    }
}
