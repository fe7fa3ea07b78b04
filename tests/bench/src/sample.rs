//! The records that are measured with: LIMIT's, in duet's own forms. 100,000 keys, 20 fields, of
//! which a change moves 4; one key in ten holds changes of the other side that nobody decided yet.

use bigdecimal::BigDecimal;
use chrono::NaiveDate;
use duet_core::id::{Column, RecordId};
use duet_core::image::Image;
use duet_core::observation::{Observation, Presence, Source, Version};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::{Value, ValueType};
use duet_ports::envelope::{ChangeV1, WhatV1};

/// The flow of all measurements.
pub(crate) const FLOW: &str = "contacts";
/// The column of the left side that holds the right side's key.
pub(crate) const EXTERNAL: &str = "Ext__c";
/// The key column of the right side.
pub(crate) const KEY: &str = "id";
/// When everything was agreed.
pub(crate) const AGREED_AT: Stamp = Stamp(1_790_000_000_000_000);
/// Every so manieth key holds an undecided change of the left side.
const PENDING_EVERY: u64 = 10;

/// A mapped field: its column left, its column right, its type.
pub(crate) type FieldOf = (&'static str, &'static str, ValueType);

/// The fields.
pub(crate) const FIELDS: [FieldOf; 20] = [
    ("FirstName", "first_name", ValueType::Text),
    ("LastName", "last_name", ValueType::Text),
    ("Email", "email", ValueType::Text),
    ("Phone", "phone", ValueType::Text),
    ("Title", "title", ValueType::Text),
    ("Department", "department", ValueType::Text),
    ("MailingStreet", "mailing_street", ValueType::Text),
    ("MailingCity", "mailing_city", ValueType::Text),
    ("MailingCountry", "mailing_country", ValueType::Text),
    ("LeadSource", "lead_source", ValueType::Text),
    ("Description", "description", ValueType::Text),
    ("AssistantName", "assistant_name", ValueType::Text),
    ("AnnualRevenue__c", "annual_revenue", ValueType::Decimal),
    ("Score__c", "score", ValueType::Decimal),
    ("Latitude", "latitude", ValueType::Decimal),
    ("Longitude", "longitude", ValueType::Decimal),
    ("DoNotCall", "do_not_call", ValueType::Boolean),
    ("HasOptedOutOfEmail", "has_opted_out_of_email", ValueType::Boolean),
    ("Birthdate", "birthdate", ValueType::Date),
    ("ReportsToId", "reports_to_id", ValueType::Text),
];

/// The columns of the right side that a change moves.
pub(crate) const MOVED: [&str; 4] = ["phone", "title", "department", "mailing_city"];
/// The same, on the left side.
pub(crate) const MOVED_LEFT: [&str; 4] = ["Phone", "Title", "Department", "MailingCity"];

/// A generator that gives the same numbers everywhere (xorshift, as LIMIT's).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Starts at a seed.
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.max(1))
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    fn text(&mut self) -> Value {
        Value::text(format!("{:016x}{:016x}{:06x}", self.roll(), self.roll(), self.roll() >> 40))
    }

    fn number(&mut self) -> Value {
        let thousandths = i64::try_from(self.roll() >> 24).unwrap_or(0);
        Value::decimal(BigDecimal::from(thousandths) / BigDecimal::from(1_000))
    }

    fn day(&mut self) -> Value {
        let days = i32::try_from(self.below(30_000)).unwrap_or(0);
        NaiveDate::from_num_days_from_ce_opt(700_000 + days).map_or(Value::Null, Value::Date)
    }

    fn value(&mut self, kind: ValueType) -> Value {
        match kind {
            ValueType::Decimal => self.number(),
            ValueType::Boolean => Value::Boolean(self.below(2) == 0),
            ValueType::Date => self.day(),
            ValueType::Text | ValueType::Integer | ValueType::Instant | ValueType::Set => {
                self.text()
            }
        }
    }
}

/// The id of a key's record, on both sides.
pub(crate) fn record(key: u64) -> RecordId {
    RecordId::new(format!("EXT-{key:010}"))
}

/// What both sides hold at first.
pub(crate) fn base(side: Side, key: u64) -> Image {
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15 ^ (key + 1));
    let mut image: Image = FIELDS
        .iter()
        .map(|(left, right, kind)| {
            let column = if side == Side::Left { left } else { right };
            let value = if *right == "reports_to_id" { Value::Null } else { dice.value(*kind) };
            (Column::from(*column), value)
        })
        .collect();
    let key_column = if side == Side::Left { EXTERNAL } else { KEY };
    image.insert(key_column.into(), Value::text(record(key).as_str()));
    image
}

/// Whether a key holds an undecided change of the left side, and what the left side holds then.
pub(crate) fn pending(key: u64) -> Option<Image> {
    if !key.is_multiple_of(PENDING_EVERY) {
        return None;
    }
    let mut image = base(Side::Left, key);
    image.insert("Phone".into(), Value::text("+1 555 0100"));
    image.insert("Score__c".into(), Value::decimal(BigDecimal::from(15) / BigDecimal::from(2)));
    Some(image)
}

/// A record as seen at a time in a version.
pub(crate) fn seen(image: Image, order: i64, at: Stamp, source: Source) -> Observation {
    Observation {
        presence: Presence::Present,
        image,
        version: Some(Version { order: Some(order), token: order.to_string() }),
        changed_at: Some(at),
        read_at: at,
        source,
        ..Observation::default()
    }
}

/// Changes of the right side, one after another.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    dice: Dice,
    keys: u64,
    number: i64,
}

impl Changes {
    /// The changes of a seed, of keys drawn at random.
    pub(crate) fn new(seed: u64, keys: u64) -> Changes {
        Changes { dice: Dice::new(seed.wrapping_mul(7_919).wrapping_add(1)), keys, number: 0 }
    }
}

/// Versions between two changes, for what duet writes itself.
pub(crate) const VERSION_STEP: i64 = 1_000;

impl Iterator for Changes {
    type Item = (u64, ChangeV1);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.dice.below(self.keys);
        self.number += 1;
        let at = AGREED_AT.plus_seconds(3_600).plus(self.number * 100);
        let mut image = base(Side::Right, key);
        for column in MOVED {
            image.insert(column.into(), self.dice.text());
        }
        let mut observation = seen(image, self.number * VERSION_STEP, at, Source::Event);
        observation.column_stamps = MOVED.iter().map(|&column| (column.into(), at)).collect();
        let what = WhatV1::Seen(Box::new(observation));
        Some((key, ChangeV1 { flow: FLOW.into(), side: Side::Right, record: record(key), what }))
    }
}

/// What a change tells of the moved columns: what must stand on the left side in the end.
pub(crate) fn moved(change: &ChangeV1) -> Vec<String> {
    let WhatV1::Seen(observation) = &change.what else { return Vec::new() };
    MOVED.iter().filter_map(|&column| text(observation.image.get(column))).collect()
}

/// The text of a text.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    match value {
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_changes() {
        let some = |seed| Changes::new(seed, 1_000).take(3).collect::<Vec<_>>();
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
    }

    #[test]
    fn a_change_moves_four_fields_of_twenty() {
        let (key, change) = Changes::new(1, 1_000).next().unwrap();
        let WhatV1::Seen(seen) = &change.what else { panic!("a look") };
        let before = base(Side::Right, key);
        let moved_columns: Vec<&str> = before
            .iter()
            .filter(|(column, value)| seen.image.get(*column) != Some(value))
            .map(|(column, _)| column.as_str())
            .collect();
        assert_eq!(moved_columns, ["department", "mailing_city", "phone", "title"]);
        assert_eq!(moved(&change).len(), 4);
        let bytes = serde_json::to_string(&change).unwrap().len();
        assert!((1_000..2_000).contains(&bytes), "{bytes} bytes, LIMIT's has 1,041");
    }

    #[test]
    fn both_sides_hold_the_same_at_first() {
        let (left, right) = (base(Side::Left, 7), base(Side::Right, 7));
        for (of_left, of_right, _) in FIELDS {
            assert_eq!(left.get(of_left), right.get(of_right), "{of_left}");
        }
        assert_eq!((0..100).filter(|key| pending(*key).is_some()).count(), 10);
    }
}
