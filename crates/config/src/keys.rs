//! Every key of the configuration: what the parser knows, and what the reference page lists. A key
//! of later work is known too, to be refused by name.

/// One key of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What it holds.
    pub kind: &'static str,
    /// What holds without it; empty: it must be there, or nothing does.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Belongs to later work.
    pub later: bool,
}

/// One table of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// As the reference page heads it.
    pub title: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

const fn key(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, kind, default, meaning, later: false }
}

const fn later(name: &'static str) -> Key {
    Key { name, kind: "", default: "", meaning: "", later: true }
}

/// `duet.toml`.
pub const PROJECT: &[Key] = &[
    key("version", "1", "", "Version of this format."),
    key("project", "name", "", "Name of the project."),
    key(
        "flows",
        "list of patterns",
        "[\"flows/*.toml\"]",
        "Files with flows, inside the project's folder.",
    ),
    key("state", "table", "", "The store of duet itself."),
    key("hub", "table", "", "The message broker."),
    key("connections", "tables", "", "The systems, by name."),
    key("defaults", "table", "", "What holds for every flow that doesn't say otherwise."),
    key("flow", "tables", "", "Flows, by name; here or in files of their own."),
    later("notify"),
    later("alerts"),
    later("console"),
    later("templates"),
    later("metrics"),
];

/// `[state]`.
pub const STATE: &[Key] = &[
    key("url", "text", "", "`postgres://USER:PASSWORD@HOST:PORT/DATABASE`; needs `[hub]`, too."),
    later("retention"),
    later("encryption"),
];

/// `[hub]`.
pub const HUB: &[Key] = &[
    key("url", "text", "", "`amqp://USER:PASSWORD@HOST:PORT/VHOST`; needs `[state]`, too."),
    key(
        "partitions",
        "1 to 64",
        "4",
        "Queues for changes. Set at install; to change it, drain the queues first.",
    ),
];

/// `[connections.NAME]`; all other keys are the connector's.
pub const CONNECTION: &[Key] = &[
    key("kind", "`salesforce`, `postgres`, `sqlite`", "", "The product."),
    key("label", "text", "the name", "How people call it."),
];

/// `[flow.NAME]`.
pub const FLOW: &[Key] = &[
    key("left", "table", "", "The left end."),
    key("right", "table", "", "The right end."),
    key("match", "list of tables", "", "How partners are found, best rule first."),
    key("fields", "tables", "", "What is kept in agreement, by name."),
    key("parents", "list of tables", "[]", "References to records of other flows."),
    key("constants", "{ left, right }", "none", "Values that every create carries, by column."),
    key(
        "soft",
        "{ left, right }",
        "none",
        "`{ column, value }`: how a deletion shows on that side; `now` is the time of the write.",
    ),
    key("initial", "`left`, `right`", "unset", "First meeting: this side wins every field."),
    key(
        "create_grace",
        "duration",
        "`0s` with an external-id rule, else `5s`",
        "How long to wait and look again before a create.",
    ),
    key(
        "on_none",
        "{ left, right } of `flag`, `create`, `skip`",
        "flag",
        "A record that exists only on that side.",
    ),
    key("on_ambiguous", "`flag`", "flag", "Several partners are possible."),
    key("on_blank_key", "`hold`, `create`", "hold", "A record without a usable match key."),
    key(
        "deletes",
        "{ left, right } of `flag`, `soft`, `propagate`, `unlink`, `ignore`",
        "flag",
        "What a deletion on that side does to the other side.",
    ),
    key(
        "on_delete_conflict",
        "`manual_review`, `update_wins`, `delete_wins`, `last_write_wins`",
        "manual_review",
        "Deleted here, changed there.",
    ),
    key(
        "on_leave_filter",
        "`freeze`, `unlink`, `delete`",
        "freeze",
        "A record no longer meets `where`.",
    ),
    key(
        "direction",
        "`both`, `to_left`, `to_right`",
        "both",
        "For its fields: which way changes go.",
    ),
    key(
        "on_one_way_edit",
        "`overwrite`, `keep`, `flag`",
        "overwrite",
        "For its fields: an edit against the direction.",
    ),
    key(
        "strategy",
        "see fields",
        "manual_review",
        "For its fields; `merge` here means field by field.",
    ),
    key("truth", "`left`, `right`", "", "With `source_of_truth`."),
    key("tie", "word or list", "manual_review", "With `last_write_wins`."),
    key(
        "same_change",
        "`accept`, `review`",
        "accept",
        "For its fields: both sides made the same change.",
    ),
    key("propagate_null", "true, false", "true", "For its fields: clearing clears the other side."),
    key(
        "fill_nulls",
        "true, false",
        "true",
        "For its fields: an empty side is filled at the first meeting.",
    ),
    later("children"),
    later("lifecycle"),
    later("atomic"),
    later("sla"),
    later("guard"),
    later("verify"),
    later("merges"),
    later("revive"),
    later("snapshot"),
    later("window"),
];

/// `[defaults]`: the keys of a flow that may stand for all.
pub const DEFAULTS: &[&str] = &[
    "on_none",
    "on_ambiguous",
    "on_blank_key",
    "deletes",
    "on_delete_conflict",
    "on_leave_filter",
    "direction",
    "on_one_way_edit",
    "strategy",
    "truth",
    "tie",
    "same_change",
    "propagate_null",
    "fill_nulls",
    "create_grace",
    "sla",
    "guard",
    "verify",
    "merges",
];

/// `left` and `right` of a flow.
pub const END: &[Key] = &[
    key("connection", "name", "", "The connection."),
    key("object", "text", "", "The object, on Salesforce."),
    key("table", "text", "", "The table, in SQL; `schema.table` outside PostgreSQL's `public`."),
    key(
        "key",
        "column or list",
        "the primary key, `Id`",
        "What a record's id is made of; parts are joined by `-`.",
    ),
    key("where", "text", "none", "Only these records, in the side's own language (SOQL, SQL)."),
    later("changed"),
    later("resource"),
    later("capture"),
    later("query"),
];

/// An entry of `match`.
pub const MATCH: &[Key] = &[
    key(
        "by",
        "`external_id`, `equal`",
        "",
        "A unique column that holds the other side's key, or equal values.",
    ),
    key("left", "column or list", "", "Columns of the left side."),
    key("right", "column or list", "", "Columns of the right side."),
    key(
        "normalize",
        "list of `trim`, `lower`, `upper`, `alnum`",
        "[]",
        "Applied to both sides before comparing.",
    ),
    key("unique", "true", "true", "Several partners are a conflict, never a guess."),
];

/// An entry of `parents`.
pub const PARENT: &[Key] = &[
    key("left", "column or list", "", "The reference on the left side."),
    key(
        "right",
        "column or list",
        "",
        "The reference on the right side; names the field, parts joined by `_`.",
    ),
    key("flow", "name", "", "The flow of the parent."),
    key(
        "missing",
        "`wait`, `wait 10m, then flag`, `wait 10m, then null`",
        "wait",
        "The parent has no record on the other side yet.",
    ),
    key(
        "none",
        "value or { left, right }",
        "null",
        "What stands for \"no parent\"; a plain value is the left side's.",
    ),
    key("direction", "as a field", "both", "Which way changes go."),
    key("on_one_way_edit", "as a field", "overwrite", "An edit against the direction."),
    key(
        "strategy",
        "`manual_review`, `last_write_wins`, `source_of_truth`",
        "manual_review",
        "Both sides changed it.",
    ),
    key("truth", "`left`, `right`", "", "With `source_of_truth`."),
    key("tie", "word or list", "manual_review", "With `last_write_wins`."),
    later("lookup"),
];

/// `[flow.NAME.fields.FIELD]`.
pub const FIELD: &[Key] = &[
    key("left", "column, list in a group", "", "The left column."),
    key("right", "column, list in a group", "", "The right column."),
    key("group", "true, false", "false", "Several columns that change as one."),
    key(
        "type",
        "`text`, `integer`, `decimal`, `decimal(P,S)`, `boolean`, `date`, `instant`, `set`",
        "the columns' type",
        "The type that both sides are brought to; `decimal(P,S)` rounds to S digits.",
    ),
    key(
        "transform",
        "list, or { left, right } of lists",
        "[]",
        "`trim`, `lower`, `upper`, `round(N)`, `scale(N)` (tens), `date`, `date(+01:00)`.",
    ),
    key(
        "map",
        "table",
        "none",
        "Right value = left value, one to one; a value that isn't named is kept back and reported.",
    ),
    key("unmapped", "`flag`", "flag", "A value that `map` doesn't name."),
    key("split", "{ left, right }", "none", "Separator of a set that is stored as text."),
    key("default_left", "value", "none", "Stands in for null on the left side."),
    key("default_right", "value", "none", "Stands in for null on the right side."),
    key("direction", "`both`, `to_left`, `to_right`", "both", "Which way changes go."),
    key(
        "on_one_way_edit",
        "`overwrite`, `keep`, `flag`",
        "overwrite",
        "An edit against the direction.",
    ),
    key(
        "strategy",
        "`manual_review`, `last_write_wins`, `source_of_truth`, `merge`",
        "manual_review",
        "Both sides changed it, differently.",
    ),
    key("truth", "`left`, `right`", "", "With `source_of_truth`: whose value stays."),
    key(
        "tie",
        "word or list of `manual_review`, `user_over_automation`, `left`, `right`",
        "manual_review",
        "With `last_write_wins`: the times can't be told apart; tried in order.",
    ),
    key(
        "merge",
        "`counter`, `set`, `max`, `min`, `progress`, `strictest`, `first_non_empty`",
        "",
        "With `merge`: how values combine.",
    ),
    key(
        "otherwise",
        "`manual_review`, `last_write_wins`, `left`, `right`",
        "manual_review",
        "With `merge`: the values can't be combined. A side's name makes it the source of truth.",
    ),
    key("path", "list", "", "With `progress`: right values in order."),
    key(
        "also",
        "table of lists",
        "none",
        "With `progress`: value = the values it may be reached from.",
    ),
    key("order", "list", "", "With `strictest`: right values, strictest first."),
    key("min", "number", "none", "With `counter`: least value."),
    key("max", "number", "none", "With `counter`: greatest value."),
    key("on_min", "`flag`", "flag", "With `min`: a counter would fall below it."),
    key(
        "on_backward",
        "`flag`",
        "flag",
        "With `progress`: a step back, also of one side alone; unless `otherwise` decides.",
    ),
    key("on_too_long", "`flag`", "flag", "A text longer than the other side holds."),
    key("same_change", "`accept`, `review`", "accept", "Both sides made the same change."),
    key("propagate_null", "true, false", "true", "Clearing it clears the other side."),
    key("fill_nulls", "true, false", "true", "An empty side is filled at the first meeting."),
    key("create_only", "true, false", "false", "Carried by creates, never by changes."),
    key("sensitive", "true, false, `pii`", "false", "Masked wherever values are shown."),
    later("lookup"),
    later("reset"),
    later("coalesce"),
    later("critical"),
    later("reason_required"),
    later("append_only"),
];

/// A table of two sides.
pub const SIDES: &[Key] =
    &[key("left", "", "", "The left side."), key("right", "", "", "The right side.")];

/// `soft.SIDE`.
pub const SOFT: &[Key] = &[
    key("column", "column", "", "The column that marks a deletion."),
    key("value", "value", "", "What it then holds."),
];

/// Every table, for the reference page.
pub const TABLES: &[Table] = &[
    Table { title: "duet.toml", keys: PROJECT },
    Table { title: "[state]", keys: STATE },
    Table { title: "[hub]", keys: HUB },
    Table { title: "[connections.NAME]", keys: CONNECTION },
    Table { title: "[flow.NAME]", keys: FLOW },
    Table { title: "left, right", keys: END },
    Table { title: "match", keys: MATCH },
    Table { title: "parents", keys: PARENT },
    Table { title: "[flow.NAME.fields]", keys: FIELD },
    Table { title: "soft", keys: SOFT },
];

/// The keys that `[defaults]` knows.
pub(crate) fn defaults() -> Vec<Key> {
    FLOW.iter().filter(|key| DEFAULTS.contains(&key.name)).copied().collect()
}
