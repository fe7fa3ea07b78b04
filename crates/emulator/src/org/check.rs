//! What every record must satisfy before it is saved, in the order of the platform: automation,
//! required fields, each value, references, uniqueness, validation rules.

use super::{Actor, Org, Row};
use crate::{
    cell::Cell,
    error::ApiError,
    schema::{Field, Kind},
};

impl Org {
    /// Checks the cells of a record; `before` is its last state if it has one.
    pub(super) fn check(
        &self,
        object: usize,
        cells: &mut [Cell],
        before: Option<&Row>,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        self.rewrite(object, cells);
        self.check_required(object, cells)?;
        let changed: Vec<_> = (0..cells.len())
            .filter(|place| before.is_none_or(|row| row.cells[*place] != cells[*place]))
            .filter(|place| !cells[*place].is_null())
            .collect();
        for place in &changed {
            check_value(&self.object(object).fields[*place], &cells[*place])?;
        }
        for place in &changed {
            self.check_reference(object, *place, &cells[*place], actor)?;
        }
        for place in &changed {
            self.check_unique(object, *place, &cells[*place], before)?;
        }
        if actor.person { Ok(()) } else { self.check_refusals(object, cells) }
    }

    fn rewrite(&self, object: usize, cells: &mut [Cell]) {
        let one = self.object(object);
        for rule in &self.rules.rewrites {
            let place = one.find(&rule.field);
            if let Some(place) = place.filter(|_| rule.object.eq_ignore_ascii_case(&one.name))
                && let Some(text) = cells[place].text()
            {
                cells[place] = Cell::Text(rule.apply(text));
            }
        }
    }

    fn check_required(&self, object: usize, cells: &[Cell]) -> Result<(), ApiError> {
        let fields = self.object(object).fields.iter().zip(cells);
        let missing: Vec<_> = fields
            .filter(|(field, cell)| field.required && !field.derived && cell.is_null())
            .map(|(field, _)| field.name.as_str())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!("Required fields are missing: [{}]", missing.join(", "));
        let error = ApiError::bad("REQUIRED_FIELD_MISSING", text);
        Err(missing.into_iter().fold(error, ApiError::on))
    }

    fn check_reference(
        &self,
        object: usize,
        place: usize,
        cell: &Cell,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        let field = &self.object(object).fields[place];
        let (Some(target), Some(id)) = (self.schema.target(field), cell.id()) else {
            return Ok(());
        };
        if id.prefix() != self.object(target).prefix {
            return Err(ApiError::malformed_id(&field.label, &id.to_string()).on(&field.name));
        }
        match self.view(target, id, actor.now_ms) {
            Some(row) if !row.is_deleted() => Ok(()),
            Some(_) | None => Err(ApiError::cross_reference().on(&field.name)),
        }
    }

    fn check_unique(
        &self,
        object: usize,
        place: usize,
        cell: &Cell,
        before: Option<&Row>,
    ) -> Result<(), ApiError> {
        let field = &self.object(object).fields[place];
        if !field.unique {
            return Ok(());
        }
        let own = before.map(Row::id);
        let holders = self.table(object).holders(place, cell);
        match holders.into_iter().find(|id| Some(*id) != own) {
            None => Ok(()),
            Some(other) => {
                let name = &field.name;
                let text = format!(
                    "duplicate value found: {name} duplicates value on record with id: {other}"
                );
                Err(ApiError::bad("DUPLICATE_VALUE", text))
            }
        }
    }

    fn check_refusals(&self, object: usize, cells: &[Cell]) -> Result<(), ApiError> {
        let one = self.object(object);
        for rule in &self.rules.refusals {
            let place = one.find(&rule.field);
            let place = place.filter(|_| rule.object.eq_ignore_ascii_case(&one.name));
            if place.is_some_and(|at| as_text(&cells[at], one.fields[at].kind) == rule.value) {
                let code = "FIELD_CUSTOM_VALIDATION_EXCEPTION";
                return Err(ApiError::bad(code, rule.message.clone()).on(&rule.field));
            }
        }
        Ok(())
    }
}

fn as_text(cell: &Cell, kind: Kind) -> String {
    match cell.json(kind) {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn check_value(field: &Field, cell: &Cell) -> Result<(), ApiError> {
    let Some(text) = cell.text().filter(|_| !field.derived) else { return Ok(()) };
    let most = usize::try_from(field.length).expect("lengths are small");
    if text.chars().count() > most {
        let shown: String = text.chars().take(most).collect();
        let label = &field.label;
        let text = format!("{label}: data value too large: {shown} (max length={most})");
        return Err(ApiError::bad("STRING_TOO_LONG", text).on(&field.name));
    }
    match field.kind {
        Kind::Picklist if !allowed(field, text) => Err(bad_choice(field, text)),
        Kind::MultiPicklist => match text.split(';').find(|value| !allowed(field, value)) {
            Some(value) => Err(bad_choice(field, value)),
            None => Ok(()),
        },
        Kind::Email if !is_email(text) => {
            let text = format!("{}: invalid email address: {text}", field.label);
            Err(ApiError::bad("INVALID_EMAIL_ADDRESS", text).on(&field.name))
        }
        _ => Ok(()),
    }
}

fn allowed(field: &Field, value: &str) -> bool {
    !field.restricted || field.picklist.iter().any(|choice| choice.active && choice.value == value)
}

fn bad_choice(field: &Field, value: &str) -> ApiError {
    let text = format!("{}: bad value for restricted picklist field: {value}", field.label);
    ApiError::bad("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text).on(&field.name)
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| {
        let spaced = text.chars().any(char::is_whitespace);
        !name.is_empty()
            && !spaced
            && !host.contains('@')
            && host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
    })
}
