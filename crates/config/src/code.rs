//! Every code of a mistake, with its cause and cure: the table of
//! `docs/reference/codes.md` is made from this one.

use duet_core::bind::BindKind;
use std::fmt;

macro_rules! codes {
    ($($name:ident = $number:literal, $cause:literal, $cure:literal;)*) => {
        /// The code of a mistake. Numbers are never used again for something else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $cause] $name,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// As shown, such as `D0101`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $number,)* }
            }

            /// What it says.
            #[must_use]
            pub fn cause(self) -> &'static str {
                match self { $(Code::$name => $cause,)* }
            }

            /// What to do.
            #[must_use]
            pub fn cure(self) -> &'static str {
                match self { $(Code::$name => $cure,)* }
            }
        }
    };
}

codes! {
    Unreadable = "D0001",
        "A file can't be read.",
        "Check the path and its permissions.";
    TooLarge = "D0002",
        "A file is larger than 1 MiB.",
        "Split it: one file per flow.";
    NotUtf8 = "D0003",
        "A file isn't UTF-8 text.",
        "Save it as UTF-8.";
    HoldsNul = "D0004",
        "A file holds a NUL.",
        "It isn't a text file, or it was damaged: restore it.";
    Syntax = "D0005",
        "The text isn't TOML.",
        "Mend the place that is shown; texts stand in quotes.";
    DuplicateKey = "D0006",
        "A key stands twice in one table.",
        "Keep one of them.";
    TooDeep = "D0007",
        "Tables or lists are nested too deep.",
        "Nothing in a project needs that.";
    BadPattern = "D0008",
        "A pattern of `flows` can't be used.",
        "Name a file, or `FOLDER/*.toml`, inside the project.";
    NoFlowFiles = "D0009",
        "A pattern of `flows` finds no file.",
        "Mend the pattern, or add the file.";

    UnknownKey = "D0101",
        "The table has no such key.",
        "Take the name that is suggested.";
    MissingKey = "D0102",
        "A key that is needed isn't there.",
        "Add it.";
    WrongType = "D0103",
        "The value is of another type.",
        "Write a value of the type that is named.";
    UnknownValue = "D0104",
        "The key doesn't know the value.",
        "Take one of those named.";
    EmptyValue = "D0105",
        "The value is empty.",
        "Write something, or leave the key out.";
    BadName = "D0106",
        "A name holds something else than letters, digits, `_` and `-`, or is too long.",
        "Choose another name.";
    BadVersion = "D0107",
        "The project is written for another version of the format.",
        "`version = 1`.";
    OutOfRange = "D0108",
        "The number is too small or too large.",
        "Keep to the bounds that are named.";
    BadDuration = "D0109",
        "The text isn't a duration.",
        "A whole number and `ms`, `s`, `m`, `h` or `d`.";
    BadNumber = "D0110",
        "The number can't be used.",
        "A finite number of at most 64 bits.";

    MissingVariable = "D0201",
        "A variable of the environment isn't set.",
        "Set it, or give a default: `${NAME:-default}`.";
    BadInterpolation = "D0202",
        "`${` isn't followed by a name and `}`.",
        "`${NAME}`, `${NAME:-default}` or `${file:NAME}`.";
    UnreadableVariable = "D0203",
        "The file that a `${file:NAME}` names can't be read.",
        "Check the path in the variable.";
    VariableInKey = "D0204",
        "A key holds `${`.",
        "Variables stand in string values only.";

    NotSupportedYet = "D0301",
        "The key belongs to later work: not supported yet.",
        "Leave it out.";
    ValueNotSupportedYet = "D0302",
        "The value belongs to later work: not supported yet.",
        "Take one of those named.";
    HubUnset = "D0303",
        "`[state]` is set and `[hub]` isn't: processes that share a database meet in a broker.",
        "Add `[hub] url = \"amqp://...\"`, or leave both out: the state is in a file then.";
    StateUnset = "D0304",
        "`[hub]` is set and `[state]` isn't: processes that meet in a broker share a database.",
        "Add `[state] url = \"postgres://...\"`, or leave both out: the state is in a file then.";

    UnknownConnection = "D0401",
        "No such connection.",
        "Take one that is there, or add the connection.";
    DuplicateFlow = "D0402",
        "Two flows have one name.",
        "Rename one.";
    NoConnections = "D0403",
        "The project has no connection.",
        "Add `[connections.NAME]`.";
    NoFlows = "D0404",
        "The project has no flow.",
        "Add a file with `[flow.NAME]`.";
    UnknownParentFlow = "D0405",
        "No such flow.",
        "Take one that is there, or add the flow.";
    ParentElsewhere = "D0406",
        "The parent's flow joins other connections.",
        "A parent and its children are on the same two connections.";
    SameEnds = "D0407",
        "Both ends are one collection.",
        "A flow joins two.";
    SharedWrite = "D0408",
        "Two flows may write one column.",
        "Give one of them a `direction` away from it.";
    BadSetting = "D0409",
        "A setting of a connection can't be used.",
        "Mend what the sentence names; docs/reference/configuration.md has the keys of each kind.";

    NoCollection = "D0501",
        "An end names no collection.",
        "`object` on Salesforce, `table` on PostgreSQL and SQLite.";
    WrongCollectionKey = "D0502",
        "The connection's kind has collections of another word.",
        "`object` on Salesforce, `table` on PostgreSQL and SQLite.";
    NoMatch = "D0503",
        "The flow has no match rule.",
        "Add one: without it every record is new.";
    PartsDiffer = "D0504",
        "Left and right name different numbers of columns.",
        "Pair each column with one.";
    RepeatedMatch = "D0505",
        "A match rule stands twice.",
        "Keep one.";
    SoftWithoutColumn = "D0506",
        "`soft` deletion without a column to write.",
        "`soft = { SIDE = { column = …, value = … } }` for the side that is written.";
    NoFields = "D0507",
        "The flow maps no field.",
        "Add `[flow.NAME.fields]`.";
    NameTaken = "D0508",
        "A field and a parent have one name.",
        "Rename the field: a parent is named after its right column.";
    ColumnTwice = "D0509",
        "Two fields write one column.",
        "Keep one, or give it a `direction` away from it.";
    BadMissing = "D0510",
        "`missing` isn't understood.",
        "`wait`, `wait 10m, then flag` or `wait 10m, then null`.";
    ConstantMapped = "D0511",
        "A constant is set for a column that a field writes.",
        "Keep one of them.";

    GroupShape = "D0601",
        "A group is two lists of one length, anything else two names.",
        "`group = true, left = [..], right = [..]`.";
    TruthMissing = "D0602",
        "`source_of_truth` doesn't say which side.",
        "`truth = \"left\"` or `\"right\"`.";
    MergeMissing = "D0603",
        "`merge` doesn't say how.",
        "`merge = \"counter\"`, `\"set\"`, `\"max\"`, …";
    WithoutStrategy = "D0604",
        "The key belongs to a strategy that the field doesn't have.",
        "Leave it out, or set the strategy.";
    StepsMissing = "D0605",
        "`progress` needs `path`, `strictest` needs `order`.",
        "Add it, with two values at least.";
    RepeatedValue = "D0606",
        "A value stands twice.",
        "Keep one.";
    OffPath = "D0607",
        "`also` starts from a value that isn't on the path.",
        "Name values of `path`.";
    MapNotOneToOne = "D0608",
        "Two entries of `map` have one left value.",
        "A value map is one to one.";
    UnknownTransform = "D0609",
        "No such transform.",
        "Take one of those named.";
    BadArgument = "D0610",
        "A transform's argument can't be used.",
        "`date(+01:00)`, `round(2)`, `scale(-2)`.";
    UnknownType = "D0611",
        "No such type.",
        "Take one of those named.";
    SplitWithoutSet = "D0612",
        "`split` makes a set, and the field isn't one.",
        "`type = \"set\"`.";
    OneWayEditBothWays = "D0613",
        "`on_one_way_edit` on a field that goes both ways.",
        "Set a `direction`, or leave it out.";
    MinAboveMax = "D0614",
        "`min` is greater than `max`.",
        "Exchange them.";
    GroupMerge = "D0615",
        "A group can't be merged in this way.",
        "Merge columns one by one.";

    BindUnknownColumn = "D0701",
        "A side has no such column.",
        "Take one that is there, or add the column.";
    BindNoKey = "D0702",
        "Neither the flow nor the side names a key.",
        "Name it with `key`.";
    BindTypeMismatch = "D0703",
        "The types of the two sides differ.",
        "Bring them together by `type`, `transform` or `map`.";
    BindStepMismatch = "D0704",
        "A transform can't take the column's values.",
        "Take it away, or name the side it is for.";
    BindValueMismatch = "D0705",
        "A configured value isn't of its column's type.",
        "Write it in the column's type.";
    BindPartsDiffer = "D0706",
        "Left and right have different numbers of columns.",
        "Pair each column with one.";
    BindNoRoundTrip = "D0707",
        "A value doesn't come back from the other side.",
        "Give the field one `direction`.";
    BindTooLong = "D0708",
        "Texts may be longer than the other side holds (warning).",
        "Nothing, or widen the column.";
    BindNotWritable = "D0709",
        "The column can't be written.",
        "A `direction` away from it, or the right to edit it.";
    BindOnlyOnCreate = "D0710",
        "The column can be set by a create only.",
        "A `direction` away from it.";
    BindRequiredUncovered = "D0711",
        "Creates need a column that nothing sets (warning).",
        "Map it, or set a constant.";
    BindExternalIdNotUnique = "D0712",
        "The external id's column isn't unique.",
        "Make it unique, or `by = \"equal\"`.";
    BindExternalIdWithoutKey = "D0713",
        "An external-id rule names the key of neither side.",
        "Name the key, or `by = \"equal\"`.";
    BindCounterNeedsMarker = "D0714",
        "A counter needs class K3 or K3s on both sides.",
        "Install capture, or add the marker field.";
    BindClassTooWeak = "D0715",
        "The side's write path promises too little.",
        "Let the other side be the source of truth.";
    BindNotAllowed = "D0716",
        "The credentials lack a right.",
        "Give it, or change the flow.";
    BindWrittenTwice = "D0717",
        "Two fields write one column.",
        "Keep one of them.";
    NoSuchCollection = "D0718",
        "A side has no such collection, or doesn't show it.",
        "Take one that is there, or give the right to see it.";
    KeyNotUnique = "D0719",
        "The side can't take the key.",
        "Name columns with a unique constraint; on Salesforce leave `key` out.";
    BadFilter = "D0720",
        "The side can't use the filter.",
        "Mend `where` as the side says.";
}

impl Code {
    /// The code of what binding found.
    #[must_use]
    pub fn of(kind: BindKind) -> Code {
        match kind {
            BindKind::UnknownColumn => Code::BindUnknownColumn,
            BindKind::NoKey => Code::BindNoKey,
            BindKind::TypeMismatch => Code::BindTypeMismatch,
            BindKind::StepMismatch => Code::BindStepMismatch,
            BindKind::ValueMismatch => Code::BindValueMismatch,
            BindKind::PartsDiffer => Code::BindPartsDiffer,
            BindKind::NoRoundTrip => Code::BindNoRoundTrip,
            BindKind::TooLong => Code::BindTooLong,
            BindKind::NotWritable => Code::BindNotWritable,
            BindKind::OnlyOnCreate => Code::BindOnlyOnCreate,
            BindKind::RequiredUncovered => Code::BindRequiredUncovered,
            BindKind::ExternalIdNotUnique => Code::BindExternalIdNotUnique,
            BindKind::ExternalIdWithoutKey => Code::BindExternalIdWithoutKey,
            BindKind::CounterNeedsMarker => Code::BindCounterNeedsMarker,
            BindKind::ClassTooWeak => Code::BindClassTooWeak,
            BindKind::NotAllowed => Code::BindNotAllowed,
            BindKind::WrittenTwice => Code::BindWrittenTwice,
        }
    }

    /// What to do, as the end of a message: the cure without a capital and a full stop.
    #[must_use]
    pub fn advice(self) -> String {
        let cure = self.cure().trim_end_matches('.');
        let mut letters = cure.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    }

    /// Whether the project can be used in spite of it.
    #[must_use]
    pub fn is_warning(self) -> bool {
        self == Code::BindTooLong || self == Code::BindRequiredUncovered
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
