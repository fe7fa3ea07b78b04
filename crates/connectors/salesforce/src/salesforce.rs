//! The connector: what the port promises, handed to the files that do it.

use crate::apply;
use crate::describe::Objects;
use crate::detect::Poller;
use crate::failure::is_outdated;
use crate::query::Rows;
use crate::rest::{Ask, Rest};
use crate::server_clock::ServerClock;
use crate::settings::Settings;
use crate::view::View;
use crate::{describe, find, read};
use async_trait::async_trait;
use duet_core::id::{ConnectionName, RecordId};
use duet_core::intent::{Found, Outcome};
use duet_core::stamp::Stamp;
use duet_ports::clock::Clock;
use duet_ports::connector::{
    Answers, Batch, Collection, Connector, ConnectorError, Description, Detector, Limits, Page,
    Position, Record, Search, Usage,
};
use std::sync::Arc;
use tokio::time::Instant;

/// Ids of one read: as many as one address holds beside some twenty columns.
const READ_MAX: usize = 400;

/// The connector could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// No HTTP client (TLS roots, proxy settings).
    #[error("{connection}: no HTTP client can be made")]
    Client {
        /// The connection.
        connection: ConnectionName,
        /// Why not.
        source: reqwest::Error,
    },
}

/// A Salesforce org as a side.
pub struct Salesforce {
    org: Arc<Org>,
    limits: Limits,
}

/// What all calls share.
pub(crate) struct Org {
    pub(crate) rest: Rest,
    pub(crate) objects: Objects,
    pub(crate) batch: usize,
}

impl Org {
    /// How a collection is read. Describes the object the first time.
    pub(crate) async fn view(
        &self,
        collection: &Collection,
        until: Instant,
    ) -> Result<View, ConnectorError> {
        let object = self.objects.known(&self.rest, &collection.name, until).await?;
        let user = self.rest.user(until).await?;
        Ok(View::new(collection, object, user))
    }

    /// Forgets an object that a failure shows to be another than was described.
    pub(crate) fn heeded<T>(
        &self,
        collection: &Collection,
        answer: Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        if answer.as_ref().is_err_and(|error| is_outdated(&error.failure)) {
            self.objects.forget(&collection.name);
        }
        answer
    }

    /// The same for writes: the side refuses them one by one.
    fn heed(&self, collection: &Collection, outcomes: &[Outcome]) {
        let outdated =
            |one: &Outcome| matches!(one, Outcome::Refused { failure, .. } if is_outdated(failure));
        if outcomes.iter().any(outdated) {
            self.objects.forget(&collection.name);
        }
    }
}

impl Salesforce {
    /// Sets up the connector; signs in with the first call.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(
        connection: ConnectionName,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Salesforce, SetUpError> {
        let limits = Limits {
            batch: settings.batch,
            read: READ_MAX,
            parallel: settings.parallel,
            patience: settings.patience,
            timeout: settings.timeout,
            poll: settings.poll,
        };
        let rest = Rest::new(connection.clone(), settings, ServerClock::new(clock));
        let rest = rest.map_err(|source| SetUpError::Client { connection, source })?;
        let org = Org { rest, objects: Objects::default(), batch: limits.batch };
        Ok(Salesforce { org: Arc::new(org), limits })
    }
}

#[async_trait]
impl Connector for Salesforce {
    fn connection(&self) -> &ConnectionName {
        &self.org.rest.connection
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn now(&self) -> Stamp {
        self.org.rest.clock.now()
    }

    async fn ping(&self) -> Result<(), ConnectorError> {
        let rest = &self.org.rest;
        rest.send(&Ask::get(rest.root()), rest.deadline()).await.map(drop)
    }

    fn usage(&self) -> Option<Usage> {
        self.org.rest.usage()
    }

    async fn describe(&self, collection: &Collection) -> Result<Description, ConnectorError> {
        describe::describe(&self.org, collection, self.org.rest.deadline()).await
    }

    async fn detector(
        &self,
        collection: &Collection,
        from: Option<&Position>,
    ) -> Result<Box<dyn Detector>, ConnectorError> {
        let opened = Poller::open(self.org.clone(), collection.clone(), from).await;
        Ok(Box::new(self.org.heeded(collection, opened)?))
    }

    async fn read(
        &self,
        collection: &Collection,
        records: &[RecordId],
    ) -> Result<Vec<Record>, ConnectorError> {
        let read = read::read(&self.org, collection, records, self.org.rest.deadline()).await;
        self.org.heeded(collection, read)
    }

    async fn find(
        &self,
        collection: &Collection,
        searches: &[Search],
    ) -> Result<Vec<Vec<Found>>, ConnectorError> {
        let found = find::find(&self.org, collection, searches, self.org.rest.deadline()).await;
        self.org.heeded(collection, found)
    }

    async fn scan(
        &self,
        collection: &Collection,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page, ConnectorError> {
        let until = self.org.rest.deadline();
        let page = read::scan(&self.org, collection, after, limit, until).await;
        self.org.heeded(collection, page)
    }

    async fn apply(
        &self,
        collection: &Collection,
        batch: &Batch,
    ) -> Result<Answers, ConnectorError> {
        let outcomes = apply::apply(&self.org, collection, batch).await;
        let outcomes = self.org.heeded(collection, outcomes)?;
        self.org.heed(collection, &outcomes);
        Ok(Answers { at: self.now(), outcomes })
    }
}

impl Org {
    /// How many rows there are, by a condition.
    pub(crate) async fn count(
        &self,
        object: &str,
        filter: Option<&str>,
        until: Instant,
    ) -> Result<u64, ConnectorError> {
        let condition = filter.map(|filter| format!(" WHERE ({filter})")).unwrap_or_default();
        let soql = format!("SELECT COUNT() FROM {object}{condition}");
        Ok(self.rest.query(Rows::Live, &soql, until).await?.total)
    }
}
