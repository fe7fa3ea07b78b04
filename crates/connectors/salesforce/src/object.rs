//! What the side tells of an object and its fields, translated into canonical forms of columns.

use duet_core::id::Column;
use duet_core::spec::{Canon, ColumnSpec};
use duet_core::stamp::Stamp;
use duet_core::value::ValueType;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Carries the id of the intent that wrote the record last.
pub(crate) const MARKER: &str = "Duet_Write__c";
/// Carries the id of the link: duet's own unique key.
pub(crate) const KEY: &str = "Duet_Key__c";

/// Letters of either, as written.
const ID_LENGTH: u32 = 36;

/// The describe answer of an object, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Object {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) createable: bool,
    #[serde(default)]
    pub(crate) updateable: bool,
    #[serde(default)]
    pub(crate) deletable: bool,
    #[serde(default)]
    pub(crate) queryable: bool,
    pub(crate) fields: Vec<Field>,
}

/// One field of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Field {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    nillable: bool,
    createable: bool,
    updateable: bool,
    defaulted_on_create: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    length: u32,
    precision: u32,
    scale: u32,
    digits: u32,
    restricted_picklist: bool,
    picklist_values: Vec<Choice>,
    pub(crate) reference_to: Vec<String>,
    pub(crate) relationship_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Choice {
    value: String,
    #[serde(default)]
    active: bool,
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// Whether writes may leave their intent's id here; else they must not carry it.
    pub(crate) fn has_marker(&self) -> bool {
        self.field(MARKER).is_some_and(Field::takes_ids_of_ours)
    }

    /// Whether duet's own key may carry a create here: it must be unique, or it makes nothing so.
    pub(crate) fn has_key(&self) -> bool {
        self.field(KEY).is_some_and(|field| field.unique && field.takes_ids_of_ours())
    }

    /// The parent object behind a relationship, where it is one only.
    pub(crate) fn parent(&self, relationship: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let field = fields.find(|it| it.relationship_name.as_deref() == Some(relationship))?;
        match field.reference_to.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Every field that holds a value.
    pub(crate) fn columns(&self) -> BTreeMap<Column, ColumnSpec> {
        let specs = self.fields.iter().filter_map(|field| Some((field, field.spec()?)));
        specs.map(|(field, spec)| (Column::new(field.name.clone()), spec)).collect()
    }

    /// Unique fields that may carry a create; duet's own key stands apart.
    pub(crate) fn unique(&self) -> Vec<Column> {
        let fields = self.fields.iter().filter(|field| field.unique && field.createable);
        fields.filter(|field| field.name != KEY).map(|it| Column::new(it.name.clone())).collect()
    }
}

impl Field {
    /// Whether the values are record ids.
    pub(crate) fn holds_ids(&self) -> bool {
        matches!(self.kind.as_str(), "id" | "reference")
    }

    /// Whether this user may write ids of duet's own into it: free text that is long enough.
    fn takes_ids_of_ours(&self) -> bool {
        self.spec().is_some_and(|spec| {
            let free = spec.kind == ValueType::Text && spec.allowed.is_none();
            let fits = spec.max_length.is_none_or(|length| length >= ID_LENGTH);
            spec.createable && spec.updateable && free && fits
        })
    }

    /// The canonical form; `None` for compounds and blobs, which are no values.
    pub(crate) fn spec(&self) -> Option<ColumnSpec> {
        let kind = self.value_type()?;
        let decimal = kind == ValueType::Decimal;
        let length = (kind == ValueType::Text && self.length > 0).then_some(self.length);
        Some(ColumnSpec {
            kind,
            nullable: self.nillable || self.is_filled_by_the_side(),
            max_length: length,
            scale: decimal.then_some(self.scale),
            precision: (decimal && self.precision > 0).then_some(self.precision),
            range: (kind == ValueType::Integer).then(|| self.range()),
            allowed: self.restricted_picklist.then(|| self.choices()),
            createable: self.createable,
            updateable: self.updateable,
            canon: self.canon(kind),
        })
    }

    /// Not required on a create although it never is null: the side fills it in.
    fn is_filled_by_the_side(&self) -> bool {
        !self.nillable && self.defaulted_on_create && self.kind != "boolean"
    }

    fn value_type(&self) -> Option<ValueType> {
        Some(match self.kind.as_str() {
            "int" | "long" => ValueType::Integer,
            "double" | "currency" | "percent" => ValueType::Decimal,
            "boolean" => ValueType::Boolean,
            "date" => ValueType::Date,
            "datetime" => ValueType::Instant,
            "multipicklist" => ValueType::Set,
            "base64" | "address" | "location" | "complexvalue" => return None,
            // Everything else is text on the wire, types that don't exist yet among them.
            _ => ValueType::Text,
        })
    }

    fn canon(&self, kind: ValueType) -> Canon {
        let text = kind == ValueType::Text;
        Canon {
            trim: text,
            empty_is_null: text,
            line_ends: self.kind == "textarea",
            scale: (kind == ValueType::Decimal).then_some(self.scale),
            instant_grain_us: (kind == ValueType::Instant).then_some(Stamp::SECOND),
            ..Canon::default()
        }
    }

    fn range(&self) -> (i64, i64) {
        if self.kind == "long" {
            return (i64::MIN, i64::MAX);
        }
        let most = 10_i64.checked_pow(self.digits).filter(|_| (1..10).contains(&self.digits));
        most.map_or((i64::from(i32::MIN), i64::from(i32::MAX)), |most| (1 - most, most - 1))
    }

    fn choices(&self) -> Vec<String> {
        let active = self.picklist_values.iter().filter(|choice| choice.active);
        active.map(|choice| choice.value.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(field: serde_json::Value) -> Option<ColumnSpec> {
        serde_json::from_value::<Field>(field).unwrap().spec()
    }

    #[test]
    fn every_type_has_its_canonical_form() {
        let kinds = [
            ("string", ValueType::Text),
            ("picklist", ValueType::Text),
            ("reference", ValueType::Text),
            ("int", ValueType::Integer),
            ("double", ValueType::Decimal),
            ("currency", ValueType::Decimal),
            ("percent", ValueType::Decimal),
            ("boolean", ValueType::Boolean),
            ("date", ValueType::Date),
            ("datetime", ValueType::Instant),
            ("multipicklist", ValueType::Set),
            ("a new type", ValueType::Text),
        ];
        for (name, kind) in kinds {
            assert_eq!(spec(json!({ "type": name })).unwrap().kind, kind, "{name}");
        }
        for name in ["address", "location", "base64", "complexvalue"] {
            assert_eq!(spec(json!({ "type": name })), None, "{name}");
        }
    }

    #[test]
    fn ids_of_ours_go_where_they_can_be_written_whole() {
        let object = |field: serde_json::Value| {
            let mut object = json!({ "name": "A", "fields": [field] });
            object["fields"][0]["name"] = json!(KEY);
            let key = serde_json::from_value::<Object>(object.clone()).unwrap().has_key();
            object["fields"][0]["name"] = json!(MARKER);
            (serde_json::from_value::<Object>(object).unwrap().has_marker(), key)
        };
        let good = json!({ "type": "string", "length": 36, "createable": true,
            "updateable": true, "unique": true });
        assert_eq!(object(good.clone()), (true, true));
        let wrong = [
            ("length", json!(35)),
            ("createable", json!(false)),
            ("updateable", json!(false)),
            ("type", json!("double")),
            ("restrictedPicklist", json!(true)),
        ];
        for (property, value) in wrong {
            let mut field = good.clone();
            field[property] = value;
            assert_eq!(object(field), (false, false), "{property}");
        }
        let mut twice = good;
        twice["unique"] = json!(false);
        assert_eq!(object(twice), (true, false));
    }

    #[test]
    fn limits_are_taken_over() {
        let money = json!({ "type": "currency", "precision": 18, "scale": 2, "nillable": true });
        let money = spec(money).unwrap();
        assert_eq!((money.precision, money.scale, money.canon.scale), (Some(18), Some(2), Some(2)));
        let count = spec(json!({ "type": "int", "digits": 8 })).unwrap();
        assert_eq!(count.range, Some((-99_999_999, 99_999_999)));
        let area = spec(json!({ "type": "textarea", "length": 4000 })).unwrap();
        assert_eq!((area.max_length, area.canon.line_ends), (Some(4000), true));
        assert!(area.canon.trim && area.canon.empty_is_null && !area.nullable);
        let choice = spec(json!({ "type": "picklist", "restrictedPicklist": true,
            "picklistValues": [{ "value": "a", "active": true }, { "value": "b" }] }));
        assert_eq!(choice.unwrap().allowed, Some(vec!["a".to_owned()]));
        let flag = json!({ "type": "boolean", "defaultedOnCreate": true });
        assert!(!spec(flag).unwrap().nullable, "a flag is never null");
        let owner = json!({ "type": "reference", "defaultedOnCreate": true });
        assert!(spec(owner).unwrap().nullable);
    }
}
