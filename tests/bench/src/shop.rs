//! The shop's table, as a database that knows nothing of duet.

use crate::error::BenchError;
use crate::sample::record;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::ops::Range;

const TABLE: &str = "CREATE TABLE contacts (id text PRIMARY KEY, first_name text,
    last_name text NOT NULL, title text, department text, phone text, mailing_city text)";

/// Makes the table with so many contacts.
pub(crate) async fn fill(database: &str, contacts: u64) -> Result<(), BenchError> {
    let mut connection = PgConnection::connect(database).await?;
    sqlx::raw_sql(TABLE).execute(&mut connection).await?;
    let rows = format!(
        "INSERT INTO contacts SELECT 'EXT-' || lpad(n::text, 10, '0'), 'First ' || n, \
         'Last ' || n, 'Title', 'Department', '+49 30 0', 'Berlin' FROM generate_series(0, {}) n",
        contacts.saturating_sub(1)
    );
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut connection).await?;
    sqlx::raw_sql("ANALYZE contacts").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Changes four columns of the contacts in a range, in one transaction.
pub(crate) async fn change(
    connection: &mut PgConnection,
    contacts: Range<u64>,
    round: u32,
) -> Result<(), BenchError> {
    let ids: Vec<String> = contacts.map(|key| record(key).as_str().to_owned()).collect();
    let statement = "UPDATE contacts SET phone = $1, title = $1, department = $1, \
                     mailing_city = $1 WHERE id = ANY($2)";
    sqlx::query(statement).bind(mark(round)).bind(ids).execute(connection).await?;
    Ok(())
}

/// How many contacts hold what a round gave them.
pub(crate) async fn changed(connection: &mut PgConnection, round: u32) -> Result<u64, BenchError> {
    let statement = "SELECT count(*) FROM contacts WHERE phone = $1 AND title = $1 \
                     AND department = $1 AND mailing_city = $1";
    let count: i64 = sqlx::query_scalar(statement).bind(mark(round)).fetch_one(connection).await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

fn mark(round: u32) -> String {
    format!("round {round}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_s_ids_are_those_of_all_measurements() {
        assert_eq!(record(7).as_str(), "EXT-0000000007");
        assert_eq!(mark(2), "round 2");
    }
}
