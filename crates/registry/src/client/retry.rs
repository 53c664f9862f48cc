//! When a request is tried again, and how long after.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// How often and how soon requests are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts that bring nothing, in a row.
    pub attempts: u32,
    /// Before the second attempt; twice as long before each that follows.
    pub first: Duration,
    /// The longest of these.
    pub longest: Duration,
    /// The longest that a registry may ask us to wait; if it asks for more, we give up.
    pub patience: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts: 6,
            first: Duration::from_millis(250),
            longest: Duration::from_secs(15),
            patience: Duration::from_secs(300),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after the given number of failures; `None`: too many, or the registry asks for too much.
    pub(crate) fn wait(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let own = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest);
        match asked {
            Some(asked) if asked > self.patience => None,
            Some(asked) => Some(asked.max(own)),
            None => Some(own),
        }
    }
}

/// Lets time pass.
pub trait Pause: Send + Sync {
    /// Comes back after `time`.
    fn pause(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealTime;

impl Pause for RealTime {
    fn pause(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// What an answer asks for by `Retry-After`: seconds, or a time, which is compared with the answer's own `Date`. (RFC
/// 9110, 10.2.3)
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = parse_date(value)?;
    let now = parse_date(headers.get(DATE)?.to_str().ok()?)?;
    Some(Duration::from_secs(until.saturating_sub(now).max(0).unsigned_abs()))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    oci::time::parse_rfc3339(&format!("{year:0>4}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let policy = RetryPolicy { attempts: 4, ..RetryPolicy::default() };
        let wait = |failures, asked: Option<u64>| policy.wait(failures, asked.map(Duration::from_secs));
        assert_eq!(wait(1, None), Some(Duration::from_millis(250)));
        assert_eq!(wait(3, None), Some(Duration::from_millis(1000)));
        assert_eq!(wait(4, None), None);
        assert_eq!(wait(1, Some(7)), Some(Duration::from_secs(7)));
        assert_eq!(wait(1, Some(301)), None);
        assert_eq!(RetryPolicy { attempts: 99, ..policy }.wait(90, None), Some(Duration::from_secs(15)));
    }

    #[test]
    fn what_a_registry_asks_for() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let seconds =
            |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs)).map(|time| time.as_secs());
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(seconds(&[("retry-after", "120")]), Some(120));
        assert_eq!(seconds(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), date]), Some(30));
        assert_eq!(seconds(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), date]), Some(0));
        assert_eq!(seconds(&[("retry-after", "soon"), date]), None);
        assert_eq!(seconds(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), None);
        assert_eq!(seconds(&[]), None);
    }
}
