//! Progress of `adopt` and `sync`: a bar that is redrawn on a terminal, plain lines without one and for
//! screen readers, nothing with `--quiet`; the result is the same.

use std::path::Path;
use std::process::Command;

use crate::alone::alone;
use crate::rig::Rig;

/// The same command on a terminal of 80 columns.
fn on_terminal(rig: &Rig, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let plain = rig.project.command(arguments);
    let line = format!("stty cols 80; {} {}", plain.get_program().display(), arguments.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(rig.project.folder());
    script.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
    let done = script.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn piped(rig: &Rig, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let done = rig.project.command(arguments).envs(variables.iter().copied()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(done.stdout), text(done.stderr))
}

/// A plain line: what, how far, of how much, how long.
fn is_plain(line: &str) -> bool {
    let told = line.starts_with("customers: ") || line.starts_with("syncing");
    told && line.ends_with(" s") && line.chars().any(|letter| letter.is_ascii_digit())
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_a_bar_on_a_terminal_and_plain_lines_elsewhere() {
    let rig = alone().await;
    rig.done(&["capture", "install"]);
    let often = ("DUET_PROGRESS_MS", "1");
    let adopt = ["adopt", "--flow", "customers"];
    let drawn = on_terminal(&rig, &adopt, &[]);
    assert!(drawn.contains('\u{1b}') && drawn.contains("customers: "), "{drawn:?}");
    for accessible in ["DUET_ACCESSIBLE", "ACCESSIBLE"] {
        let told = on_terminal(&rig, &adopt, &[often, (accessible, "1")]);
        assert!(!told.contains('\u{1b}'), "nothing is redrawn: {told:?}");
        assert!(told.lines().any(|line| is_plain(line.trim_end())), "{told}");
    }
    let (result, told) = piped(&rig, &adopt, &[often]);
    assert!(!told.is_empty() && told.lines().all(is_plain), "{told}");
    assert!(result.contains("nothing was written or linked"), "{result}");
    let (same, quiet) = piped(&rig, &["adopt", "--flow", "customers", "--quiet"], &[often]);
    assert_eq!((same, quiet.as_str()), (result, ""));
    rig.done(&["adopt", "--flow", "customers", "--yes"]);
    let (_, told) = piped(&rig, &["sync", "--once"], &[often]);
    assert!(!told.is_empty() && told.lines().all(is_plain), "{told}");
    let drawn = on_terminal(&rig, &["sync", "--once"], &[]);
    assert!(drawn.contains('\u{1b}') && drawn.contains("sources read ["), "{drawn:?}");
    assert!(Path::new(&rig.project.folder().join(".duet/state.db")).exists());
}
