//! Lengths of time as people write them in configuration and on the command line: `500ms`, `5s`,
//! `10 m`, `2h`, `1d`. What [`Holds::Duration`](crate::keys::Holds::Duration) takes, everywhere.

use std::time::Duration;

/// Units and their microseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// A length of time from its text; none if it isn't one, or too long to be one.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*size).map(Duration::from_micros)
}

/// The same in whole microseconds, as stamps count them.
#[must_use]
pub fn micros(text: &str) -> Option<i64> {
    i64::try_from(parse(text)?.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_units() {
        assert_eq!(micros("5s"), Some(5_000_000));
        assert_eq!(micros(" 10 m "), Some(600_000_000));
        assert_eq!(micros("500ms"), Some(500_000));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
        assert_eq!(parse("1d"), Some(Duration::from_secs(86_400)));
        for wrong in ["", "5", "s", "1.5s", "-1s", "5 weeks", "5S", "99999999999999d"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
