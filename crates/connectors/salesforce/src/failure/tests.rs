//! Every code of the platform's table with the class it must have, and the defaults for the rest.

use super::*;

/// Code, class. `CANNOT_INSERT_…` and `INVALID_CROSS_REFERENCE_KEY` have a second case below.
const TABLE: &[(&str, FailureClass)] = &[
    ("INVALID_SESSION_ID", FailureClass::Auth),
    ("INVALID_AUTH_HEADER", FailureClass::Auth),
    ("REQUEST_LIMIT_EXCEEDED", FailureClass::Throttled),
    ("API_DISABLED_FOR_ORG", FailureClass::Auth),
    ("API_CURRENTLY_DISABLED", FailureClass::Throttled),
    ("INSUFFICIENT_ACCESS", FailureClass::Permission),
    ("INSUFFICIENT_ACCESS_OR_READONLY", FailureClass::Permission),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", FailureClass::Permission),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", FailureClass::Validation),
    ("UNABLE_TO_LOCK_ROW", FailureClass::Transient),
    ("DUPLICATE_VALUE", FailureClass::Uniqueness),
    ("DUPLICATES_DETECTED", FailureClass::Uniqueness),
    ("DUPLICATE_EXTERNAL_ID", FailureClass::Uniqueness),
    ("ENTITY_IS_DELETED", FailureClass::Gone),
    ("NOT_FOUND", FailureClass::Gone),
    ("INVALID_CROSS_REFERENCE_KEY", FailureClass::Gone),
    ("MALFORMED_ID", FailureClass::Validation),
    ("REQUIRED_FIELD_MISSING", FailureClass::Validation),
    ("STRING_TOO_LONG", FailureClass::Validation),
    ("NUMBER_OUTSIDE_VALID_RANGE", FailureClass::Validation),
    ("INVALID_EMAIL_ADDRESS", FailureClass::Validation),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", FailureClass::Validation),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", FailureClass::Validation),
    ("FIELD_INTEGRITY_EXCEPTION", FailureClass::Validation),
    ("FAILED_ACTIVATION", FailureClass::Validation),
    ("STANDARD_PRICE_NOT_DEFINED", FailureClass::Dependency),
    ("ENTITY_IS_LOCKED", FailureClass::Transient),
    ("DELETE_FAILED", FailureClass::Restricted),
    ("UNDELETE_FAILED", FailureClass::Validation),
    ("INACTIVE_OWNER_OR_USER", FailureClass::Validation),
    ("INVALID_FIELD", FailureClass::Permission),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", FailureClass::Permission),
    ("INVALID_TYPE", FailureClass::Permission),
    ("MALFORMED_QUERY", FailureClass::Permission),
    ("INVALID_QUERY_FILTER_OPERATOR", FailureClass::Permission),
    ("INVALID_QUERY_LOCATOR", FailureClass::Transient),
    ("QUERY_TIMEOUT", FailureClass::Transient),
    ("EXCEEDED_ID_LIMIT", FailureClass::Validation),
    ("INVALID_REPLICATION_DATE", FailureClass::Validation),
    ("JSON_PARSER_ERROR", FailureClass::Validation),
    ("MISSING_ARGUMENT", FailureClass::Validation),
    ("INVALID_ID_FIELD", FailureClass::Validation),
    ("METHOD_NOT_ALLOWED", FailureClass::Permission),
    ("STORAGE_LIMIT_EXCEEDED", FailureClass::Throttled),
    ("LIMIT_EXCEEDED", FailureClass::Throttled),
    ("TXN_SECURITY_METERING_ERROR", FailureClass::Transient),
    ("ALL_OR_NONE_OPERATION_ROLLED_BACK", FailureClass::Transient),
    ("PROCESSING_HALTED", FailureClass::Transient),
    ("SERVER_UNAVAILABLE", FailureClass::Transient),
    ("UNKNOWN_EXCEPTION", FailureClass::Transient),
    ("PRECONDITION_FAILED", FailureClass::Stale),
    ("UNSUPPORTED_API_VERSION", FailureClass::Permission),
];

fn classify(code: &str, message: &str, fields: &[&str], status: u16) -> FailureClass {
    let fields = Some(fields.iter().map(ToString::to_string).collect());
    let (code, message) = (code.to_owned(), message.to_owned());
    SideError { code, message, fields, duplicates: None }.failure(status).class
}

#[test]
fn every_code_has_its_class() {
    for (code, class) in TABLE {
        assert_eq!(classify(code, "", &[], 400), *class, "{code}");
    }
    let listed: Vec<_> = TABLE.iter().map(|(code, _)| *code).collect();
    let known: Vec<_> = Code::ALL.iter().map(|(_, text)| *text).collect();
    for code in &known {
        assert!(listed.contains(code), "{code} is missing in the table of this test");
    }
    assert_eq!(listed.len(), known.len());
    assert!(Code::ALL.iter().all(|(code, text)| Code::parse(text) == Some(*code)));
}

#[test]
fn the_text_or_the_fields_tell_two_codes_apart() {
    let trigger = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY";
    let locked = "Account: execution of AfterUpdate caused by: UNABLE_TO_LOCK_ROW, unable to";
    assert_eq!(classify(trigger, locked, &[], 200), FailureClass::Transient);
    let cross = "INVALID_CROSS_REFERENCE_KEY";
    assert_eq!(classify(cross, "", &["AccountId"], 200), FailureClass::Dependency);
}

#[test]
fn unknown_codes_go_by_status() {
    let cases = [
        (200, FailureClass::Validation),
        (300, FailureClass::Poison),
        (302, FailureClass::Poison),
        (400, FailureClass::Validation),
        (401, FailureClass::Auth),
        (403, FailureClass::Permission),
        (404, FailureClass::Gone),
        (405, FailureClass::Permission),
        (406, FailureClass::Transient),
        (409, FailureClass::Transient),
        (410, FailureClass::Gone),
        (412, FailureClass::Stale),
        (414, FailureClass::Validation),
        (415, FailureClass::Permission),
        (420, FailureClass::Transient),
        (428, FailureClass::Stale),
        (429, FailureClass::Throttled),
        (431, FailureClass::Validation),
        (500, FailureClass::Transient),
        (502, FailureClass::Transient),
        (503, FailureClass::Transient),
    ];
    for (status, class) in cases {
        assert_eq!(classify("NEVER_SEEN", "", &[], status), class, "{status}");
    }
}

#[test]
fn answers_without_a_readable_error_keep_their_status() {
    let html = of_answer(502, b"<html>bad gateway</html>", None);
    assert_eq!((html.class, html.code.as_str()), (FailureClass::Unreachable, "HTTP_502"));
    let busy = of_answer(503, b"", Some(7_000_000));
    assert_eq!((busy.class, busy.retry_after_us), (FailureClass::Throttled, Some(7_000_000)));
}

#[test]
fn the_quota_waits_longer_than_concurrency() {
    let body = |what: &str| {
        let text =
            format!(r#"[{{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"{what} Limit"}}]"#);
        of_answer(403, text.as_bytes(), None)
    };
    assert_eq!(body("TotalRequests").retry_after_us, Some(QUOTA_PAUSE_US));
    assert_eq!(body("ConcurrentRequests").retry_after_us, None);
    assert_eq!(body("ConcurrentRequests").class, FailureClass::Throttled);
}

#[test]
fn only_a_server_that_failed_may_have_written() {
    let said = br#"[{"errorCode":"SERVER_UNAVAILABLE","message":"x"}]"#;
    assert!(!may_have_landed(503, said, false));
    assert!(!may_have_landed(503, b"", true));
    assert!(may_have_landed(503, b"<html>", false));
    assert!(may_have_landed(500, said, false));
    assert!(!may_have_landed(429, b"", false));
    assert!(!may_have_landed(400, b"", false));
}

#[test]
fn waiting_is_asked_for_in_seconds_or_by_date() {
    assert_eq!(retry_after_us("120", Stamp(0)), Some(120_000_000));
    assert_eq!(retry_after_us("Thu, 01 Jan 1970 00:00:09 GMT", Stamp(1_000_000)), Some(8_000_000));
    assert_eq!(retry_after_us("soon", Stamp(0)), None);
}

#[test]
fn sign_in_refusals_pause_the_side() {
    assert_eq!(of_sign_in(400, "invalid_grant", "").class, FailureClass::Auth);
    assert_eq!(of_sign_in(401, "", "").class, FailureClass::Auth);
    assert_eq!(of_sign_in(400, "rate_limit_exceeded", "").class, FailureClass::Throttled);
    assert_eq!(of_sign_in(503, "", "").class, FailureClass::Unreachable);
}

/// What the platform and what stands before it are known to send instead of an error of its own.
#[test]
fn every_form_of_a_refusal_is_read() {
    let cases: [(u16, &str, FailureClass, &str); 12] = [
        (
            401,
            r#"[{"errorCode":"INVALID_SESSION_ID","message":"x"}]"#,
            FailureClass::Auth,
            "INVALID_SESSION_ID",
        ),
        (
            200,
            r#"[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"x","fields":[]}]"#,
            FailureClass::Transient,
            "UNABLE_TO_LOCK_ROW",
        ),
        (
            400,
            r#"[{"errorCode":"DUPLICATES_DETECTED","message":"x","duplicateResut":{"allowSave":true}}]"#,
            FailureClass::Uniqueness,
            "DUPLICATES_DETECTED",
        ),
        (
            400,
            r#"[{"errorCode":"STRING_TOO_LONG","message":"x","fields":null}]"#,
            FailureClass::Validation,
            "STRING_TOO_LONG",
        ),
        (404, r#"[{"errorCode":"NOT_FOUND"}]"#, FailureClass::Gone, "NOT_FOUND"),
        (
            400,
            r#"[{"errorCode":"A","message":"first"},{"errorCode":"B","message":"second"}]"#,
            FailureClass::Validation,
            "A",
        ),
        (400, r#"{"error":"invalid_grant"}"#, FailureClass::Validation, "HTTP_400"),
        (500, "[]", FailureClass::Transient, "HTTP_500"),
        (406, "", FailureClass::Transient, "HTTP_406"),
        (420, "<html>", FailureClass::Transient, "HTTP_420"),
        (
            503,
            r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"x"}]"#,
            FailureClass::Unreachable,
            "SERVER_UNAVAILABLE",
        ),
        (504, "\u{0}", FailureClass::Unreachable, "HTTP_504"),
    ];
    for (status, body, class, code) in cases {
        let failure = of_answer(status, body.as_bytes(), None);
        assert_eq!((failure.class, failure.code.as_str()), (class, code), "{status} {body}");
    }
}
