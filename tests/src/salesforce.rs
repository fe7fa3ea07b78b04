//! The stand-in for Salesforce as a process of its own, which a test can stop, start again and
//! make fail on purpose. Speaks to its documented admin endpoint and data file only.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use thiserror::Error;

use crate::client::{ClientError, Session};
use crate::duet::{Project, RunError, Running};
use crate::northwind::metadata;
use crate::org::{Org, OrgError};

const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How long the wait for its start rests between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How its address begins.
const LOOPBACK: &str = "http://127.0.0.1:";
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// An organization.
#[derive(Debug)]
pub struct Salesforce {
    url: String,
    data: PathBuf,
    http: Client,
    process: RefCell<Option<Running>>,
}

/// Why the stand-in doesn't do what a test asks.
#[derive(Debug, Error)]
pub enum SalesforceError {
    /// It doesn't say where it listens.
    #[error("the stand-in didn't start: {printed}")]
    Unready {
        /// What it had printed.
        printed: String,
    },
    /// The program couldn't be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It doesn't answer.
    #[error("no answer from the stand-in to {path}")]
    Silent {
        /// The path of the call.
        path: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// Its data file can't be read.
    #[error(transparent)]
    Data(#[from] OrgError),
    /// It refused a client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Salesforce {
    /// Starts an empty organization with the metadata of Northwind, its data in the project's
    /// folder, and points the project at it.
    ///
    /// # Errors
    /// When it doesn't answer in time.
    pub async fn start(project: &mut Project) -> Result<Self, SalesforceError> {
        Self::start_with(project, &metadata()).await
    }

    /// The same with other metadata.
    ///
    /// # Errors
    /// When it doesn't answer in time.
    pub async fn start_with(
        project: &mut Project,
        metadata: &Path,
    ) -> Result<Self, SalesforceError> {
        let data = project.folder().join("org.jsonl");
        let silent = |source| SalesforceError::Silent { path: "/".into(), source };
        let http = Client::builder().timeout(CALL_LIMIT).build().map_err(silent)?;
        let (data_file, metadata) = (data.to_string_lossy(), metadata.to_string_lossy());
        // The system picks the port: one that was picked beforehand may be somebody else's by now.
        let arguments =
            ["emulator", "--listen", "127.0.0.1:0", "--data", &data_file, "--metadata", &metadata];
        let mut process = project.start(&arguments)?;
        let url = listening(project, &mut process).await?;
        project.set("SF_LOGIN_URL", &url);
        Ok(Self { url, data, http, process: RefCell::new(Some(process)) })
    }

    /// Where clients sign in.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) {
        drop(self.process.take());
    }

    /// Sets switches that make it fail.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn fail(&self, switches: Value) -> Result<(), SalesforceError> {
        self.admin(Method::POST, "faults", Some(switches)).await.map(drop)
    }

    /// Turns every fault off.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn mend(&self) -> Result<(), SalesforceError> {
        self.admin(Method::DELETE, "faults", None).await.map(drop)
    }

    /// Changes a record by hand, past all faults.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn edit(&self, object: &str, id: &str, record: Value) -> Result<(), SalesforceError> {
        let edit = json!({ "operation": "update", "object": object, "id": id, "record": record });
        self.admin(Method::POST, "edit", Some(edit)).await.map(drop)
    }

    /// The same if the record still holds `expected`; else nothing is changed. Answers whether it
    /// was.
    ///
    /// # Errors
    /// When it doesn't answer, or refuses for another reason.
    pub async fn edit_if(
        &self,
        object: &str,
        id: &str,
        expected: Value,
        record: Value,
    ) -> Result<bool, SalesforceError> {
        let edit = json!({ "operation": "update", "object": object, "id": id, "if": expected,
            "record": record });
        match self.admin(Method::POST, "edit", Some(edit)).await {
            Ok(_) => Ok(true),
            Err(SalesforceError::Silent { source, .. })
                if source.status() == Some(StatusCode::PRECONDITION_FAILED) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a record by hand, past all faults.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn delete(&self, object: &str, id: &str) -> Result<(), SalesforceError> {
        let edit = json!({ "operation": "delete", "object": object, "id": id });
        self.admin(Method::POST, "edit", Some(edit)).await.map(drop)
    }

    /// What it was asked since the last mark.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn log(&self) -> Result<Value, SalesforceError> {
        self.admin(Method::GET, "log", None).await
    }

    /// Counts anew from here.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn mark(&self) -> Result<(), SalesforceError> {
        self.admin(Method::POST, "mark", None).await.map(drop)
    }

    /// From here, calls that may write are kept with what they send.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn keep(&self) -> Result<(), SalesforceError> {
        self.admin(Method::POST, "mark", Some(json!({ "keep": true }))).await.map(drop)
    }

    /// The calls that were kept.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn kept(&self) -> Result<Value, SalesforceError> {
        self.admin(Method::GET, "kept", None).await
    }

    /// Its records, from the data file.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn org(&self) -> Result<Org, SalesforceError> {
        Ok(Org::read(&self.data)?)
    }

    /// A client of its own.
    ///
    /// # Errors
    /// When it refuses the sign-in.
    pub async fn session(&self) -> Result<Session, SalesforceError> {
        Ok(Session::sign_in(&self.url()).await?)
    }

    async fn admin(
        &self,
        method: Method,
        call: &str,
        body: Option<Value>,
    ) -> Result<Value, SalesforceError> {
        let path = format!("/emulator/admin/{call}");
        let silent = |source| SalesforceError::Silent { path: path.clone(), source };
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let text = answer.map_err(silent)?.text().await.map_err(silent)?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// Waits until it says on which address it listens.
async fn listening(project: &Project, process: &mut Running) -> Result<String, SalesforceError> {
    for _ in 0..STARTS_WITHIN.as_millis() / LOOK.as_millis() {
        let is_running = process.is_running();
        if let Some(url) = address(&project.printed_by_all("stderr")) {
            return Ok(url);
        }
        if !is_running {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(SalesforceError::Unready { printed: project.printed_by_all("stderr") })
}

/// The last address on loopback that a line which is whole names.
fn address(printed: &str) -> Option<String> {
    let whole = &printed[..printed.rfind('\n')?];
    let (_, rest) = whole.rsplit_once(LOOPBACK)?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("{LOOPBACK}{port}"))
}

#[cfg(test)]
mod tests {
    //! Shows that an address is taken from a whole line only.

    use super::*;

    #[test]
    fn the_address_is_read_from_a_whole_line() {
        let told = "INFO Ctrl-C stops it url=http://127.0.0.1:4567";
        assert_eq!(address(told), None, "more digits may come");
        let url = Some("http://127.0.0.1:4567".to_owned());
        assert_eq!(address(&format!("{told}\n")), url);
        assert_eq!(address(&format!("{told}/\nmore\n")), url);
        assert_eq!(address("nothing yet\n"), None);
        assert_eq!(address(""), None);
    }
}
