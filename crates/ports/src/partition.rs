//! Which change partition a record or a link belongs to: the same in every process and release.
//!
//! FNV-1a (64 bit), then the finaliser of MurmurHash3, because the low bits of FNV alone follow the
//! last characters of an id too closely. Not a security measure: ids are not secret and an attacker
//! who chooses them can only slow one partition down.

use duet_core::id::{FlowName, LinkId, RecordId};
use duet_core::side::Side;

/// Offset basis and prime of FNV-1a, 64 bit.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The partition of a record, in `0..partitions`. Its changes stay in order there.
///
/// # Panics
/// Without a partition.
#[must_use]
pub fn partition(flow: &FlowName, side: Side, record: &RecordId, partitions: u32) -> u32 {
    let parts: [&[u8]; 3] =
        [flow.as_str().as_bytes(), side.as_str().as_bytes(), record.as_str().as_bytes()];
    // The separator keeps ("ab", "c") apart from ("a", "bc"): names hold no NUL.
    fit(hash(parts.join(&0)), partitions)
}

/// The partition that a link's wake-ups go to, in `0..partitions`. Any would be right.
///
/// # Panics
/// Without a partition.
#[must_use]
pub fn partition_of_link(link: LinkId, partitions: u32) -> u32 {
    fit(hash(link.0.as_bytes().to_vec()), partitions)
}

fn hash(bytes: Vec<u8>) -> u64 {
    let folded =
        bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    let mixed = (folded ^ (folded >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

fn fit(hash: u64, partitions: u32) -> u32 {
    assert!(partitions > 0, "a topology has at least one partition");
    u32::try_from(hash % u64::from(partitions)).expect("the rest is smaller than a u32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hash(Vec::new()), 0xefd0_1f60_ba99_2926);
        let of = |id: &str| partition(&"customers".into(), Side::Left, &id.into(), 1 << 16);
        assert_eq!([of("001A"), of("001B"), of("")], [50745, 18853, 58134]);
        let right = partition(&"customers".into(), Side::Right, &"001A".into(), 1 << 16);
        assert_eq!(right, 53840);
        assert_eq!(partition_of_link(LinkId(uuid::Uuid::from_u128(1)), 1 << 16), 136);
    }

    #[test]
    fn similar_ids_spread_evenly() {
        for step in [1_u32, 2, 4, 10, 64] {
            let mut counts = [0_u32; 4];
            for number in 0..4_000 {
                let record = RecordId::new((number * step).to_string());
                let at = partition(&"orders".into(), Side::Right, &record, 4);
                counts[at as usize] += 1;
            }
            assert!(counts.iter().all(|count| (850..1150).contains(count)), "{step}: {counts:?}");
        }
    }

    #[test]
    fn one_partition_takes_all() {
        assert_eq!(partition(&"a".into(), Side::Left, &"b".into(), 1), 0);
        assert_eq!(partition_of_link(LinkId(uuid::Uuid::from_u128(7)), 1), 0);
    }
}
