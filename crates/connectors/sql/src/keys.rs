//! Every key of a SQL connection, described once: what its settings know, what the JSON Schema and the
//! reference page tell.

use crate::Product;
use duet_ports::keys::{Holds, Key, Table};

impl Product {
    /// What a connection of this product reads.
    #[must_use]
    pub const fn keys(self) -> &'static Table {
        match self {
            Product::Postgres => POSTGRES,
            Product::Sqlite => SQLITE,
        }
    }

    /// What its capture reads.
    pub(crate) fn capture_keys(self) -> &'static Table {
        match self {
            Product::Postgres => CAPTURE_SERVER,
            Product::Sqlite => CAPTURE_FILE,
        }
    }
}

/// A connection of kind `postgres`.
pub(crate) const POSTGRES: &Table = &Table {
    title: "kind = \"postgres\"",
    keys: &[
        Key::needed(
            "url",
            Holds::Address(&["postgres", "postgresql"]),
            "`postgres://USER:PASSWORD@HOST:PORT/DATABASE`.",
        ),
        Key::new("capture", CAPTURED_SERVER, "outbox", CAPTURE),
        LIMITED,
    ],
};

/// A connection of kind `sqlite`.
pub(crate) const SQLITE: &Table = &Table {
    title: "kind = \"sqlite\"",
    keys: &[
        Key::needed("path", Holds::Text, "The file, from the project's folder."),
        Key::new("capture", CAPTURED_FILE, "outbox", CAPTURE),
        LIMITED,
    ],
};

const CAPTURE: &str = "How changes are told: by triggers into tables of duet's own.";
const CAPTURED_SERVER: Holds = Holds::Any(&[MODE, Holds::Table(CAPTURE_SERVER)]);
const CAPTURED_FILE: Holds = Holds::Any(&[MODE, Holds::Table(CAPTURE_FILE)]);
const LIMITED: Key = Key::new("limits", Holds::Table(LIMITS), "", "How much is asked of it.");
const MODE: Holds = Holds::Words(&["outbox"]);
const MODES: Key = Key::new("mode", MODE, "outbox", "By triggers; the only way so far.");

/// `capture` of a server.
pub(crate) const CAPTURE_SERVER: &Table = &Table {
    title: "capture (postgres)",
    keys: &[
        MODES,
        Key::new("schema", Holds::Text, "`duet`", "The schema that is made for the capture."),
        Key::new("poll", Holds::Duration, "5s", "How often it looks without being told."),
    ],
};

/// `capture` of a file.
pub(crate) const CAPTURE_FILE: &Table = &Table {
    title: "capture (sqlite)",
    keys: &[
        MODES,
        Key::new(
            "prefix",
            Holds::Text,
            "`duet_`",
            "What names of the capture's tables begin with.",
        ),
        Key::new("poll", Holds::Duration, "1s", "How often it looks."),
    ],
};

/// `limits`.
pub(crate) const LIMITS: &Table = &Table {
    title: "limits (postgres, sqlite)",
    keys: &[
        Key::new("connections", Holds::Whole(1, 100), "4", "Most connections at once."),
        Key::new("timeout", Holds::Duration, "30s", "How long a call may take."),
        Key::later("writes_per_second"),
    ],
};
