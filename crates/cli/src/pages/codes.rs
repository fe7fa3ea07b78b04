//! `docs/reference/codes.md`: every code of a mistake with cause and cure, and what is done about calls
//! that failed.

use super::{head, keep, row};
use duet_config::Code;
use duet_core::intent::{IntentState, Op};
use duet_core::retry::{Failure, FailureClass, Treatment, Tried, advice, treatment};

/// What the first two digits of a code stand for.
const GROUPS: [(&str, &str); 8] = [
    ("D00", "Files and text"),
    ("D01", "Keys and values"),
    ("D02", "Variables"),
    ("D03", "Later work, and the mode"),
    ("D04", "The project"),
    ("D05", "Flows"),
    ("D06", "Fields"),
    ("D07", "What only shows on the sides: `duet check` with connections"),
];

const CLASSES: [FailureClass; 13] = [
    FailureClass::Transient,
    FailureClass::Throttled,
    FailureClass::Auth,
    FailureClass::Unreachable,
    FailureClass::Stale,
    FailureClass::Validation,
    FailureClass::Uniqueness,
    FailureClass::Gone,
    FailureClass::Dependency,
    FailureClass::Permission,
    FailureClass::Restricted,
    FailureClass::UnknownOutcome,
    FailureClass::Poison,
];

fn mistakes() -> String {
    let mut text = String::new();
    for (group, about) in GROUPS {
        let of: Vec<&Code> =
            Code::ALL.iter().filter(|code| code.as_str().starts_with(group)).collect();
        assert!(!of.is_empty(), "{group}");
        text.push_str(&format!("### {group} {about}\n\n{}", head(&["Code", "Cause", "Cure"])));
        text.extend(of.iter().map(|code| row(&[code.as_str(), code.cause(), code.cure()])));
        text.push('\n');
    }
    text
}

/// What is done about the first failure of a changed record's write.
fn done(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Retry { .. } => "tried again, after a wait that grows",
        Treatment::Pause { .. } => "the connection waits, and the call with it",
        Treatment::ReRead => "the record is read and decided again",
        Treatment::ReadHolder => "the other record is read and matched",
        Treatment::Park => "left to a person until an input changes",
        Treatment::Conflict => "a conflict: a person decides",
        Treatment::Recover => "a read finds out whether it landed",
    }
}

fn failures() -> String {
    let mut text = head(&["Class", "What duet does", "What you can do"]);
    for class in CLASSES {
        let failure = Failure {
            class,
            code: String::new(),
            message: String::new(),
            columns: Vec::new(),
            retry_after_us: None,
        };
        let first = Tried { attempts: 1, age_us: 0, jitter: 0 };
        let name = serde_json::to_value(class).expect("a class is a word");
        let name = format!("`{}`", name.as_str().expect("a word is text"));
        let done = done(treatment(&failure, Op::Update, first));
        text.push_str(&row(&[&name, done, &advice(&failure, IntentState::Refused)]));
    }
    text
}

#[test]
fn every_code_is_in_the_page() {
    let told = mistakes();
    assert_eq!(told.matches("\n| D").count(), Code::ALL.len(), "each is in one group");
    keep("docs/reference/codes.md", &[("codes", told), ("failures", failures())]);
}

/// A class that is new has its row.
#[test]
fn every_class_is_in_the_list() {
    let source = super::stored("crates/core/src/retry.rs");
    let (_, rest) = source.split_once("pub enum FailureClass {").expect("it is there");
    let (body, _) = rest.split_once("\n}").expect("it ends");
    let named = body.lines().filter(|line| line.ends_with(',')).count();
    assert_eq!(named, CLASSES.len());
}
