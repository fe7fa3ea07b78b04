//! What the tests of every side need beside the contract: a collection before its description, and
//! everything that waits at a source. No promise, no rig.

use std::collections::BTreeMap;

use duet_core::id::{Column, FlowName};
use duet_core::image::Image;
use duet_core::side::Side;
use duet_core::value::Value;
use duet_ports::connector::{Collection, Detector, Reading};

/// Readings after which a source has no end.
const READINGS_MAX: usize = 1_000;

/// A collection as a flow names it, before its columns are described; no key: as the side tells.
#[must_use]
pub fn undescribed(flow: &str, side: Side, name: &str, key: &[&str]) -> Collection {
    Collection {
        flow: FlowName::from(flow),
        side,
        name: name.to_owned(),
        key: key.iter().copied().map(Column::from).collect(),
        filter: None,
        columns: BTreeMap::new(),
        soft: None,
        options: BTreeMap::new(),
    }
}

/// Values by column.
#[must_use]
pub fn image(values: &[(&str, Value)]) -> Image {
    values.iter().map(|(column, value)| (Column::from(*column), value.clone())).collect()
}

/// Reads everything that waits, in readings of a limit.
pub async fn drained(detector: &mut dyn Detector, limit: usize) -> Vec<Reading> {
    let mut readings = Vec::new();
    while readings.len() < READINGS_MAX {
        let reading = detector.detect(limit).await.expect("the source can be read");
        assert!(reading.changes.len() <= limit, "no more than was asked for");
        let more = reading.more;
        readings.push(reading);
        if !more {
            return readings;
        }
    }
    panic!("the source has no end");
}
