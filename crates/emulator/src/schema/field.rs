//! One field: its kind, its limits, and what it refers to.

use crate::cell::Cell;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text,
    /// Text with line breaks; not filterable when longer than 255.
    Area,
    Phone,
    Email,
    Url,
    Picklist,
    MultiPicklist,
    Bool,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    Instant,
    Reference,
    /// A compound of other fields, never stored or written itself.
    Address,
}

impl Kind {
    /// `type` in a describe.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text => "string",
            Self::Area => "textarea",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Url => "url",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::Bool => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::Instant => "datetime",
            Self::Reference => "reference",
            Self::Address => "address",
        }
    }

    /// `soapType` in a describe.
    pub(crate) fn soap(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::Bool => "xsd:boolean",
            Self::Int => "xsd:int",
            Self::Double | Self::Currency | Self::Percent => "xsd:double",
            Self::Date => "xsd:date",
            Self::Instant => "xsd:dateTime",
            Self::Address => "urn:address",
            Self::Text | Self::Area | Self::Phone | Self::Email => "xsd:string",
            Self::Url | Self::Picklist | Self::MultiPicklist => "xsd:string",
        }
    }

    pub(crate) fn is_text(self) -> bool {
        self.soap() == "xsd:string"
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Currency | Self::Percent)
    }
}

/// What happens to a child when its parent is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDelete {
    /// The reference is emptied.
    Clear,
    /// The child is deleted as well.
    Cascade,
    /// The parent can't be deleted.
    Restrict,
}

/// What a reference field refers to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) object: String,
    pub(crate) relationship: Option<String>,
    pub(crate) child_relationship: Option<String>,
    pub(crate) on_delete: OnDelete,
    pub(crate) master: bool,
}

/// One value of a picklist.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) active: bool,
    pub(crate) default: bool,
}

/// One field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    /// Characters; 0 where it has no meaning.
    pub(crate) length: u32,
    pub(crate) precision: u32,
    pub(crate) scale: u32,
    pub(crate) custom: bool,
    pub(crate) required: bool,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    pub(crate) default: Cell,
    pub(crate) unique: bool,
    pub(crate) external_id: bool,
    pub(crate) case_sensitive: bool,
    pub(crate) name_field: bool,
    pub(crate) auto_number: bool,
    /// Filled by the org: not written by clients.
    pub(crate) derived: bool,
    pub(crate) picklist: Vec<Choice>,
    pub(crate) restricted: bool,
    pub(crate) target: Option<Target>,
    /// The compound that this field is a part of.
    pub(crate) compound: Option<String>,
}

impl Field {
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label_of(name),
            kind,
            length: 0,
            precision: 0,
            scale: 0,
            custom: name.ends_with("__c"),
            required: false,
            createable: true,
            updateable: true,
            default: if kind == Kind::Bool { Cell::Bool(false) } else { Cell::Null },
            unique: false,
            external_id: false,
            case_sensitive: false,
            name_field: false,
            auto_number: false,
            derived: false,
            picklist: Vec::new(),
            restricted: false,
            target: None,
            compound: None,
        }
    }

    pub(crate) fn sized(name: &str, kind: Kind, length: u32) -> Self {
        Self { length, ..Self::new(name, kind) }
    }

    pub(crate) fn numeric(name: &str, kind: Kind, precision: u32, scale: u32) -> Self {
        Self { precision, scale, ..Self::new(name, kind) }
    }

    pub(crate) fn reference(name: &str, object: &str, on_delete: OnDelete) -> Self {
        let target = Target {
            object: object.to_owned(),
            relationship: relationship_of(name),
            child_relationship: None,
            on_delete,
            master: false,
        };
        Self { target: Some(target), length: 18, ..Self::new(name, Kind::Reference) }
    }

    pub(crate) fn choices(name: &str, values: &[&str]) -> Self {
        let choice = |value: &&str| Choice {
            value: (*value).to_owned(),
            label: (*value).to_owned(),
            active: true,
            default: false,
        };
        let picklist = values.iter().map(choice).collect();
        Self { picklist, ..Self::sized(name, Kind::Picklist, 255) }
    }

    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(crate) fn fixed(self) -> Self {
        Self { updateable: false, ..self }
    }

    pub(crate) fn derived(self) -> Self {
        Self { derived: true, createable: false, updateable: false, ..self }
    }

    pub(crate) fn named(self) -> Self {
        Self { name_field: true, ..self }
    }

    /// True if filters and ORDER BY may use it.
    pub(crate) fn filterable(&self) -> bool {
        match self.kind {
            Kind::Area => self.length <= 255,
            Kind::Address => false,
            Kind::Id | Kind::Text | Kind::Phone | Kind::Email | Kind::Url | Kind::Picklist => true,
            Kind::MultiPicklist | Kind::Bool | Kind::Int | Kind::Double | Kind::Currency => true,
            Kind::Percent | Kind::Date | Kind::Instant | Kind::Reference => true,
        }
    }

    /// True if the table keeps an index of its values.
    pub(crate) fn indexed(&self) -> bool {
        self.unique || self.external_id || self.kind == Kind::Reference
    }

    /// True if rows may be addressed by it.
    pub(crate) fn id_lookup(&self) -> bool {
        self.external_id || self.kind == Kind::Id
    }
}

/// `BillingPostalCode` is shown as `Billing Postal Code`, `AccountId` as `Account ID`.
pub(crate) fn label_of(name: &str) -> String {
    let bare = name.strip_suffix("__c").unwrap_or(name).replace('_', " ");
    let mut label = String::new();
    for (place, letter) in bare.char_indices() {
        let starts = letter.is_ascii_uppercase() && !bare[..place].ends_with(is_break);
        if starts && place > 0 {
            label.push(' ');
        }
        label.push(letter);
    }
    label.strip_suffix(" Id").map(|start| format!("{start} ID")).unwrap_or(label)
}

fn is_break(letter: char) -> bool {
    letter.is_ascii_uppercase() || letter == ' '
}

fn relationship_of(name: &str) -> Option<String> {
    match name.strip_suffix("__c") {
        Some(bare) => Some(format!("{bare}__r")),
        None => name.strip_suffix("Id").map(str::to_owned),
    }
}

/// The fields that every object starts with, in the order of the constants beside [`super::ID`].
pub(crate) fn system_fields() -> Vec<Field> {
    let user = |name| Field::reference(name, "User", OnDelete::Restrict).required().derived();
    let instant = |name| Field::new(name, Kind::Instant).required().derived();
    vec![
        Field::sized("Id", Kind::Id, 18).required().derived(),
        Field { label: "Deleted".to_owned(), ..Field::new("IsDeleted", Kind::Bool).derived() },
        instant("CreatedDate"),
        user("CreatedById"),
        instant("LastModifiedDate"),
        user("LastModifiedById"),
        instant("SystemModstamp"),
    ]
}
