//! How values are shown: as text, sensitive ones masked. Nothing else formats a record's value.

use duet_core::id::FieldName;
use duet_core::spec::FlowSpec;
use duet_core::value::Value;

/// What stands for a value that must not be shown.
pub const MASK: &str = "•••";

/// A value as text: texts in quotes, null as `null`.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_plain_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Instant(at) => at.to_string(),
        Value::Set(items) => {
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            format!("{{{}}}", items.join(", "))
        }
        Value::Link(link) => format!("link {link}"),
        Value::Tuple(parts) => {
            let parts: Vec<String> = parts.iter().map(text).collect();
            format!("({})", parts.join(", "))
        }
    }
}

/// A field's value as text, masked where the configuration says so and nobody asked to `reveal` it.
#[must_use]
pub fn field_text(spec: &FlowSpec, field: &FieldName, value: &Value, reveal: bool) -> String {
    if is_masked(Some(spec), field, value, reveal) { MASK.into() } else { text(value) }
}

/// Whether a field's value must not be shown: the configuration says so, and nobody asked to
/// `reveal` it.
#[must_use]
pub fn is_masked(spec: Option<&FlowSpec>, field: &FieldName, value: &Value, reveal: bool) -> bool {
    let fields = spec.into_iter().flat_map(|spec| &spec.fields);
    let sensitive = fields.into_iter().any(|one| one.name == *field && one.sensitive);
    sensitive && !reveal && !value.is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_stay_on_one_line_and_in_quotes() {
        assert_eq!(text(&Value::text("a\n\u{1b}[31m\"b")), r#""a\n\u{1b}[31m\"b""#);
        assert_eq!(text(&Value::Tuple(vec![Value::Null, Value::Integer(2)])), "(null, 2)");
    }
}
