//! What a record holds on one side: canonical values by column. A column that isn't there was not seen.

use crate::id::Column;
use crate::sorted::Sorted;
use crate::value::Value;
use sha2::{Digest, Sha256};

/// Values by column, in canonical form. No entry means "not seen", [`Value::Null`] means empty.
pub type Image = Sorted<Column, Value>;

/// A short digest of an image: equal images have equal digests in every process and release.
#[must_use]
pub fn digest(image: &Image) -> String {
    let mut hasher = Sha256::new();
    for (column, value) in image {
        hasher.update(column.as_str().as_bytes());
        hasher.update([0]);
        let text = serde_json::to_string(value).expect("a value has no failing serializer");
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Lays `newer` over `older`, column by column: a partial image never erases what it doesn't name.
pub fn lay_over(older: &mut Image, newer: Image) {
    older.extend(newer);
}
