//! Every key of the configuration in one place: those of `config`, and what each connector reads of its
//! connections. From here come the JSON Schema for editors and the reference page.

use duet_config::{Kind, json_schema};
use duet_sql::Product;

/// The kinds of connections, each with the keys that its connector reads.
pub(crate) fn kinds() -> [Kind; 3] {
    [
        Kind { name: "salesforce", table: duet_salesforce::keys::SALESFORCE },
        Kind { name: "postgres", table: Product::Postgres.keys() },
        Kind { name: "sqlite", table: Product::Sqlite.keys() },
    ]
}

/// The JSON Schema of `duet.toml` and of files of flows.
pub(crate) fn schema() -> String {
    let schema = json_schema(&kinds());
    let text = serde_json::to_string_pretty(&schema).expect("a value has no failing serializer");
    format!("{text}\n")
}

#[cfg(test)]
mod tests;
