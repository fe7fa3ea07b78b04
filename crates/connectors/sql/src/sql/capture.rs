//! What statements about a capture need to know, and which of them there are: those that make and
//! remove it, those of its outbox, and those of the markers in it.

use super::rows::Reached;
use super::{Product, Statement, postgres, sqlite};
use crate::table::Table;
use crate::told::Told;
use duet_core::id::{FlowName, IntentId, RecordId};
use duet_core::side::Side;
use duet_ports::connector::Collection;
use uuid::Uuid;

/// Where the tables of all captures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home<'a> {
    /// The database.
    pub(crate) product: Product,
    /// The schema, or what the tables' names begin with.
    pub(crate) name: &'a str,
}

/// The table that triggers stand on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Its schema.
    pub(crate) schema: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
}

/// One capture: what it is registered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capture<'a> {
    /// Where its tables are.
    pub(crate) home: Home<'a>,
    /// The flow whose changes it tells.
    pub(crate) flow: FlowName,
    /// The side of the flow.
    pub(crate) side: Side,
}

impl Home<'_> {
    /// The version of what an install makes; a higher one replaces it at the next install.
    pub(crate) fn version(self) -> i32 {
        match self.product {
            Product::Postgres => postgres::capture::VERSION,
            Product::Sqlite => sqlite::capture::VERSION,
        }
    }

    /// Makes one installer wait for another, where a transaction alone doesn't.
    pub(crate) fn lock(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => Some(postgres::capture::lock()),
            Product::Sqlite => None,
        }
    }

    /// Whether the tables are there and may be used: `present`, `usable`.
    pub(crate) fn rights(self) -> Statement {
        match self.product {
            Product::Postgres => postgres::catalog::capture_rights(self.name),
            Product::Sqlite => sqlite::catalog::capture_rights(self.name),
        }
    }

    /// Whether the schema is there; none where there are no schemas.
    pub(crate) fn has_schema(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => Some(postgres::capture::has_schema(self.name)),
            Product::Sqlite => None,
        }
    }

    /// Makes the schema.
    pub(crate) fn schema(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => Some(postgres::capture::schema(self.name)),
            Product::Sqlite => None,
        }
    }

    /// Takes the schema away, if nothing is left in it.
    pub(crate) fn drop_schema(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => Some(postgres::capture::drop_schema(self.name)),
            Product::Sqlite => None,
        }
    }

    /// Makes the tables; `made` tells whether the schema is ours to take away.
    pub(crate) fn tables(self, made: bool) -> Statement {
        match self.product {
            Product::Postgres => postgres::capture::tables(self.name, made),
            Product::Sqlite => sqlite::capture::tables(self.name),
        }
    }

    /// Whether every table is there (`whole`), where one alone can be taken away.
    pub(crate) fn is_whole(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => None,
            Product::Sqlite => Some(sqlite::capture::is_whole(self.name)),
        }
    }

    /// Gives every capture a base beyond all numbers that were given out: any of them may have missed
    /// changes.
    pub(crate) fn rebase(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => None,
            Product::Sqlite => Some(sqlite::capture::rebase(self.name)),
        }
    }

    /// Makes or replaces what the triggers call, and what tables of an older version lack.
    pub(crate) fn functions(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => Some(postgres::capture::functions(self.name)),
            Product::Sqlite => None,
        }
    }

    /// Takes functions and tables away.
    pub(crate) fn drop_tables(self) -> Statement {
        match self.product {
            Product::Postgres => postgres::capture::drop_tables(self.name),
            Product::Sqlite => sqlite::capture::drop_tables(self.name),
        }
    }

    /// Whether no capture is left (`vacant`), and whether the schema was made by the first one (`made`).
    pub(crate) fn left(self) -> Statement {
        match self.product {
            Product::Postgres => postgres::capture::left(self.name),
            Product::Sqlite => sqlite::capture::left(self.name),
        }
    }

    /// Every capture that is recorded, with how much is waiting and since when.
    pub(crate) fn recorded(self) -> Statement {
        match self.product {
            Product::Postgres => postgres::capture::recorded(self.name),
            Product::Sqlite => sqlite::capture::recorded(self.name),
        }
    }

    /// The position that covers every change committed before: `head`.
    pub(crate) fn head(self) -> Statement {
        match self.product {
            Product::Postgres => postgres::changes::head(),
            Product::Sqlite => sqlite::changes::head(self.name),
        }
    }

    /// Notes where a transaction of ours begins, where that isn't known without.
    pub(crate) fn begin(self) -> Option<Statement> {
        match self.product {
            Product::Postgres => None,
            Product::Sqlite => Some(sqlite::writes::begin(self.name)),
        }
    }
}

impl<'a> Capture<'a> {
    /// The capture of a collection.
    pub(crate) fn of(home: Home<'a>, collection: &Collection) -> Capture<'a> {
        Capture { home, flow: collection.flow.clone(), side: collection.side }
    }

    /// An id for its triggers: derived, as a flow's name may be longer than an identifier.
    pub(super) fn id(&self) -> String {
        let text = format!("{}/{}/{}", self.home.name, self.flow, self.side);
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string();
        id[..16].to_owned()
    }

    /// Makes its triggers anew.
    pub(crate) fn triggers(&self, table: &Table) -> Statement {
        match self.home.product {
            Product::Postgres => postgres::capture::triggers(self, table),
            Product::Sqlite => sqlite::triggers::make(self, table),
        }
    }

    /// Takes its triggers away.
    pub(crate) fn drop_triggers(&self, from: Place) -> Statement {
        match self.home.product {
            Product::Postgres => postgres::capture::drop_triggers(self, from),
            Product::Sqlite => sqlite::triggers::remove(self),
        }
    }

    /// Whether all its triggers watch the table with this identity: `watched`.
    pub(crate) fn watching(&self, identity: &str) -> Statement {
        match self.home.product {
            Product::Postgres => postgres::capture::watching(self, identity),
            Product::Sqlite => sqlite::triggers::watching(self, identity),
        }
    }

    /// Records it; `missed`: changes may have been missed since it was last recorded. Its base is a
    /// number beyond every change before: the least version of a row, and what its positions are
    /// known by.
    pub(crate) fn register(&self, name: &str, table: &Table, missed: bool) -> Vec<Statement> {
        match self.home.product {
            Product::Postgres => vec![postgres::capture::register(self, name, table, missed)],
            Product::Sqlite => sqlite::capture::register(self, name, table, missed),
        }
    }

    /// Gives it a base beyond all numbers that were given out.
    pub(crate) fn rebase(&self) -> Vec<Statement> {
        match self.home.product {
            Product::Postgres => Vec::new(),
            Product::Sqlite => sqlite::capture::rebase_one(self),
        }
    }

    /// What is recorded of it, with the present name of its table.
    pub(crate) fn registered(&self) -> Statement {
        match self.home.product {
            Product::Postgres => postgres::capture::registered(self),
            Product::Sqlite => sqlite::capture::registered(self),
        }
    }

    /// Forgets it with all its rows.
    pub(crate) fn forget(&self) -> Vec<Statement> {
        match self.home.product {
            Product::Postgres => postgres::capture::forget(self),
            Product::Sqlite => sqlite::capture::forget(self),
        }
    }

    /// How much is waiting (`backlog`), and since when (`age`, in microseconds).
    pub(crate) fn backlog(&self) -> Statement {
        match self.home.product {
            Product::Postgres => postgres::capture::backlog(self),
            Product::Sqlite => sqlite::capture::backlog(self),
        }
    }

    /// Changes not read yet, oldest first, as one JSON array (`news`), with the oldest transaction
    /// still open (`oldest`), and in a file the version of the record that was told last (`known`).
    pub(crate) fn unread(&self, reached: &Reached, limit: usize, last: Option<&Told>) -> Statement {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match self.home.product {
            Product::Postgres => postgres::changes::unread(self, reached, limit),
            Product::Sqlite => sqlite::changes::unread(self, reached, limit, last),
        }
    }

    /// Whether something unread (`waiting`) was committed before a head. `None`: no head of this side.
    pub(crate) fn unread_before(&self, reached: &Reached, head: &str) -> Option<Statement> {
        match self.home.product {
            Product::Postgres => postgres::changes::unread_before(self, reached, head),
            Product::Sqlite => sqlite::changes::unread_before(self, reached, head),
        }
    }

    /// Gives up changes.
    pub(crate) fn settle(&self, rows: &[i64]) -> Statement {
        match self.home.product {
            Product::Postgres => postgres::changes::settle(self, rows),
            Product::Sqlite => sqlite::changes::settle(self, rows),
        }
    }

    /// Known ids in order, after this one: `key`.
    pub(crate) fn known_keys(&self, after: Option<&str>, limit: usize) -> Statement {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match self.home.product {
            Product::Postgres => postgres::changes::known_keys(self, after, limit),
            Product::Sqlite => sqlite::changes::known_keys(self, after, limit),
        }
    }

    /// Marks records as written by these intents, and the changes of this transaction with them.
    pub(crate) fn mark(&self, written: &[(RecordId, IntentId)]) -> Vec<Statement> {
        match self.home.product {
            Product::Postgres => vec![postgres::writes::mark(self, written)],
            Product::Sqlite => sqlite::writes::mark(self, written),
        }
    }

    /// Which of these intents (`write_id`) have written which record (`key`).
    pub(crate) fn marked(&self, intents: &[IntentId]) -> Statement {
        match self.home.product {
            Product::Postgres => postgres::writes::marked(self, intents),
            Product::Sqlite => sqlite::writes::marked(self, intents),
        }
    }

    /// Lets two calls of one intent not run beside each other, where transactions alone don't.
    pub(crate) fn one_at_a_time(&self, intents: &[IntentId]) -> Option<Statement> {
        match self.home.product {
            Product::Postgres => Some(postgres::writes::one_at_a_time(intents)),
            Product::Sqlite => None,
        }
    }
}
