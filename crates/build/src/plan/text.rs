//! Values printed as Go's `fmt` prints them: an image's history holds such text, and people compare it.

use std::time::Duration;

/// `%q` of a list of strings: `["a" "b"]`.
pub fn quoted_list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(" "))
}

/// `%v` of a list of strings: `[a b]`.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(" "))
}

/// `%q` of a string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            character if is_printable(character) => out.push(character),
            character => out.push_str(&escaped(u32::from(character))),
        }
    }
    out.push('"');
    out
}

/// A character by its number.
fn escaped(number: u32) -> String {
    match number {
        0..0x80 => format!("\\x{number:02x}"),
        0x80..0x1_0000 => format!("\\u{number:04x}"),
        _ => format!("\\U{number:08x}"),
    }
}

/// Go's notion of printable, near enough: no control characters, no spaces but the plain one, no invisible formats.
fn is_printable(character: char) -> bool {
    let invisible = matches!(character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}');
    character == ' ' || !(character.is_control() || character.is_whitespace() || invisible)
}

/// `%v` of a duration: `1m30s`, `1.5s`, `200ms`, `0s`.
pub fn duration(value: Duration) -> String {
    let nanos = value.as_nanos();
    let unit = |divisor: u128, digits: usize, name: &str| decimal(nanos, divisor, digits) + name;
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => unit(1, 0, "ns"),
        1_000..1_000_000 => unit(1_000, 3, "µs"),
        1_000_000..1_000_000_000 => unit(1_000_000, 6, "ms"),
        _ => {
            let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000, 9);
            let minutes = nanos / 60_000_000_000;
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// A quotient with at most `digits` decimals, without trailing zeros.
fn decimal(value: u128, divisor: u128, digits: usize) -> String {
    let fraction = value % divisor;
    if fraction == 0 {
        return (value / divisor).to_string();
    }
    let fraction = format!("{fraction:0digits$}");
    format!("{}.{}", value / divisor, fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_go_does() {
        for (text, expected) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("tab\tline\n", r#""tab\tline\n""#),
            ("é ☃", r#""é ☃""#),
            ("\u{1b}[0m", r#""\x1b[0m""#),
            ("\u{a0}\u{200b}", r#""\u00a0\u200b""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(quoted_list(&["sh".into(), "-c".into()]), r#"["sh" "-c"]"#);
        assert_eq!(quoted_list(&[]), "[]");
    }

    #[test]
    fn durations_are_printed_as_go_does() {
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (200_000_000, "200ms"),
            (1_100_000_000, "1.1s"),
            (30_000_000_000, "30s"),
            (60_000_000_000, "1m0s"),
            (90_500_000_000, "1m30.5s"),
            (3_600_000_000_000, "1h0m0s"),
            (u64::MAX, "5124095h34m33.709551615s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), expected);
        }
    }
}
