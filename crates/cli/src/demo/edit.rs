//! What people did in the course of the day, and what became of each edit: judged by what both sides
//! really hold, and by what duet says about the rest.

use super::compare::{Difference, Held, What};
use super::flows::Flow;
use duet_core::conflict::{Conflict, ConflictState, Decider, Scope};
use duet_core::id::RecordId;
use duet_core::intent::IntentState;
use duet_core::side::{Both, Side};
use duet_ports::inspect::{ErrorRow, FieldErrorRow};
use serde::Serialize;

/// What somebody did to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub(crate) enum Did {
    /// Set a field.
    Set {
        /// The field.
        field: &'static str,
        /// To this, in the shop's words.
        value: String,
    },
    /// Counted a field up or down.
    Count {
        /// The field.
        field: &'static str,
        /// By so much.
        by: i64,
        /// From what both sides held.
        from: i64,
    },
    /// Made the record; in Salesforce, with this id.
    Make {
        /// The id.
        #[serde(skip)]
        id: Option<String>,
    },
    /// Deleted the record.
    Delete,
}

/// An edit.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// In which scene.
    pub(crate) scene: usize,
    /// Where.
    pub(crate) side: Side,
    /// Of which flow.
    pub(crate) flow: &'static Flow,
    /// The record's key in the shop; a name where there is none.
    pub(crate) key: String,
    /// What.
    pub(crate) did: Did,
}

/// What became of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// Both sides hold it.
    Applied,
    /// Both sides hold what it and the others come to.
    Merged,
    /// A rule took the other side's value; this one is kept with the conflict.
    Overruled,
    /// It waits for a person.
    Waits,
    /// The other side refused it; it is listed.
    Refused,
    /// It doesn't fit there; it is listed.
    KeptBack,
    /// Nothing tells.
    Lost,
}

/// What duet says about what isn't in agreement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// Conflicts, closed ones included.
    pub(crate) conflicts: Vec<Conflict>,
    /// Calls that failed.
    pub(crate) errors: Vec<ErrorRow>,
    /// Values that are kept back.
    pub(crate) kept: Vec<FieldErrorRow>,
}

/// Why something isn't in agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub(crate) enum Reason {
    /// A conflict waits for a person.
    Conflict {
        /// Its id.
        id: String,
        /// Its kind.
        kind: duet_core::conflict::ConflictKind,
    },
    /// The other side refused it.
    Refused {
        /// The call's id.
        id: String,
        /// The side's code.
        code: String,
    },
    /// It doesn't fit there.
    KeptBack {
        /// Its id.
        id: String,
        /// Why.
        code: &'static str,
    },
}

/// A record, by its key in the shop, its id in Salesforce, or both.
#[derive(Clone, Copy, Debug)]
struct Subject<'a> {
    flow: &'a str,
    left: Option<&'a str>,
    right: Option<&'a str>,
}

impl Subject<'_> {
    fn is(&self, flow: &str, record: Both<Option<&RecordId>>) -> bool {
        let same = |wanted: Option<&str>, found: Option<&RecordId>| {
            wanted.is_some() && wanted == found.map(RecordId::as_str)
        };
        self.flow == flow && (same(self.left, record.left) || same(self.right, record.right))
    }
}

impl Evidence {
    /// Why a difference is there, if anything tells.
    pub(crate) fn explains(&self, held: &Held, difference: &Difference) -> Option<Reason> {
        let Difference { flow, key, what } = difference;
        let (own, field) = match what {
            What::OnlyLeft { left_id } => (Some(left_id.as_str()), None),
            What::OnlyRight => (None, None),
            What::Field { field, .. } => {
                (key.as_deref().and_then(|key| id_of(held, flow, key)), Some(*field))
            }
            // Nothing may be there twice.
            What::Duplicate { .. } | What::Count { .. } => return None,
        };
        let subject = Subject { flow, left: own, right: key.as_deref() };
        self.reason(&subject, field)
    }

    fn reason(&self, subject: &Subject<'_>, field: Option<&str>) -> Option<Reason> {
        self.waits(subject, field)
            .or_else(|| self.refused(subject, field))
            .or_else(|| self.kept_back(subject, field))
    }

    fn about<'a>(
        &'a self,
        subject: &'a Subject<'_>,
        field: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Conflict> {
        self.conflicts.iter().filter(move |conflict| {
            let record = Both::build(|side| conflict.sides.get(side).record.as_ref());
            let covers = match &conflict.scope {
                Scope::Record => true,
                Scope::Field(name) => Some(name.as_str()) == field,
            };
            covers && subject.is(conflict.flow.as_str(), record)
        })
    }

    fn waits(&self, subject: &Subject<'_>, field: Option<&str>) -> Option<Reason> {
        let conflict = self.about(subject, field).find(|conflict| conflict.state.holds())?;
        Some(Reason::Conflict { id: conflict.id.to_string(), kind: conflict.kind })
    }

    /// Only calls that aren't tried again by themselves: another one is still under way.
    fn refused(&self, subject: &Subject<'_>, field: Option<&str>) -> Option<Reason> {
        let is_it = |row: &&ErrorRow| {
            let record = Both::new(row.record.left.as_ref(), row.record.right.as_ref());
            let carries = field.is_none_or(|field| row.intent.carries.contains_key(field));
            row.intent.state == IntentState::Parked
                && carries
                && subject.is(row.intent.flow.as_str(), record)
        };
        let row = self.errors.iter().find(is_it)?;
        let code = row.intent.failure.as_ref().map(|failure| failure.code.clone());
        Some(Reason::Refused { id: row.intent.id.to_string(), code: code.unwrap_or_default() })
    }

    fn kept_back(&self, subject: &Subject<'_>, field: Option<&str>) -> Option<Reason> {
        let is_it = |row: &&FieldErrorRow| {
            let record = Both::new(row.record.left.as_ref(), row.record.right.as_ref());
            Some(row.error.field.as_str()) == field && subject.is(row.flow.as_str(), record)
        };
        let row = self.kept.iter().find(is_it)?;
        Some(Reason::KeptBack { id: row.id.to_string(), code: row.error.code.as_str() })
    }

    /// Whether a rule decided against this value, and kept it.
    fn overruled(&self, subject: &Subject<'_>, field: &str, side: Side, value: &str) -> bool {
        self.about(subject, Some(field)).any(|conflict| {
            let by_rule = matches!(conflict.decided_by, Some(Decider::Rule { .. }));
            let over = matches!(conflict.state, ConflictState::Applied | ConflictState::Closed);
            let kept = conflict.sides.get(side).values.get(field);
            by_rule && over && kept == Some(&duet_core::value::Value::text(value))
        })
    }
}

/// The id of the record in Salesforce that holds a key of the shop.
fn id_of<'a>(held: &'a Held, flow: &str, key: &str) -> Option<&'a str> {
    let flow = super::flows::named(flow)?;
    held.record(flow, key).map(|record| record.id.as_str())
}

/// What became of an edit; `counted` is what all counts of its field come to.
pub(crate) fn fate(held: &Held, evidence: &Evidence, edit: &Edit, counted: i64) -> Fate {
    let record = held.record(edit.flow, &edit.key);
    let row = held.row(edit.flow, &edit.key);
    let made = match &edit.did {
        Did::Make { id } => id.as_deref(),
        Did::Set { .. } | Did::Count { .. } | Did::Delete => None,
    };
    let left = made.or_else(|| record.map(|record| record.id.as_str()));
    let subject = Subject { flow: edit.flow.name, left, right: Some(&edit.key) };
    let both_hold = |field: &str, wanted: &str| {
        let pair = edit.flow.field(field).zip(record.zip(row));
        pair.is_some_and(|(field, (record, row))| {
            let wanted = Some(field.kind.to_left(wanted));
            held.left_form(field, record) == wanted && Held::right_form(field, row) == wanted
        })
    };
    match &edit.did {
        Did::Set { field, value } if both_hold(field, value) => Fate::Applied,
        Did::Count { field, .. } if both_hold(field, &counted.to_string()) => Fate::Merged,
        Did::Make { .. } if record.is_some() && row.is_some() => Fate::Applied,
        Did::Delete if record.is_none() && row.is_none() => Fate::Applied,
        Did::Set { .. } | Did::Count { .. } | Did::Make { .. } | Did::Delete => {
            unsettled(evidence, &subject, edit)
        }
    }
}

fn unsettled(evidence: &Evidence, subject: &Subject<'_>, edit: &Edit) -> Fate {
    let (field, value) = match &edit.did {
        Did::Set { field, value } => (Some(*field), value.as_str()),
        Did::Count { field, .. } => (Some(*field), ""),
        Did::Make { .. } | Did::Delete => (None, ""),
    };
    match evidence.reason(subject, field) {
        Some(Reason::Conflict { .. }) => Fate::Waits,
        Some(Reason::Refused { .. }) => Fate::Refused,
        Some(Reason::KeptBack { .. }) => Fate::KeptBack,
        None => {
            let overruled =
                field.is_some_and(|field| evidence.overruled(subject, field, edit.side, value));
            if overruled { Fate::Overruled } else { Fate::Lost }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Shows what becomes of edits, and that one which nothing tells of is lost.

    use super::super::flows::{CUSTOMERS, PRODUCTS};
    use super::super::org::Record;
    use super::super::shop::Row;
    use super::*;
    use duet_core::conflict::{Candidate, ConflictKind};
    use duet_core::id::{ConflictId, LinkId};
    use duet_core::observation::Actor;
    use duet_core::stamp::Stamp;
    use duet_core::value::Value;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn held(left: &str, right: &str) -> Held {
        let fields = json!({ "Shop_Id__c": "1001", "BillingCity": left });
        let record = Record {
            id: "a".to_owned(),
            object: "Account".to_owned(),
            fields: fields.as_object().cloned().expect("an object"),
        };
        let columns = BTreeMap::from([("city", Some(right.to_owned()))]);
        let rows = vec![Row { key: "1001".to_owned(), columns }];
        Held { left: vec![record], right: BTreeMap::from([("customers", rows)]) }
    }

    fn city(value: &str) -> Edit {
        let did = Did::Set { field: "city", value: value.to_owned() };
        Edit { scene: 1, side: Side::Right, flow: &CUSTOMERS, key: "1001".to_owned(), did }
    }

    fn conflict(scope: Scope, state: ConflictState, decided_by: Option<Decider>) -> Conflict {
        let id = uuid::Uuid::from_u128(1);
        let right = Candidate {
            present: true,
            record: Some("1001".into()),
            values: BTreeMap::from([("city".into(), Value::text("Oslo"))]),
            native: BTreeMap::new(),
            changed: None,
            actor: Actor::default(),
        };
        Conflict {
            id: ConflictId(id),
            link: LinkId(id),
            flow: "customers".into(),
            kind: ConflictKind::BothChanged,
            scope,
            agreed: BTreeMap::new(),
            sides: Both::new(Candidate { record: Some("a".into()), ..right.clone() }, right),
            candidates: Vec::new(),
            seen: String::new(),
            rev: 1,
            state,
            reason: None,
            decided_by,
            resolution: None,
            result: BTreeMap::new(),
            opened_at: Stamp(0),
            until: None,
            closed_at: None,
        }
    }

    fn with(conflict: Conflict) -> Evidence {
        Evidence { conflicts: vec![conflict], ..Evidence::default() }
    }

    fn fate_of(held: &Held, evidence: &Evidence, edit: &Edit) -> Fate {
        fate(held, evidence, edit, 0)
    }

    #[test]
    fn an_edit_that_both_sides_hold_is_applied_and_one_that_nothing_tells_of_is_lost() {
        let none = Evidence::default();
        assert_eq!(fate_of(&held("Oslo", "Oslo"), &none, &city("Oslo")), Fate::Applied);
        assert_eq!(fate_of(&held("Bodø", "Oslo"), &none, &city("Oslo")), Fate::Lost);
        assert_eq!(fate_of(&held("Bodø", "Bodø"), &none, &city("Oslo")), Fate::Lost);
        let deleted = Edit { did: Did::Delete, ..city("") };
        assert_eq!(fate_of(&held("Oslo", "Oslo"), &none, &deleted), Fate::Lost);
    }

    #[test]
    fn a_conflict_tells_of_its_own_field_and_record_only() {
        let of =
            |field: &str| with(conflict(Scope::Field(field.into()), ConflictState::Open, None));
        let held = held("Bodø", "Oslo");
        assert_eq!(fate_of(&held, &of("city"), &city("Oslo")), Fate::Waits);
        assert_eq!(fate_of(&held, &of("phone"), &city("Oslo")), Fate::Lost);
        let whole = with(conflict(Scope::Record, ConflictState::Open, None));
        assert_eq!(fate_of(&held, &whole, &city("Oslo")), Fate::Waits);
        let other = Edit { key: "1002".to_owned(), ..city("Oslo") };
        assert_eq!(fate_of(&held, &whole, &other), Fate::Lost);
        let closed = with(conflict(Scope::Record, ConflictState::Closed, None));
        assert_eq!(fate_of(&held, &closed, &city("Oslo")), Fate::Lost);
    }

    #[test]
    fn a_rule_that_decided_otherwise_kept_the_value() {
        let rule = Decider::Rule { row: "F5a".into(), rule: "last_write_wins".to_owned() };
        let evidence =
            with(conflict(Scope::Field("city".into()), ConflictState::Closed, Some(rule)));
        let held = held("Bodø", "Bodø");
        assert_eq!(fate_of(&held, &evidence, &city("Oslo")), Fate::Overruled);
        assert_eq!(fate_of(&held, &evidence, &city("Narvik")), Fate::Lost, "another value");
    }

    #[test]
    fn counts_are_merged_if_both_sides_hold_the_sum() {
        let record = Record {
            id: "p".to_owned(),
            object: "Product2".to_owned(),
            fields: json!({ "Shop_Id__c": "X", "Stock__c": 13.0 })
                .as_object()
                .cloned()
                .expect("one"),
        };
        let columns = BTreeMap::from([("stock", Some("13".to_owned()))]);
        let rows = vec![Row { key: "X".to_owned(), columns }];
        let held = Held { left: vec![record], right: BTreeMap::from([("products", rows)]) };
        let did = Did::Count { field: "stock", by: 5, from: 10 };
        let key = "X".to_owned();
        let edit = Edit { scene: 5, side: Side::Right, flow: &PRODUCTS, key, did };
        assert_eq!(fate(&held, &Evidence::default(), &edit, 13), Fate::Merged);
        assert_eq!(fate(&held, &Evidence::default(), &edit, 15), Fate::Lost);
    }

    #[test]
    fn only_what_is_about_a_difference_explains_it() {
        let held = held("Bodø", "Oslo");
        let (_, found) = held.compare(&CUSTOMERS);
        let [difference] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(Evidence::default().explains(&held, difference), None);
        let open = with(conflict(Scope::Field("city".into()), ConflictState::Open, None));
        assert!(matches!(open.explains(&held, difference), Some(Reason::Conflict { .. })));
        let twice = Difference {
            what: What::Duplicate { left_ids: vec!["a".to_owned(), "b".to_owned()] },
            ..difference.clone()
        };
        let whole = with(conflict(Scope::Record, ConflictState::Open, None));
        assert_eq!(whole.explains(&held, &twice), None, "nothing may be there twice");
    }
}
