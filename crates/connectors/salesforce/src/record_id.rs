//! Record ids: 15 characters that mind case, or 18 whose last three repeat the case of the others.

use duet_core::id::RecordId;

const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The 18-character form; `None` for what is no id.
#[must_use]
pub(crate) fn long(text: &str) -> Option<String> {
    let is_id = matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    match text.len() {
        15 if is_id => Some(format!("{text}{}", suffix(text))),
        18 if is_id => Some(text.to_owned()),
        _ => None,
    }
}

/// As [`long`], as a record's id.
pub(crate) fn record(text: &str) -> Option<RecordId> {
    long(text).map(RecordId::new)
}

fn suffix(short: &str) -> String {
    let groups = short.as_bytes().chunks(5);
    groups.map(|group| char::from(SUFFIX[usize::from(capitals(group))])).collect()
}

fn capitals(group: &[u8]) -> u8 {
    let bits = group.iter().enumerate().filter(|(_, letter)| letter.is_ascii_uppercase());
    bits.fold(0, |sum, (place, _)| sum | 1 << place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_ids_get_their_suffix() {
        let known = [
            ("00190000001pPvH", "00190000001pPvHAAU"),
            ("0031i000013x2TE", "0031i000013x2TEAAY"),
            ("000000000000000", "000000000000000AAA"),
        ];
        for (short, full) in known {
            assert_eq!(long(short).as_deref(), Some(full));
            assert_eq!(long(full).as_deref(), Some(full));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "001", "00190000001pPv'", "00190000001pPvHAA", "0019000000äpPv"] {
            assert_eq!(long(text), None, "{text}");
        }
    }
}
