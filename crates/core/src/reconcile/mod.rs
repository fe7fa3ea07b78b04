//! The decision: facts and events of one link in, a verdict out. Total and deterministic.
//!
//! The parts, in the order in which they run: `seen` joins observations, `rekey` follows key changes,
//! `receive` settles intents, `recover` settles what nobody answered, then the tables: `record` (3.1) with `matching` (3.6),
//! `delete`, `scope`, `relink` (3.8), and `fields` (3.2a) with `first` (3.2b), `strategy`, `hold`
//! (3.5) and `parents` (3.7); `plan` makes at most one call per side, `finish` the verdict.
//!
//! Not here: what a value looks like on a side (`mapping`), how values combine (`merge`), how change
//! times compare (`interval`).

mod account;
mod buried;
mod case;
mod conflicts;
mod content;
mod create;
mod delete;
mod external;
mod fields;
mod finish;
mod first;
mod hold;
mod joining;
mod matching;
mod need;
mod outcome;
mod parents;
mod parties;
mod plan;
mod receive;
mod record;
mod recover;
mod refusal;
mod rekey;
mod relink;
mod resolve;
mod scope;
mod seen;
mod strategy;
mod union;

pub use need::{Needs, markers, needs};
pub use rekey::{is_followed, made, waits_for_key_change};
pub use union::join;

use crate::facts::{Event, Facts};
use crate::mapping::Bound;
use crate::spec::FlowSpec;
use crate::verdict::Verdict;
use case::Case;

/// Decides about one link. Joins the events in order, settles intents, then runs the tables.
///
/// Idempotence: deciding on the state that a verdict left, with the same events, changes nothing.
#[must_use]
pub fn decide(facts: Facts, events: &[Event], spec: &FlowSpec) -> Verdict {
    let fields = Bound::all(spec);
    let mut case = Case::new(facts, spec, &fields);
    for event in events {
        case.take_in(event);
    }
    case.recover();
    if case.may_decide() {
        case.judge();
    } else {
        case.stay("R00", "recorded only: the flow is not running");
        case.claim_keys();
        case.due = None;
    }
    case.finish()
}
