//! The wall clock: the only place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 in UTC; a clock set before that counts as 0.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
