//! Reads a JSON body into typed cells: names, types, rights, references by external id.

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};
use serde_json::{Map, Value};

use super::Org;
use crate::{
    cell::{Cell, parse_date, parse_instant},
    clock::whole_second,
    error::ApiError,
    ids::Id,
    schema::{Field, Kind, Object},
};

/// Given values by place of their field.
pub(crate) type Fields = Vec<(usize, Cell)>;

/// What the values are for: it decides which fields may be given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Create,
    Update,
}

impl Org {
    /// Reads the values of a body for an object. `attributes` is ignored.
    pub(super) fn read(
        &self,
        object: usize,
        body: &Map<String, Value>,
        wanted: Use,
        now_ms: i64,
    ) -> Result<Fields, ApiError> {
        let one = self.object(object);
        let mut given = Fields::with_capacity(body.len());
        let mut closed = Vec::new();
        for (name, value) in body.iter().filter(|(name, _)| *name != "attributes") {
            if let (Some(place), Value::Object(parent)) = (one.relationship(name), value) {
                let field = &one.fields[place];
                if writable(field, wanted) {
                    given.push((place, self.parent_id(field, parent, now_ms)?));
                } else {
                    closed.push(field.name.clone());
                }
                continue;
            }
            let place = one.find(name).ok_or_else(|| no_column(one, name))?;
            let field = &one.fields[place];
            if !writable(field, wanted) {
                closed.push(field.name.clone());
            } else {
                given.push((place, coerce(field, value)?));
            }
        }
        if closed.is_empty() { Ok(given) } else { Err(not_writable(&closed)) }
    }

    /// The id of the parent that `{"Ext__c": "A-1"}` stands for.
    fn parent_id(
        &self,
        field: &Field,
        body: &Map<String, Value>,
        now_ms: i64,
    ) -> Result<Cell, ApiError> {
        let object = self.schema.target(field).expect("references are checked on loading");
        let one = self.object(object);
        let mut keys = body.iter().filter(|(name, _)| *name != "attributes");
        let (Some((name, value)), None) = (keys.next(), keys.next()) else {
            let text = format!("Exactly one external ID field is needed for {}", field.name);
            return Err(ApiError::bad("INVALID_FIELD", text));
        };
        let place = one.find(name).filter(|at| one.fields[*at].id_lookup());
        let place = place.ok_or_else(|| no_column(one, name))?;
        let wanted = coerce(&one.fields[place], value)?;
        if let Cell::Id(id) = wanted {
            return Ok(Cell::Id(id));
        }
        match self.matching(object, place, &wanted, now_ms).as_slice() {
            [id] => Ok(Cell::Id(*id)),
            [] => Err(no_parent(one, place, &wanted)),
            [..] => Err(ApiError::bad("DUPLICATE_EXTERNAL_ID", "several parents match").on(name)),
        }
    }
}

fn no_parent(object: &Object, place: usize, wanted: &Cell) -> ApiError {
    let shown = wanted.text().unwrap_or_default();
    let field = &object.fields[place].name;
    let text = format!(
        "Foreign key external ID: {} not found for field {field} in entity {}",
        shown.to_lowercase(),
        object.name
    );
    ApiError::bad("INVALID_FIELD", text).on(field)
}

fn no_column(object: &Object, name: &str) -> ApiError {
    let shown: String = name.chars().take(80).collect();
    let text = format!("No such column '{shown}' on sobject of type {}", object.name);
    ApiError { spoils_the_call: true, ..ApiError::bad("INVALID_FIELD", text) }
}

fn writable(field: &Field, wanted: Use) -> bool {
    match wanted {
        Use::Create => field.createable,
        Use::Update => field.updateable,
    }
}

fn not_writable(names: &[String]) -> ApiError {
    let text = format!(
        "Unable to create/update fields: {}. Please check the security settings of this field \
         and verify that it is read/write for your profile or permission set.",
        names.join(", ")
    );
    let error = ApiError::bad("INVALID_FIELD_FOR_INSERT_UPDATE", text);
    names.iter().fold(error, |error, name| error.on(name))
}

/// A JSON value as a cell of this field's type.
pub(crate) fn coerce(field: &Field, value: &Value) -> Result<Cell, ApiError> {
    match (field.kind, value) {
        (Kind::Bool, Value::Null) => {
            let text = format!("{}: value not of required type: ", field.label);
            Err(ApiError::bad("INVALID_TYPE_ON_FIELD_IN_RECORD", text).on(&field.name))
        }
        (_, Value::Null) => Ok(Cell::Null),
        (Kind::Id | Kind::Reference, Value::String(text)) => reference(field, text),
        (Kind::Bool, Value::Bool(flag)) => Ok(Cell::Bool(*flag)),
        (kind, Value::Number(number)) if kind.is_number() => {
            number_cell(field, number.as_f64().ok_or_else(|| mismatch(field, value))?)
        }
        (kind, Value::String(text)) if kind.is_text() => Ok(text_cell(field, text)),
        (_, Value::String(text)) => scalar(field, text.trim(), value),
        (_, Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(mismatch(field, value))
        }
    }
}

/// Values that arrive as text though their type is another.
fn scalar(field: &Field, text: &str, value: &Value) -> Result<Cell, ApiError> {
    if text.is_empty() && field.kind != Kind::Bool {
        return Ok(Cell::Null);
    }
    let cell = match field.kind {
        Kind::Bool => text.parse().ok().map(Cell::Bool),
        Kind::Date => parse_date(text).map(Cell::Date),
        Kind::Instant => parse_instant(text).map(whole_second).map(Cell::Instant),
        Kind::Int | Kind::Double | Kind::Currency | Kind::Percent => match text.parse() {
            Ok(number) => Some(number_cell(field, number)?),
            Err(_) => None,
        },
        Kind::Text | Kind::Area | Kind::Phone | Kind::Email | Kind::Url | Kind::Picklist => None,
        Kind::MultiPicklist | Kind::Id | Kind::Reference | Kind::Address => None,
    };
    cell.ok_or_else(|| mismatch(field, value))
}

fn reference(field: &Field, text: &str) -> Result<Cell, ApiError> {
    match text.trim() {
        "" => Ok(Cell::Null),
        text => match Id::parse(text) {
            Some(id) => Ok(Cell::Id(id)),
            None => Err(ApiError::malformed_id(&field.label, text).on(&field.name)),
        },
    }
}

fn text_cell(field: &Field, text: &str) -> Cell {
    let text = text.trim();
    match field.kind {
        _ if text.is_empty() => Cell::Null,
        Kind::Area => Cell::Text(text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n")),
        Kind::MultiPicklist => Cell::Text(in_order(field, text)),
        _ => Cell::Text(text.to_owned()),
    }
}

/// The values of a multi-select list, each once, in the order of the definition.
fn in_order(field: &Field, text: &str) -> String {
    let mut values: Vec<&str> = Vec::new();
    for value in text.split(';').map(str::trim).filter(|value| !value.is_empty()) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let place = |value: &&str| field.picklist.iter().position(|choice| choice.value == *value);
    values.sort_by_key(|value| place(value).unwrap_or(usize::MAX));
    values.join(";")
}

fn number_cell(field: &Field, number: f64) -> Result<Cell, ApiError> {
    let digits = i32::try_from(field.precision.saturating_sub(field.scale)).unwrap_or(18);
    if !number.is_finite() || number.abs() >= 10_f64.powi(digits) {
        let text = format!("{}: value outside of valid range on numeric field", field.label);
        return Err(ApiError::bad("NUMBER_OUTSIDE_VALID_RANGE", text).on(&field.name));
    }
    Ok(Cell::Number(rounded(number, field.scale)))
}

/// Rounds half up, on the decimal form: 2.675 with two places is 2.68.
pub(super) fn rounded(number: f64, scale: u32) -> f64 {
    let decimal: Option<BigDecimal> = number.to_string().parse().ok();
    decimal
        .map(|exact| exact.with_scale_round(i64::from(scale), RoundingMode::HalfUp))
        .and_then(|exact| exact.to_f64())
        .unwrap_or(number)
}

fn mismatch(field: &Field, value: &Value) -> ApiError {
    let (given, shown) = match value {
        Value::Null => ("NULL", String::new()),
        Value::Bool(_) => ("BOOLEAN", value.to_string()),
        Value::Number(_) => ("NUMBER", value.to_string()),
        Value::String(text) => ("STRING", text.chars().take(40).collect()),
        Value::Array(_) => ("ARRAY", String::new()),
        Value::Object(_) => ("OBJECT", String::new()),
    };
    let wanted = field.kind.wire();
    ApiError::parser(format!(
        "Cannot deserialize instance of {wanted} from VALUE_{given} value {shown} or request may \
         be missing a required field at [line:1, column:1]"
    ))
    .on(&field.name)
}
