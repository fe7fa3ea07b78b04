//! A small client: every call is one line in a test.

use duet_emulator::{Emulator, Options, Running};
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// A running emulator with a client that has signed in.
pub(crate) struct Client {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// A status and a body (null if it is empty).
pub(crate) type Answer = (u16, Value);

pub(crate) async fn start() -> Client {
    start_with(Options::default()).await
}

pub(crate) async fn start_with(options: Options) -> Client {
    let running = Emulator::start(options).await.unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let mut client = Client { running, http, token: String::new() };
    client.sign_in().await;
    client
}

impl Client {
    pub(crate) async fn sign_in(&mut self) {
        let (status, body) = self
            .grant(&[
                ("grant_type", "client_credentials"),
                ("client_id", "client"),
                ("client_secret", "secret"),
            ])
            .await;
        assert_eq!(status, 200, "{body}");
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    pub(crate) async fn grant(&self, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}/services/oauth2/token", self.running.base_url());
        read(self.http.post(url).form(form).send().await.unwrap()).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Response, reqwest::Error> {
        let path = if path.starts_with("/services") || path.starts_with("/emulator") {
            path.to_owned()
        } else {
            format!("/services/data/v60.0{path}")
        };
        let url = format!("{}{path}", self.running.base_url());
        let mut request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = Some(body).filter(|body| !body.is_null());
        read(self.send(method, path, &[], body).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }

    pub(crate) async fn query(&self, soql: &str) -> Answer {
        self.get(&format!("/query?q={}", encoded(soql))).await
    }

    pub(crate) async fn query_all(&self, soql: &str) -> Answer {
        self.get(&format!("/queryAll?q={}", encoded(soql))).await
    }

    /// Creates a record and gives its id.
    pub(crate) async fn create(&self, object: &str, record: Value) -> String {
        let (status, body) = self.call("POST", &format!("/sobjects/{object}"), record).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Creates many accounts named `prefix 0000`, …, by collections of 200.
    pub(crate) async fn create_accounts(&self, prefix: &str, count: usize) {
        let names: Vec<_> = (0..count).collect();
        for chunk in names.chunks(200) {
            let records: Vec<_> = chunk
                .iter()
                .map(|n| {
                    json!({
                        "attributes": { "type": "Account" }, "Name": format!("{prefix} {n:04}"),
                        "Ext__c": format!("{prefix}-{n}"),
                    })
                })
                .collect();
            let body = json!({ "allOrNone": true, "records": records });
            let (status, body) = self.call("POST", "/composite/sobjects", body).await;
            assert_eq!(status, 200);
            assert!(body.as_array().unwrap().iter().all(|one| one["success"] == true), "{body}");
        }
    }

    pub(crate) async fn faults(&self, body: Value) {
        let (status, body) = self.call("POST", "/emulator/admin/faults", body).await;
        assert_eq!(status, 204, "{body}");
    }

    /// Edits as a person; gives the id.
    pub(crate) async fn edit(&self, body: Value) -> String {
        let (status, body) = self.call("POST", "/emulator/admin/edit", body).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The values of one column of a query's answer.
pub(crate) fn column(body: &Value, name: &str) -> Vec<Value> {
    body["records"].as_array().unwrap().iter().map(|record| record[name].clone()).collect()
}

/// A folder of metadata: files below `objects`, by their path.
pub(crate) fn metadata(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, body) in files {
        let path = folder.path().join("objects").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
    folder
}

/// A custom field's file.
pub(crate) fn field(object: &str, name: &str, rest: &str) -> (String, String) {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CustomField \
         xmlns=\"http://soap.sforce.com/2006/04/metadata\"><fullName>{name}</fullName>{rest}\
         </CustomField>"
    );
    (format!("{object}/fields/{name}.field-meta.xml"), body)
}

/// A custom object's file.
pub(crate) fn object(name: &str) -> (String, String) {
    let body = "<CustomObject><label>O</label><pluralLabel>Os</pluralLabel><nameField>\
                <label>Name</label><type>Text</type></nameField></CustomObject>";
    (format!("{name}/{name}.object-meta.xml"), body.to_owned())
}

/// An emulator with these metadata files.
pub(crate) async fn start_with_metadata(files: &[(String, String)]) -> Client {
    let files: Vec<_> = files.iter().map(|(path, body)| (path.as_str(), body.clone())).collect();
    let folder = metadata(&files);
    let metadata = Some(folder.path().to_owned());
    start_with(Options { metadata, ..Options::default() }).await
}
