//! What people ask for, as conditions over the entities; the same for every kind of database.

use crate::entity::{conflicts, field_errors, intents};
use crate::stored::name_of;
use duet_core::conflict::ConflictState;
use duet_core::intent::IntentState;
use duet_ports::inspect::{ConflictFilter, ErrorFilter, FieldErrorFilter};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoCondition};
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

/// The words of the indexes over conflicts that hold and over open intents. They are used where they
/// stand as they are, not where a state is a value of the query.
const HOLDING: &str = "state IN ('open', 'snoozed', 'decided')";
const OPEN: &str = "state IN ('planned', 'sent', 'unknown', 'parked', 'discarded')";

/// Conflicts that a filter asks for; without states, those that hold.
pub(crate) fn conflicts(filter: &ConflictFilter) -> Condition {
    use conflicts::Column;
    let states: Vec<String> = match filter.states.as_slice() {
        [] => holding(),
        states => states.iter().map(name_of).collect(),
    };
    let all_hold = states.iter().all(|state| holding().contains(state));
    Condition::all()
        .add_option(all_hold.then(|| Expr::cust(HOLDING)))
        .add(Column::State.is_in(states))
        .add_option(filter.flow.as_ref().map(|flow| Column::Flow.eq(flow.as_str())))
        .add_option(filter.kind.map(|kind| Column::Kind.eq(name_of(kind))))
        .add_option(filter.field.as_ref().map(|field| Column::Field.eq(field.as_str())))
        .add_option(filter.link.map(|link| Column::Link.eq(link.0)))
}

/// The names of the states in which a conflict holds its scope back.
fn holding() -> Vec<String> {
    [ConflictState::Open, ConflictState::Snoozed, ConflictState::Decided].map(name_of).to_vec()
}

/// Intents that a filter asks for; without states, the parked ones and those that wait after a
/// failure.
pub(crate) fn errors(filter: &ErrorFilter) -> Condition {
    use intents::Column;
    let failed = Column::State.eq(name_of(IntentState::Planned)).and(Column::Failure.is_not_null());
    let states = match filter.states.as_slice() {
        [] => Column::State.eq(name_of(IntentState::Parked)).or(failed).into_condition(),
        states => Column::State.is_in(states.iter().map(name_of)).into_condition(),
    };
    let all_open = filter.states.iter().all(|state| state.is_open());
    let class = |name: String| Expr::col(Alias::new("failure_class")).eq(name);
    Condition::all()
        .add_option(all_open.then(|| Expr::cust(OPEN)))
        .add(states)
        .add_option(filter.flow.as_ref().map(|flow| Column::Flow.eq(flow.as_str())))
        .add_option(filter.class.map(|failure| class(name_of(failure))))
}

/// Values kept back that a filter asks for.
pub(crate) fn field_errors(filter: &FieldErrorFilter) -> Condition {
    use field_errors::Column;
    Condition::all()
        .add_option(filter.flow.as_ref().map(|flow| Column::Flow.eq(flow.as_str())))
        .add_option(filter.code.map(|code| Column::Code.eq(code.as_str())))
}

/// The first and last id that begin with these hexadecimal digits; `None` when nothing can.
pub(crate) fn ids_from_prefix(prefix: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = prefix.chars().filter(|digit| *digit != '-').collect();
    let hexadecimal = digits.chars().all(|digit| digit.is_ascii_hexdigit());
    if digits.is_empty() || digits.len() > 32 || !hexadecimal {
        return None;
    }
    let first = Uuid::parse_str(&format!("{digits:0<32}")).ok()?;
    let last = Uuid::parse_str(&format!("{digits:f<32}")).ok()?;
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_all_ids_that_begin_with_it() {
        let (first, last) = ids_from_prefix("0A-b").unwrap();
        assert_eq!(first.to_string(), "0ab00000-0000-0000-0000-000000000000");
        assert_eq!(last.to_string(), "0abfffff-ffff-ffff-ffff-ffffffffffff");
    }

    #[test]
    fn what_is_no_prefix_finds_nothing() {
        for prefix in ["", "xyz", "é", "000000000000000000000000000000000"] {
            assert_eq!(ids_from_prefix(prefix), None, "{prefix}");
        }
    }
}
