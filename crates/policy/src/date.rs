//! A day of the calendar, for ends of life and of waivers.

use std::fmt;
use std::str::FromStr;

/// A day, in the proleptic Gregorian calendar. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text that is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date like `2027-01-31`")]
pub struct BadDate(
    /// The text, cut.
    pub String,
);

impl Date {
    /// The day of a moment, given in seconds since 1970, in UTC.
    pub fn of_seconds(seconds: i64) -> Date {
        let text = oci::time::format_rfc3339(seconds);
        text.get(..10).and_then(|day| day.parse().ok()).unwrap_or(Date { year: 1970, month: 1, day: 1 })
    }

    /// The midnight at which the day begins, in seconds since 1970, in UTC.
    pub fn seconds(self) -> i64 {
        oci::time::parse_rfc3339(&format!("{self}T00:00:00Z")).unwrap_or(0)
    }
}

impl FromStr for Date {
    type Err = BadDate;

    fn from_str(text: &str) -> Result<Date, BadDate> {
        let bad = || BadDate(text.chars().take(40).collect());
        let mut parts = text.splitn(3, '-');
        let mut part = |length: usize| {
            let part =
                parts.next().filter(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|part| part.parse::<u16>().ok()).ok_or_else(bad)
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        let date = Date { year, month: month as u8, day: day as u8 };
        // The round trip refuses the 31st of June.
        let seconds = oci::time::parse_rfc3339(&format!("{date}T00:00:00Z")).ok_or_else(bad)?;
        let again = oci::time::format_rfc3339(seconds);
        if again.starts_with(&date.to_string()) { Ok(date) } else { Err(bad()) }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        assert_eq!("2024-02-29".parse::<Date>().map(|date| date.to_string()), Ok("2024-02-29".into()));
        for bad in
            ["", "2024", "2023-02-29", "2024-13-01", "24-01-01", "2024-1-1", "2024-01-01x", "-024-01-01"]
        {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        assert!("2024-01-31".parse::<Date>().ok() < "2024-02-01".parse::<Date>().ok());
        assert_eq!(Date::of_seconds(86_399).to_string(), "1970-01-01");
        assert_eq!("1970-01-02".parse::<Date>().map(Date::seconds), Ok(86_400));
    }
}
