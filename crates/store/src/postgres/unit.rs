//! A deciding transaction. It knows which links it has locked, and touches no other's rows.

use super::error::fault;
use super::save_links::run;
use super::{advance, claim, facts, letters, lock, neighbours, route, save};
use crate::batch::Known;
use crate::stored::{checked, to_json};
use async_trait::async_trait;
use duet_core::facts::{Claim, Facts, Holder, Parent, Rival};
use duet_core::id::{Column, FlowName, IntentId, LinkId, RecordId};
use duet_core::intent::Intent;
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::envelope::Numbered;
use duet_ports::store::{Address, Attempt, DeadLetter, Decided, SeenRecord, StoreError, Unit};
use sqlx::{Postgres as Driver, Transaction};
use std::collections::HashMap;

const ATTEMPTS: &str = "
INSERT INTO attempts (intent, link, number, sent_at, done_at, outcome, failure)
SELECT intent, link, number, sent_at, done_at, outcome, failure::json
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[],
        $7::text[])
    WITH ORDINALITY AS n(intent, link, number, sent_at, done_at, outcome, failure, place)
ORDER BY place";

/// A deciding transaction on PostgreSQL. Dropped, it rolls back.
pub(super) struct PostgresUnit {
    transaction: Transaction<'static, Driver>,
    /// Links locked here.
    known: HashMap<LinkId, Known>,
    /// Whether a dead letter is open, as told with the facts; none: nobody asked yet.
    letters: Option<bool>,
}

impl PostgresUnit {
    pub(super) fn new(transaction: Transaction<'static, Driver>) -> Self {
        PostgresUnit { transaction, known: HashMap::new(), letters: None }
    }

    /// Those of these links that are locked here.
    fn locked(&self, links: &[LinkId]) -> Vec<LinkId> {
        links.iter().copied().filter(|link| self.known.contains_key(link)).collect()
    }
}

#[async_trait]
impl Unit for PostgresUnit {
    async fn ensure(
        &mut self,
        addresses: &[Address],
        fresh: &(dyn Fn() -> LinkId + Sync),
        now: Stamp,
    ) -> Result<Vec<LinkId>, StoreError> {
        route::ensure(&mut self.transaction, addresses, fresh, now).await
    }

    async fn lock(
        &mut self,
        links: &[LinkId],
        skip_locked: bool,
    ) -> Result<Vec<(LinkId, i64)>, StoreError> {
        let locked = lock::lock(&mut self.transaction, links, skip_locked).await?;
        for (link, rev) in &locked {
            self.known.entry(*link).or_insert(Known { rev: *rev, stored: None });
        }
        Ok(locked)
    }

    async fn load(
        &mut self,
        links: &[LinkId],
        markers: &[IntentId],
        now: Stamp,
    ) -> Result<Vec<Facts>, StoreError> {
        let links = lock::uuids(&self.locked(links));
        let loaded = facts::load(&mut self.transaction, &links, markers, now).await?;
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
        neighbours::claims(&mut self.transaction, keys).await
    }

    async fn parents(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
        links: &[LinkId],
    ) -> Result<Vec<Parent>, StoreError> {
        neighbours::parents(&mut self.transaction, records, links).await
    }

    async fn rivals(
        &mut self,
        values: &[(FlowName, Side, Column, Value)],
    ) -> Result<Vec<(FlowName, Rival)>, StoreError> {
        neighbours::rivals(&mut self.transaction, values).await
    }

    async fn holders(
        &mut self,
        records: &[(FlowName, Side, RecordId)],
    ) -> Result<Vec<(FlowName, Holder)>, StoreError> {
        neighbours::holders(&mut self.transaction, records).await
    }

    async fn save(&mut self, decided: &[Decided], now: Stamp) -> Result<Vec<LinkId>, StoreError> {
        save::save(&mut self.transaction, &mut self.known, decided, now).await
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
        let query = sqlx::query(ATTEMPTS)
            .bind(attempts.iter().map(|one| one.intent.0).collect::<Vec<_>>())
            .bind(attempts.iter().map(|one| one.link.0).collect::<Vec<_>>())
            .bind(attempts.iter().map(|one| number(one.number)).collect::<Vec<_>>())
            .bind(attempts.iter().map(|one| one.sent_at.0).collect::<Vec<_>>())
            .bind(attempts.iter().map(|one| one.done_at.0).collect::<Vec<_>>())
            .bind(attempts.iter().map(|one| one.outcome).collect::<Vec<_>>())
            .bind(failures);
        run(&mut self.transaction, "store attempts", query).await
    }

    async fn send(
        &mut self,
        intents: &[IntentId],
        sent_at: Stamp,
        deadline: Stamp,
    ) -> Result<Vec<Intent>, StoreError> {
        let locked: Vec<LinkId> = self.known.keys().copied().collect();
        claim::send(&mut self.transaction, intents, &locked, sent_at, deadline).await
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
        advance::mark(&mut self.transaction, numbers).await?;
        letters::bury(&mut self.transaction, dead, now).await
    }

    async fn supersede(&mut self, seen: &[SeenRecord<'_>], now: Stamp) -> Result<(), StoreError> {
        match self.letters {
            Some(false) => Ok(()),
            Some(true) | None => letters::supersede(&mut self.transaction, seen, now).await,
        }
    }

    async fn touch(&mut self, links: &[LinkId], due_at: Stamp) -> Result<(), StoreError> {
        let links = self.locked(links);
        lock::touch(&mut self.transaction, &links, due_at.0).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(fault("commit"))
    }
}
