//! A Salesforce-like collection endpoint on loopback and a client for it.
use crate::ground::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead, Read, Write};
use std::time::Duration;

const COLLECTION: &str = "/services/data/v64.0/composite/sobjects";
const SINGLE: &str = "/services/data/v64.0/sobjects/Contact/Ext__c/";

#[derive(Deserialize)]
struct Skim<'a> {
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}
#[derive(Deserialize)]
struct Parsed {
    records: Vec<HashMap<String, Value>>,
}

fn collection(query: &HashMap<&str, &str>, body: &[u8]) -> String {
    let n = if query.get("mode").is_some_and(|m| *m == "skim") {
        serde_json::from_slice::<Skim>(body).unwrap().records.len()
    } else {
        serde_json::from_slice::<Parsed>(body).unwrap().records.len()
    };
    let mut o = String::with_capacity(n * 80);
    o.push('[');
    for i in 0..n {
        if i > 0 {
            o.push(',');
        }
        o.push_str(&format!(
            "{{\"id\":\"003{i:015}\",\"success\":true,\"errors\":[],\"created\":false}}"
        ));
    }
    o.push(']');
    o
}
fn single(body: &[u8]) -> String {
    let _v: HashMap<String, Value> = serde_json::from_slice(body).unwrap();
    "{\"id\":\"003000000000001\",\"success\":true,\"errors\":[],\"created\":false}".into()
}

async fn answer(rq: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = rq.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let query: HashMap<&str, &str> =
        head.uri.query().unwrap_or("").split('&').filter_map(|x| x.split_once('=')).collect();
    let path = head.uri.path();
    let told = match head.method {
        Method::PATCH if path == COLLECTION => Some(collection(&query, &body)),
        Method::PATCH if path.starts_with(SINGLE) => Some(single(&body)),
        _ => None,
    };
    if let Some(ms) = query.get("delay").and_then(|x| x.parse::<u64>().ok()).filter(|x| *x > 0) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let mut rs = Response::new(Full::new(Bytes::from(told.clone().unwrap_or_default())));
    if told.is_none() {
        *rs.status_mut() = StatusCode::NOT_FOUND;
    }
    rs.headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(rs)
}

/// Prints its address, then serves until standard input closes.
pub(crate) async fn serve() -> Res<()> {
    let l = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", l.local_addr()?);
    std::io::stdout().flush()?;
    std::thread::spawn(|| {
        let mut s = String::new();
        let _ = std::io::stdin().read_to_string(&mut s);
        std::process::exit(0);
    });
    loop {
        let (stream, _) = l.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let served = hyper::server::conn::http1::Builder::new();
            let _ = served.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) child: std::process::Child,
}
pub(crate) fn start() -> Server {
    let (child, mut out) = child(&["serve".into()]);
    let mut s = String::new();
    out.read_line(&mut s).unwrap();
    Server { url: s.trim().to_string(), child }
}
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(64).tcp_nodelay(true).build().unwrap()
}
