//! The table, as Markdown and for people at a terminal: the same.

use crate::measure::Measured;
use crate::statistics::Spread;
use std::collections::BTreeMap;

/// The table of all rows, and where their time goes.
pub(crate) fn render(rows: &[Measured]) -> String {
    let head =
        "| What | Against | LIMIT | duet | Ratio | First | Goal |\n|---|---|--:|--:|--:|--:|--:|";
    let mut lines = vec![head.to_owned()];
    lines.extend(rows.iter().map(line));
    lines.push(String::new());
    lines.extend(where_time_goes(rows));
    lines.join("\n")
}

fn line(row: &Measured) -> String {
    let figures = match &row.failed {
        Some(why) => format!("not measured: {} | | ", plain(why)),
        None => format!(
            "{} | {} | {}",
            figure(row.baseline, ""),
            figure(row.duet, row.unit),
            ratio(row.ratio)
        ),
    };
    let (first, goal) = (mark(&row.first, row.first_reached), mark(&row.goal, row.goal_reached));
    let disturbed = if row.quiet { "" } else { " (not quiet)" };
    format!("| {}{disturbed} | {} | {figures} | {first} | {goal} |", row.what, row.against)
}

/// What would end a cell.
fn plain(text: &str) -> String {
    text.replace('|', "/").replace('\n', " ")
}

fn figure(spread: Option<Spread>, unit: &str) -> String {
    match spread {
        None => "—".to_owned(),
        Some(Spread { median, .. }) if unit.is_empty() => number(median),
        Some(Spread { median, .. }) => format!("{} {unit}", number(median)),
    }
}

fn ratio(spread: Option<Spread>) -> String {
    let Some(Spread { median, least, most }) = spread else { return "—".to_owned() };
    format!("**{median:.2}** ({least:.2}..{most:.2})")
}

fn mark(wanted: &str, reached: Option<bool>) -> String {
    match reached {
        Some(true) => format!("{wanted} ✓"),
        Some(false) => format!("{wanted} ✗"),
        None => wanted.to_owned(),
    }
}

/// A number with as many digits as are worth telling.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => thousands(value),
        middle if middle >= 100.0 => format!("{value:.0}"),
        small if small >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Per row: processor time a record by process, and the other figures.
fn where_time_goes(rows: &[Measured]) -> Vec<String> {
    let mut lines = vec![
        "| Row | Processor µs a record, duet | The same, LIMIT | Other figures of duet |"
            .to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    let told = rows.iter().filter(|row| row.failed.is_none()).map(|row| {
        let (cpu, limit) = (by_process(&row.cpu), by_process(&row.baseline_cpu));
        let more: Vec<String> =
            row.more.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
        format!("| {} | {cpu} | {limit} | {} |", row.name, more.join(", "))
    });
    lines.extend(told);
    lines
}

fn by_process(cpu: &BTreeMap<String, f64>) -> String {
    if cpu.is_empty() {
        return "—".to_owned();
    }
    let mut parts: Vec<(&String, &f64)> = cpu.iter().collect();
    parts.sort_by(|one, other| other.1.total_cmp(one.1));
    let sum: f64 = cpu.values().sum();
    let parts: Vec<String> =
        parts.into_iter().map(|(name, each)| format!("{name} {}", number(*each))).collect();
    format!("{} ({})", number(sum), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Measured {
        Measured {
            name: "drain".to_owned(),
            what: "Backlog".to_owned(),
            against: "`pipeline drain`".to_owned(),
            unit: "records/s",
            baseline: Spread::of(&[10_000.0]),
            duet: Spread::of(&[5_000.0]),
            ratio: Spread::of(&[0.4, 0.5, 0.6]),
            first: "0.4".to_owned(),
            first_reached: Some(true),
            goal: "1".to_owned(),
            goal_reached: Some(false),
            baseline_cpu: BTreeMap::new(),
            cpu: BTreeMap::from([("broker".to_owned(), 1.5), ("duet".to_owned(), 120.0)]),
            more: BTreeMap::from([("peak MiB".to_owned(), 64.25)]),
            strangers: 0.0,
            quiet: true,
            failed: None,
        }
    }

    #[test]
    fn a_row_tells_figures_ratio_and_what_is_reached() {
        let wanted = "| Backlog | `pipeline drain` | 10,000 | 5,000 records/s | **0.50** (0.40..0.60) \
                      | 0.4 ✓ | 1 ✗ |";
        assert_eq!(line(&row()), wanted);
        let table = render(&[row()]);
        assert!(
            table.contains("| drain | 122 (duet 120, broker 1.50) | — | peak MiB 64.2 |"),
            "{table}"
        );
    }

    #[test]
    fn a_row_that_can_t_be_measured_says_why() {
        let why = Some("no package |\nto be had".to_owned());
        let failed = Measured { failed: why, first_reached: None, goal_reached: None, ..row() };
        let wanted =
            "| Backlog | `pipeline drain` | not measured: no package / to be had | |  | 0.4 | 1 |";
        assert_eq!(line(&failed), wanted);
        let disturbed = Measured { quiet: false, ..row() };
        assert!(line(&disturbed).starts_with("| Backlog (not quiet) |"));
    }

    #[test]
    fn numbers_have_as_many_digits_as_are_worth_telling() {
        let told: Vec<String> =
            [1_234_567.8, 999.6, 12.34, 0.456, -1_000.0].into_iter().map(number).collect();
        assert_eq!(told, ["1,234,568", "1000", "12.3", "0.46", "-1,000"]);
    }
}
