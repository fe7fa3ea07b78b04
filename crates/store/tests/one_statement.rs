//! Shows that the contract's check of locking and loading can fail: locked and read by one
//! statement, a link's facts are older than its row.

mod rig;

use duet_core::agreed::Agreed;
use duet_core::id::LinkId;
use duet_testkit::store_contract::locking::{Read, read_after_a_wait, stored_meanwhile};
use rig::PostgresRig;
use sqlx::{Connection, PgConnection, Row};

/// What must never be written: after the wait PostgreSQL reads the locked row anew, but not the
/// rows joined to it.
const LOCK_AND_LOAD: &str = "
    SELECT l.rev, c.agreed FROM links l LEFT JOIN contents c ON c.link = l.id
    WHERE l.id = $1 ORDER BY l.id FOR UPDATE OF l";

async fn lock_and_load(url: String, link: LinkId) -> Read {
    let mut connection = PgConnection::connect(&url).await.expect("the database is up");
    let mut transaction = connection.begin().await.expect("it begins");
    let row = sqlx::query(LOCK_AND_LOAD)
        .bind(link.0)
        .fetch_one(&mut *transaction)
        .await
        .expect("the link is there");
    let text: Option<String> = row.get("agreed");
    let agreed = text.map(|text| serde_json::from_str(&text).expect("it is agreed state"));
    Read { rev: row.get("rev"), agreed: agreed.unwrap_or(Agreed::None) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_statement_would_read_stale_facts() {
    let rig = PostgresRig::new().await;
    let url = rig.url().to_owned();
    let read = read_after_a_wait(&rig, |link| lock_and_load(url, link)).await;
    assert_eq!(read.rev, stored_meanwhile().rev, "the row is the new one");
    assert_eq!(read.agreed, Agreed::None, "what is joined to it is the old one");
    assert_ne!(read, stored_meanwhile());
}
