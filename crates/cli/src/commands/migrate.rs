//! `duet migrate`: brings the state database up to date.

use super::Ended;
use crate::app::App;
use crate::exit::Exit;
use crate::output::{self, count};

/// Runs it.
pub(crate) async fn run(app: &App) -> Ended {
    let applied = app.store().await?.migrate().await?;
    let text = || {
        if applied.is_empty() {
            "the state database is up to date".into()
        } else {
            let number = u64::try_from(applied.len()).unwrap_or(u64::MAX);
            let what = count(number, "migration", "migrations");
            format!("{what} applied: {}", applied.join(", "))
        }
    };
    output::result(app.format, "migrate", &serde_json::json!({ "applied": applied }), text)?;
    Ok(Exit::Done)
}
