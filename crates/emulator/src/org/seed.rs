//! The rows that are there from the start: users, the organization, the standard price book.

use super::{Org, Row};
use crate::{
    cell::Cell,
    clock::whole_second,
    ids::Id,
    schema::{ORGANIZATION, PERSON, STANDARD_BOOK, USER},
};

/// The part of ids that comes from the seed.
pub(super) fn instance(seed: u64) -> u32 {
    u32::try_from(seed % 62_u64.pow(4)).expect("below 62^4")
}

impl Org {
    /// Adds what is missing of the built-in rows.
    pub(super) fn add_builtin_rows(&mut self, now_ms: i64) {
        let text = |text: &str| Cell::Text(text.to_owned());
        let user = |name: &str, first: &str, last: &str| {
            vec![
                ("Username", text(name)),
                ("Email", text(name)),
                ("FirstName", text(first)),
                ("LastName", text(last)),
                ("Name", text(&format!("{first} {last}"))),
                ("IsActive", Cell::Bool(true)),
            ]
        };
        let rows = [
            ("Organization", ORGANIZATION, vec![("Name", text("Emulated"))]),
            ("User", USER, user(crate::USERNAME, "Integration", "User")),
            ("User", PERSON, user("person@example.test", "Petra", "Person")),
            (
                "Pricebook2",
                STANDARD_BOOK,
                vec![
                    ("Name", text("Standard Price Book")),
                    ("IsActive", Cell::Bool(true)),
                    ("IsStandard", Cell::Bool(true)),
                ],
            ),
        ];
        for (object, id, values) in rows {
            self.add_builtin_row(object, id, values, now_ms);
        }
    }

    fn add_builtin_row(&mut self, name: &str, id: &str, values: Vec<(&str, Cell)>, now_ms: i64) {
        let object = self.schema.builtin(name);
        let id = Id::parse(id).expect("built-in ids are well-formed");
        if self.table(object).current(id).is_some() {
            return;
        }
        let user = Cell::Id(Id::parse(USER).expect("built-in ids are well-formed"));
        let at = Cell::Instant(whole_second(now_ms));
        let fields = &self.object(object).fields;
        let mut cells: Vec<_> = fields.iter().map(|field| field.default.clone()).collect();
        let system =
            [Cell::Id(id), Cell::Bool(false), at.clone(), user.clone(), at.clone(), user, at];
        cells.splice(..system.len(), system);
        for (name, cell) in values {
            let place = self.object(object).find(name).expect("a field of a built-in object");
            cells[place] = cell;
        }
        self.adopt(object, Row { cells });
    }
}
