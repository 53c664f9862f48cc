//! JSON arrays of strings, as instructions take them.

/// What an instruction's text is, taken as JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// An array of strings, each with its offsets in the text, quotes included.
    Strings(Vec<(String, usize, usize)>),
    /// An array with something else in it.
    NotStrings,
    /// Something else: an instruction then takes its text as it is.
    Other,
}

/// Reads a text as JSON. Half a surrogate pair becomes U+FFFD, as in Go.
pub(super) fn parse(text: &str) -> Json {
    let start = text.len() - text.trim_start().len();
    if !text[start..].starts_with('[') {
        return Json::Other;
    }
    match strings(text, start + 1) {
        Some(found) => Json::Strings(found),
        // Either no JSON at all, or an array of other things.
        None => match serde_json::from_str::<serde::de::IgnoredAny>(&text[start..]) {
            Ok(_) => Json::NotStrings,
            Err(_) => Json::Other,
        },
    }
}

/// The strings of an array from after its bracket, if it is one and nothing follows it.
fn strings(text: &str, at: usize) -> Option<Vec<(String, usize, usize)>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = skip_space(bytes, at);
    if bytes.get(at) == Some(&b']') {
        return (skip_space(bytes, at + 1) == bytes.len()).then_some(found);
    }
    loop {
        let (value, end) = string(text, at)?;
        found.push((value, at, end));
        at = skip_space(bytes, end);
        match bytes.get(at)? {
            b',' => at = skip_space(bytes, at + 1),
            b']' if skip_space(bytes, at + 1) == bytes.len() => return Some(found),
            _ => return None,
        }
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// One string and the offset after it.
fn string(text: &str, at: usize) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.get(at..)?.char_indices();
    if chars.next()?.1 != '"' {
        return None;
    }
    // The first half of a surrogate pair, waiting for the second.
    let mut high: Option<u32> = None;
    loop {
        let (offset, next) = chars.next()?;
        let escape = if next == '\\' { Some(chars.next()?.1) } else { None };
        if escape != Some('u') && high.take().is_some() {
            value.push(char::REPLACEMENT_CHARACTER);
        }
        match (next, escape) {
            ('"', _) => return Some((value, at + offset + 1)),
            (_, Some('u')) => {
                let mut unit = 0;
                for _ in 0..4 {
                    unit = unit * 16 + chars.next()?.1.to_digit(16)?;
                }
                push_unit(&mut value, &mut high, unit);
            }
            (_, Some(escape)) => value.push(match escape {
                '"' | '\\' | '/' => escape,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                _ => return None,
            }),
            (control, None) if control < ' ' => return None,
            (plain, None) => value.push(plain),
        }
    }
}

/// Adds a UTF-16 unit to a string.
fn push_unit(value: &mut String, high: &mut Option<u32>, unit: u32) {
    let before = high.take();
    if let Some(before) = before {
        if (0xdc00..0xe000).contains(&unit) {
            let point = 0x10000 + ((before - 0xd800) << 10) + (unit - 0xdc00);
            value.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
            return;
        }
        value.push(char::REPLACEMENT_CHARACTER);
    }
    if (0xd800..0xdc00).contains(&unit) {
        *high = Some(unit);
    } else {
        value.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let Json::Strings(found) = parse(text) else { panic!("not an array of strings: {text}") };
        assert_eq!(found.iter().map(|(value, ..)| value.as_str()).collect::<Vec<_>>(), expected);
        for (_, start, end) in found {
            assert!(text[start..end].starts_with('"') && text[start..end].ends_with('"'), "{text}");
        }
    }

    #[test]
    fn arrays_of_strings() {
        check("[]", &[]);
        check("[ ]", &[]);
        check(r#"["a"]"#, &["a"]);
        check(r#"  [ "a" , "b c" ]  "#, &["a", "b c"]);
        check(r#"["","é","\u00e9\t\"\\\/"]"#, &["", "é", "é\t\"\\/"]);
        check(
            r#"["\ud83d\ude00","\ud83d","\ud83dx","\ude00","\ud83d\ud83d\ude00","\ud83d\n"]"#,
            &["😀", "\u{fffd}", "\u{fffd}x", "\u{fffd}", "\u{fffd}😀", "\u{fffd}\n"],
        );
    }

    #[test]
    fn arrays_of_other_things() {
        for text in ["[1]", r#"["a", null]"#, "[[]]", r#"[{"a":"b"}]"#, r#"["a", 1.5e3, true]"#] {
            assert_eq!(parse(text), Json::NotStrings, "{text}");
        }
    }

    #[test]
    fn no_json() {
        for text in [
            "",
            "a",
            "{}",
            "\"a\"",
            "[",
            "[a]",
            "['a']",
            r#"["a""#,
            r#"["a",]"#,
            r#"["a" "b"]"#,
            r#"["a"] && b"#,
            r#"["\x"]"#,
            r#"["\u12"]"#,
            "[\"\t\"]",
            "[\"a\"]\u{a0}",
        ] {
            assert_eq!(parse(text), Json::Other, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), Json::Other);
    }
}
