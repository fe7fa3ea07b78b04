//! A plain client of the organization: signs in by password and calls the REST API. It retries
//! nothing and knows nothing of flows; it stands for people and programs other than duet.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

const VERSION: &str = "v60.0";
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// Most records of one call to the collections.
const COLLECTION: usize = 200;

/// Fields of a record.
pub type Fields = Map<String, Value>;

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    http: Client,
    base: String,
    token: String,
}

/// Why a call failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No answer.
    #[error("no answer to {path}")]
    Unreachable {
        /// The path of the call.
        path: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The organization refused.
    #[error("{path} was refused with {status}: {body}")]
    Refused {
        /// The path of the call.
        path: String,
        /// The status of the answer.
        status: StatusCode,
        /// Its body.
        body: String,
    },
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    instance_url: String,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Fields>,
    #[serde(rename = "nextRecordsUrl")]
    next: Option<String>,
}

impl Session {
    /// Signs in with the emulator's default user.
    ///
    /// # Errors
    /// When the organization doesn't answer or refuses.
    pub async fn sign_in(login: &str) -> Result<Self, ClientError> {
        let path = "/services/oauth2/token";
        let http = Client::builder().timeout(CALL_LIMIT).build();
        let http = http.map_err(|source| ClientError::Unreachable { path: path.into(), source })?;
        let form = [
            ("grant_type", "password"),
            ("client_id", "client"),
            ("client_secret", "secret"),
            ("username", "u@example.test"),
            ("password", "pwtok"),
        ];
        let sent = http.post(format!("{login}{path}")).form(&form).send().await;
        let token: Token = decode(path, accept(path, sent).await?).await?;
        Ok(Self { http, base: token.instance_url, token: token.access_token })
    }

    /// Creates records, each of its object, in order; answers their ids.
    ///
    /// # Errors
    /// When one is refused; none is created then of its call.
    pub async fn create(&self, records: &[(&str, Fields)]) -> Result<Vec<String>, ClientError> {
        let mut ids = Vec::new();
        for chunk in records.chunks(COLLECTION) {
            let bodies: Vec<Fields> =
                chunk.iter().map(|(object, body)| typed(object, body)).collect();
            let body = json!({ "allOrNone": true, "records": bodies });
            let path = format!("/services/data/{VERSION}/composite/sobjects");
            let results: Vec<Value> =
                decode(&path, self.send(Method::POST, &path, Some(body)).await?).await?;
            for result in results {
                let id = result["id"].as_str().filter(|_| result["success"] == true);
                ids.push(id.map(str::to_owned).ok_or_else(|| ClientError::Refused {
                    path: path.clone(),
                    status: StatusCode::OK,
                    body: result.to_string(),
                })?);
            }
        }
        Ok(ids)
    }

    /// Changes fields of a record.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn update(&self, object: &str, id: &str, body: Fields) -> Result<(), ClientError> {
        let path = format!("/services/data/{VERSION}/sobjects/{object}/{id}");
        self.send(Method::PATCH, &path, Some(Value::Object(body))).await.map(drop)
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete(&self, object: &str, id: &str) -> Result<(), ClientError> {
        let path = format!("/services/data/{VERSION}/sobjects/{object}/{id}");
        self.send(Method::DELETE, &path, None).await.map(drop)
    }

    /// Every record of a query, page by page.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn query(&self, soql: &str) -> Result<Vec<Fields>, ClientError> {
        let path = format!("/services/data/{VERSION}/query");
        let request = self.http.get(format!("{}{path}", self.base)).query(&[("q", soql)]);
        let sent = request.bearer_auth(&self.token).send().await;
        let mut page: Page = decode(&path, accept(&path, sent).await?).await?;
        let mut found = std::mem::take(&mut page.records);
        while let Some(path) = page.next {
            page = decode(&path, self.send(Method::GET, &path, None).await?).await?;
            found.append(&mut page.records);
        }
        Ok(found)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response, ClientError> {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = request.bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        accept(path, request.send().await).await
    }
}

fn typed(object: &str, body: &Fields) -> Fields {
    let mut typed = body.clone();
    typed.insert("attributes".to_owned(), json!({ "type": object }));
    typed
}

async fn accept(
    path: &str,
    sent: Result<Response, reqwest::Error>,
) -> Result<Response, ClientError> {
    let answer =
        sent.map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer.text().await.unwrap_or_default();
    Err(ClientError::Refused { path: path.to_owned(), status, body })
}

async fn decode<T: for<'de> Deserialize<'de>>(
    path: &str,
    answer: Response,
) -> Result<T, ClientError> {
    answer.json().await.map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })
}
