//! What one run of one program gave. LIMIT prints its lines in this form, too.

use crate::error::BenchError;
use crate::processes::Used;
use crate::statistics::float;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What LIMIT calls its processes, and what the table calls them.
const NAMES: [(&str, &str); 5] = [
    ("self", "LIMIT"),
    ("rabbit", "broker"),
    ("postgres", "PostgreSQL"),
    ("serve", "HTTP side"),
    ("publish", "publisher"),
];

/// One figure, and what goes with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// The figure.
    pub(crate) value: f64,
    /// Others, by name.
    #[serde(default)]
    pub(crate) more: BTreeMap<String, f64>,
    /// Processor microseconds a record, by process.
    #[serde(default)]
    pub(crate) cpu: BTreeMap<String, f64>,
    /// Cores used by strangers meanwhile.
    #[serde(default)]
    pub(crate) strangers: f64,
}

impl Reading {
    /// A figure alone.
    pub(crate) fn of(value: f64) -> Reading {
        Reading { value, ..Reading::default() }
    }

    /// A figure of so many records, and what was used for them.
    pub(crate) fn of_records(value: f64, records: usize, used: &Used) -> Reading {
        let each = |seconds: &f64| seconds * 1e6 / float(records.max(1));
        let cpu = used.by.iter().map(|(name, seconds)| (name.clone(), each(seconds)));
        let cpu = cpu.filter(|(_, each)| *each >= 0.05).collect();
        Reading { value, more: BTreeMap::new(), cpu, strangers: used.strangers }
    }

    /// With another figure.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: f64) -> Reading {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// LIMIT's processes by the names that duet's have.
    fn with_our_names(mut self) -> Reading {
        for (theirs, ours) in NAMES {
            if let Some(each) = self.cpu.remove(theirs) {
                self.cpu.insert(ours.to_owned(), each);
            }
        }
        self
    }

    /// The last line that is one, of what a program printed.
    pub(crate) fn last(program: &str, printed: &str) -> Result<Reading, BenchError> {
        let lines = printed.lines().rev().filter(|line| line.starts_with('{'));
        let mut readings = lines.filter_map(|line| serde_json::from_str(line).ok());
        readings.next().map(Reading::with_our_names).ok_or_else(|| BenchError::Program {
            program: program.to_owned(),
            output: format!("no figure in: {}", tail(printed)),
        })
    }
}

/// The end of a text, for errors.
pub(crate) fn tail(text: &str) -> &str {
    const MOST: usize = 2_000;
    let mut from = text.len().saturating_sub(MOST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_limit_is_read() {
        let printed = "| what | median |\n{\"name\":\"x\",\"value\":7.5,\"more\":{\"p99\":2.0},\
                       \"cpu\":{\"rabbit\":15.0},\"strangers\":0.1}\n";
        let reading = Reading::last("limit", printed).unwrap();
        assert!((reading.value - 7.5).abs() < f64::EPSILON);
        assert_eq!(reading.cpu, BTreeMap::from([("broker".to_owned(), 15.0)]));
        let failed = Reading::last("limit merge", "| nothing |\n").unwrap_err().to_string();
        assert_eq!(failed, "limit merge failed: no figure in: | nothing |");
    }

    #[test]
    fn used_seconds_become_microseconds_a_record() {
        let by = BTreeMap::from([("duet".to_owned(), 2.0), ("idle".to_owned(), 0.0)]);
        let reading = Reading::of_records(1.0, 1_000, &Used { by, strangers: 0.0 });
        assert_eq!(reading.cpu, BTreeMap::from([("duet".to_owned(), 2_000.0)]));
        assert_eq!(tail(&"é".repeat(2_000)).chars().count(), 1_000);
    }
}
