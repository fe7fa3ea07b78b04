//! The record that stands in the way of a write: found by the unique values that the write carries.

use super::Work;
use crate::error::made;
use crate::find;
use crate::session::Session;
use duet_core::id::Column;
use duet_core::intent::{FindKey, Found, Op, Outcome};
use duet_core::observation::Source;
use duet_core::retry::FailureClass;
use duet_ports::connector::Call;

impl Work<'_> {
    /// The outcome of a write that the server left out without an error.
    pub(super) async fn in_the_way(
        &self,
        session: &mut Session,
        call: &Call,
    ) -> Result<Outcome, sqlx::Error> {
        if self.op != Op::Create {
            let text = "the server left the row as it was (a trigger or a policy of the table)";
            let failure = made(FailureClass::Permission, "not_written", text);
            return Ok(Outcome::Refused { failure, observed: None });
        }
        let observed = self.standing(session, call).await?;
        match observed {
            Some(found) if found.observation.marker == Some(call.intent) => {
                let after = Some(Box::new(found.observation));
                Ok(Outcome::Landed { record: found.record, after })
            }
            observed => {
                let text = "another record holds a unique value of this one";
                let failure = made(FailureClass::Uniqueness, "23505", text);
                Ok(Outcome::Refused { failure, observed })
            }
        }
    }

    /// Another record that holds a unique value of this call's.
    pub(super) async fn standing(
        &self,
        session: &mut Session,
        call: &Call,
    ) -> Result<Option<Box<Found>>, sqlx::Error> {
        let keys: Vec<FindKey> =
            self.unique_sets(call).into_iter().filter_map(|set| key(call, &set)).collect();
        // Each key a number of its own: the first one with an answer names the record.
        let numbered: Vec<(usize, &FindKey)> = keys.iter().enumerate().collect();
        let read_at = self.side.time();
        let found = find::by_value(session, &self.shape, &numbered).await?;
        let other = found.into_iter().find(|(_, _, row)| Some(&row.record) != call.record.as_ref());
        Ok(other.map(|(_, _, row)| {
            let record = row.record.clone();
            let observation = self.observe(row, read_at, Source::Read);
            Box::new(Found { record, rule: None, observation })
        }))
    }

    /// Key, the column that the call names, and every other unique list of columns.
    fn unique_sets(&self, call: &Call) -> Vec<Vec<Column>> {
        let table = self.shape.table;
        let key = table.key.iter().map(|column| column.name.clone()).collect();
        let named = call.unique.iter().map(|(column, _)| vec![column.clone()]);
        std::iter::once(key).chain(named).chain(table.unique.iter().cloned()).collect()
    }
}

fn key(call: &Call, set: &[Column]) -> Option<FindKey> {
    let value = |column: &Column| {
        let named = call.unique.as_ref().filter(|(unique, _)| unique == column);
        let value = call.values.get(column).or(named.map(|(_, value)| value))?;
        Some((column.clone(), value.clone()))
    };
    let columns: Option<Vec<_>> = set.iter().map(value).collect();
    columns.map(|columns| FindKey { rule: None, columns })
}
