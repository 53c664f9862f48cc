//! Times, sizes and counts as people read them.

use std::time::Duration;

/// `0.4s`, `12.3s`, `4m05s`, `1h02m`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{}.{}s", seconds, time.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `0 B`, `812 B`, `4.2 MB`, `1.34 GB`: powers of ten, as disks and `docker images` count.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    // 999.95 would be printed as `1000.0`.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `3 minutes ago`, from seconds since 1970.
pub fn ago(then: i64, now: i64) -> String {
    let seconds = now.saturating_sub(then).max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        86_400..1_209_600 => (seconds / 86_400, "day"),
        1_209_600..5_184_000 => (seconds / 604_800, "week"),
        5_184_000..63_072_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    format!("{} ago", counted(count.unsigned_abs(), unit))
}

/// `1 step`, `2 steps`.
pub fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let text = |millis| duration(Duration::from_millis(millis));
        assert_eq!(text(0), "0.0s");
        assert_eq!(text(12_345), "12.3s");
        assert_eq!(text(245_000), "4m05s");
        assert_eq!(text(3_725_000), "1h02m");
    }

    #[test]
    fn sizes() {
        let all =
            [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (4_200_000, "4.20 MB"), (999_950, "1.00 MB")];
        for (bytes, text) in all.into_iter().chain([(1_340_000_000, "1.34 GB"), (123_456_789, "123 MB")]) {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn ages() {
        assert_eq!(ago(0, 1), "1 second ago");
        assert_eq!(ago(0, 7200), "2 hours ago");
        assert_eq!(ago(10, 0), "0 seconds ago");
        assert_eq!(ago(0, 86_400 * 20), "2 weeks ago");
        assert_eq!(ago(0, 86_400 * 800), "2 years ago");
    }
}
