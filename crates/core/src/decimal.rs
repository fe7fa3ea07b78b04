//! Decimal numbers of any length. Most have few digits: these are two whole numbers, and are read,
//! compared and copied as such; the others are kept as they are computed with.

use bigdecimal::{BigDecimal, ToPrimitive};
use std::cmp::Ordering;

/// Digits that certainly fit a whole number of 64 bits.
const SMALL_DIGITS: u32 = 18;
/// A scale up to which a small number is written out by hand.
const SMALL_SCALE: u32 = 40;

/// A decimal number in normal form: without trailing zeros, so that equal ones have equal parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(Form);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// `digits` divided by ten to the `scale`.
    Small { digits: i64, scale: i32 },
    /// One that isn't small.
    Large(Box<BigDecimal>),
}

impl From<BigDecimal> for Decimal {
    fn from(number: BigDecimal) -> Self {
        let number = number.normalized();
        let (digits, scale) = number.as_bigint_and_exponent();
        match digits.to_i64().zip(i32::try_from(scale).ok()) {
            Some((digits, scale)) => Decimal(Form::Small { digits, scale }),
            None => Decimal(Form::Large(Box::new(number))),
        }
    }
}

impl Decimal {
    /// From a plain text of few digits, such as `-12.50`. `None`: it is none, or a longer one.
    pub(crate) fn small(text: &str) -> Option<Decimal> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        if whole.is_empty() || whole.len() + fraction.len() > SMALL_DIGITS as usize {
            return None;
        }
        let mut digits = 0_i64;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            digits = digits * 10 + i64::from(byte - b'0');
        }
        let digits = if unsigned.len() < text.len() { -digits } else { digits };
        Some(Decimal::settled(digits, i32::try_from(fraction.len()).ok()?))
    }

    /// Without trailing zeros.
    fn settled(digits: i64, scale: i32) -> Decimal {
        if digits == 0 {
            return Decimal(Form::Small { digits: 0, scale: 0 });
        }
        let (mut digits, mut scale) = (digits, scale);
        while digits % 10 == 0 && scale > i32::MIN {
            digits /= 10;
            scale -= 1;
        }
        Decimal(Form::Small { digits, scale })
    }

    /// As a number to compute with.
    #[must_use]
    pub fn to_big(&self) -> BigDecimal {
        match &self.0 {
            Form::Small { digits, scale } => BigDecimal::new((*digits).into(), i64::from(*scale)),
            Form::Large(number) => (**number).clone(),
        }
    }

    /// Digits after the point; negative where it ends in zeros before it.
    #[must_use]
    pub fn fractional_digit_count(&self) -> i64 {
        match &self.0 {
            Form::Small { scale, .. } => i64::from(*scale),
            Form::Large(number) => number.fractional_digit_count(),
        }
    }

    /// Digits in all, but for zeros at the end.
    #[must_use]
    pub fn digits(&self) -> u64 {
        match &self.0 {
            Form::Small { digits, .. } => {
                u64::from(digits.unsigned_abs().checked_ilog10().unwrap_or(0) + 1)
            }
            Form::Large(number) => number.digits(),
        }
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self.0, Form::Small { digits: 0, .. })
    }

    /// Whether it is a whole number.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.fractional_digit_count() <= 0
    }

    /// As a whole number of 64 bits, the digits after the point cut off.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        match &self.0 {
            Form::Small { digits, scale: 0 } => Some(*digits),
            Form::Small { .. } | Form::Large(_) => self.to_big().to_i64(),
        }
    }

    /// The same number with its point moved to the right by so many digits.
    #[must_use]
    pub(crate) fn shifted(&self, power: i32) -> Decimal {
        if let Form::Small { digits, scale } = self.0
            && let Some(scale) = scale.checked_sub(power)
        {
            return Decimal::settled(digits, scale);
        }
        let (digits, scale) = self.to_big().into_bigint_and_exponent();
        BigDecimal::new(digits, scale.saturating_sub(i64::from(power))).into()
    }

    /// Its digits, without an exponent.
    #[must_use]
    pub fn to_plain_string(&self) -> String {
        match &self.0 {
            Form::Small { digits, scale } if scale.unsigned_abs() <= SMALL_SCALE => {
                plain(*digits, *scale)
            }
            Form::Small { .. } | Form::Large(_) => self.to_big().to_plain_string(),
        }
    }
}

fn plain(digits: i64, scale: i32) -> String {
    let mut text = digits.unsigned_abs().to_string();
    let places = usize::try_from(scale.unsigned_abs()).unwrap_or_default();
    if scale < 0 {
        text.extend(std::iter::repeat_n('0', places));
    } else if places > 0 {
        if text.len() <= places {
            text.insert_str(0, &"0".repeat(places + 1 - text.len()));
        }
        text.insert(text.len() - places, '.');
    }
    if digits < 0 {
        text.insert(0, '-');
    }
    text
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Small { digits: a, scale: x }, Form::Small { digits: b, scale: y })
                if x == y =>
            {
                a.cmp(b)
            }
            _ => self.to_big().cmp(&other.to_big()),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Shows that it is the number that it was read from, whatever its length.

    use super::*;

    const TEXTS: [&str; 28] = [
        "0",
        "-0",
        "0.0",
        "00",
        "1",
        "-1",
        "10",
        "100.0",
        "1.5",
        "-1.50",
        "0.05",
        "-0.05",
        "007.10",
        "123456789012345678",
        "1234567890123456789",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "0.000000000000000001",
        "999999999999999999.9",
        "1e5",
        "1e-50",
        "-2.5e30",
        "12e40",
        "1e400",
        "1e-400",
        "3.000000000000000000000000000000000000000001",
        "7e-41",
    ];

    fn numbers() -> Vec<(BigDecimal, Decimal)> {
        let big = TEXTS.iter().map(|text| text.parse::<BigDecimal>().expect(text));
        big.map(|number| (number.normalized(), Decimal::from(number))).collect()
    }

    #[test]
    fn it_is_the_number_that_it_was_made_of() {
        for (big, number) in numbers() {
            assert_eq!(number.to_big(), big);
            assert_eq!(number.to_plain_string(), big.to_plain_string());
            assert_eq!(number.fractional_digit_count(), big.fractional_digit_count(), "{big}");
            assert_eq!(number.digits(), big.digits(), "{big}");
            assert_eq!(number.is_integer(), big.is_integer(), "{big}");
            assert_eq!(number.to_i64(), big.to_i64(), "{big}");
            for power in [-45, -1, 0, 2, 60] {
                let (digits, scale) = big.as_bigint_and_exponent();
                let moved = BigDecimal::new(digits, scale - i64::from(power));
                assert_eq!(number.shifted(power), Decimal::from(moved), "{big} by {power}");
            }
        }
    }

    #[test]
    fn they_compare_as_numbers() {
        for (a, x) in numbers() {
            for (b, y) in numbers() {
                assert_eq!(x.cmp(&y), a.cmp(&b), "{a} and {b}");
                assert_eq!(x == y, a == b, "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_small_text_is_read_as_a_long_one_is() {
        for text in TEXTS {
            let big = text.parse::<BigDecimal>().expect(text);
            if let Some(small) = Decimal::small(text) {
                assert_eq!(small, Decimal::from(big), "{text}");
            }
        }
        assert!(Decimal::small("-12.50").is_some() && Decimal::small("0").is_some());
        for text in ["", "-", ".", "1.", ".5", "+1", "--1", "1.2.3", "1 ", "1e5", "1_0", "١"] {
            assert_eq!(Decimal::small(text), None, "{text}");
        }
    }

    #[test]
    fn every_short_number_is_the_same_in_both_forms() {
        for digits in -1_200_i64..=1_200 {
            for scale in -3_i32..=5 {
                let big = BigDecimal::new(digits.into(), i64::from(scale)).normalized();
                let number = Decimal::from(big.clone());
                let text = number.to_plain_string();
                assert_eq!(text, big.to_plain_string());
                assert_eq!(Decimal::small(&text), Some(number.clone()), "{text}");
                assert_eq!(number.is_zero(), digits == 0, "{text}");
                assert_eq!(number.is_integer(), !text.contains('.'), "{text}");
                assert_eq!(number.shifted(4).shifted(-4), number, "{text}");
            }
        }
    }

    #[test]
    fn at_the_end_of_what_is_small_nothing_is_lost() {
        let ends = [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX];
        for (digits, scale) in ends.into_iter().flat_map(|one| [-1, 0, 1].map(|by| (one, by))) {
            let big = BigDecimal::new(digits.into(), scale);
            let number = Decimal::from(big.clone());
            assert_eq!(number.to_big(), big);
            for more in [-1, 1] {
                let next = Decimal::from(&big + BigDecimal::new(more.into(), scale));
                assert_eq!(next.cmp(&number), more.cmp(&0), "{big} and {more}");
                assert_ne!(next, number);
            }
        }
    }
}
