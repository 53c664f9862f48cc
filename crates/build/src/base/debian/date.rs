//! Dates as archives write them: `Sat, 10 Jun 2023 08:53:54 UTC` (RFC 2822, always in UTC).

use std::fmt;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of a date, or nothing if it is none. The weekday may be missing and is not checked.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else { return None };
    if !matches!(zone, "UTC" | "GMT" | "Z" | "+0000" | "-0000") {
        return None;
    }
    let number = |word: &str, limit: i64| {
        let digits = (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
        word.parse::<i64>().ok().filter(|number| digits && *number <= limit)
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64 + 1;
    let (day, year) = (number(day, 31).filter(|day| *day > 0)?, number(year, 9999)?);
    let clock: Vec<&str> = time.split(':').collect();
    let [hours, minutes, seconds] = clock[..] else { return None };
    let time = number(hours, 23)? * 3600 + number(minutes, 59)? * 60 + number(seconds, 60)?;
    Some(days_from_civil(year, month, day) * 86_400 + time)
}

/// A point in time (seconds since 1970), shown as its day: `2023-06-10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub i64);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(86_400));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Days since 1970-01-01 of a day of the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last of its year, in eras of 400 years, which all have the same length.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_parse() {
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        assert_eq!(parse("Sat, 10 Jun 2023 08:53:54 UTC"), Some(1_686_387_234));
        assert_eq!(parse("29 Feb 2000 23:59:59 +0000"), Some(951_868_799));
        assert_eq!(parse("Tue,  1 Mar 2024 1:2:3 GMT"), Some(1_709_254_923));
        for bad in
            ["", "Sat", "Sat, 10 Foo 2023 08:53:54 UTC", "10 Jun 2023 08:53:54 CEST", "10 Jun 2023 8 UTC"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
        for bad in
            ["0 Jun 2023 1:1:1 UTC", "1 Jun -2 1:1:1 UTC", "1 Jun 2023 24:0:0 UTC", "1 Jun 99999 1:1:1 UTC"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_are_shown() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day(-1).to_string(), "1969-12-31");
        assert_eq!(Day(951_868_799).to_string(), "2000-02-29");
    }

    proptest! {
        #[test]
        fn calendar_goes_both_ways(days in -1_000_000_i64..3_000_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }
    }
}
