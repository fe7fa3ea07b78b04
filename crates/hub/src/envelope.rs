//! An envelope as bytes and back. What it means is `duet_ports::envelope`; what it may look like to
//! other programs is `schema/envelope.v1.json`.

use duet_ports::envelope::{ENVELOPE_VERSION, Envelope};
use duet_ports::hub::{BODY_LIMIT_BYTES, Undecodable};
use serde::Deserialize;
use std::io::Write;

/// The body of a message; `None` when it is longer than the hub carries.
#[must_use]
pub fn encode(envelope: &Envelope) -> Option<Vec<u8>> {
    let body = serde_json::to_vec(envelope).expect("an envelope has string keys only");
    (body.len() <= BODY_LIMIT_BYTES).then_some(body)
}

/// How long the body of a message would be, without making it.
pub(crate) fn encoded_len(envelope: &Envelope) -> usize {
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, envelope).expect("an envelope has string keys only");
    counted.0
}

/// Counts what is written.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The envelope in a body.
///
/// # Errors
/// When the body is too long, no envelope, or of a version this build doesn't know. The reason
/// names places, never content: bodies hold values of records.
pub fn decode(body: Vec<u8>) -> Result<Envelope, Undecodable> {
    if body.len() > BODY_LIMIT_BYTES {
        let reason = format!("longer than {BODY_LIMIT_BYTES} bytes");
        return Err(Undecodable { body, reason });
    }
    match serde_json::from_slice::<Envelope>(&body) {
        Ok(envelope) if envelope.v == ENVELOPE_VERSION => Ok(envelope),
        Ok(envelope) => Err(Undecodable { reason: unknown_version(envelope.v), body }),
        Err(error) => Err(Undecodable { reason: reason(&body, &error), body }),
    }
}

/// Enough of any version to tell which one it is.
#[derive(Deserialize)]
struct OnlyVersion {
    v: u32,
}

fn reason(body: &[u8], error: &serde_json::Error) -> String {
    match serde_json::from_slice::<OnlyVersion>(body) {
        Ok(OnlyVersion { v }) if v != ENVELOPE_VERSION => unknown_version(v),
        Ok(_) | Err(_) => {
            let kind = match error.classify() {
                serde_json::error::Category::Io | serde_json::error::Category::Syntax => "no JSON",
                serde_json::error::Category::Eof => "JSON cut short",
                serde_json::error::Category::Data => "JSON, but no envelope",
            };
            format!("{kind} (line {}, column {})", error.line(), error.column())
        }
    }
}

fn unknown_version(version: u32) -> String {
    format!("envelope version {version}, this build reads {ENVELOPE_VERSION}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_ports::envelope::Body;

    fn refused(body: &str) -> String {
        decode(body.as_bytes().to_vec()).expect_err(body).reason
    }

    #[test]
    fn what_is_encoded_comes_back() {
        assert_eq!(encoded_len(&Envelope::unnumbered(Body::WakeRetry)), 27);
        let body = encode(&Envelope::unnumbered(Body::WakeRetry)).expect("short enough");
        assert_eq!(body, br#"{"v":1,"body":"wake_retry"}"#);
        let envelope = decode(body).expect("an envelope");
        assert!(matches!(envelope.body, Body::WakeRetry));
    }

    #[test]
    fn a_reason_names_the_place_and_no_content() {
        assert_eq!(refused("nothing"), "no JSON (line 1, column 2)");
        assert_eq!(refused(r#"{"v":1,"#), "JSON cut short (line 1, column 7)");
        let reason = refused(r#"{"v":1,"body":"top secret"}"#);
        assert!(reason.starts_with("JSON, but no envelope (line 1"), "{reason}");
        assert!(!reason.contains("secret"), "{reason}");
    }

    #[test]
    fn another_version_is_told_whatever_its_shape() {
        let told = "envelope version 2, this build reads 1";
        assert_eq!(refused(r#"{"v":2,"body":"wake_retry"}"#), told);
        assert_eq!(refused(r#"{"v":2,"content":[]}"#), told);
    }

    #[test]
    fn too_long_is_refused_both_ways() {
        let connection = "x".repeat(BODY_LIMIT_BYTES);
        assert!(encode(&Envelope::unnumbered(Body::WakeIntents { connection })).is_none());
        let refused = decode(vec![b' '; BODY_LIMIT_BYTES + 1]).expect_err("too long");
        assert_eq!(refused.reason, "longer than 8388608 bytes");
    }
}
