//! Record ids: 15 characters, shown with the three characters of checksum as 18.

use std::fmt;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Characters of the instance part, which comes from the seed.
const INSTANCE: usize = 4;

/// A record id. Orders byte by byte, which is also the order of creation within an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id([u8; 15]);

impl Id {
    /// Reads 15 characters as they are, 18 with a right checksum, or 18 in one case only, whose
    /// case is mended from the checksum.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let body = Self(bytes.get(..15)?.try_into().ok()?);
        match bytes.len() {
            15 => Some(body),
            18 if body.suffix().eq_ignore_ascii_case(&text[15..]) => Some(body),
            18 if one_case(bytes) => body.mended(&bytes[15..]),
            _ => None,
        }
    }

    /// The id number `sequence` of the objects with this key prefix.
    pub(crate) fn numbered(prefix: &str, instance: u32, sequence: u64) -> Self {
        let mut body = [b'0'; 15];
        body[..3].copy_from_slice(prefix.as_bytes());
        write_base62(&mut body[3..3 + INSTANCE], u64::from(instance));
        write_base62(&mut body[3 + INSTANCE..], sequence);
        Self(body)
    }

    /// The three characters that name the object.
    pub(crate) fn prefix(&self) -> &str {
        std::str::from_utf8(&self.0[..3]).expect("ids are ASCII")
    }

    /// The running number inside the id.
    pub(crate) fn sequence(&self) -> u64 {
        self.0[3 + INSTANCE..].iter().fold(0, |sum, byte| sum * 62 + digit(*byte))
    }

    fn suffix(self) -> String {
        self.0.chunks(5).map(|group| char::from(SUFFIX[capitals(group)])).collect()
    }

    fn mended(mut self, suffix: &[u8]) -> Option<Self> {
        for (group, sign) in self.0.chunks_mut(5).zip(suffix) {
            let bits = SUFFIX.iter().position(|known| *known == sign.to_ascii_uppercase())?;
            for (place, byte) in group.iter_mut().enumerate() {
                match bits >> place & 1 {
                    1 if byte.is_ascii_digit() => return None,
                    1 => byte.make_ascii_uppercase(),
                    _ => byte.make_ascii_lowercase(),
                }
            }
        }
        Some(self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = std::str::from_utf8(&self.0).expect("ids are ASCII");
        write!(out, "{body}{}", self.suffix())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

fn capitals(group: &[u8]) -> usize {
    group.iter().enumerate().map(|(place, b)| usize::from(b.is_ascii_uppercase()) << place).sum()
}

fn one_case(bytes: &[u8]) -> bool {
    let upper = bytes.iter().any(u8::is_ascii_uppercase);
    let lower = bytes.iter().any(u8::is_ascii_lowercase);
    !(upper && lower)
}

fn digit(byte: u8) -> u64 {
    DIGITS.iter().position(|known| *known == byte).map_or(0, |place| place as u64)
}

fn write_base62(out: &mut [u8], mut number: u64) {
    for byte in out.iter_mut().rev() {
        *byte = DIGITS[usize::try_from(number % 62).expect("below 62")];
        number /= 62;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_agrees_with_live_ids() {
        for (short, long) in [
            ("00190000001pPvH", "00190000001pPvHAAU"),
            ("0031i000013x2TE", "0031i000013x2TEAAY"),
            ("000000000000000", "000000000000000AAA"),
        ] {
            assert_eq!(Id::parse(short).unwrap().to_string(), long);
            assert_eq!(Id::parse(long), Id::parse(short));
            assert_eq!(Id::parse(&long.to_lowercase()), Id::parse(short));
            assert_eq!(Id::parse(&long.to_uppercase()), Id::parse(short));
        }
    }

    #[test]
    fn wrong_ids_are_refused() {
        for text in
            ["", "1", "00190000001pPvHAAA", "00190000001pPv!", "ééééééé0", "001é0000001pPvH"]
        {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_go_up_with_the_order_of_ids() {
        let ids: Vec<_> = (0..5000).map(|n| Id::numbered("001", 77, n * 97)).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().zip(0..).all(|(id, n)| id.sequence() == n * 97));
        assert_eq!(ids[0].prefix(), "001");
    }
}
