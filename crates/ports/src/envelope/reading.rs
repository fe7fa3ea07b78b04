//! Reads a change in one pass. The key of what happened stands beside the others, so a derived
//! reader would have to keep everything until it has met it; this one decides as it comes.

use super::{ChangeV1, WhatV1};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Entry {
    Flow,
    Side,
    Record,
    Seen,
    KeyChanged,
    Gap,
    /// Readers ignore keys that they don't know.
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for ChangeV1 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = ChangeV1;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a change: flow, side, record, and one of seen, key_changed and gap")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ChangeV1, A::Error> {
        let (mut flow, mut side, mut record, mut what) = (None, None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                Entry::Flow => once(&mut flow, "flow", &mut map)?,
                Entry::Side => once(&mut side, "side", &mut map)?,
                Entry::Record => once(&mut record, "record", &mut map)?,
                Entry::Seen if what.is_none() => what = Some(WhatV1::Seen(map.next_value()?)),
                Entry::KeyChanged if what.is_none() => {
                    let KeyChanged { old, order } = map.next_value()?;
                    what = Some(WhatV1::KeyChanged { old, order });
                }
                Entry::Gap if what.is_none() => {
                    let Nothing = map.next_value()?;
                    what = Some(WhatV1::Gap);
                }
                // Only the first of them counts.
                Entry::Seen | Entry::KeyChanged | Entry::Gap | Entry::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(ChangeV1 {
            flow: flow.ok_or_else(|| de::Error::missing_field("flow"))?,
            side: side.ok_or_else(|| de::Error::missing_field("side"))?,
            record: record.ok_or_else(|| de::Error::missing_field("record"))?,
            what: what.ok_or_else(|| de::Error::custom("none of seen, key_changed and gap"))?,
        })
    }
}

/// Takes a value that may be there once.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

#[derive(serde::Deserialize)]
struct KeyChanged {
    old: duet_core::id::RecordId,
    #[serde(default)]
    order: Option<i64>,
}

/// Null; or an object of nothing, which was always taken for it.
struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Nothing;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Nothing, E> {
                Ok(Nothing)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Nothing, A::Error> {
                match map.next_key::<IgnoredAny>()? {
                    None => Ok(Nothing),
                    Some(_) => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
                }
            }
        }

        from.deserialize_any(Reader)
    }
}
