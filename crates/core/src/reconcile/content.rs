//! What is agreed and what was last seen, as they change while they are judged. What a side holds
//! of a field, and whether it moved, is found out once, and again when something of it changed.
//!
//! Not here: what a change means (the rows).

use crate::agreed::{Agreed, AgreedField, Pair};
use crate::mapping::{self, Bound};
use crate::observation::{Observation, Presence};
use crate::side::{Both, Side};
use crate::value::Value;
use std::borrow::Cow;
use std::cell::Cell;

/// What is agreed and seen of one link.
pub(super) struct Content {
    agreed: Agreed,
    seen: Both<Option<Observation>>,
    /// As it came, if it was touched.
    agreed_before: Option<Agreed>,
    seen_before: Both<Option<Option<Observation>>>,
    /// By place of the field in the flow.
    looks: Vec<Look>,
}

/// What was found out about a field.
#[derive(Default)]
struct Look {
    /// Where it stands among the agreed fields, and its column in each side's image.
    agreed_at: Cell<usize>,
    image_at: Both<Cell<usize>>,
    moved: Both<Cell<Option<bool>>>,
}

impl Content {
    pub(super) fn new(agreed: Agreed, seen: Both<Option<Observation>>, fields: usize) -> Content {
        Content {
            agreed,
            seen,
            agreed_before: None,
            seen_before: Both::default(),
            looks: std::iter::repeat_with(Look::default).take(fields).collect(),
        }
    }

    pub(super) fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    pub(super) fn seen(&self, side: Side) -> Option<&Observation> {
        self.seen.get(side).as_ref()
    }

    /// What is agreed, to change any of it.
    pub(super) fn agreed_mut(&mut self) -> &mut Agreed {
        self.keep_agreed();
        for look in &self.looks {
            look.moved.left.set(None);
            look.moved.right.set(None);
        }
        &mut self.agreed
    }

    /// What was seen of a side, to change it.
    pub(super) fn seen_mut(&mut self, side: Side) -> &mut Option<Observation> {
        let before = self.seen_before.get_mut(side);
        if before.is_none() {
            *before = Some(self.seen.get(side).clone());
        }
        self.forget_side(side);
        self.seen.get_mut(side)
    }

    /// Something else is seen of a side.
    pub(super) fn see(&mut self, side: Side, seen: Option<Observation>) {
        let former = std::mem::replace(self.seen.get_mut(side), seen);
        self.seen_before.get_mut(side).get_or_insert(former);
        self.forget_side(side);
    }

    fn forget_side(&mut self, side: Side) {
        for look in &self.looks {
            look.moved.get(side).set(None);
        }
    }

    fn keep_agreed(&mut self) {
        if self.agreed_before.is_none() {
            self.agreed_before = Some(self.agreed.clone());
        }
    }

    fn pair(&self) -> Option<&Pair> {
        match &self.agreed {
            Agreed::Pair(pair) => Some(pair),
            Agreed::None | Agreed::Tomb(_) => None,
        }
    }

    pub(super) fn field(&self, field: &Bound<'_>) -> Option<&AgreedField> {
        let fields = &self.pair()?.fields;
        let guess = &self.looks[field.at].agreed_at;
        let at = fields.find(&field.name, guess.get())?;
        guess.set(at);
        fields.at(at).map(|(_, agreed)| agreed)
    }

    /// What is agreed of a field, to change it.
    pub(super) fn field_mut(&mut self, field: &Bound<'_>) -> Option<&mut AgreedField> {
        self.field(field)?;
        self.keep_agreed();
        let look = &self.looks[field.at];
        look.moved.left.set(None);
        look.moved.right.set(None);
        match &mut self.agreed {
            Agreed::Pair(pair) => pair.fields.at_mut(look.agreed_at.get()).map(|(_, field)| field),
            Agreed::None | Agreed::Tomb(_) => None,
        }
    }

    /// What a side holds of a field, if the record is there and the field was seen.
    pub(super) fn native(&self, field: &Bound<'_>, side: Side) -> Option<Cow<'_, Value>> {
        let seen = self.seen(side).filter(|seen| seen.presence == Presence::Present)?;
        let [column] = field.columns.get(side).as_slice() else {
            return mapping::native(field, side, &seen.image).map(Cow::Owned);
        };
        let guess = self.looks[field.at].image_at.get(side);
        let at = seen.image.find(column, guess.get())?;
        guess.set(at);
        seen.image.at(at).map(|(_, value)| Cow::Borrowed(value))
    }

    /// Whether a side holds another value than the one accounted for.
    pub(super) fn moved(&self, field: &Bound<'_>, side: Side) -> bool {
        let look = self.looks[field.at].moved.get(side);
        look.get().unwrap_or_else(|| {
            let moved = self.has_moved(field, side);
            look.set(Some(moved));
            moved
        })
    }

    fn has_moved(&self, field: &Bound<'_>, side: Side) -> bool {
        let Some(held) = self.native(field, side) else { return false };
        let Some(agreed) = self.field(field) else { return true };
        match agreed.accounted.get(side) {
            Some(known) => !field.same(side, known, &held),
            None => true,
        }
    }

    /// Whether what is agreed differs from what came.
    pub(super) fn is_agreed_otherwise(&self) -> bool {
        self.agreed_before.as_ref().is_some_and(|before| *before != self.agreed)
    }

    /// What was seen of a side when it came.
    pub(super) fn seen_before(&self, side: Side) -> Option<&Observation> {
        self.seen_before.get(side).as_ref().unwrap_or(self.seen.get(side)).as_ref()
    }

    /// Whether what is seen of a side differs from what came.
    pub(super) fn is_seen_otherwise(&self, side: Side) -> bool {
        let before = self.seen_before.get(side).as_ref();
        before.is_some_and(|before| before != self.seen.get(side))
    }

    pub(super) fn into_parts(self) -> (Agreed, Both<Option<Observation>>) {
        (self.agreed, self.seen)
    }
}
