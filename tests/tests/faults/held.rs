//! A program that holds a file for a while, so that nobody else may write it, or even read it.

use std::time::Duration;

use duet_tests::database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::rig::SOON;

/// Holds a file until it is released.
pub(crate) struct Holder(SqliteConnection);

impl Holder {
    /// Takes the file.
    pub(crate) async fn take(url: &str) -> Holder {
        let path = database::path(url).expect("only files are held");
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(SOON);
        let mut session = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut session).await.unwrap();
        Holder(session)
    }

    /// Lets it go.
    pub(crate) async fn release(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// Holds a file for so long.
pub(crate) async fn held(url: &str, time: Duration) {
    let holder = Holder::take(url).await;
    tokio::time::sleep(time).await;
    holder.release().await;
}
