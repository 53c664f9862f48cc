//! Durations and sizes as Go's libraries write them.

/// A duration such as `1h30m`, `1.5s`, `100ms`, in nanoseconds; nothing if it is none or does not fit.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let number =
            rest.len() - rest.trim_start_matches(|next: char| next.is_ascii_digit() || next == '.').len();
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|next: char| next == '.' || next.is_ascii_digit()).unwrap_or(after.len());
        let (unit, following) = after.split_at(unit);
        total += amount(digits, unit)?;
        if total > i64::MAX.unsigned_abs().into() {
            return None;
        }
        rest = following;
    }
    let total = i64::try_from(total).ok()?;
    Some(if negative { -total } else { total })
}

/// A number with at most one point, in a unit, as nanoseconds.
fn amount(digits: &str, unit: &str) -> Option<u128> {
    let scale: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
    // More digits than these are less than a nanosecond of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()?.into() };
    let divisor = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(whole * scale + part * scale / divisor)
}

/// A size such as `64m`, `1.5GiB` or `100`, in bytes; units are powers of 1024.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let last = text.rfind(|next: char| next.is_ascii_digit() || next == '.' || next == ' ')?;
    let (number, unit) = (text[..=last].strip_suffix(' ').unwrap_or(&text[..=last]), &text[last + 1..]);
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'e' | b'E'));
    let size: f64 = number.parse().ok().filter(|_| plain)?;
    let unit = unit.to_ascii_lowercase();
    let mut letters = unit.chars();
    let power = match letters.next() {
        None => 0,
        Some('b') if unit.len() == 1 => 0,
        Some(letter) => {
            let power = 1 + "kmgtp".find(letter)?;
            if !matches!(letters.as_str(), "" | "b" | "ib") {
                return None;
            }
            power
        }
    };
    let bytes = size * 1024f64.powi(i32::try_from(power).ok()?);
    // The cast drops what is after the point; a size that does not fit is no size.
    (bytes >= 0.0 && bytes < i64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("2h", Some(7_200_000_000_000)),
            ("5ms", Some(5_000_000)),
            ("7us", Some(7_000)),
            ("7µs", Some(7_000)),
            ("9ns", Some(9)),
            ("-1s", Some(-1_000_000_000)),
            ("+1s", Some(1_000_000_000)),
            ("0.0000000000000000000001h", Some(0)),
            ("", None),
            ("+", None),
            ("-", None),
            ("30", None),
            ("s", None),
            (".s", None),
            ("1..5s", None),
            ("1 s", None),
            ("1x", None),
            ("9999999h", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("100", Some(100)),
            ("100b", Some(100)),
            ("64k", Some(65_536)),
            ("64K", Some(65_536)),
            ("1m", Some(1 << 20)),
            ("1mb", Some(1 << 20)),
            ("1MiB", Some(1 << 20)),
            ("1.5g", Some(3 << 29)),
            ("1 GB", Some(1 << 30)),
            ("2t", Some(2 << 40)),
            ("1p", Some(1 << 50)),
            ("", None),
            ("m", None),
            ("-1m", None),
            ("1x", None),
            ("1bb", None),
            ("1mx", None),
            ("1mibs", None),
            ("1,5g", None),
            ("1e400", None),
            ("inf", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }
}
