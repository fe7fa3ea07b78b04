//! The triggers of a capture: when which of them fires. Six of them tell every change; two more note
//! what a `REPLACE` is about to take away.

use super::super::capture::Capture;
use super::super::{Statement, quoted};
use super::literal;
use super::telling::Telling;
use crate::table::Table;

/// Those that every capture has.
const ALWAYS: [&str; 6] = ["insert", "update", "rename", "appear", "vanish", "delete"];
/// Those that note what is replaced.
const BEFORE: [&str; 2] = ["before_insert", "before_update"];

fn name(capture: &Capture, what: &str) -> String {
    format!("duet_capture_{}_{what}", capture.id())
}

/// Takes all of them away.
pub(crate) fn remove(capture: &Capture) -> Statement {
    Statement::new(removed(capture))
}

fn removed(capture: &Capture) -> String {
    let drop = |what: &&str| format!("DROP TRIGGER IF EXISTS {};\n", quoted(&name(capture, what)));
    ALWAYS.iter().chain(&BEFORE).map(drop).collect()
}

/// Makes all of them anew.
pub(crate) fn make(capture: &Capture, watched: &Table) -> Statement {
    let telling = Telling::new(capture, watched);
    let mut made = vec![removed(capture)];
    let (old, new) = (telling.key("OLD"), telling.key("NEW"));
    let replaced =
        |op| if telling.collides(op) { telling.tell_replaced(op) } else { String::new() };
    let on = quoted(&watched.name);
    let mut trigger = |what: &str, event: &str, when: &str, parts: [String; 2]| {
        let [first, second] = parts;
        made.push(format!(
            "CREATE TRIGGER {name} {event} ON {on} WHEN {when} BEGIN\n{first}\n{second}\nEND;",
            name = quoted(&name(capture, what)),
        ));
    };
    let has = |key: &str| format!("({key}) IS NOT NULL");
    let lacks = |key: &str| format!("({key}) IS NULL");
    let both = format!("{} AND {}", has(&old), has(&new));
    let (begun, ended) = (telling.begun(&new), telling.ended(&old));
    let same = format!("{both} AND ({old}) = ({new}) AND {}", telling.differs());
    let other = format!("{both} AND ({old}) <> ({new})");
    let renamed = telling.renamed(&old, &new);
    let appears = format!("{} AND {}", lacks(&old), has(&new));
    let vanishes = format!("{} AND {}", has(&old), lacks(&new));
    let unnoted = if telling.collides('U') { telling.unnote(&old) } else { String::new() };
    trigger("insert", "AFTER INSERT", &has(&new), [replaced('I'), begun.clone()]);
    trigger("update", "AFTER UPDATE", &same, [replaced('U'), telling.changed(&new)]);
    trigger("rename", "AFTER UPDATE", &other, [replaced('U'), renamed]);
    trigger("appear", "AFTER UPDATE", &appears, [replaced('U'), begun]);
    trigger("vanish", "AFTER UPDATE", &vanishes, [replaced('U'), ended.clone()]);
    trigger("delete", "AFTER DELETE", &has(&old), [unnoted, ended]);
    if telling.collides('I') {
        let before = [telling.note_replaced('I', &new), String::new()];
        trigger("before_insert", "BEFORE INSERT", "true", before);
    }
    if telling.collides('U') {
        let before = [telling.note_replaced('U', &old), String::new()];
        trigger("before_update", "BEFORE UPDATE", &telling.may_replace('U'), before);
    }
    Statement::new(made.join("\n"))
}

/// Whether those that every capture has stand on this table.
pub(crate) fn watching(capture: &Capture, identity: &str) -> Statement {
    let names: Vec<String> = ALWAYS.iter().map(|what| literal(&name(capture, what))).collect();
    let text = format!(
        "SELECT count(*) = {} AS watched FROM sqlite_master
         WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name IN ({})",
        ALWAYS.len(),
        names.join(", ")
    );
    Statement::new(text).with(identity)
}

/// The table that they stand on, by the name that it has now; null where there are none.
pub(super) fn stand_on(capture: &Capture) -> String {
    format!(
        "(SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name = {})",
        literal(&name(capture, "insert"))
    )
}
