//! Points in time as records show them.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::SECOND;

const DAY: u64 = 86_400;

/// Nanoseconds since the Unix epoch; shown as RFC 3339 in UTC with nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Length of the shown form.
    pub const LENGTH: usize = 30;

    /// A time of the flow clock, given what must be added to make it Unix time.
    pub const fn from_clock(ns: u64, wall_offset: i64) -> Self {
        Self(ns.saturating_add_signed(wall_offset))
    }

    /// `2026-11-21T02:49:27.123456789Z`. The years that 64 bits reach end with 2554.
    pub fn format(self) -> [u8; Self::LENGTH] {
        let (seconds, nanos) = (self.0 / SECOND, self.0 % SECOND);
        let (days, second) = (seconds / DAY, seconds % DAY);
        let (year, month, day) = civil(days);
        let mut out = *b"0000-00-00T00:00:00.000000000Z";
        let mut put = |at: usize, width: usize, mut number: u64| {
            for place in out.iter_mut().skip(at).take(width).rev() {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, second / 3600);
        put(14, 2, second / 60 % 60);
        put(17, 2, second % 60);
        put(20, 9, nanos);
        out
    }

    /// Reads RFC 3339 (section 5.6): any offset, any number of digits of the second (beyond nine they
    /// are dropped), `T` or a space between date and time; also a date alone, its midnight in UTC. A leap
    /// second is the second after it. `None`: not of that form, no such day, or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (year, month, day) = (digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?);
        if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
            return None;
        }
        let days = days_from_civil(year, month, day)?;
        if bytes.len() == 10 {
            return days.checked_mul(DAY * SECOND).map(Self);
        }
        if !matches!(bytes.get(10), Some(b'T' | b't' | b' '))
            || bytes.get(13) != Some(&b':')
            || bytes.get(16) != Some(&b':')
        {
            return None;
        }
        let (hour, minute, second) = (digits(bytes, 11, 2)?, digits(bytes, 14, 2)?, digits(bytes, 17, 2)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut rest = bytes.get(19..)?;
        let mut nanos = 0;
        if let [b'.', after @ ..] = rest {
            let width = after.iter().take_while(|b| b.is_ascii_digit()).count();
            if width == 0 {
                return None;
            }
            let (fraction, zone) = after.split_at(width);
            let place = |i: usize| fraction.get(i).map_or(0, |digit| u64::from(digit - b'0'));
            nanos = (0..9).fold(0, |sum, i| sum * 10 + place(i));
            rest = zone;
        }
        let offset = match rest {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 5 && zone.get(2) == Some(&b':') => {
                let (hours, minutes) = (digits(zone, 0, 2)?, digits(zone, 3, 2)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let seconds = (hours * 3600 + minutes * 60) as i64;
                if *sign == b'+' { seconds } else { -seconds }
            }
            _ => return None,
        };
        let local = days.checked_mul(DAY)? + hour * 3600 + minute * 60 + second;
        let seconds = local.checked_add_signed(-offset)?;
        seconds.checked_mul(SECOND)?.checked_add(nanos).map(Self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.format()).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.format()).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no time of RFC 3339"))
    }
}

fn digits(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let part = bytes.get(at..at + width)?;
    part.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
}

/// Years that begin in March, so that the leap day ends them; 400 of them are 146,097 days.
const ERA_DAYS: u64 = 146_097;
/// Days from 1 March of the year 0 to the epoch.
const EPOCH: u64 = 719_468;

/// Year, month and day of a number of days since the epoch, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 153 days in every five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The other way; `None` for a day that does not exist or lies before 1970.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let year_from_march = year - u64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * ERA_DAYS + day_of_era).checked_sub(EPOCH)?;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_formatted() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (1_795_229_367_123_456_789, "2026-11-21T02:49:27.123456789Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(Time(ns).to_string(), text);
            assert_eq!(Time::parse(text), Some(Time(ns)));
            let json = serde_json::to_string(&Time(ns)).unwrap();
            assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), Time(ns));
        }
    }

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let mut before = civil(0);
        for days in 1..213_000 {
            let (year, month, day) = civil(days);
            assert_eq!(days_from_civil(year, month, day), Some(days));
            assert!((year, month, day) > before && day <= 31 && month <= 12);
            before = (year, month, day);
        }
        assert_eq!(before.0, 2553);
    }

    #[test]
    fn offsets_fractions_and_short_forms_are_read() {
        let expected = Time::parse("2026-11-21T02:49:27.5Z");
        assert!(expected.is_some());
        for text in [
            "2026-11-21T04:49:27.500+02:00",
            "2026-11-20t21:19:27.5-05:30",
            "2026-11-21 02:49:27.5000000009z",
        ] {
            assert_eq!(Time::parse(text), expected, "{text}");
        }
        assert_eq!(Time::parse("2026-11-21"), Time::parse("2026-11-21T00:00:00Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026",
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "1969-12-31",
            "2026-11-21T",
            "2026-11-21T02:49:27",
            "2026-11-21T24:00:00Z",
            "2026-11-21T02:49:27.Z",
            "2026-11-21T02:49:27+0200",
            "2026-11-21T02:49:27+24:00",
            "1970-01-01T00:00:00+01:00",
            "9999-01-01T00:00:00Z",
            "2026-11-21T02:49:27Zx",
            "２026-11-21",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_clock_is_shifted_and_never_wraps() {
        assert_eq!(Time::from_clock(5, 10), Time(15));
        assert_eq!(Time::from_clock(5, -10), Time(0));
        assert_eq!(Time::from_clock(u64::MAX, 1), Time(u64::MAX));
    }
}
