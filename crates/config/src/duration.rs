//! Durations as people write them: `500ms`, `5s`, `10m`, `2h`, `1d`.

/// Microseconds of a duration; none if it isn't one.
#[must_use]
pub(crate) fn micros(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 5] = [
        ("ms", 1_000),
        ("s", 1_000_000),
        ("m", 60_000_000),
        ("h", 3_600_000_000),
        ("d", 86_400_000_000),
    ];
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<i64>().ok()?.checked_mul(*size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_units() {
        assert_eq!(micros("5s"), Some(5_000_000));
        assert_eq!(micros("10 m"), Some(600_000_000));
        assert_eq!(micros("500ms"), Some(500_000));
        for wrong in ["", "5", "s", "1.5s", "-1s", "5 weeks", "99999999999999d"] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }
}
