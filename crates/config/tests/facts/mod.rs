//! What a side tells of itself, as the tests of binding begin with it.

use duet_core::bind::{Rights, SideFacts};
use duet_core::spec::PathClass;
use std::collections::BTreeMap;

/// A side that may do everything and has no columns yet.
pub(crate) fn empty(key: &str) -> SideFacts {
    SideFacts {
        columns: BTreeMap::new(),
        key: vec![key.into()],
        unique: Vec::new(),
        key_column: None,
        guarded: PathClass::K3s,
        batch: PathClass::K1p,
        grain_us: 1_000_000,
        skew_us: 0,
        undelete: false,
        may: Rights { create: true, update: true, delete: true },
    }
}
