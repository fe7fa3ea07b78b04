//! What the triggers of a capture do about a row: the statements inside them. A trigger can't
//! branch, so each kind of change has one of its own (`triggers`).

use super::super::capture::Capture;
use super::super::{joined, quoted};
use super::{NOW, balanced, key_part, literal, table};
use crate::table::{Affinity, Collision, ColumnInfo, Table};
use serde_json::json;

/// Columns told in one statement: SQLite joins no more than 500 selections.
const COLUMNS_MAX: usize = 200;

/// Tells changes of one table into one capture.
pub(super) struct Telling<'a> {
    home: &'a str,
    watched: &'a Table,
    flow: String,
    side: String,
}

impl<'a> Telling<'a> {
    pub(super) fn new(capture: &'a Capture, watched: &'a Table) -> Telling<'a> {
        Telling {
            home: capture.home.name,
            watched,
            flow: literal(capture.flow.as_str()),
            side: literal(capture.side.as_str()),
        }
    }

    fn table(&self, name: &str) -> String {
        table(self.home, name)
    }

    fn owner(&self) -> String {
        format!("flow = {} AND side = {}", self.flow, self.side)
    }

    /// The record's id in a row (`OLD`, `NEW`); null where a part of it is.
    pub(super) fn key(&self, row: &str) -> String {
        let part = |column: &ColumnInfo| key_part(&format!("{row}.{}", name(column)));
        joined(self.watched.key.iter().map(part).collect())
    }

    /// Draws numbers; the last one is `n`.
    fn draw(&self, count: &str) -> String {
        format!("UPDATE {} SET n = n + {count};", self.table("number"))
    }

    /// Leaves a change under the number drawn last.
    fn change(&self, op: char, key: &str, old: &str, columns: &str) -> String {
        format!(
            "INSERT INTO {change} (seq, flow, side, op, key, old_key, changed_columns, at)
             SELECT n, {flow}, {side}, '{op}', {key}, {old}, {columns}, {NOW} FROM {number};",
            change = self.table("change"),
            flow = self.flow,
            side = self.side,
            number = self.table("number"),
        )
    }

    /// Gives a record the version that was drawn last, or one before it.
    fn version(&self, key: &str, before: u32) -> String {
        format!(
            "INSERT INTO {row} (flow, side, key, seq, changed_at)
             SELECT {flow}, {side}, {key}, n - {before}, {NOW} FROM {number} WHERE true
             ON CONFLICT (flow, side, key)
             DO UPDATE SET seq = excluded.seq, changed_at = excluded.changed_at;",
            row = self.table("row"),
            flow = self.flow,
            side = self.side,
            number = self.table("number"),
        )
    }

    fn forget_times(&self, key: &str) -> String {
        format!("DELETE FROM {} WHERE {} AND key = {key};", self.table("column"), self.owner())
    }

    /// A record begins: the empty name stands for every column that has no time of its own.
    pub(super) fn begun(&self, key: &str) -> String {
        let times = format!(
            "INSERT INTO {} (flow, side, key, name, at) VALUES ({}, {}, {key}, '', {NOW});",
            self.table("column"),
            self.flow,
            self.side
        );
        [
            self.draw("1"),
            self.change('I', key, "NULL", "NULL"),
            self.forget_times(key),
            times,
            self.version(key, 0),
        ]
        .join("\n")
    }

    /// A record ends.
    pub(super) fn ended(&self, key: &str) -> String {
        [
            self.draw("1"),
            self.change('D', key, "NULL", "NULL"),
            self.forget_times(key),
            self.version(key, 0),
        ]
        .join("\n")
    }

    /// A record is changed and keeps its id.
    pub(super) fn changed(&self, key: &str) -> String {
        [
            self.draw("1"),
            self.change('U', key, "NULL", &self.changed_columns()),
            self.changed_times(key),
            self.version(key, 0),
        ]
        .join("\n")
    }

    /// A record gets another id, and takes its times and its marker along.
    pub(super) fn renamed(&self, old: &str, new: &str) -> String {
        let times = format!(
            "INSERT INTO {column} (flow, side, key, name, at)
             SELECT flow, side, {new}, name, at FROM {column} WHERE {owner} AND key = {old};",
            column = self.table("column"),
            owner = self.owner(),
        );
        let marker = format!(
            "UPDATE {row} SET
                 write_id = COALESCE((SELECT o.write_id FROM {row} AS o
                     WHERE {owner} AND o.key = {old}), write_id),
                 at = COALESCE((SELECT o.at FROM {row} AS o WHERE {owner} AND o.key = {old}), at)
             WHERE {plain} AND key = {new};",
            row = self.table("row"),
            owner = format_args!("o.flow = {} AND o.side = {}", self.flow, self.side),
            plain = self.owner(),
        );
        [
            self.draw("2"),
            self.version(old, 1),
            self.change('K', new, old, &self.changed_columns()),
            self.forget_times(new),
            times,
            self.changed_times(new),
            self.version(new, 0),
            marker,
        ]
        .join("\n")
    }

    /// Whether a row is another one than before, in any column. A column made since the install isn't
    /// known here: where the table's definition is another one, any update counts.
    pub(super) fn differs(&self) -> String {
        let known = self.watched.columns.iter().map(differs).collect();
        let known = balanced("OR", known).unwrap_or_else(|| "false".to_owned());
        format!(
            "({known} OR (SELECT sql FROM sqlite_master WHERE type = 'table' AND name = {name}) \
             IS NOT {definition})",
            name = literal(&self.watched.name),
            definition = literal(&self.watched.definition),
        )
    }

    /// The names of changed columns, as JSON.
    fn changed_columns(&self) -> String {
        let told = |column: &ColumnInfo| {
            let listed = literal(&format!(",{}", json!(column.name.as_str())));
            format!("CASE WHEN {} THEN {listed} ELSE '' END", differs(column))
        };
        let list = balanced("||", self.watched.columns.iter().map(told).collect());
        format!("'[' || substr({}, 2) || ']'", list.unwrap_or_else(|| "''".to_owned()))
    }

    fn changed_times(&self, key: &str) -> String {
        let of_some = |columns: &[ColumnInfo]| {
            let selected: Vec<String> = columns
                .iter()
                .map(|column| {
                    let named = literal(column.name.as_str());
                    format!("SELECT {named} AS name WHERE {}", differs(column))
                })
                .collect();
            format!(
                "INSERT INTO {times} (flow, side, key, name, at)
                 SELECT {flow}, {side}, {key}, c.name, {NOW} FROM ({selected}) AS c WHERE true
                 ON CONFLICT (flow, side, key, name) DO UPDATE SET at = excluded.at;",
                times = self.table("column"),
                flow = self.flow,
                side = self.side,
                selected = selected.join(" UNION ALL "),
            )
        };
        let parts: Vec<String> = self.watched.columns.chunks(COLUMNS_MAX).map(of_some).collect();
        parts.join("\n")
    }

    /// The lists by which a write may replace another record. A new row with the key of another one is
    /// the same record; a changed row that takes it isn't.
    fn collisions(&self, op: char) -> impl Iterator<Item = &Collision> {
        self.watched.collisions.iter().filter(move |list| op == 'U' || !list.is_key)
    }

    /// Whether there are such lists.
    pub(super) fn collides(&self, op: char) -> bool {
        self.collisions(op).next().is_some()
    }

    /// Whether a change may replace another row, or what was noted of an earlier one that came to
    /// nothing has to go.
    pub(super) fn may_replace(&self, op: char) -> String {
        let collides = |column: &&ColumnInfo| {
            let mut lists = self.collisions(op).flat_map(|list| &list.columns);
            lists.any(|(name, _)| name == column.name.as_str())
        };
        let columns = self.watched.columns.iter().filter(collides).map(differs).collect();
        format!(
            "({} OR EXISTS (SELECT 1 FROM {} WHERE {} AND op = '{op}'))",
            balanced("OR", columns).unwrap_or_else(|| "false".to_owned()),
            self.table("replaced"),
            self.owner(),
        )
    }

    /// Notes which other rows a write is going to replace: those that hold its unique values. Before
    /// it, as SQLite tells of none of them unless the writer asks it to (`recursive_triggers`).
    pub(super) fn note_replaced(&self, op: char, besides: &str) -> String {
        let on = quoted(&self.watched.name);
        let key = {
            let part = |column: &ColumnInfo| key_part(&format!("duet_o.{}", name(column)));
            joined(self.watched.key.iter().map(part).collect())
        };
        let held = |list: &Collision| {
            let equal: Vec<String> = list
                .columns
                .iter()
                .map(|(column, collation)| {
                    let (column, collation) = (quoted(column), quoted(collation));
                    format!("duet_o.{column} = NEW.{column} COLLATE {collation}")
                })
                .collect();
            format!("SELECT {key} AS key FROM {on} AS duet_o WHERE {}", equal.join(" AND "))
        };
        let held: Vec<String> = self.collisions(op).map(held).collect();
        format!(
            "DELETE FROM {replaced} WHERE {owner} AND op = '{op}';
             INSERT INTO {replaced} (flow, side, op, key)
             SELECT {flow}, {side}, '{op}', h.key FROM ({held}) AS h
             WHERE h.key IS NOT NULL AND h.key IS NOT {besides};",
            replaced = self.table("replaced"),
            owner = self.owner(),
            flow = self.flow,
            side = self.side,
            held = held.join(" UNION "),
        )
    }

    /// Tells what was noted, once the write is done: no two rows hold one unique value, so those
    /// others are gone.
    pub(super) fn tell_replaced(&self, op: char) -> String {
        let noted =
            format!("FROM {} AS a WHERE {} AND op = '{op}'", self.table("replaced"), self.owner());
        let later = format!(
            "(SELECT count(*) FROM {} AS b WHERE {} AND op = '{op}' AND b.key > a.key)",
            self.table("replaced"),
            self.owner()
        );
        let seq = format!("(SELECT n FROM {}) - {later}", self.table("number"));
        let (flow, side) = (&self.flow, &self.side);
        [
            self.draw(&format!("(SELECT count(*) {noted})")),
            format!(
                "INSERT INTO {} (seq, flow, side, op, key, at)
                 SELECT {seq}, {flow}, {side}, 'D', a.key, {NOW} {noted};",
                self.table("change")
            ),
            format!(
                "DELETE FROM {} WHERE {} AND key IN (SELECT a.key {noted});",
                self.table("column"),
                self.owner()
            ),
            format!(
                "INSERT INTO {} (flow, side, key, seq, changed_at)
                 SELECT {flow}, {side}, a.key, {seq}, {NOW} {noted}
                 ON CONFLICT (flow, side, key)
                 DO UPDATE SET seq = excluded.seq, changed_at = excluded.changed_at;",
                self.table("row")
            ),
            format!(
                "DELETE FROM {} WHERE {} AND op = '{op}';",
                self.table("replaced"),
                self.owner()
            ),
        ]
        .join("\n")
    }

    /// What a deletion told by itself isn't to be told again.
    pub(super) fn unnote(&self, key: &str) -> String {
        format!("DELETE FROM {} WHERE {} AND key = {key};", self.table("replaced"), self.owner())
    }
}

fn name(column: &ColumnInfo) -> String {
    quoted(column.name.as_str())
}

/// Byte by byte, whatever the column's own order says of case; and by how it is stored, where the
/// column doesn't decide that.
fn differs(column: &ColumnInfo) -> String {
    let column_name = name(column);
    let other = format!("OLD.{column_name} IS NOT NEW.{column_name} COLLATE BINARY");
    match column.affinity {
        Affinity::Blob => {
            format!("({other} OR typeof(OLD.{column_name}) <> typeof(NEW.{column_name}))")
        }
        Affinity::RowId
        | Affinity::Fixed
        | Affinity::Text
        | Affinity::Integer
        | Affinity::Real
        | Affinity::Numeric => format!("({other})"),
    }
}
