//! SOQL as text: literals that nothing can break out of, conditions, keysets. Sends nothing.

use chrono::SecondsFormat;
use duet_core::stamp::Stamp;
use duet_core::value::Value;

/// A text literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// A point in time, at the platform's grain of one second.
pub(crate) fn instant(at: Stamp) -> Option<String> {
    at.to_datetime().map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A literal of any type; `None` where the language has none.
pub(crate) fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_plain_string(),
        Value::Boolean(flag) => if *flag { "TRUE" } else { "FALSE" }.to_owned(),
        Value::Date(day) => day.format("%Y-%m-%d").to_string(),
        Value::Instant(at) => instant(*at)?,
        Value::Set(items) => quoted(&items.iter().cloned().collect::<Vec<_>>().join(";")),
        Value::Link(id) => quoted(&id.to_string()),
        Value::Tuple(_) => return None,
    })
}

/// `Column IN (…)`.
pub(crate) fn is_in(column: &str, literals: &[String]) -> String {
    format!("{column} IN ({})", literals.join(","))
}

/// A place in the order of (SystemModstamp, Id). An empty id stands before every id of its second.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) at: Stamp,
    pub(crate) id: String,
}

/// The condition for everything after a mark.
pub(crate) fn after(mark: &Mark) -> String {
    let at = instant(mark.at).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned());
    if mark.id.is_empty() {
        return format!("SystemModstamp >= {at}");
    }
    let id = quoted(&mark.id);
    format!("((SystemModstamp = {at} AND Id > {id}) OR SystemModstamp > {at})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a literal as the language does; `None` when it ends early or never.
    fn unquoted(literal: &str) -> Option<String> {
        let inner = literal.strip_prefix('\'')?;
        let mut out = String::new();
        let mut letters = inner.chars();
        loop {
            match letters.next()? {
                '\'' => return letters.next().is_none().then_some(out),
                '\\' => out.push(match letters.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    same @ ('\\' | '\'' | '"') => same,
                    _ => return None,
                }),
                other => out.push(other),
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_stays_inside_its_literal(text in any::<String>()) {
            prop_assert_eq!(unquoted(&quoted(&text)), Some(text));
        }

        #[test]
        fn hostile_text_stays_inside_its_literal(text in r#"[\\'"nrtbf ()=%_;,\n\r\t]{0,40}"#) {
            prop_assert_eq!(unquoted(&quoted(&text)), Some(text));
        }
    }

    #[test]
    fn every_type_has_its_literal() {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 2, 3).unwrap();
        let set = ["b".to_owned(), "a".to_owned()].into();
        let cases = [
            (Value::Null, "null"),
            (Value::text("O'Neil"), r"'O\'Neil'"),
            (Value::Integer(-5), "-5"),
            (Value::decimal("1.50".parse().unwrap()), "1.5"),
            (Value::Boolean(true), "TRUE"),
            (Value::Date(day), "2026-02-03"),
            (Value::Instant(Stamp(1_000_000)), "1970-01-01T00:00:01Z"),
            (Value::Set(set), "'a;b'"),
        ];
        for (value, text) in cases {
            assert_eq!(literal(&value).as_deref(), Some(text));
        }
        assert_eq!(literal(&Value::Tuple(vec![])), None);
    }

    #[test]
    fn the_keyset_names_both_parts() {
        let mark = Mark { at: Stamp(0), id: String::new() };
        assert_eq!(after(&mark), "SystemModstamp >= 1970-01-01T00:00:00Z");
        let mark = Mark { at: Stamp(0), id: "001".to_owned() };
        let second = "1970-01-01T00:00:00Z";
        let both =
            format!("((SystemModstamp = {second} AND Id > '001') OR SystemModstamp > {second})");
        assert_eq!(after(&mark), both);
    }
}
