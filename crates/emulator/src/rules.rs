//! What tests switch on for records: refusals, automation, locks, late visibility. And the
//! emulator's own random numbers, which depend on the seed alone.

use serde::Deserialize;

use crate::error::ApiError;

/// Records that are refused, as by a validation rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    pub(crate) object: String,
    pub(crate) field: String,
    /// The value as text, compared with the value's text form.
    pub(crate) value: String,
    #[serde(default = "Refusal::default_message")]
    pub(crate) message: String,
}

impl Refusal {
    fn default_message() -> String {
        "refused by a validation rule".to_owned()
    }
}

/// How automation rewrites a text.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Upper,
    Lower,
    /// Runs of white space become one space.
    Squeeze,
}

/// Automation that rewrites a text field on every save.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rewrite {
    pub(crate) object: String,
    pub(crate) field: String,
    pub(crate) how: How,
}

impl Rewrite {
    pub(crate) fn apply(&self, text: &str) -> String {
        match self.how {
            How::Upper => text.to_uppercase(),
            How::Lower => text.to_lowercase(),
            How::Squeeze => text.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }
}

/// What is switched on.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) rewrites: Vec<Rewrite>,
    pub(crate) lock_rate: f64,
    pub(crate) late_ms: i64,
    pub(crate) random: Random,
}

impl Rules {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            refusals: Vec::new(),
            rewrites: Vec::new(),
            lock_rate: 0.0,
            late_ms: 0,
            random: Random(seed),
        }
    }

    /// Everything off; random numbers go on.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.random.0);
    }

    /// At the configured rate, the error of a record that someone else holds.
    pub(crate) fn roll_lock(&mut self) -> Result<(), ApiError> {
        if self.random.hits(self.lock_rate) { Err(locked()) } else { Ok(()) }
    }
}

/// The error of a record that another transaction holds.
pub(crate) fn locked() -> ApiError {
    let text = "unable to obtain exclusive access to this record or 1 records";
    ApiError::bad("UNABLE_TO_LOCK_ROW", text)
}

/// Random numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// True in about `rate` of all calls; draws nothing at rate 0.
    pub(crate) fn hits(&mut self, rate: f64) -> bool {
        if rate <= 0.0 {
            return false;
        }
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        share < rate
    }
}
