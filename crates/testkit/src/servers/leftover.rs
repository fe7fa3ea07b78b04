//! Databases and virtual hosts of tests that were killed before they could drop theirs. Only those
//! of processes of this machine that are gone; nothing else is ever touched.

use std::path::Path;

use sqlx::{Connection, PgConnection};

use super::{ServerError, postgres, rabbitmq_share};

/// Every database and virtual host of a test begins so; the process id and a number follow.
pub(super) const PREFIX: &str = "duet_test_";

/// Removes what killed tests left on the shared servers; answers what was removed.
///
/// # Errors
/// When a server refuses.
pub async fn clear_leftovers() -> Result<Vec<String>, ServerError> {
    let mut cleared = Vec::new();
    if let Some(admin) = postgres::shared().await {
        for name in databases(&admin).await? {
            postgres::execute(&admin, &postgres::drop_statement(&name)).await?;
            cleared.push(format!("database {name}"));
        }
    }
    if let Some((_, control)) = rabbitmq_share::shared().await {
        for name in control.virtual_hosts()?.into_iter().filter(|name| is_leftover(name)) {
            control.delete(&name)?;
            cleared.push(format!("virtual host {name}"));
        }
    }
    Ok(cleared)
}

async fn databases(admin: &str) -> Result<Vec<String>, ServerError> {
    const LIST: &str = "SELECT datname FROM pg_database WHERE datname LIKE 'duet\\_test\\_%'";
    let fail = |source| ServerError::Statement { statement: LIST.to_owned(), source };
    let mut connection = PgConnection::connect(admin).await.map_err(fail)?;
    let names: Vec<String> =
        sqlx::query_scalar(LIST).fetch_all(&mut connection).await.map_err(fail)?;
    connection.close().await.map_err(fail)?;
    Ok(names.into_iter().filter(|name| is_leftover(name)).collect())
}

fn is_leftover(name: &str) -> bool {
    let process =
        name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map(|part| part.0);
    let process =
        process.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
    process.is_some_and(|id| !Path::new("/proc").join(id).exists())
}

#[cfg(test)]
mod tests {
    //! Shows that nothing but the names of dead processes counts.

    use super::*;

    #[test]
    fn only_what_belongs_to_a_process_that_is_gone() {
        let ours = format!("{PREFIX}{}_0", std::process::id());
        assert!(!is_leftover(&ours));
        assert!(is_leftover("duet_test_4000000000_0"));
        for other in ["duet", "duet_test_", "duet_test_x_0", "duet_test_12", "shop_test_9_9"] {
            assert!(!is_leftover(other), "{other}");
        }
    }
}
