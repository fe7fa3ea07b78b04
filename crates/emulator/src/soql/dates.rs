//! Relative dates: `TODAY`, `LAST_N_DAYS:3`, … as half-open ranges of days, in UTC.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate};

/// The largest number that a relative date may carry; keeps dates in range.
const NUMBER_MAX: i64 = 40_000;

#[derive(Clone, Copy)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// True if this is a relative date of SOQL.
pub(super) fn known(name: &str, number: Option<i64>) -> bool {
    let any_day = NaiveDate::default();
    number.is_none_or(|number| (0..=NUMBER_MAX).contains(&number))
        && days(&name.to_uppercase(), number, any_day).is_some()
}

/// The first day of the range and the day after its last.
pub(super) fn range(name: &str, number: Option<i64>, now_ms: i64) -> (NaiveDate, NaiveDate) {
    let today = DateTime::from_timestamp_millis(now_ms).unwrap_or_default().date_naive();
    days(name, number, today).unwrap_or((today, today))
}

fn days(name: &str, number: Option<i64>, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    match (name, number) {
        ("TODAY", None) => return span(today, Unit::Day, 0, 1),
        ("YESTERDAY", None) => return span(today, Unit::Day, -1, 0),
        ("TOMORROW", None) => return span(today, Unit::Day, 1, 2),
        ("LAST_90_DAYS", None) => return span(today, Unit::Day, -90, 1),
        ("NEXT_90_DAYS", None) => return span(today, Unit::Day, 1, 91),
        _ => {}
    }
    if let Some(number) = number {
        if let Some(unit) = name.strip_prefix("LAST_N_").and_then(plural) {
            let end = if matches!(unit, Unit::Day) { 1 } else { 0 };
            return span(today, unit, -number, end);
        }
        if let Some(unit) = name.strip_prefix("NEXT_N_").and_then(plural) {
            return span(today, unit, 1, number + 1);
        }
        let unit = name.strip_prefix("N_")?.strip_suffix("_AGO").and_then(plural)?;
        return span(today, unit, -number, 1 - number);
    }
    let (which, unit) = name.split_once('_')?;
    let unit = plural(&format!("{}S", unit.strip_prefix("FISCAL_").unwrap_or(unit)))?;
    match (which, unit) {
        (_, Unit::Day) => None,
        ("THIS", unit) => span(today, unit, 0, 1),
        ("LAST", unit) => span(today, unit, -1, 0),
        ("NEXT", unit) => span(today, unit, 1, 2),
        _ => None,
    }
}

fn plural(name: &str) -> Option<Unit> {
    Some(match name.strip_prefix("FISCAL_").unwrap_or(name) {
        "DAYS" => Unit::Day,
        "WEEKS" => Unit::Week,
        "MONTHS" => Unit::Month,
        "QUARTERS" => Unit::Quarter,
        "YEARS" => Unit::Year,
        _ => return None,
    })
}

/// From `from` to before `to` units, counted from the one that today is in.
fn span(today: NaiveDate, unit: Unit, from: i64, to: i64) -> Option<(NaiveDate, NaiveDate)> {
    let start = match unit {
        Unit::Day => today,
        Unit::Week => {
            today.checked_sub_days(Days::new(u64::from(today.weekday().num_days_from_sunday())))?
        }
        Unit::Month => today.with_day(1)?,
        Unit::Quarter => today.with_day(1)?.with_month0(today.month0() / 3 * 3)?,
        Unit::Year => NaiveDate::from_ymd_opt(today.year(), 1, 1)?,
    };
    Some((moved(start, unit, from)?, moved(start, unit, to)?))
}

fn moved(start: NaiveDate, unit: Unit, by: i64) -> Option<NaiveDate> {
    let steps = |months: u64| {
        let months = Months::new(u32::try_from(by.unsigned_abs() * months).ok()?);
        if by < 0 { start.checked_sub_months(months) } else { start.checked_add_months(months) }
    };
    let days = |days: u64| {
        let days = Days::new(by.unsigned_abs() * days);
        if by < 0 { start.checked_sub_days(days) } else { start.checked_add_days(days) }
    };
    match unit {
        Unit::Day => days(1),
        Unit::Week => days(7),
        Unit::Month => steps(1),
        Unit::Quarter => steps(3),
        Unit::Year => steps(12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::parse_instant;

    #[test]
    fn ranges_are_as_documented() {
        let now = parse_instant("2024-05-15T13:00:00Z").unwrap();
        for (name, number, from, to) in [
            ("TODAY", None, "2024-05-15", "2024-05-16"),
            ("YESTERDAY", None, "2024-05-14", "2024-05-15"),
            ("THIS_WEEK", None, "2024-05-12", "2024-05-19"),
            ("LAST_MONTH", None, "2024-04-01", "2024-05-01"),
            ("THIS_QUARTER", None, "2024-04-01", "2024-07-01"),
            ("NEXT_YEAR", None, "2025-01-01", "2026-01-01"),
            ("LAST_N_DAYS", Some(3), "2024-05-12", "2024-05-16"),
            ("N_DAYS_AGO", Some(2), "2024-05-13", "2024-05-14"),
            ("NEXT_N_WEEKS", Some(2), "2024-05-19", "2024-06-02"),
        ] {
            let (start, end) = range(name, number, now);
            assert_eq!(
                (start.to_string().as_str(), end.to_string().as_str()),
                (from, to),
                "{name}"
            );
        }
        assert!(!known("SOMEDAY", None) && !known("LAST_N_DAYS", None));
        assert!(!known("LAST_N_DAYS", Some(i64::MAX)) && !known("TODAY", Some(1)));
    }
}
