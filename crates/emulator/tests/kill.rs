//! A SIGKILL at any moment, or a disk that is full for a while, leaves every answered write in the
//! data file. The test starts itself as the server (`serve FILE`), which is why it has no harness but
//! answers `--list` on its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the server says where it listens, the list what there is")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use duet_emulator::{Emulator, Options};
use serde_json::{Value, json};

const KILLED: &str = "a_sigkill_loses_no_answered_write";
const FULL: &str = "a_full_disk_loses_no_answered_write";
const ROUNDS: u64 = 5;
const WRITERS: usize = 4;

#[tokio::main]
async fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", file] => serve(PathBuf::from(file)).await,
        words if words.contains(&"--list") => {
            if !words.contains(&"--ignored") {
                println!("{KILLED}: test\n{FULL}: test");
            }
        }
        words => {
            let wanted = |name| words.contains(&name) || !words.contains(&"--exact");
            if wanted(KILLED) {
                a_sigkill_loses_no_answered_write().await;
            }
            if wanted(FULL) {
                a_full_disk_loses_no_answered_write().await;
            }
        }
    }
}

async fn serve(file: PathBuf) {
    let running =
        Emulator::start(Options { data: Some(file), ..Options::default() }).await.unwrap();
    println!("{}", running.base_url());
    std::future::pending::<()>().await;
}

fn spawn(file: &Path) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("serve").arg(file);
    listening(command)
}

/// Its files can't grow beyond some tens of kilobytes: to it the disk is full then.
fn spawn_cramped(file: &Path) -> (Child, String) {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" serve \"$1\""]);
    command.arg(std::env::current_exe().unwrap()).arg(file);
    listening(command)
}

fn listening(mut command: Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

async fn sign_in(http: &reqwest::Client, url: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "client"),
        ("client_secret", "secret"),
    ];
    let sent = http.post(format!("{url}/services/oauth2/token")).form(&form).send().await.unwrap();
    let body: Value = sent.json().await.unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

/// Counts up the Site of one account until the server is gone; the last number that was answered.
async fn count_up(url: String, token: String, key: String, answered: Arc<AtomicU64>) -> u64 {
    let http = reqwest::Client::new();
    let path = format!("{url}/services/data/v60.0/sobjects/Account/Ext__c/{key}");
    let mut last = 0;
    loop {
        let body = json!({ "Name": key, "Site": (last + 1).to_string() });
        let sent = http.patch(&path).bearer_auth(&token).json(&body).send().await;
        match sent {
            Ok(answer) if answer.status().is_success() => last += 1,
            Ok(answer) => panic!("refused: {}", answer.status()),
            Err(_) => return last,
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// The file as an outsider reads it: by key, the number it holds.
fn numbers(file: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(file).unwrap();
    let whole = &text[..=text.rfind('\n').unwrap()];
    let mut found = BTreeMap::new();
    for line in whole.lines().skip(1) {
        let record: Value = serde_json::from_str(line).unwrap();
        if let (Some(key), Some(site)) = (record["Ext__c"].as_str(), record["Site"].as_str()) {
            found.insert(key.to_owned(), site.parse().unwrap());
        }
    }
    found
}

async fn a_sigkill_loses_no_answered_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("org.jsonl");
    let mut before = BTreeMap::new();
    for round in 0..ROUNDS {
        let (mut child, url) = spawn(&file);
        assert_eq!(numbers(&file), before, "a start changes nothing");
        let token = sign_in(&reqwest::Client::new(), &url).await;
        let answered = Arc::new(AtomicU64::new(0));
        let keys: Vec<_> = (0..WRITERS).map(|writer| format!("r{round}w{writer}")).collect();
        let start = |key: &String| {
            tokio::spawn(count_up(url.clone(), token.clone(), key.clone(), answered.clone()))
        };
        let writers: Vec<_> = keys.iter().map(start).collect();
        let moment = 37 * (round + 1);
        tokio::time::timeout(Duration::from_secs(30), reached(&answered, moment)).await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let found = numbers(&file);
        for (key, writer) in keys.iter().zip(writers) {
            let last = writer.await.unwrap();
            let number = found.get(key).copied().unwrap_or_default();
            // The write that was under way may be there or not.
            assert!((last..=last + 1).contains(&number), "{key}: {number}, answered {last}");
        }
        before = found;
    }
}

async fn reached(answered: &AtomicU64, moment: u64) {
    while answered.load(Ordering::SeqCst) < moment {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn upsert(url: &str, token: &str, key: &str, size: usize) -> u16 {
    let path = format!("{url}/services/data/v60.0/sobjects/Account/Ext__c/{key}");
    let body = json!({ "Name": key, "Site": "1", "Description": "x".repeat(size) });
    let sent = reqwest::Client::new().patch(path).bearer_auth(token).json(&body).send().await;
    sent.unwrap().status().as_u16()
}

async fn a_full_disk_loses_no_answered_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("org.jsonl");
    let (mut child, url) = spawn_cramped(&file);
    let token = sign_in(&reqwest::Client::new(), &url).await;
    let mut answered = Vec::new();
    let mut number = 0;
    loop {
        let key = format!("big{number}");
        let status = upsert(&url, &token, &key, 8_000).await;
        if status != 201 {
            assert_eq!(status, 500, "the disk is full");
            break;
        }
        answered.push(key);
        number += 1;
        assert!(number < 100, "the disk is never full");
    }
    // What fits still fits, after the half line that didn't.
    for number in 0..3 {
        let key = format!("small{number}");
        assert_eq!(upsert(&url, &token, &key, 10).await, 201);
        answered.push(key);
        assert_eq!(upsert(&url, &token, "toobig", 8_000).await, 500);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    answered.sort();
    assert_eq!(numbers(&file).into_keys().collect::<Vec<_>>(), answered);
    let (mut child, _) = spawn(&file);
    assert_eq!(numbers(&file).into_keys().collect::<Vec<_>>(), answered, "it opens again");
    child.kill().unwrap();
    child.wait().unwrap();
}
