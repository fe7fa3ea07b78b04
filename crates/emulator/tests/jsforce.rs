//! A foreign client, unchanged, against the emulator: jsforce 3 from its package, installed into
//! a folder of its own. What it does is in `jsforce/session.mjs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, process::Command};

use duet_emulator::{Emulator, Options};

const SCRIPT: &str = include_str!("jsforce/session.mjs");

fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{text}\n{errors}");
    text
}

fn install(folder: &Path) {
    std::fs::write(folder.join("package.json"), "{\"private\":true,\"type\":\"module\"}").unwrap();
    std::fs::write(folder.join("session.mjs"), SCRIPT).unwrap();
    let options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];
    let options = options.iter().chain(&["--fetch-timeout=60000"]);
    run(Command::new("npm").current_dir(folder).arg("install").args(options).arg("jsforce@3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jsforce_works_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let (path, url) = (folder.path().to_owned(), emulator.base_url());
    let report = tokio::task::spawn_blocking(move || {
        install(&path);
        run(Command::new("node").current_dir(&path).arg("session.mjs").arg(url))
    });
    let report = report.await.unwrap();
    assert!(report.ends_with("all steps passed\n"), "{report}");
    emulator.stop().await;
}
