//! Matching (3.6): a record that is known on one side only, and its possible partners.
//!
//! A second link is never locked here: keys are claimed, and two halves are joined in a transaction
//! of their own (design, 2.2). Not here: the create that follows when there is none (`create`).

use super::case::Case;
use crate::conflict::{Choice, ConflictKind, ConflictState, Scope};
use crate::facts::Claim;
use crate::id::{ConflictId, LinkId, RecordId};
use crate::intent::Found;
use crate::link::{Claimed, Phase};
use crate::matching::match_keys;
use crate::side::Side;
use crate::spec::{BlankKey, OnNone};
use crate::stamp::Stamp;
use crate::verdict::Effect;
use std::collections::BTreeSet;

/// The shortest and the longest time between two looks at candidates that wait for a person: the
/// person may have removed one of them, and no event of this link tells of that.
const LOOK_AT_CANDIDATES_US: (i64, i64) = (60 * Stamp::SECOND, 3_600 * Stamp::SECOND);

/// What could be the partner.
#[derive(Clone, Debug)]
pub(super) enum Candidate {
    /// A half link; its record, and whether a create of its own is under way.
    Half { link: LinkId, record: RecordId, creating: bool },
    /// A record of a whole link.
    Taken { record: RecordId },
    /// A record without a link.
    Loose(Box<Found>),
}

impl Candidate {
    fn record(&self) -> &RecordId {
        match self {
            Candidate::Half { record, .. } | Candidate::Taken { record } => record,
            Candidate::Loose(found) => &found.record,
        }
    }
}

impl Case<'_> {
    /// `side` is there, the other one isn't known. Whether another pass is needed.
    pub(super) fn matching(&mut self, side: Side) -> bool {
        let other_keys = self.claim_keys();
        if let Some(again) = self.create_in_doubt(side) {
            return again;
        }
        if self.now.link.memory.create {
            self.close_matching_conflicts();
            self.create(side.other(), "R11", "made on the other side, as decided");
            return false;
        }
        let searched = other_keys || self.found.get(side.other()).is_some();
        if !searched && let Some(row) = self.still_to_be_matched(side.other()) {
            return self.still(row, "a person decides about the candidates");
        }
        let candidates = self.candidates(side);
        let rivals = self.rivals(side);
        match candidates.as_slice() {
            [] => self.no_candidate(side),
            [one] => self.one_candidate(side, &one.clone(), rivals),
            [_, _, ..] => self.several(side, &candidates),
        }
    }

    /// A create that may have landed: nothing is made, and no search tells anything, until a person
    /// says what became of it, or its record is seen with its marker.
    pub(super) fn create_in_doubt(&mut self, side: Side) -> Option<bool> {
        if let Some(again) = self.decided_match(side) {
            return Some(again);
        }
        let kind = ConflictKind::CreateAmbiguous;
        let id = self.holding().find(|open| open.kind == kind).map(|open| open.id)?;
        self.bring_up_to_date(id);
        Some(self.still("W5", "made or not, nobody knows: a person decides"))
    }

    /// Candidates that wait for a person stay so, until a new search or other keys tell otherwise:
    /// not to have searched again is no news. Now and then they are searched again.
    fn still_to_be_matched(&mut self, other: Side) -> Option<&'static str> {
        let open = self.holding().find(|open| open.kind.is_about_matching())?;
        let (id, kind, since) = (open.id, open.kind, open.opened_at);
        self.bring_up_to_date(id);
        if self.look_at_candidates(since) {
            self.ask(other, self.now.as_of);
        }
        Some(if kind == ConflictKind::Duplicate { "M4" } else { "M3" })
    }

    /// Comes back to candidates that can't be chosen among, after a minute and then ever more
    /// rarely, up to an hour. Whether it is time for a look now.
    fn look_at_candidates(&mut self, since: Stamp) -> bool {
        let (least, most) = LOOK_AT_CANDIDATES_US;
        let now = self.now.as_of;
        let searched_at = &mut self.now.link.memory.searched_at;
        let mut last = searched_at.unwrap_or(since).max(since);
        let due = now >= last.plus(least);
        if due {
            *searched_at = Some(now);
            last = now;
        }
        let pause = last.0.saturating_sub(since.0).clamp(least, most);
        self.look_again(last.plus(pause));
        due
    }

    /// Claims the keys of the records at hand; gives up those that changed. Whether a key that was
    /// claimed before isn't held any more.
    pub(super) fn claim_keys(&mut self) -> bool {
        let mut other_keys = false;
        let mut wanted: Vec<Claimed> = Vec::new();
        for side in Side::BOTH.into_iter().filter(|side| self.present(*side)) {
            let Some(seen) = self.seen_of(side) else { continue };
            let keys = match_keys(self.spec, side, &seen.image);
            wanted.extend(keys.into_iter().map(|(rule, key)| Claimed { rule, key, side }));
        }
        wanted.sort();
        wanted.dedup();
        if wanted == self.now.link.memory.claimed {
            return false;
        }
        let held: BTreeSet<Claimed> = self.now.link.memory.claimed.iter().cloned().collect();
        for side in Side::BOTH {
            let stale = held.iter().any(|one| one.side == side && !wanted.contains(one));
            other_keys |= stale;
            if stale {
                self.effects.push(Effect::Unclaim(side));
            }
            for one in wanted.iter().filter(|one| one.side == side) {
                if stale || !held.contains(one) {
                    let Claimed { rule, key, side } = one.clone();
                    self.effects.push(Effect::Claim { rule, key, side });
                }
            }
        }
        self.now.link.memory.claimed = wanted;
        other_keys
    }

    pub(super) fn give_up_claims(&mut self) {
        for side in Side::BOTH {
            if self.now.link.memory.claimed.iter().any(|one| one.side == side) {
                self.effects.push(Effect::Unclaim(side));
            }
        }
        self.now.link.memory.claimed.clear();
    }

    /// The candidates by the best rule that has any: those of a search, and those that claimed the
    /// key, perhaps while the search was out, or under a form of it that a search can't ask for.
    fn candidates(&self, side: Side) -> Vec<Candidate> {
        let other = side.other();
        let found = self.found.get(other).iter().flat_map(|answer| &answer.found);
        let found = found.map(|one| (one.rule, self.candidate(other, one)));
        let claims = self.partner_claims(side);
        let claims = claims.filter_map(|claim| Some((Some(claim.rule), claimant(claim, other)?)));
        let all: Vec<(Option<usize>, Candidate)> = found.chain(claims).collect();
        let best = all.iter().map(|(rule, _)| *rule).min();
        let best = all.into_iter().filter(|(rule, _)| Some(*rule) == best);
        distinct(best.map(|(_, candidate)| candidate).collect())
    }

    /// Claims of other links on our keys, made for records of the other side.
    fn partner_claims(&self, side: Side) -> impl Iterator<Item = &Claim> {
        self.others_claims().filter(move |claim| claim.side != side)
    }

    fn others_claims(&self) -> impl Iterator<Item = &Claim> {
        let memory = &self.now.link.memory;
        self.now.claims.iter().filter(move |claim| {
            let ours =
                memory.claimed.iter().any(|own| (own.rule, &own.key) == (claim.rule, &claim.key));
            ours && claim.link != self.now.link.id && standing(claim.phase)
        })
    }

    /// Whether another unlinked record of our own side holds one of our keys too.
    fn rivals(&self, side: Side) -> bool {
        self.others_claims()
            .any(|claim| claim.side == side && claim.record.get(side.other()).is_none())
    }

    fn candidate(&self, side: Side, found: &Found) -> Candidate {
        let ours = self.now.link.id;
        let holder = self.now.holders.iter().find(|holder| {
            holder.side == side && holder.record == found.record && holder.link != ours
        });
        match holder {
            None => Candidate::Loose(Box::new(found.clone())),
            // A record belongs to one link: one that was taken apart or remembers it keeps it too.
            Some(holder) if holder.whole || !standing(holder.phase) => {
                Candidate::Taken { record: found.record.clone() }
            }
            Some(holder) => Candidate::Half {
                link: holder.link,
                record: found.record.clone(),
                creating: holder.creating,
            },
        }
    }

    fn one_candidate(&mut self, side: Side, one: &Candidate, rivals: bool) -> bool {
        if let (true, Candidate::Half { .. } | Candidate::Loose(_)) = (rivals, one) {
            // The record that has several candidates asks the person; this one waits.
            self.now.link.phase = Phase::Unmatched;
            self.look_at_candidates(self.now.link.created_at);
            return self.still("M3", "another record of this side has the same key: waits");
        }
        match one {
            Candidate::Taken { record } => self.duplicate(side, record),
            Candidate::Half { creating: true, .. } => {
                self.now.link.phase = Phase::Matching;
                self.wait_a_little();
                self.still("M6", "the candidate is making its own partner: wait and look again")
            }
            Candidate::Half { link, .. } => {
                self.close_matching_conflicts();
                self.effects.push(Effect::Join(*link));
                self.now.link.phase = Phase::Matching;
                self.look_again(self.now.as_of.plus(Stamp::SECOND));
                self.still("M1", "one candidate: the two are joined")
            }
            Candidate::Loose(found) => {
                self.close_matching_conflicts();
                *self.now.link.record.get_mut(side.other()) = Some(found.record.clone());
                self.join_seen(side.other(), &found.observation.clone());
                *self.found.get_mut(side.other()) = None;
                true
            }
        }
    }

    fn several(&mut self, side: Side, candidates: &[Candidate]) -> bool {
        let records: Vec<RecordId> = candidates.iter().map(|one| one.record().clone()).collect();
        self.now.link.phase = Phase::Matching;
        self.match_conflict(ConflictKind::AmbiguousMatch, side, records);
        self.still("M3", "several candidates: a person decides")
    }

    fn duplicate(&mut self, side: Side, record: &RecordId) -> bool {
        self.now.link.phase = Phase::Matching;
        self.match_conflict(ConflictKind::Duplicate, side, vec![record.clone()]);
        self.still("M4", "the only candidate has a partner already: a person decides")
    }

    /// Opens a matching conflict, unless a person left the same candidates alone.
    fn match_conflict(&mut self, kind: ConflictKind, side: Side, records: Vec<RecordId>) {
        let alone = left_alone(side, &records);
        if self.now.link.memory.left_alone.as_ref() == Some(&alone) {
            self.now.link.phase = Phase::Unmatched;
            return;
        }
        self.close_other_matching_conflicts(kind);
        self.open_conflict(kind, Scope::Record, ConflictState::Open, None);
        let open = self.now.conflicts.iter_mut().find(|one| one.kind == kind && one.state.holds());
        if let Some(open) = open.filter(|open| open.candidates != records) {
            open.candidates = records;
            let conflict = open.clone();
            open.seen = super::conflicts::digest(&conflict);
        }
        let since = self.holding().find(|open| open.kind == kind).map(|open| open.opened_at);
        self.look_at_candidates(since.unwrap_or(self.now.as_of));
    }

    fn no_candidate(&mut self, side: Side) -> bool {
        self.close_matching_conflicts();
        if self.now.link.memory.left_alone.is_some() {
            return self.unmatched("H4", "left alone, as a person decided");
        }
        if self.now.link.memory.revived {
            return self.bring_back(side);
        }
        if self.now.link.memory.claimed.is_empty() {
            return self.blank_key(side);
        }
        match self.spec.policy.on_none.get(side) {
            OnNone::Skip => self.unmatched("R12", "only on this side: left alone, as configured"),
            OnNone::Flag => self.unmatched("R12", "only on this side: listed for a person"),
            OnNone::Create => self.create_after_grace(side),
        }
    }

    fn blank_key(&mut self, side: Side) -> bool {
        match (self.spec.policy.on_blank_key, self.spec.policy.on_none.get(side)) {
            (BlankKey::Create, OnNone::Create) => {
                self.create(side.other(), "M7", "no match key: made on the other side");
                false
            }
            (BlankKey::Create, OnNone::Flag | OnNone::Skip) | (BlankKey::Hold, _) => {
                self.unmatched("M7", "no match key: not linked")
            }
        }
    }

    /// R50: no partner came back with it, so one is made, whatever is done with other lone records.
    fn bring_back(&mut self, side: Side) -> bool {
        let other = side.other();
        let searchable = !self.search_keys(other).is_empty();
        if searchable && self.found.get(other).is_none() && self.write(other).is_none() {
            self.now.link.phase = Phase::Matching;
            self.search(other, "R50", "came back: the other side is searched for its partner");
        } else {
            self.create(other, "R50", "came back: made again on the other side");
        }
        false
    }

    fn unmatched(&mut self, row: &str, rule: &str) -> bool {
        self.now.link.phase = Phase::Unmatched;
        self.still(row, rule)
    }

    /// M2: waits, searches the other side again by key, and only then creates.
    fn create_after_grace(&mut self, side: Side) -> bool {
        let other = side.other();
        let ready = self.now.link.created_at.plus(self.spec.policy.create_grace_us);
        if self.now.as_of < ready {
            self.now.link.phase = Phase::Matching;
            self.look_again(ready);
            return self.still("M2", "no candidate yet: looked for again after the create grace");
        }
        let searched = self.found.get(other).as_ref().is_some_and(|one| one.planned_at >= ready);
        if searched || self.write(other).is_some() {
            self.create(other, "R11", "none found on the other side: created there");
            return false;
        }
        if !self.now.link.memory.awaited.is_empty() && self.still_waits_for_parents(other) {
            return false;
        }
        self.now.link.phase = Phase::Matching;
        self.search(other, "M2", "no candidate: the other side is searched before creating");
        false
    }

    /// A create that waited for its parents: while it still does, nothing is searched.
    fn still_waits_for_parents(&mut self, side: Side) -> bool {
        self.create(side, "R11", "none found on the other side: created there");
        let ready = self.drafts.get(side).as_ref().is_some_and(|draft| draft.failure.is_none());
        if ready {
            *self.drafts.get_mut(side) = None;
        }
        !ready
    }

    /// A person's decision about candidates, if there is one. The choice of a partner counts until
    /// the two are joined.
    fn decided_match(&mut self, side: Side) -> Option<bool> {
        let decided = self.now.conflicts.iter().find(|conflict| {
            let chosen = matches!(conflict.state, ConflictState::Decided | ConflictState::Applied);
            chosen && conflict.kind.is_about_matching()
        })?;
        let resolution = decided.resolution.clone()?;
        let (id, candidates) = (decided.id, decided.candidates.clone());
        // Once it is being carried out the choice of a partner stands, whatever is edited meanwhile.
        if decided.state == ConflictState::Decided && !self.is_current(id) {
            self.refuse_resolution(id, "H5");
            return None;
        }
        match resolution.choice {
            Choice::LinkWith(record) => self.link_with(side, &record, id),
            Choice::CreateNew => {
                self.apply_resolution(id);
                self.now.link.memory.create = true;
                None
            }
            Choice::LeaveAlone => {
                self.now.link.memory.left_alone = Some(left_alone(side, &candidates));
                self.close_conflict(id, crate::conflict::CloseReason::Tolerated);
                Some(self.unmatched("H4", "left alone, as a person decided"))
            }
            Choice::TakeLeft | Choice::TakeRight | Choice::TakeAgreed | Choice::TakeValue(_) => {
                self.refuse_resolution(id, "H5");
                None
            }
        }
    }

    /// Whether a person left this side's record without a partner, candidates or not.
    pub(super) fn chose_no_partner(&self, side: Side) -> bool {
        self.now.link.memory.left_alone.as_ref() == Some(&left_alone(side, &[]))
    }

    /// Links with the record a person chose, unless it got another partner meanwhile.
    fn link_with(&mut self, side: Side, record: &RecordId, id: ConflictId) -> Option<bool> {
        let other = side.other();
        let ours = self.now.link.id;
        let taken = self.now.holders.iter().any(|holder| {
            let another = holder.link != ours && (holder.whole || !standing(holder.phase));
            holder.side == other && holder.record == *record && another
        });
        if taken {
            self.refuse_resolution(id, "H5");
            return None;
        }
        self.apply_resolution(id);
        if let Some(half) = self.half_holder(other, record) {
            self.effects.push(Effect::Join(half.link));
            self.look_again(self.now.as_of.plus(Stamp::SECOND));
            return Some(self.still("H4", "a person chose the partner: the two are joined"));
        }
        *self.now.link.record.get_mut(other) = Some(record.clone());
        self.stay("H4", "a person chose the partner");
        Some(true)
    }
}

/// Whether a link in this phase can be anybody's candidate (M5: a tombstoned one can't).
fn standing(phase: Phase) -> bool {
    match phase {
        Phase::Unmatched | Phase::Matching | Phase::Linking | Phase::Linked | Phase::Frozen => true,
        Phase::Tombstoned | Phase::Unlinked | Phase::Joined => false,
    }
}

fn claimant(claim: &Claim, side: Side) -> Option<Candidate> {
    let record = claim.record.get(side).clone()?;
    let half = claim.record.get(side.other()).is_none();
    Some(if half {
        Candidate::Half { link: claim.link, record, creating: claim.creating }
    } else {
        Candidate::Taken { record }
    })
}

/// The same record under several keys is one candidate.
fn distinct(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by(|a, b| a.record().cmp(b.record()));
    candidates.dedup_by(|a, b| a.record() == b.record());
    candidates
}

fn left_alone(side: Side, records: &[RecordId]) -> String {
    let names: Vec<&str> = records.iter().map(RecordId::as_str).collect();
    format!("{side}:{}", names.join("|"))
}
