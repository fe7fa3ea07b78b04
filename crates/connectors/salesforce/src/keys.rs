//! Every key of a Salesforce connection, described once: what its settings know, what the JSON Schema
//! and the reference page tell.

use duet_ports::keys::{Holds, Key, Table};

/// A connection of kind `salesforce`.
pub const SALESFORCE: &Table = &Table {
    title: "kind = \"salesforce\"",
    keys: &[
        Key::needed("auth", AUTH, "How to sign in."),
        Key::new("api", Holds::Table(API), "", "Which API, and how much in one call."),
        Key::new("limits", Holds::Table(LIMITS), "", "How much is asked of it."),
    ],
};

const AUTH: Holds = Holds::Any(&[Holds::Table(AUTH_OF_APP), Holds::Table(AUTH_OF_USER)]);
const LOGIN: Key = Key::needed(
    "login",
    Holds::Text,
    "An `https://` address; `http://` on a loopback address only (the emulator).",
);
const CLIENT_ID: Key = Key::needed("client_id", Holds::Text, "The app's consumer key.");
const CLIENT_SECRET: Key = Key::needed("client_secret", Holds::Text, "The app's consumer secret.");

/// `auth` of an app that acts as its own integration user.
pub(crate) const AUTH_OF_APP: &Table = &Table {
    title: "auth (client credentials)",
    keys: &[
        Key::needed(
            "flow",
            Holds::Words(&["client_credentials"]),
            "The app acts as its user; `login` is My Domain's address.",
        ),
        LOGIN,
        CLIENT_ID,
        CLIENT_SECRET,
    ],
};

/// `auth` of a user with a password.
pub(crate) const AUTH_OF_USER: &Table = &Table {
    title: "auth (password)",
    keys: &[
        Key::needed("flow", Holds::Words(&["password"]), "A user signs in."),
        LOGIN,
        CLIENT_ID,
        CLIENT_SECRET,
        Key::needed("user", Holds::Text, "The user's name."),
        Key::needed("password", Holds::Text, "The password, followed by the security token."),
    ],
};

/// `api`.
pub(crate) const API: &Table = &Table {
    title: "api",
    keys: &[
        Key::new("version", Holds::Text, "`65.0`", "The API's version, from 46.0 on."),
        // The platform takes no more in one call.
        Key::new("batch", Holds::Whole(1, 200), "200", "Most records in one writing call."),
        Key::later("write"),
        Key::later("bulk_above"),
    ],
};

/// `limits`.
pub(crate) const LIMITS: &Table = &Table {
    title: "limits (salesforce)",
    keys: &[
        Key::new("parallel", Holds::Whole(1, 25), "5", "Most calls at once."),
        Key::new(
            "poll",
            Holds::Duration,
            "15s",
            "Pause between two looks that found nothing; `100ms` at least.",
        ),
        Key::new(
            "timeout",
            Holds::Duration,
            "30s",
            "Total time of a call, its requests included; `1s` at least.",
        ),
        Key::new(
            "patience",
            Holds::Duration,
            "0s",
            "How long a write may wait until its call is full; `1s` saves calls and costs time.",
        ),
        Key::later("daily_share"),
        Key::later("pause_below"),
    ],
};
