//! A small map as one sorted list: what a record's columns and fields are kept in. A look-up is a
//! few comparisons in one piece of memory, a copy is one allocation, and reading a list that was
//! written in order appends to it.
//!
//! Not for maps that grow by insertion in any order to more than some hundred entries.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

/// Entries of most records.
const USUAL: usize = 24;

/// A map whose entries stand in the order of their keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sorted<K, V>(Vec<(K, V)>);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Sorted(Vec::new())
    }
}

impl<K, V> Sorted<K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Sorted::default()
    }

    /// An empty map with room for the entries of most records.
    pub(crate) fn usual() -> Self {
        Sorted(Vec::with_capacity(USUAL))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, in the order of their keys.
    pub fn iter(&self) -> Entries<'_, K, V> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// The entry at a place, counted in the order of the keys.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&(K, V)> {
        self.0.get(place)
    }

    /// The value at a place, to change it.
    pub(crate) fn at_mut(&mut self, place: usize) -> Option<(&K, &mut V)> {
        self.0.get_mut(place).map(|(key, value)| (&*key, value))
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }
}

/// An iterator over the entries of a [`Sorted`].
pub type Entries<'a, K, V> =
    std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

impl<K: Ord, V> Sorted<K, V> {
    /// The place of a key, or where it would stand.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(one, _)| one.borrow().cmp(key))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| &mut self.0[at].1)
    }

    /// The place of a key, for [`Sorted::at`]; `guess` is looked at first.
    pub fn find<Q: Ord + ?Sized>(&self, key: &Q, guess: usize) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let guessed = self.0.get(guess).is_some_and(|(one, _)| one.borrow() == key);
        if guessed { Some(guess) } else { self.place(key).ok() }
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Sets a key's value; returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.0.last().is_none_or(|(last, _)| *last < key) {
            self.0.push((key, value));
            return None;
        }
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes a key out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }

    /// The place of a key, to be filled if there is none.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        let place = self.place(&key);
        Entry { list: &mut self.0, key, place }
    }
}

/// The place of a key in a [`Sorted`].
#[derive(Debug)]
pub struct Entry<'a, K, V> {
    list: &'a mut Vec<(K, V)>,
    key: K,
    place: Result<usize, usize>,
}

impl<'a, K, V> Entry<'a, K, V> {
    /// The value; this one if there is none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The value; the one that `make` gives if there is none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        let Entry { list, key, place } = self;
        let at = place.unwrap_or_else(|at| {
            list.insert(at, (key, make()));
            at
        });
        &mut list[at].1
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Sorted<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for Sorted<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        let entries = entries.into_iter();
        self.0.reserve(entries.size_hint().0);
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut all = Sorted::new();
        all.extend(entries);
        all
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Sorted<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for Sorted<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Sorted<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Entries<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for Sorted<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("no entry found for key")
    }
}

impl<K: Serialize, V: Serialize> Serialize for Sorted<K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Sorted<K, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reader(PhantomData))
    }
}

struct Reader<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Reader<K, V> {
    type Value = Sorted<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sorted<K, V>, A::Error> {
        let mut all = Sorted::usual();
        while let Some((key, value)) = map.next_entry()? {
            all.insert(key, value);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    //! Shows that it is the map that the standard library has, for every short history of changes.

    use super::*;
    use std::collections::BTreeMap;

    fn same(ours: &Sorted<u8, u32>, map: &BTreeMap<u8, u32>) {
        assert!(ours.iter().eq(map.iter()), "{ours:?} {map:?}");
        assert_eq!(ours.len(), map.len());
        assert_eq!(format!("{ours:?}"), format!("{map:?}"));
        for key in 0..4 {
            assert_eq!(ours.get(&key), map.get(&key));
            assert_eq!(ours.contains_key(&key), map.contains_key(&key));
        }
        let json = serde_json::to_string(ours).expect("JSON");
        assert_eq!(json, serde_json::to_string(map).expect("JSON"));
        assert_eq!(serde_json::from_str::<Sorted<u8, u32>>(&json).expect(&json), *ours);
    }

    #[test]
    fn every_short_history_leaves_the_same_map() {
        const STEPS: usize = 12;
        for history in 0..STEPS.pow(4) {
            let (mut ours, mut map) = (Sorted::new(), BTreeMap::new());
            for nth in 0..4_u32 {
                let step = history / STEPS.pow(nth) % STEPS;
                let key = u8::try_from(step % 4).expect("it is small");
                match step / 4 {
                    0 => assert_eq!(ours.insert(key, nth), map.insert(key, nth)),
                    1 => assert_eq!(ours.remove(&key), map.remove(&key)),
                    _ => {
                        *ours.entry(key).or_insert(nth) += 10;
                        *map.entry(key).or_insert(nth) += 10;
                    }
                }
            }
            same(&ours, &map);
        }
    }

    #[test]
    fn what_was_written_out_of_order_or_twice_is_read_as_a_map_is() {
        for json in [r#"{"b":1,"a":2}"#, r#"{"a":1,"a":2}"#, r#"{"b":1,"a":2,"b":3,"c":4}"#] {
            let ours: Sorted<String, u8> = serde_json::from_str(json).expect(json);
            let map: BTreeMap<String, u8> = serde_json::from_str(json).expect(json);
            assert!(ours.iter().eq(map.iter()), "{json}");
        }
        assert!(serde_json::from_str::<Sorted<String, u8>>("[1]").is_err());
    }

    #[test]
    fn places_are_counted_in_the_order_of_keys() {
        let mut ours = Sorted::from([("c", 3), ("a", 1), ("b", 2)]);
        assert_eq!(ours.at(0), Some(&("a", 1)));
        assert_eq!(ours.at(3), None);
        for guess in [0, 1, 7] {
            assert_eq!(ours.find("b", guess), Some(1), "{guess}");
            assert_eq!(ours.find("d", guess), None, "{guess}");
        }
        *ours.at_mut(1).expect("b").1 += 40;
        *ours.get_mut("c").expect("c") += 50;
        ours.values_mut().for_each(|value| *value += 100);
        assert_eq!(ours.iter().collect::<Vec<_>>(), [(&"a", &101), (&"b", &142), (&"c", &153)]);
        assert_eq!(ours["b"], 142);
        ours.retain(|key, value| *key != "a" && *value < 150);
        assert_eq!(ours.into_iter().collect::<Vec<_>>(), [("b", 142)]);
    }

    #[test]
    fn what_is_added_last_counts() {
        let mut ours: Sorted<u8, u8> = [(2, 0), (1, 0), (2, 1)].into_iter().collect();
        ours.extend([(1, 9), (0, 7)]);
        assert_eq!(ours, Sorted::from([(0, 7), (1, 9), (2, 1)]));
        assert!(ours.keys().eq(&[0, 1, 2]) && ours.values().eq(&[7, 9, 1]));
        ours.clear();
        assert!(ours.is_empty() && ours == Sorted::new());
        assert_eq!(*ours.entry(5).or_insert_with(|| 6), 6);
    }
}
