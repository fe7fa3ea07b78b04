//! What people do: they make, edit and delete records on both sides, and decide conflicts, also twice
//! and on values that moved on since they looked.

use super::World;
use crate::evidence::conflict_row;
use crate::flow::{CODE, EDITED};
use crate::run::SimError;
use duet_core::conflict::{Choice, Conflict, ConflictKind, Resolution};
use duet_core::id::{Column, RecordId};
use duet_core::image::Image;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::clock::Clock;
use duet_ports::inspect::{Accepted, ConflictFilter};

/// Most conflicts that a person looks through.
const LOOKED_THROUGH: u64 = 50;

impl World {
    /// A value that nobody ever entered; it tells where it came from.
    fn value(&mut self, side: Side) -> Value {
        self.entered += 1;
        Value::text(format!("{side}{}", self.entered))
    }

    /// Somebody makes a record, on one side or, in the same moment, on both.
    pub(super) fn make(&mut self) {
        if self.made >= self.plan.records {
            return;
        }
        self.made += 1;
        let code = format!("code{}", self.made);
        let (side, twice) =
            self.luck().draw(|chance| (*chance.pick(&Side::BOTH), chance.meets(2_000)));
        let both = [side, side.other()];
        for side in both.into_iter().take(if twice { 2 } else { 1 }) {
            let mut values = Image::from([(Column::from(CODE), Value::text(code.as_str()))]);
            for column in EDITED {
                values.insert(column.into(), self.value(side));
            }
            self.ground.sides.get(side).make(values);
        }
    }

    fn some_record(&self) -> Option<(Side, RecordId)> {
        let side = self.luck().draw(|chance| *chance.pick(&Side::BOTH));
        let records = self.ground.sides.get(side).records();
        if records.is_empty() {
            return None;
        }
        let record = self.luck().draw(|chance| chance.pick(&records).clone());
        Some((side, record))
    }

    /// Somebody edits some fields of some record; now and then somebody else does too, at once.
    pub(super) fn edit(&mut self) {
        let Some((side, record)) = self.some_record() else { return };
        let times = self.luck().draw(|chance| if chance.meets(2_000) { 2 } else { 1 });
        for _ in 0..times {
            self.edit_some(side, &record);
        }
    }

    fn edit_some(&mut self, side: Side, record: &RecordId) {
        let first = self.luck().draw(|chance| chance.place(EDITED.len()));
        let more = self.luck().draw(|chance| chance.place(2));
        let mut values = Image::new();
        for column in EDITED.iter().cycle().skip(first).take(1 + more) {
            values.insert((*column).into(), self.value(side));
        }
        self.ground.sides.get(side).edit(record, values);
    }

    /// Two people edit one field of a pair within a second.
    pub(super) fn edit_both(&mut self) {
        let Some((side, record)) = self.some_record() else { return };
        let Some(code) = self.ground.sides.get(side).text(&record, CODE) else { return };
        let Some(other) = self.ground.sides.get(side.other()).holding(CODE, &code) else { return };
        let column = self.luck().draw(|chance| *chance.pick(&EDITED));
        for (side, record) in [(side, record), (side.other(), other)] {
            let values = Image::from([(Column::from(column), self.value(side))]);
            self.ground.sides.get(side).edit(&record, values);
            let pause = self.luck().draw(|chance| chance.between(0, Stamp::SECOND / 2));
            self.luck().clock.pass(pause);
        }
    }

    /// Somebody deletes some record.
    pub(super) fn delete(&mut self) {
        if let Some((side, record)) = self.some_record() {
            self.ground.sides.get(side).delete(&record);
        }
    }

    /// Somebody looks at a conflict, or decides one; perhaps the one looked at a while ago, as it
    /// was then.
    pub(super) async fn decide(&mut self) -> Result<(), SimError> {
        let filter = ConflictFilter { limit: LOOKED_THROUGH, ..ConflictFilter::default() };
        let open = self.store.conflicts(&filter).await?;
        if open.is_empty() {
            return Ok(());
        }
        let (one, keeps) =
            self.luck().draw(|chance| (chance.pick(&open).clone(), chance.meets(3_000)));
        let looked = if keeps { self.looked.replace(one.clone()).unwrap_or(one) } else { one };
        let choice = self.luck().draw(|chance| chance.pick(&choices(&looked)).clone());
        let resolution = Resolution {
            choice,
            seen: looked.seen.clone(),
            by: "Ann".to_owned(),
            note: None,
            at: self.luck().clock.now(),
            earlier: Vec::new(),
        };
        let accepted = self.store.decide(looked.id, looked.rev, &resolution).await?;
        if accepted == Accepted::Yes {
            self.decided.push(conflict_row(&looked));
        }
        let (kind, choice) = (looked.kind, &resolution.choice);
        self.luck().note(format_args!("decided {kind:?} as {choice:?}: {accepted:?}"));
        Ok(())
    }
}

/// What may be chosen.
fn choices(conflict: &Conflict) -> Vec<Choice> {
    if conflict.kind.is_about_matching() {
        return vec![Choice::LeaveAlone];
    }
    let mut choices = vec![Choice::TakeLeft, Choice::TakeRight];
    if conflict.kind == ConflictKind::BothChanged && !conflict.agreed.is_empty() {
        choices.push(Choice::TakeAgreed);
    }
    choices
}
