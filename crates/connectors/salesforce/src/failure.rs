//! What went wrong, classified: one exhaustive function over the side's codes, and defaults by HTTP
//! status for codes nobody knows. What follows from a class is decided in `duet_core::retry`.

mod code;

pub(crate) use code::Code;

use chrono::DateTime;
use duet_core::id::ConnectionName;
use duet_core::retry::{Failure, FailureClass};
use duet_core::stamp::Stamp;
use duet_ports::connector::ConnectorError;
use serde::Deserialize;

/// The quota rolls over 24 hours: looking once a minute costs nothing and starts again at once.
const QUOTA_PAUSE_US: i64 = 60 * Stamp::SECOND;

/// One error of an answer: of a whole request (`errorCode`) or of one record (`statusCode`).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SideError {
    #[serde(alias = "statusCode", rename = "errorCode", default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) fields: Option<Vec<String>>,
    /// What duplicate rules found. The key is really misspelled by most versions.
    #[serde(alias = "duplicateResut", rename = "duplicateResult", default)]
    pub(crate) duplicates: Option<serde_json::Value>,
}

impl SideError {
    /// The failure this error stands for. `status` decides where the code is unknown.
    pub(crate) fn failure(&self, status: u16) -> Failure {
        let fields = self.fields.clone().unwrap_or_default();
        let class = match Code::parse(&self.code) {
            Some(code) => class_of(code, &self.message, !fields.is_empty()),
            None => class_of_status(status),
        };
        let quota = Code::parse(&self.code) == Some(Code::RequestLimitExceeded)
            && !self.message.contains("ConcurrentRequests");
        Failure {
            class,
            code: self.code.clone(),
            message: self.message.clone(),
            columns: fields,
            retry_after_us: quota.then_some(QUOTA_PAUSE_US),
        }
    }
}

/// The class of a code. `names_fields`: the error names fields of the record that was sent.
pub(crate) fn class_of(code: Code, message: &str, names_fields: bool) -> FailureClass {
    use FailureClass as F;
    match code {
        Code::InvalidSessionId | Code::InvalidAuthHeader | Code::ApiDisabledForOrg => F::Auth,
        Code::RequestLimitExceeded
        | Code::ApiCurrentlyDisabled
        | Code::StorageLimitExceeded
        | Code::LimitExceeded => F::Throttled,
        Code::InsufficientAccess
        | Code::InsufficientAccessOrReadonly
        | Code::InsufficientAccessOnCrossReferenceEntity
        | Code::InvalidField
        | Code::InvalidFieldForInsertUpdate
        | Code::InvalidType
        | Code::MalformedQuery
        | Code::InvalidQueryFilterOperator
        | Code::MethodNotAllowed
        | Code::UnsupportedApiVersion => F::Permission,
        Code::CannotInsertUpdateActivateEntity if message.contains("UNABLE_TO_LOCK_ROW") => {
            F::Transient
        }
        Code::UnableToLockRow
        | Code::EntityIsLocked
        | Code::InvalidQueryLocator
        | Code::QueryTimeout
        | Code::TxnSecurityMeteringError
        | Code::AllOrNoneOperationRolledBack
        | Code::ProcessingHalted
        | Code::ServerUnavailable
        | Code::UnknownException => F::Transient,
        Code::DuplicateValue | Code::DuplicatesDetected | Code::DuplicateExternalId => {
            F::Uniqueness
        }
        // With fields it speaks of a lookup's target, without of the record itself.
        Code::InvalidCrossReferenceKey if names_fields => F::Dependency,
        Code::StandardPriceNotDefined => F::Dependency,
        Code::EntityIsDeleted | Code::NotFound | Code::InvalidCrossReferenceKey => F::Gone,
        Code::DeleteFailed => F::Restricted,
        Code::PreconditionFailed => F::Stale,
        Code::CannotInsertUpdateActivateEntity
        | Code::MalformedId
        | Code::RequiredFieldMissing
        | Code::StringTooLong
        | Code::NumberOutsideValidRange
        | Code::InvalidEmailAddress
        | Code::InvalidOrNullForRestrictedPicklist
        | Code::FieldCustomValidationException
        | Code::FieldIntegrityException
        | Code::FailedActivation
        | Code::UndeleteFailed
        | Code::InactiveOwnerOrUser
        | Code::ExceededIdLimit
        | Code::InvalidReplicationDate
        | Code::JsonParserError
        | Code::MissingArgument
        | Code::InvalidIdField => F::Validation,
    }
}

/// The class of an answer whose code says nothing. Errors of single records come with status 200.
pub(crate) fn class_of_status(status: u16) -> FailureClass {
    match status {
        401 => FailureClass::Auth,
        403 | 405 | 415 => FailureClass::Permission,
        404 | 410 => FailureClass::Gone,
        412 | 428 => FailureClass::Stale,
        429 => FailureClass::Throttled,
        406 | 408 | 409 | 420 | 500..=599 => FailureClass::Transient,
        200..=299 | 400..=499 => FailureClass::Validation,
        _ => FailureClass::Poison,
    }
}

/// The failure of a request that was answered with an error.
pub(crate) fn of_answer(status: u16, body: &[u8], retry_after_us: Option<i64>) -> Failure {
    let errors: Vec<SideError> = serde_json::from_slice(body).unwrap_or_default();
    let mut failure = match errors.first() {
        Some(first) => first.failure(status),
        None => bare(class_of_status(status), &format!("HTTP_{status}"), "no readable error"),
    };
    // Speaks of the side, not of the request: everything that goes there waits.
    if matches!(status, 502..=504) {
        failure.class = FailureClass::Unreachable;
    }
    if let Some(pause) = retry_after_us {
        failure.retry_after_us = Some(pause);
        if matches!(status, 429 | 503) {
            failure.class = FailureClass::Throttled;
        }
    }
    failure
}

/// Whether a write that was answered so may have been carried out all the same: a server that
/// failed, or a proxy that lost the answer, doesn't tell. A refusal in the side's own words does.
pub(crate) fn may_have_landed(status: u16, body: &[u8], asked_to_wait: bool) -> bool {
    let errors: Vec<SideError> = serde_json::from_slice(body).unwrap_or_default();
    match status {
        503 => errors.is_empty() && !asked_to_wait,
        500..=599 | 408 => true,
        _ => false,
    }
}

/// Whether a failure says that the object isn't what it was described as: a field or the object is
/// gone, or this user may not write a field any more.
pub(crate) fn is_outdated(failure: &Failure) -> bool {
    let code = Code::parse(&failure.code);
    matches!(code, Some(Code::InvalidField | Code::InvalidFieldForInsertUpdate | Code::InvalidType))
}

/// A refused sign-in.
pub(crate) fn of_sign_in(status: u16, error: &str, description: &str) -> Failure {
    let class = match (status, error) {
        (_, "rate_limit_exceeded") | (429, _) => FailureClass::Throttled,
        // Without a session nothing can be sent, by anybody.
        (500..=599, _) => FailureClass::Unreachable,
        _ => FailureClass::Auth,
    };
    let code = if error.is_empty() { format!("HTTP_{status}") } else { error.to_owned() };
    bare(class, &code, description)
}

/// A failure in our own words.
pub(crate) fn bare(class: FailureClass, code: &str, message: &str) -> Failure {
    Failure {
        class,
        code: code.to_owned(),
        message: message.to_owned(),
        columns: Vec::new(),
        retry_after_us: None,
    }
}

/// An error of a call in our own words, nothing sent.
pub(crate) fn not_sent(connection: &ConnectionName, failure: Failure) -> ConnectorError {
    ConnectorError { connection: connection.clone(), failure, sent: false, source: None }
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn retry_after_us(header: &str, now: Stamp) -> Option<i64> {
    if let Ok(seconds) = header.trim().parse::<u32>() {
        return Some(i64::from(seconds) * Stamp::SECOND);
    }
    let date = DateTime::parse_from_rfc2822(header).ok()?;
    Some((date.timestamp_micros() - now.0).max(0))
}

#[cfg(test)]
mod tests;
