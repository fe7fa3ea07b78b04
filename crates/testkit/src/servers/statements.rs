//! The statements that a private PostgreSQL noted in its log, read back: what really reached it,
//! whatever its clients know. Not a parser of SQL.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::ServerError;
use super::postgres::execute;

/// Makes a server note every statement, with its parameters, one JSON object a line.
pub(super) const SETTINGS: [&str; 7] = [
    "logging_collector=on",
    "log_destination=jsonlog",
    "log_directory=notes",
    "log_filename=statements.log",
    "log_rotation_age=0",
    "log_rotation_size=0",
    "log_statement=all",
];
const FILE: &str = "notes/statements.json";
/// The collector writes what it gets at once; more on a busy machine.
const WRITTEN_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// Something that a session did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The session; a connection is one.
    pub session: String,
    /// Its text.
    pub text: String,
    /// The texts of its parameters; `None` is null.
    pub parameters: Vec<Option<String>>,
    /// Whether it is told that a statement of this text failed, instead of another one. One that
    /// couldn't even be planned is told so only.
    pub failed: bool,
}

/// What a program did in a database up to now.
pub(super) async fn read(
    data: &Path,
    url: &str,
    database: &str,
    program: &str,
) -> Result<Vec<Statement>, ServerError> {
    let path = data.join(FILE);
    let mark = format!("SELECT 'up to here {:?}'", Instant::now());
    execute(url, &mark).await?;
    let fail = |source| ServerError::Folder { path: path.clone(), source };
    let until = Instant::now() + WRITTEN_WITHIN;
    loop {
        let text = std::fs::read_to_string(&path).map_err(fail)?;
        if text.contains(&mark) {
            return Ok(parse(&text, database, program));
        }
        if Instant::now() > until {
            let (program, output) = ("postgres".to_owned(), "it notes nothing".to_owned());
            return Err(ServerError::Silent { program, output });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn parse(text: &str, database: &str, program: &str) -> Vec<Statement> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_it = |line: &Value| line["dbname"] == database && line["application_name"] == program;
    lines.filter(of_it).filter_map(|line| statement(&line)).collect()
}

fn statement(line: &Value) -> Option<Statement> {
    let (message, session) = (line["message"].as_str()?, line["session_id"].as_str()?.to_owned());
    if ["ERROR", "FATAL"].contains(&line["error_severity"].as_str()?) {
        let text = line["statement"].as_str().unwrap_or_default().to_owned();
        return Some(Statement { session, text, parameters: Vec::new(), failed: true });
    }
    let text = match message.strip_prefix("statement: ") {
        Some(text) => text,
        None => message.strip_prefix("execute ")?.split_once(": ")?.1,
    };
    let parameters = line["detail"].as_str().and_then(|detail| detail.split_once(": "));
    let parameters = parameters.map_or_else(Vec::new, |(_, list)| values(list));
    Some(Statement { session, text: text.to_owned(), parameters, failed: false })
}

/// `$1 = 'a', $2 = NULL, $3 = 'it''s'`.
fn values(list: &str) -> Vec<Option<String>> {
    let (mut found, mut rest) = (Vec::new(), list);
    while let Some((_, value)) = rest.split_once(" = ") {
        let value = value.strip_prefix('\'');
        rest = value.map_or_else(|| after_null(rest), |quoted| after_quoted(quoted, &mut found));
        if value.is_none() {
            found.push(None);
        }
    }
    found
}

fn after_null(rest: &str) -> &str {
    rest.split_once(" = NULL").map_or("", |(_, rest)| rest)
}

/// Takes a quoted text, in which a quote stands twice; answers what follows it.
fn after_quoted<'a>(quoted: &'a str, found: &mut Vec<Option<String>>) -> &'a str {
    let (mut text, mut inside) = (String::new(), quoted);
    loop {
        let (part, after) = inside.split_once('\'').unwrap_or((inside, ""));
        text.push_str(part);
        let Some(more) = after.strip_prefix('\'') else {
            found.push(Some(text));
            return after;
        };
        text.push('\'');
        inside = more;
    }
}

#[cfg(test)]
mod tests {
    //! Shows that parameters are read as they were written, and that nothing is missing.

    use super::*;
    use crate::servers::noting_postgres;
    use sqlx::{Connection, PgConnection};

    #[test]
    fn parameters_come_back_as_they_were() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(values(""), []);
        assert_eq!(values("$1 = 'a', $2 = NULL, $3 = ''"), [some("a"), None, some("")]);
        assert_eq!(values("$1 = 'it''s', $2 = 'x = ''y'''"), [some("it's"), some("x = 'y'")]);
    }

    #[tokio::test]
    async fn a_private_server_notes_every_statement() {
        let database = noting_postgres().await.expect("PostgreSQL is installed");
        let url = format!("{}?application_name=shop", database.url());
        let mut connection = PgConnection::connect(&url).await.expect("it is up");
        let asked = sqlx::query("SELECT $1::text, $2::int").bind("it's").bind(None::<i32>);
        asked.execute(&mut connection).await.expect("it answers");
        let wrong = sqlx::query("SELECT setseed($1::float8)").bind(7.0);
        wrong.execute(&mut connection).await.expect_err("it takes no seven");
        let noted = database.statements("shop").await.expect("they are there");
        let told: Vec<(&str, bool)> =
            noted.iter().map(|one| (one.text.as_str(), one.failed)).collect();
        let (first, second) = ("SELECT $1::text, $2::int", "SELECT setseed($1::float8)");
        assert_eq!(told, [(first, false), (second, false), (second, true)]);
        let first = &noted[0];
        assert_eq!(first.parameters, [Some("it's".to_owned()), None]);
        assert!(noted.iter().all(|one| one.session == first.session), "one connection");
        assert_eq!(database.statements("another").await.expect("they are there"), []);
    }
}
