//! What the declared type of a SQLite column says. SQLite holds columns to their affinity only; duet
//! takes the declared type at its word: what is stored beside it doesn't fit, and is told so.

use super::{Affinity, Kind, value_type};
use duet_core::spec::{Canon, ColumnSpec};

/// The affinity that SQLite derives from a declared type, by its rules and in their order.
pub(super) fn affinity(declared: &str) -> Affinity {
    let has = |parts: &[&str]| parts.iter().any(|part| declared.to_uppercase().contains(part));
    if has(&["INT"]) {
        Affinity::Integer
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if declared.trim().is_empty() || has(&["BLOB"]) {
        Affinity::Blob
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// How values are written and read, and what follows from the type alone.
pub(super) fn declared(declared: &str) -> (Kind, ColumnSpec) {
    let kind = kind(declared);
    let sizes = sizes(declared);
    let (precision, scale) = match (kind, sizes.as_slice()) {
        (Kind::Numeric, [precision]) => (Some(*precision), Some(0)),
        (Kind::Numeric, [precision, scale, ..]) => (Some(*precision), Some(*scale)),
        _ => (None, None),
    };
    let spec = ColumnSpec {
        kind: value_type(kind),
        nullable: true,
        max_length: sizes.first().copied().filter(|_| kind == Kind::Text),
        scale,
        precision,
        range: if let Kind::Integer(least, most) = kind { Some((least, most)) } else { None },
        allowed: None,
        createable: true,
        updateable: true,
        canon: Canon { scale, ..Canon::default() },
    };
    (kind, spec)
}

/// The name says what is meant, the affinity what is left.
fn kind(declared: &str) -> Kind {
    let upper = declared.to_uppercase();
    let name = upper.split('(').next().unwrap_or_default().trim();
    match name {
        "BOOLEAN" | "BOOL" => Kind::Flag,
        "DATE" => Kind::Date,
        "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" | "DATETIMEOFFSET" => Kind::Moment,
        "TIMESTAMP WITH TIME ZONE" | "TIMESTAMP WITHOUT TIME ZONE" => Kind::Moment,
        "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER" | "MONEY" => Kind::Numeric,
        "BINARY" | "VARBINARY" | "BYTEA" => Kind::Bytes,
        _ => match affinity(declared) {
            Affinity::Integer | Affinity::RowId => Kind::Integer(i64::MIN, i64::MAX),
            Affinity::Text | Affinity::Fixed => Kind::Text,
            Affinity::Real => Kind::Double,
            Affinity::Blob if name.is_empty() => Kind::Other,
            Affinity::Blob => Kind::Bytes,
            Affinity::Numeric => Kind::Other,
        },
    }
}

/// The numbers in parentheses.
fn sizes(declared: &str) -> Vec<u32> {
    let inside = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let Some((inside, _)) = inside else { return Vec::new() };
    let numbers: Option<Vec<u32>> =
        inside.split(',').map(|number| number.trim().parse().ok()).collect();
    numbers.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::value::ValueType;

    #[test]
    fn affinities_follow_the_rules_of_sqlite() {
        let cases = [
            ("INTEGER", Affinity::Integer),
            ("UNSIGNED BIG INT", Affinity::Integer),
            ("FLOATING POINT", Affinity::Integer),
            ("VARCHAR(255)", Affinity::Text),
            ("clob", Affinity::Text),
            ("BLOB", Affinity::Blob),
            ("", Affinity::Blob),
            ("DOUBLE PRECISION", Affinity::Real),
            ("DECIMAL(10,5)", Affinity::Numeric),
            ("STRING", Affinity::Numeric),
            ("DATETIME", Affinity::Numeric),
        ];
        for (declared, expected) in cases {
            assert_eq!(affinity(declared), expected, "{declared}");
        }
    }

    #[test]
    fn the_declared_type_gives_the_canonical_one() {
        let whole = Kind::Integer(i64::MIN, i64::MAX);
        let cases = [
            ("INTEGER", whole, ValueType::Integer),
            ("smallint", whole, ValueType::Integer),
            ("BOOLEAN", Kind::Flag, ValueType::Boolean),
            ("date", Kind::Date, ValueType::Date),
            ("DATETIME", Kind::Moment, ValueType::Instant),
            ("timestamp(3)", Kind::Moment, ValueType::Instant),
            ("NUMERIC(10, 2)", Kind::Numeric, ValueType::Decimal),
            ("REAL", Kind::Double, ValueType::Decimal),
            ("VARCHAR(60)", Kind::Text, ValueType::Text),
            ("BLOB", Kind::Bytes, ValueType::Text),
            ("BINARY(16)", Kind::Bytes, ValueType::Text),
            ("JSON", Kind::Other, ValueType::Text),
            ("", Kind::Other, ValueType::Text),
        ];
        for (text, expected, canonical) in cases {
            let (kind, spec) = declared(text);
            assert_eq!((kind, spec.kind), (expected, canonical), "{text}");
        }
        let (_, price) = declared("DECIMAL(10, 2)");
        assert_eq!((price.precision, price.scale, price.canon.scale), (Some(10), Some(2), Some(2)));
        assert_eq!(declared("VARCHAR(60)").1.max_length, Some(60));
        assert_eq!(declared("INTEGER(4)").1.max_length, None);
        assert_eq!(declared("DECIMAL(a,b)").1.scale, None);
    }
}
