//! How a value is stored and sent: plain JSON where JSON has the type, an object of one key where
//! not. The reader decides by the first sign; it never tries one form after the other.

use super::Value;
use crate::cast::stored_decimal;
use crate::decimal::Decimal;
use crate::id::LinkId;
use crate::stamp::Stamp;
use chrono::NaiveDate;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeSet;
use std::fmt;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => to.serialize_unit(),
            Value::Text(text) => to.serialize_str(text),
            Value::Integer(number) => to.serialize_i64(*number),
            Value::Boolean(flag) => to.serialize_bool(*flag),
            Value::Tuple(parts) => to.collect_seq(parts),
            Value::Decimal(number) => tagged(to, "decimal", &number.to_plain_string()),
            Value::Date(day) => tagged(to, "date", day),
            Value::Instant(at) => tagged(to, "at", at),
            Value::Set(items) => tagged(to, "set", items),
            Value::Link(id) => tagged(to, "link", id),
        }
    }
}

fn tagged<S: Serializer, T: Serialize>(to: S, tag: &str, value: &T) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry(tag, value)?;
    map.end()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

/// The keys of an object that is a value.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Tag {
    Decimal,
    Date,
    At,
    Set,
    Link,
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a value: null, true or false, a whole number of 64 bits, a text, a list of values, or \
             an object of one key out of decimal, date, at, set and link",
        )
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Boolean(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        let too_large = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
        i64::try_from(number).map(Value::Integer).map_err(too_large)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element()? {
            parts.push(part);
        }
        Ok(Value::Tuple(parts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some(tag) = map.next_key()? else { return Err(de::Error::invalid_length(0, &self)) };
        let value = match tag {
            Tag::Decimal => map.next_value::<Digits>()?.0,
            Tag::Date => Value::Date(map.next_value::<NaiveDate>()?),
            Tag::At => Value::Instant(Stamp(map.next_value()?)),
            Tag::Set => Value::Set(map.next_value::<BTreeSet<String>>()?),
            Tag::Link => Value::Link(map.next_value::<LinkId>()?),
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(de::Error::invalid_length(2, &self)),
        }
    }
}

/// A decimal from its text, without a copy of the text.
struct Digits(Value);

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Digits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text of a decimal number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digits, E> {
                let number = Decimal::small(text).or_else(|| Some(stored_decimal(text)?.into()));
                let number = number.ok_or_else(|| E::custom("no usable decimal"))?;
                Ok(Digits(Value::Decimal(number)))
            }
        }

        from.deserialize_str(Reader)
    }
}
