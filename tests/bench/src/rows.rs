//! The rows, in the order of the table.

mod bucardo;
mod calls;
mod decision;
mod delay;
mod drain;
mod hub;
mod latency;
mod live;
mod memory;
mod naive;
mod store;

use crate::row::Row;

/// Every row.
pub(crate) fn all() -> Vec<Box<dyn Row>> {
    vec![
        Box::new(drain::Drain),
        Box::new(naive::Naive),
        Box::new(live::Live),
        Box::new(delay::Delay { calls: 1, goal: 0.95 }),
        Box::new(delay::Delay { calls: 4, goal: 0.9 }),
        Box::new(delay::Delay { calls: 8, goal: 0.85 }),
        Box::new(decision::Decision),
        Box::new(store::InPostgres),
        Box::new(store::InSqlite),
        Box::new(hub::Carrying { consume: false }),
        Box::new(hub::Carrying { consume: true }),
        Box::new(bucardo::BesideBucardo),
        Box::new(calls::Calls::OnBacklog),
        Box::new(calls::Calls::AtHalfLoad),
        Box::new(latency::Latency),
        Box::new(memory::Memory { backlog: 100_000 }),
        Box::new(memory::Memory { backlog: 1_000_000 }),
    ]
}

/// The rows that were asked for: by name, or by what names begin with. `Err`: what names none.
pub(crate) fn chosen(asked: &[String]) -> Result<Vec<Box<dyn Row>>, String> {
    for one in asked {
        if !all().iter().any(|row| is_of(&row.name(), one)) {
            return Err(one.clone());
        }
    }
    let rows = all().into_iter();
    Ok(rows
        .filter(|row| asked.is_empty() || asked.iter().any(|one| is_of(&row.name(), one)))
        .collect())
}

fn is_of(name: &str, asked: &str) -> bool {
    name == asked || name.strip_prefix(asked).is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Result<Vec<String>, String> {
        let asked: Vec<String> = asked.iter().map(|&one| one.to_owned()).collect();
        chosen(&asked).map(|rows| rows.iter().map(|row| row.name()).collect())
    }

    #[test]
    fn rows_are_chosen_by_name_or_family() {
        assert_eq!(names(&["store"]).unwrap(), ["store-postgres", "store-sqlite"]);
        assert_eq!(names(&["store-sqlite"]).unwrap(), ["store-sqlite"]);
        assert_eq!(names(&[]).unwrap().len(), all().len());
        assert_eq!(names(&["drain", "stor"]), Err("stor".to_owned()));
    }

    #[test]
    fn names_are_all_different() {
        let mut all = names(&[]).unwrap();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
