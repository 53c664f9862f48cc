//! Quantities as people and Kubernetes write them: sizes, processors, lengths of time.

/// `2g`, `512Mi`, `1.5G`, `1e9`: bytes. Without `B` or `i`, small letters mean powers of 1024 as Docker has them, and
/// capitals powers of 1000 as Kubernetes has them.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    if let Some(exponent) = unit.strip_prefix(['e', 'E']).and_then(|rest| rest.parse::<u32>().ok()) {
        return scaled(number, 10f64.powi(i32::try_from(exponent.min(18)).ok()?));
    }
    let scale = match unit {
        "" | "b" | "B" => 1.0,
        "k" | "kb" | "kB" | "KB" | "Ki" | "KiB" | "ki" => 1024.0,
        "K" => 1e3,
        "m" | "mb" | "MB" | "Mi" | "MiB" | "mi" => 1_048_576.0,
        "M" => 1e6,
        "g" | "gb" | "GB" | "Gi" | "GiB" | "gi" => 1_073_741_824.0,
        "G" => 1e9,
        "t" | "tb" | "TB" | "Ti" | "TiB" | "ti" => 1_099_511_627_776.0,
        "T" => 1e12,
        _ => return None,
    };
    scaled(number, scale)
}

/// `2`, `0.5`, `500m`: thousandths of a processor.
pub fn milli_cpus(text: &str) -> Option<u64> {
    match text.trim().strip_suffix('m') {
        Some(thousandths) => scaled(thousandths, 1.0),
        None => scaled(text.trim(), 1000.0),
    }
    .filter(|cpus| *cpus > 0)
}

/// `90`, `90s`, `30m`, `1h30m`, `2d`: seconds.
pub fn seconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Some(seconds);
    }
    let mut sum = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let (unit, scale) = match rest[digits..].chars().next()? {
            's' => (1, 1),
            'm' => (1, 60),
            'h' => (1, 3_600),
            'd' => (1, 86_400),
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(scale)?)?;
        rest = &rest[digits + unit..];
    }
    (!text.trim().is_empty()).then_some(sum)
}

/// `0644`, `755`, `0o600`: permission bits.
pub fn mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777 && digits.len() >= 3)
}

fn scaled(number: &str, scale: f64) -> Option<u64> {
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = number.parse::<f64>().ok().filter(|_| plain)? * scale;
    // Exact up to 2^53, which is more than any disk holds.
    (value.is_finite() && value < 9e15).then_some(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, expected) in [
            ("2g", Some(2 << 30)),
            ("512Mi", Some(512 << 20)),
            ("1.5G", Some(1_500_000_000)),
            ("128974848", Some(128_974_848)),
            ("1e3", Some(1000)),
            ("4 GiB", Some(4 << 30)),
            ("", None),
            ("many", None),
            ("1x", None),
            ("-1", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
        for (text, expected) in
            [("500m", Some(500)), ("2", Some(2000)), ("0.5", Some(500)), ("0", None), ("x", None)]
        {
            assert_eq!(milli_cpus(text), expected, "{text}");
        }
        for (text, expected) in [
            ("90", Some(90)),
            ("30m", Some(1800)),
            ("1h30m", Some(5400)),
            ("", None),
            ("5", Some(5)),
            ("m", None),
            ("1w", None),
            ("3é", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        assert_eq!(
            (mode("0644"), mode("755"), mode("9"), mode("rw")),
            (Some(0o644), Some(0o755), None, None)
        );
    }
}
