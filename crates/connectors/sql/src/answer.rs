//! A row of an answer, read by column name, whichever driver brought it.

use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Decode, Error, Row, Sqlite, TypeInfo, ValueRef};

/// A row of an answer.
pub(crate) enum Answer {
    /// Of a PostgreSQL server.
    Postgres(PgRow),
    /// Of a SQLite file.
    Sqlite(SqliteRow),
}

impl Answer {
    /// A text, or null.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match self {
            Answer::Postgres(row) => row.try_get(name),
            Answer::Sqlite(row) => text(row.try_get_raw(name)?),
        }
    }

    /// A text that is never null.
    pub(crate) fn own_text(&self, name: &str) -> Result<String, Error> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// The id of a record. Bytes that are no text are NUL in it: such a key can't be stored or found,
    /// and is reported like one that holds NUL itself.
    pub(crate) fn id(&self, name: &str) -> Result<String, Error> {
        match self {
            Answer::Postgres(_) => self.own_text(name),
            Answer::Sqlite(row) => match bytes(row.try_get_raw(name)?)? {
                Some(bytes) => Ok(readable(&bytes, "\0")),
                None => self.own_text(name),
            },
        }
    }

    /// A JSON document. Bytes in it that are no text are NUL, as in [`id`](Self::id).
    pub(crate) fn json(&self, name: &str) -> Result<Option<String>, Error> {
        match self {
            Answer::Postgres(_) => self.text(name),
            Answer::Sqlite(row) => {
                Ok(bytes(row.try_get_raw(name)?)?.map(|bytes| readable(&bytes, "\\u0000")))
            }
        }
    }

    /// A whole number, or null.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Error> {
        match self {
            Answer::Postgres(row) => row.try_get(name),
            Answer::Sqlite(row) => row.try_get_unchecked(name),
        }
    }

    /// A whole number that is never null.
    pub(crate) fn own_integer(&self, name: &str) -> Result<i64, Error> {
        self.integer(name)?.ok_or_else(|| missing(name))
    }

    /// True, false, or null.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self {
            Answer::Postgres(row) => row.try_get(name),
            Answer::Sqlite(row) => row.try_get_unchecked(name),
        }
    }

    /// Whether it is true.
    pub(crate) fn is(&self, name: &str) -> Result<bool, Error> {
        Ok(self.flag(name)?.unwrap_or(false))
    }

    /// A floating-point number, or null.
    pub(crate) fn real(&self, name: &str) -> Result<Option<f64>, Error> {
        match self {
            Answer::Postgres(row) => row.try_get(name),
            Answer::Sqlite(row) => row.try_get_unchecked(name),
        }
    }

    /// A list of texts; SQLite has it as JSON.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        match self {
            Answer::Postgres(row) => {
                Ok(row.try_get::<Option<Vec<String>>, _>(name)?.unwrap_or_default())
            }
            Answer::Sqlite(_) => match self.json(name)? {
                Some(list) => {
                    serde_json::from_str(&list).map_err(|error| Error::Decode(error.into()))
                }
                None => Ok(Vec::new()),
            },
        }
    }

    /// The values that were asked for, as texts: PostgreSQL has them in one list, SQLite each under
    /// a name of its own.
    pub(crate) fn cells(&self, count: usize) -> Result<Vec<Option<String>>, Error> {
        match self {
            Answer::Postgres(row) => {
                Ok(row.try_get::<Option<Vec<_>>, _>("cells")?.unwrap_or_default())
            }
            Answer::Sqlite(row) => {
                (0..count).map(|at| text(row.try_get_raw(format!("c{at}").as_str())?)).collect()
            }
        }
    }
}

fn missing(name: &str) -> Error {
    Error::Decode(format!("no value of {name}").into())
}

/// Whatever SQLite stores, as a text that tells it all: numbers in the shortest form that reads back
/// the same, and bytes that are no text as `\x` and digits.
fn text(value: SqliteValueRef<'_>) -> Result<Option<String>, Error> {
    let storage = value.type_info().name().to_owned();
    if value.is_null() {
        return Ok(None);
    }
    let decoded = match storage.as_str() {
        "INTEGER" => <i64 as Decode<Sqlite>>::decode(value).map(|number| number.to_string()),
        "REAL" => <f64 as Decode<Sqlite>>::decode(value).map(real_text),
        "BLOB" => <Vec<u8> as Decode<Sqlite>>::decode(value).map(|bytes| hexed(&bytes)),
        _ => <Vec<u8> as Decode<Sqlite>>::decode(value)
            .map(|bytes| String::from_utf8(bytes).unwrap_or_else(|error| hexed(error.as_bytes()))),
    };
    decoded.map(Some).map_err(Error::Decode)
}

/// The bytes of a text; none of anything else.
fn bytes(value: SqliteValueRef<'_>) -> Result<Option<Vec<u8>>, Error> {
    if value.is_null() || value.type_info().name() != "TEXT" {
        return Ok(None);
    }
    <Vec<u8> as Decode<Sqlite>>::decode(value).map(Some).map_err(Error::Decode)
}

/// A text in which something else stands for what is no text.
fn readable(bytes: &[u8], instead: &str) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push_str(instead);
        }
    }
    text
}

/// The shortest decimal that is this number.
pub(crate) fn real_text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    // Beyond these, digits alone would be hundreds of zeros.
    let plain = number == 0.0 || (1e-7..1e17).contains(&number.abs());
    if plain { number.to_string() } else { format!("{number:e}") }
}

fn hexed(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

/// The bytes of a text made by [`hexed`].
pub(crate) fn unhexed(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        pair.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
        u8::from_str_radix(pair, 16).ok()
    };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_the_same() {
        for number in [0.1, 12.5, 1e30, -2.5e-9, 0.1 + 0.2, 9_007_199_254_740_993.0, -0.0] {
            let text = real_text(number);
            assert_eq!(text.parse::<f64>(), Ok(number), "{text}");
        }
        assert_eq!(real_text(5.0), "5");
        assert_eq!(real_text(f64::NEG_INFINITY), "-Infinity");
    }

    #[test]
    fn what_is_no_text_is_seen_in_an_id() {
        assert_eq!(readable("käse".as_bytes(), "\0"), "käse");
        assert_eq!(readable(b"A\xfcB\xff", "\0"), "A\0B\0");
        assert_eq!(readable(b"\xe2\x82", "-"), "-");
    }

    #[test]
    fn bytes_come_back() {
        assert_eq!(hexed(&[0, 255, 16]), "\\x00ff10");
        assert_eq!(unhexed("\\x00ff10"), Some(vec![0, 255, 16]));
        for not in ["00", "\\x0", "\\x0g", "\\x+1", "\\xé0"] {
            assert_eq!(unhexed(not), None, "{not}");
        }
    }
}
