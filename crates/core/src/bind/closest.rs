//! "Did you mean": the name among the known ones that needs the fewest changes.

/// The known name that is close enough to be meant. Case counts little: a name that differs in
/// nothing else is always taken.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names of people's systems are short; comparing a page of text with each of them is no help.
    const LONGEST: usize = 100;
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    let most = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|one| one.len() <= LONGEST)
        .map(|one| (distance(&lower, &one.to_lowercase()), one))
        .filter(|(changes, _)| *changes <= most)
        .min()
        .map(|(_, one)| one)
}

/// Letters to change, add, drop or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_found_and_other_words_are_not() {
        let known = ["direction", "deletes", "strategy", "Ext__c"];
        assert_eq!(closest("direktion", known), Some("direction"));
        assert_eq!(closest("stratgey", known), Some("strategy"));
        assert_eq!(closest("EXT__C", known), Some("Ext__c"));
        assert_eq!(closest("banana", known), None);
        assert_eq!(closest(&"x".repeat(10_000), known), None);
    }
}
