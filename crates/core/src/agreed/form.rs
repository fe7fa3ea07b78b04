//! How agreed content is stored (`docs/decisions/0071-…`, form 2): what goes without saying is left
//! out. A field says its content (`is`), and further only what differs from the usual: `at` and
//! `from` where they aren't those of most fields, which the pair names once; `left` and `right`,
//! what is accounted for of a side, where it isn't the content itself; and so on.
//!
//! Form 1, which says everything of every field, is read too: the keys tell them apart.

use super::{AgreedField, Origin, Pair};
use crate::id::FieldName;
use crate::observation::ActorClass;
use crate::side::{Both, Side};
use crate::sorted::Sorted;
use crate::stamp::Stamp;
use crate::value::Value;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// When content was agreed, and where it came from.
type Usual = Option<(Stamp, Origin)>;

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let usual = usual(&self.fields);
        let mut map = to.serialize_map(None)?;
        if let Some((at, from)) = usual {
            map.serialize_entry("at", &at)?;
            map.serialize_entry("from", &from)?;
        }
        map.serialize_entry("fields", &Fields { fields: &self.fields, usual })?;
        map.end()
    }
}

/// What more than half of the fields have; else what the last have that weren't outnumbered.
fn usual(fields: &Sorted<FieldName, AgreedField>) -> Usual {
    let (mut usual, mut votes) = (None, 0_usize);
    for field in fields.values() {
        let one = Some((field.at, field.origin));
        if votes == 0 {
            usual = one;
        }
        votes = if usual == one { votes + 1 } else { votes - 1 };
    }
    usual
}

struct Fields<'a> {
    fields: &'a Sorted<FieldName, AgreedField>,
    usual: Usual,
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let usual = self.usual;
        to.collect_map(self.fields.iter().map(|(name, field)| (name, Written { field, usual })))
    }
}

struct Written<'a> {
    field: &'a AgreedField,
    usual: Usual,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let field = self.field;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("is", &field.trunk)?;
        if self.usual.is_none_or(|(at, _)| at != field.at) {
            map.serialize_entry("at", &field.at)?;
        }
        if self.usual.is_none_or(|(_, from)| from != field.origin) {
            map.serialize_entry("from", &field.origin)?;
        }
        for side in Side::BOTH {
            let accounted = field.accounted.get(side).as_ref();
            if let Some(value) = accounted.filter(|value| **value != field.trunk) {
                map.serialize_entry(side.as_str(), value)?;
            }
        }
        sides(&mut map, "unconfirmed", |side| field.accounted.get(side).is_none())?;
        sides(&mut map, "tolerates", |side| *field.tolerated.get(side))?;
        if field.hops != 0 {
            map.serialize_entry("hops", &field.hops)?;
        }
        if let Some(changed) = &field.changed {
            map.serialize_entry("changed", changed)?;
        }
        if field.by != ActorClass::default() {
            map.serialize_entry("by", &field.by)?;
        }
        let Both { left, right } = &field.moved;
        if left.is_some() || right.is_some() {
            map.serialize_entry("moved_at", &(left, right))?;
        }
        map.end()
    }
}

/// The sides of which something is true, if it is of any.
fn sides<M: SerializeMap>(
    map: &mut M,
    key: &str,
    holds: impl Fn(Side) -> bool,
) -> Result<(), M::Error> {
    let of: &[Side] = match (holds(Side::Left), holds(Side::Right)) {
        (false, false) => return Ok(()),
        (true, false) => &[Side::Left],
        (false, true) => &[Side::Right],
        (true, true) => &Side::BOTH,
    };
    map.serialize_entry(key, of)
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(PairReader)
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum PairKey {
    At,
    From,
    Fields,
    #[serde(other)]
    Other,
}

struct PairReader;

impl<'de> Visitor<'de> for PairReader {
    type Value = Pair;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("agreed fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pair, A::Error> {
        let (mut at, mut from, mut fields) = (None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                PairKey::At => at = Some(map.next_value()?),
                PairKey::From => from = Some(map.next_value()?),
                PairKey::Fields => {
                    fields = Some(map.next_value_seed(FieldsReader { usual: at.zip(from) })?);
                }
                PairKey::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let fields = fields.ok_or_else(|| de::Error::missing_field("fields"))?;
        Ok(Pair { fields })
    }
}

/// Reads the fields of a pair, which has told what is usual before.
struct FieldsReader {
    usual: Usual,
}

impl<'de> DeserializeSeed<'de> for FieldsReader {
    type Value = Sorted<FieldName, AgreedField>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsReader {
    type Value = Sorted<FieldName, AgreedField>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("agreed fields by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Sorted::usual();
        while let Some(name) = map.next_key()? {
            fields.insert(name, map.next_value_seed(FieldReader { usual: self.usual })?);
        }
        Ok(fields)
    }
}

/// Reads a field in either form.
struct FieldReader {
    usual: Usual,
}

impl<'de> DeserializeSeed<'de> for FieldReader {
    type Value = AgreedField;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<AgreedField, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldReader {
    type Value = AgreedField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an agreed field")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AgreedField, A::Error> {
        let mut read = Read::default();
        while let Some(key) = map.next_key()? {
            read.take(key, &mut map)?;
        }
        read.field(self.usual)
    }
}

/// The keys of both forms.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    #[serde(alias = "trunk")]
    Is,
    At,
    #[serde(alias = "origin")]
    From,
    Left,
    Right,
    Unconfirmed,
    Tolerates,
    Hops,
    Changed,
    By,
    MovedAt,
    /// Form 1.
    Accounted,
    /// Form 1.
    Tolerated,
    /// Form 1.
    Moved,
    #[serde(other)]
    Other,
}

#[derive(Default)]
struct Read {
    trunk: Option<Value>,
    at: Option<Stamp>,
    origin: Option<Origin>,
    differs: Both<Option<Value>>,
    unconfirmed: Both<bool>,
    /// Form 1: both sides', whether equal or not.
    accounted: Option<Both<Option<Value>>>,
    tolerated: Both<bool>,
    hops: u8,
    changed: Option<(Stamp, Stamp)>,
    by: ActorClass,
    moved: Both<Option<Stamp>>,
}

impl Read {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Is => self.trunk = Some(map.next_value()?),
            Key::At => self.at = Some(map.next_value()?),
            Key::From => self.origin = Some(map.next_value()?),
            Key::Left => self.differs.left = Some(map.next_value()?),
            Key::Right => self.differs.right = Some(map.next_value()?),
            Key::Unconfirmed => self.unconfirmed = among(&map.next_value::<Vec<Side>>()?),
            Key::Tolerates => self.tolerated = among(&map.next_value::<Vec<Side>>()?),
            Key::Hops => self.hops = map.next_value()?,
            Key::Changed => self.changed = map.next_value()?,
            Key::By => self.by = map.next_value()?,
            Key::MovedAt => {
                let (left, right) = map.next_value()?;
                self.moved = Both { left, right };
            }
            Key::Accounted => self.accounted = Some(map.next_value::<Accounted>()?.into()),
            Key::Tolerated => self.tolerated = map.next_value()?,
            Key::Moved => self.moved = map.next_value()?,
            Key::Other => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn field<E: de::Error>(self, usual: Usual) -> Result<AgreedField, E> {
        let trunk = self.trunk.ok_or_else(|| E::missing_field("is"))?;
        let (mut left, mut right) = (self.differs.left, self.differs.right);
        let (open_left, open_right) = (self.unconfirmed.left, self.unconfirmed.right);
        let accounted = self.accounted.unwrap_or_else(|| {
            let value = |differs: &mut Option<Value>, open: bool| {
                (!open).then(|| differs.take().unwrap_or_else(|| trunk.clone()))
            };
            Both { left: value(&mut left, open_left), right: value(&mut right, open_right) }
        });
        let at = self.at.or(usual.map(|(at, _)| at));
        let origin = self.origin.or(usual.map(|(_, from)| from));
        Ok(AgreedField {
            trunk,
            at: at.ok_or_else(|| E::missing_field("at"))?,
            origin: origin.ok_or_else(|| E::missing_field("from"))?,
            accounted,
            tolerated: self.tolerated,
            hops: self.hops,
            changed: self.changed,
            by: self.by,
            moved: self.moved,
        })
    }
}

fn among(sides: &[Side]) -> Both<bool> {
    Both::build(|side| sides.contains(&side))
}

/// Accounted values as form 1 has them. Absent, null and a value are three things: a side that has
/// never confirmed anything is left out, and `null` is the value.
#[derive(serde::Deserialize)]
struct Accounted {
    #[serde(default, deserialize_with = "known")]
    left: Option<Value>,
    #[serde(default, deserialize_with = "known")]
    right: Option<Value>,
}

impl From<Accounted> for Both<Option<Value>> {
    fn from(Accounted { left, right }: Accounted) -> Self {
        Both { left, right }
    }
}

fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}
