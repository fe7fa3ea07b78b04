//! Parts that are broken on purpose, to show that the checker can fail: each stands for a mistake
//! that a synchroniser could make. Only tests ask for one.

use serde::Serialize;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// A write is said to have landed, and nothing was written.
    LandsWithoutWriting,
    /// A write isn't held to the version that it was decided on.
    NoVersionCheck,
    /// Creates aren't held to a unique key.
    NothingIsUnique,
    /// A change is taken for an echo because the record carries our marker.
    EchoByMarker,
    /// Positions are given up before what was read up to them is settled.
    CursorBeforeSettled,
    /// What a decision overwrites isn't kept.
    NoConflictRow,
}

impl Broken {
    /// Every mistake.
    pub const ALL: [Broken; 6] = [
        Broken::LandsWithoutWriting,
        Broken::NoVersionCheck,
        Broken::NothingIsUnique,
        Broken::EchoByMarker,
        Broken::CursorBeforeSettled,
        Broken::NoConflictRow,
    ];
}
