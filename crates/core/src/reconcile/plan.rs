//! From drafts to intents: at most one open write and one open read per side; what is already open
//! and the same stays as it is.
//!
//! Not here: what is to be written (`fields`, `create`, `delete`).

use super::case::{Case, Draft};
use super::joining::fresh_for;
use crate::id::{IntentId, RecordId};
use crate::image::Image;
use crate::intent::{FindKey, Intent, IntentState, Op, WritePath};
use crate::observation::Version;
use crate::side::Side;
use crate::stamp::Stamp;
use crate::value::Value;

impl Case<'_> {
    /// Asks for a write of this kind, with nothing to carry.
    pub(super) fn draft(&mut self, side: Side, op: Op, row: &str) {
        let mut draft = Draft::new(op, row);
        draft.guarded = true;
        *self.drafts.get_mut(side) = Some(draft);
    }

    /// How long a read must still wait until no change can hide under the record's stamp.
    pub(super) fn wait_until_settled(&self, side: Side) -> i64 {
        let grain = self.spec.ends.get(side).promise.grain_us;
        self.seen_of(side)
            .filter(|seen| seen.uncertain)
            .and_then(|seen| fresh_for(seen, grain))
            .unwrap_or(0)
    }

    pub(super) fn plan_write(&mut self, side: Side, judged: bool) -> Option<Intent> {
        if self.under_way(side).is_some() || !judged {
            return None;
        }
        let draft = self.drafts.get_mut(side).take();
        let draft = draft.filter(|draft| !self.must_read_before(side, draft));
        let open = self.write(side).cloned();
        let wanted = draft.map(|draft| self.intent(side, draft));
        match (open, wanted) {
            (None, None) => None,
            (None, Some(wanted)) => Some(wanted),
            (Some(open), None) => {
                self.settle(&open, IntentState::Superseded, None);
                None
            }
            (Some(open), Some(wanted)) if same_plan(&open, &wanted) => None,
            (Some(open), Some(wanted)) => {
                self.settle(&open, IntentState::Superseded, None);
                Some(wanted)
            }
        }
    }

    /// Freshness: on a side that stamps whole seconds, an expected version counts only if it was
    /// read two seconds after its stamp; else it is read again first (design, section 6).
    fn must_read_before(&mut self, side: Side, draft: &Draft) -> bool {
        let checks = match draft.op {
            Op::Update | Op::Delete => true,
            Op::Create | Op::Undelete | Op::Read | Op::Find => false,
        };
        let grain = self.spec.ends.get(side).promise.grain_us;
        let seen = self.seen_of(side).filter(|seen| checks && seen.version.is_some());
        let Some(wait) = seen.and_then(|seen| fresh_for(seen, grain)) else { return false };
        self.ask(side, self.now.as_of.plus(wait));
        true
    }

    fn intent(&self, side: Side, draft: Draft) -> Intent {
        let failed = draft.failure.is_some();
        let mut intent = self.blank(side, draft.op, &format!("write-{side}"));
        intent.path = if draft.guarded { WritePath::Guarded } else { WritePath::Batch };
        intent.record = self.known_record(side, draft.op);
        intent.expected = self.expected(side, draft.op);
        intent.expected_values = self.expected_values(side, draft.op, &draft.values);
        intent.values = draft.values;
        intent.carries = draft.carries;
        intent.failure = draft.failure;
        intent.why = draft.why;
        let not_before = *self.now.link.memory.not_before.get(side);
        intent.due_at = intent.due_at.max(not_before);
        if failed {
            intent.state = IntentState::Parked;
            intent.due_at = None;
        }
        intent
    }

    fn blank(&self, side: Side, op: Op, name: &str) -> Intent {
        Intent {
            id: IntentId(self.id(name)),
            link: self.now.link.id,
            flow: self.now.link.flow.clone(),
            side,
            connection: self.spec.ends.get(side).connection.clone(),
            op,
            path: WritePath::Batch,
            record: self.known_record(side, op),
            values: Image::new(),
            find: Vec::new(),
            expected: None,
            expected_values: Image::new(),
            carries: std::collections::BTreeMap::new(),
            state: IntentState::Planned,
            attempts: 0,
            due_at: Some(self.now.as_of),
            sent_at: None,
            deadline: None,
            planned_at: self.now.as_of,
            landed_at: None,
            failure: None,
            why: String::new(),
        }
    }

    fn known_record(&self, side: Side, op: Op) -> Option<RecordId> {
        match op {
            Op::Create | Op::Find => None,
            Op::Update | Op::Delete | Op::Undelete | Op::Read => self.record(side).cloned(),
        }
    }

    /// The version the write must find; none for what isn't there, and none while it is unread.
    fn expected(&self, side: Side, op: Op) -> Option<Version> {
        match op {
            Op::Update | Op::Delete => self.seen_of(side)?.version.clone(),
            Op::Create | Op::Undelete | Op::Read | Op::Find => None,
        }
    }

    fn expected_values(&self, side: Side, op: Op, values: &Image) -> Image {
        let Some(seen) = self.seen_of(side) else { return Image::new() };
        match op {
            Op::Delete => seen.image.clone(),
            // It deletes, so an edit of any field counts against it.
            Op::Update if self.marks_deletion(side, values) => seen.image.clone(),
            Op::Update => {
                let written = seen.image.iter().filter(|(column, _)| values.contains_key(*column));
                written.map(|(column, value)| (column.clone(), value.clone())).collect()
            }
            Op::Create | Op::Undelete | Op::Read | Op::Find => Image::new(),
        }
    }

    /// Whether an update is a soft deletion.
    fn marks_deletion(&self, side: Side, values: &Image) -> bool {
        let soft = self.spec.ends.get(side).soft.as_ref();
        soft.is_some_and(|(column, value)| values.get(column) == Some(value))
    }

    /// The read or search that was asked for, unless one is on its way.
    pub(super) fn plan_read(&mut self, side: Side, judged: bool) -> Option<Intent> {
        let Some(due) = *self.reads.get(side) else {
            self.let_go(side, judged);
            return None;
        };
        if let Some(open) = self.now.intents.get(side).read.clone() {
            if !self.given_up_before(&open) {
                self.let_finish(&open, due);
                return None;
            }
            self.settle(&open, IntentState::Superseded, None);
        }
        let find = if self.record(side).is_some() { Vec::new() } else { self.find_keys(side) };
        let op = if self.record(side).is_some() { Op::Read } else { Op::Find };
        if op == Op::Find && find.is_empty() {
            return None;
        }
        let mut read = self.blank(side, op, &format!("read-{side}"));
        read.find = find;
        read.due_at = Some(due.max(self.now.as_of));
        read.why = format!("{} {}", self.row, self.rule);
        Some(read)
    }

    /// A read that was parked is over when the side was seen otherwise and nothing is asked any more:
    /// nobody has to mend what is known by now.
    fn let_go(&mut self, side: Side, judged: bool) {
        let seen = self.content.is_seen_otherwise(side);
        let Some(open) = &self.now.intents.get(side).read else { return };
        let before = self.before.reads.get(side).as_ref();
        let parked =
            before.is_some_and(|one| one.0 == open.id) && open.state == IntentState::Parked;
        if judged && seen && parked {
            let open = open.clone();
            self.settle(&open, IntentState::Superseded, None);
        }
    }

    /// Whether an open read had come to nothing before: it counts as planned, and is asked anew
    /// (design, 2.4). Not in the verdict that parks it, or a side that refuses would be asked for
    /// ever; and what a person threw away waits until something happens.
    fn given_up_before(&self, open: &Intent) -> bool {
        let before = self.before.reads.get(open.side).as_ref();
        before.filter(|before| before.0 == open.id).is_some_and(|before| match before.1 {
            IntentState::Parked => true,
            IntentState::Discarded => self.stirred,
            IntentState::Planned
            | IntentState::Sent
            | IntentState::Unknown
            | IntentState::Confirmed
            | IntentState::NotLanded
            | IntentState::Superseded
            | IntentState::Refused => false,
        })
    }

    /// An open read is let finish. One that hasn't left waits until it can prove how a write ended.
    fn let_finish(&mut self, open: &Intent, due: Stamp) {
        let proves = self.under_way(open.side).is_some();
        let planned = open.state == IntentState::Planned;
        if proves && planned && open.due_at.is_none_or(|planned| planned < due) {
            let failure = open.failure.clone();
            self.reopen(open, IntentState::Planned, failure, Some(due), None);
        }
    }

    /// By match keys, and after a create of unknown outcome by duet's own key, if the side has one.
    fn find_keys(&self, side: Side) -> Vec<FindKey> {
        let mut keys = self.search_keys(side);
        let creates = self.write(side).is_some_and(|open| open.op == Op::Create);
        let column = self.spec.ends.get(side).promise.key_column.clone();
        if let Some(column) = column.filter(|_| creates) {
            let own = Value::text(self.now.link.id.to_string());
            keys.push(FindKey { rule: None, columns: vec![(column, own)] });
        }
        keys
    }
}

/// Whether an open intent already does what is wanted. A parked one is tried again when anything
/// it depends on changed, a discarded one only when it would write something else. What is planned
/// in vain is never left planned: it is incomplete (P4), and would be sent.
fn same_plan(open: &Intent, wanted: &Intent) -> bool {
    if wanted.failure.is_some() && open.state == IntentState::Planned {
        return false;
    }
    let writes = open.op == wanted.op
        && open.record == wanted.record
        && open.values == wanted.values
        && open.carries == wanted.carries;
    let finds = open.expected == wanted.expected && open.expected_values == wanted.expected_values;
    let carried = open.path == wanted.path || open.path == WritePath::Guarded;
    match open.state {
        IntentState::Discarded => writes,
        IntentState::Planned
        | IntentState::Parked
        | IntentState::Sent
        | IntentState::Unknown
        | IntentState::Confirmed
        | IntentState::NotLanded
        | IntentState::Superseded
        | IntentState::Refused => writes && finds && carried,
    }
}
