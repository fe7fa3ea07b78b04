//! The error codes that the platform is known to answer with, as a closed set.

macro_rules! codes {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// An error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($variant),+ }

        impl Code {
            /// Every code.
            #[cfg(test)]
            pub(crate) const ALL: &[(Code, &str)] = &[$((Code::$variant, $text)),+];

            /// The code of that name.
            pub(crate) fn parse(text: &str) -> Option<Code> {
                match text {
                    $($text => Some(Code::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    InvalidSessionId = "INVALID_SESSION_ID",
    InvalidAuthHeader = "INVALID_AUTH_HEADER",
    RequestLimitExceeded = "REQUEST_LIMIT_EXCEEDED",
    ApiDisabledForOrg = "API_DISABLED_FOR_ORG",
    ApiCurrentlyDisabled = "API_CURRENTLY_DISABLED",
    InsufficientAccess = "INSUFFICIENT_ACCESS",
    InsufficientAccessOrReadonly = "INSUFFICIENT_ACCESS_OR_READONLY",
    InsufficientAccessOnCrossReferenceEntity = "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    CannotInsertUpdateActivateEntity = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
    UnableToLockRow = "UNABLE_TO_LOCK_ROW",
    DuplicateValue = "DUPLICATE_VALUE",
    DuplicatesDetected = "DUPLICATES_DETECTED",
    DuplicateExternalId = "DUPLICATE_EXTERNAL_ID",
    EntityIsDeleted = "ENTITY_IS_DELETED",
    NotFound = "NOT_FOUND",
    InvalidCrossReferenceKey = "INVALID_CROSS_REFERENCE_KEY",
    MalformedId = "MALFORMED_ID",
    RequiredFieldMissing = "REQUIRED_FIELD_MISSING",
    StringTooLong = "STRING_TOO_LONG",
    NumberOutsideValidRange = "NUMBER_OUTSIDE_VALID_RANGE",
    InvalidEmailAddress = "INVALID_EMAIL_ADDRESS",
    InvalidOrNullForRestrictedPicklist = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    FieldCustomValidationException = "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    FieldIntegrityException = "FIELD_INTEGRITY_EXCEPTION",
    FailedActivation = "FAILED_ACTIVATION",
    StandardPriceNotDefined = "STANDARD_PRICE_NOT_DEFINED",
    EntityIsLocked = "ENTITY_IS_LOCKED",
    DeleteFailed = "DELETE_FAILED",
    UndeleteFailed = "UNDELETE_FAILED",
    InactiveOwnerOrUser = "INACTIVE_OWNER_OR_USER",
    InvalidField = "INVALID_FIELD",
    InvalidFieldForInsertUpdate = "INVALID_FIELD_FOR_INSERT_UPDATE",
    InvalidType = "INVALID_TYPE",
    MalformedQuery = "MALFORMED_QUERY",
    InvalidQueryFilterOperator = "INVALID_QUERY_FILTER_OPERATOR",
    InvalidQueryLocator = "INVALID_QUERY_LOCATOR",
    QueryTimeout = "QUERY_TIMEOUT",
    ExceededIdLimit = "EXCEEDED_ID_LIMIT",
    InvalidReplicationDate = "INVALID_REPLICATION_DATE",
    JsonParserError = "JSON_PARSER_ERROR",
    MissingArgument = "MISSING_ARGUMENT",
    InvalidIdField = "INVALID_ID_FIELD",
    MethodNotAllowed = "METHOD_NOT_ALLOWED",
    StorageLimitExceeded = "STORAGE_LIMIT_EXCEEDED",
    LimitExceeded = "LIMIT_EXCEEDED",
    TxnSecurityMeteringError = "TXN_SECURITY_METERING_ERROR",
    AllOrNoneOperationRolledBack = "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    ProcessingHalted = "PROCESSING_HALTED",
    ServerUnavailable = "SERVER_UNAVAILABLE",
    UnknownException = "UNKNOWN_EXCEPTION",
    PreconditionFailed = "PRECONDITION_FAILED",
    UnsupportedApiVersion = "UNSUPPORTED_API_VERSION",
}
