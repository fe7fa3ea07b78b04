//! A deciding transaction. It knows which links it has locked, and touches no other's rows.

use super::{advance, facts, letters, lock, neighbours, route, save};
use crate::batch::Known;
use crate::session::Transaction;
use crate::statement::{Query, Statement};
use crate::stored::{checked, to_json};
use async_trait::async_trait;
use duet_core::facts::{Claim, Facts, Holder, Parent, Rival};
use duet_core::id::{Column, ConnectionName, FlowName, IntentId, LinkId, RecordId};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::envelope::Numbered;
use duet_ports::store::{
    Address, Attempt, DeadLetter, Decided, Remembered, SeenRecord, StoreError, Unit,
};
use std::collections::HashMap;

const ATTEMPTS: Statement = Statement {
    what: "store attempts",
    postgres: "
INSERT INTO attempts (intent, link, number, sent_at, done_at, outcome, failure)
SELECT intent, link, number, sent_at, done_at, outcome, failure::json
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[],
        $7::text[])
    WITH ORDINALITY AS n(intent, link, number, sent_at, done_at, outcome, failure, place)
ORDER BY place",
    sqlite: "
INSERT INTO attempts (intent, link, number, sent_at, done_at, outcome, failure)
SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    value ->> 6
FROM json_each($1) ORDER BY key",
};

const RESTING: Statement = Statement {
    what: "find resting connections",
    postgres: "SELECT name FROM connections WHERE name = ANY($1) AND paused_until > $2",
    sqlite: "
SELECT name FROM connections WHERE name IN (SELECT value FROM json_each($1)) AND paused_until > $2",
};

/// A deciding transaction. Dropped, it rolls back.
pub(super) struct SqlUnit {
    transaction: Transaction,
    /// Links locked here.
    known: HashMap<LinkId, Known>,
    /// What the process knows of some.
    remembered: Remembered,
    /// Whether a dead letter is open, as told with the facts; none: nobody asked yet.
    letters: Option<bool>,
}

impl SqlUnit {
    pub(super) fn new(transaction: Transaction) -> Self {
        SqlUnit { transaction, known: HashMap::new(), remembered: Remembered::new(), letters: None }
    }

    /// Those of these links that are locked here.
    fn locked(&self, links: &[LinkId]) -> Vec<LinkId> {
        links.iter().copied().filter(|link| self.known.contains_key(link)).collect()
    }
}

#[async_trait]
impl Unit for SqlUnit {
    async fn ensure(
        &mut self,
        addresses: &[Address],
        fresh: &(dyn Fn() -> LinkId + Sync),
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError> {
        route::ensure(&mut self.transaction.session(), addresses, fresh, now).await
    }

    async fn lock(
        &mut self,
        links: &[LinkId],
        skip_locked: bool,
    ) -> Result<Vec<(LinkId, i64)>, StoreError> {
        let locked = lock::lock(&mut self.transaction.session(), links, skip_locked).await?;
        for (link, rev) in &locked {
            self.known.entry(*link).or_insert(Known { rev: *rev, stored: None });
        }
        Ok(locked)
    }

    fn remember(&mut self, stored: &Remembered) {
        self.remembered = stored.clone();
    }

    async fn load(
        &mut self,
        links: &[LinkId],
        markers: &[IntentId],
        now: Stamp,
    ) -> Result<Vec<Facts>, StoreError> {
        let mut links = self.locked(links);
        let mut remembered = std::mem::take(&mut self.remembered);
        remembered.retain(|link, stored| {
            self.known.get(link).is_some_and(|known| known.rev == stored.rev)
        });
        links.sort_unstable();
        let mut session = self.transaction.session();
        let loaded = facts::load(&mut session, &links, &remembered, markers, now).await?;
        let mut all = Vec::with_capacity(loaded.len());
        for one in loaded {
            self.letters = Some(one.letters);
            let rev = one.facts.link.rev;
            self.known.insert(one.facts.link.id, Known { rev, stored: Some(one.stored) });
            all.push(one.facts);
        }
        Ok(all)
    }

    async fn claims(
        &mut self,
        keys: &[(FlowName, usize, String)],
    ) -> Result<Vec<(FlowName, Claim)>, StoreError> {
        neighbours::claims(&mut self.transaction.session(), keys).await
    }

    async fn parents(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
        links: &[LinkId],
    ) -> Result<Vec<Parent>, StoreError> {
        neighbours::parents(&mut self.transaction.session(), records, links).await
    }

    async fn rivals(
        &mut self,
        values: &[(FlowName, Side, Column, Value)],
    ) -> Result<Vec<(FlowName, Rival)>, StoreError> {
        neighbours::rivals(&mut self.transaction.session(), values).await
    }

    async fn holders(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
    ) -> Result<Vec<(FlowName, Holder)>, StoreError> {
        neighbours::holders(&mut self.transaction.session(), records).await
    }

    async fn save(&mut self, decided: &[Decided], now: Stamp) -> Result<Vec<LinkId>, StoreError> {
        save::save(&mut self.transaction.session(), &mut self.known, decided, now).await
    }

    async fn attempts(&mut self, attempts: &[Attempt]) -> Result<(), StoreError> {
        if attempts.is_empty() {
            return Ok(());
        }
        let failure = |attempt: &Attempt| {
            attempt.failure.as_ref().map(|failure| to_json("failure", failure)).transpose()
        };
        let failures: Vec<Option<String>> =
            attempts.iter().map(failure).collect::<Result<_, _>>()?;
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let query = Query::new(&ATTEMPTS)
            .column(attempts.iter().map(|one| one.intent.0))
            .column(attempts.iter().map(|one| one.link.0))
            .column(attempts.iter().map(|one| number(one.number)))
            .column(attempts.iter().map(|one| one.sent_at.0))
            .column(attempts.iter().map(|one| one.done_at.0))
            .column(attempts.iter().map(|one| one.outcome))
            .column(failures);
        self.transaction.session().run(query).await
    }

    async fn resting(
        &mut self,
        connections: &[ConnectionName],
        now: Stamp,
    ) -> Result<Vec<ConnectionName>, StoreError> {
        let names = connections.iter().map(ConnectionName::as_str);
        let query = Query::new(&RESTING).list(names).bind(now.0);
        let rows = self.transaction.session().all(query).await?;
        rows.iter().map(|row| row.get::<String>("name").map(ConnectionName::new)).collect()
    }

    async fn settle(
        &mut self,
        numbers: &[Numbered],
        dead: &[DeadLetter],
        now: Stamp,
    ) -> Result<(), StoreError> {
        for number in numbers {
            checked("source", &number.source)?;
        }
        advance::mark(&mut self.transaction.session(), numbers).await?;
        letters::bury(&mut self.transaction.session(), dead, now).await
    }

    async fn supersede(&mut self, seen: &[SeenRecord<'_>], now: Stamp) -> Result<(), StoreError> {
        match self.letters {
            Some(false) => Ok(()),
            Some(true) | None => {
                letters::supersede(&mut self.transaction.session(), seen, now).await
            }
        }
    }

    async fn touch(&mut self, links: &[LinkId], due_at: Stamp) -> Result<(), StoreError> {
        let links = self.locked(links);
        lock::touch(&mut self.transaction.session(), &links, due_at.0).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.commit("commit").await
    }
}
