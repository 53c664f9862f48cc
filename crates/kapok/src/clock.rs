//! The wall clock: the only place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 in UTC; a clock set before that counts as 0.
pub fn now() -> i64 {
    now_with_millis().0
}

/// Seconds since 1970 in UTC, and the milliseconds since the last of them.
pub fn now_with_millis() -> (i64, u32) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_millis())
}
