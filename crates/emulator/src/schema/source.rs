//! Custom objects and fields from a folder in the Salesforce source format
//! (`objects/Account/fields/Rating__c.field-meta.xml`). What the emulator can't do is an error
//! that names the file and the element: nothing is silently left out.

mod element;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::element::Source;
use super::{Choice, Field, Kind, Object, OnDelete};
use crate::{
    cell::{Cell, parse_date, parse_instant},
    error::EmulatorError,
};

/// Where a project keeps its objects, seen from the folder that is given.
const PLACES: [&str; 3] = ["objects", "main/default/objects", "force-app/main/default/objects"];

/// Adds the objects and fields of `folder`.
pub(super) fn extend(objects: &mut Vec<Object>, folder: &Path) -> Result<(), EmulatorError> {
    let root = PLACES.iter().map(|place| folder.join(place)).find(|place| place.is_dir());
    let root = root.unwrap_or_else(|| folder.join(PLACES[0]));
    let folders = entries(&root)?.into_iter().filter(|path| path.is_dir()).collect::<Vec<_>>();
    for path in &folders {
        add_object(objects, path)?;
    }
    let names: Vec<String> = objects.iter().map(|object| object.name.clone()).collect();
    for path in &folders {
        let name = file_name(path);
        let object = objects.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&name));
        let object = object.expect("added by the loop before");
        for file in field_files(path)? {
            add_field(object, &names, &file)?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EmulatorError> {
    let failed = |source| EmulatorError::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    Ok(found)
}

fn field_files(object: &Path) -> Result<Vec<PathBuf>, EmulatorError> {
    let folder = object.join("fields");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let is_field = |path: &PathBuf| file_name(path).ends_with(".field-meta.xml");
    Ok(entries(&folder)?.into_iter().filter(is_field).collect())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn add_object(objects: &mut Vec<Object>, folder: &Path) -> Result<(), EmulatorError> {
    let name = file_name(folder);
    if objects.iter().any(|object| object.name.eq_ignore_ascii_case(&name)) {
        return Ok(());
    }
    let source = Source::read(&folder.join(format!("{name}.object-meta.xml")), "CustomObject")?;
    if !name.ends_with("__c") {
        return source.refuse("CustomObject", format!("{name} is not an object of the emulator"));
    }
    let mut object = Object::new(&name, &free_prefix(objects, &name));
    object.label = source.text("label").unwrap_or(&object.label).to_owned();
    object.label_plural = source.text("pluralLabel").unwrap_or(&object.label_plural).to_owned();
    object.fields.push(Field::reference("OwnerId", "User", OnDelete::Restrict));
    object.fields.push(name_field(&source)?);
    objects.push(object);
    Ok(())
}

/// A key prefix `a00` to `azz` that depends on the name, so that it stays when others come.
fn free_prefix(objects: &[Object], name: &str) -> String {
    let digit = |n: u32| char::from_digit(n, 36).expect("below 36");
    let start = name.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte.to_ascii_lowercase()))
    });
    (0..1296)
        .map(|step| start.wrapping_add(step) % 1296)
        .map(|number| format!("a{}{}", digit(number / 36), digit(number % 36)))
        .find(|prefix| objects.iter().all(|object| object.prefix != *prefix))
        .expect("fewer objects than prefixes")
}

fn name_field(source: &Source) -> Result<Field, EmulatorError> {
    let name = Field { name_field: true, ..Field::sized("Name", Kind::Text, 80) };
    match source.inside("nameField", "type").unwrap_or("Text") {
        "Text" => Ok(name),
        "AutoNumber" => Ok(Field { auto_number: true, ..name.derived() }),
        other => source.refuse("type", format!("a name can't be {other}")),
    }
}

fn add_field(object: &mut Object, names: &[String], file: &Path) -> Result<(), EmulatorError> {
    let source = Source::read(file, "CustomField")?;
    let name = source.required("fullName")?;
    if file_name(file) != format!("{name}.field-meta.xml") {
        return source.refuse("fullName", "differs from the file's name");
    }
    let known = object.fields.iter().position(|field| field.name.eq_ignore_ascii_case(name));
    if !name.ends_with("__c") {
        return match known {
            Some(_) => Ok(()),
            None => source.refuse("fullName", "is neither a custom field nor one of the emulator"),
        };
    }
    let bare = name.trim_end_matches("__c");
    if bare.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return source.refuse("fullName", "is not a field name");
    }
    let field = field(&source, name, names)?;
    match known {
        Some(place) => object.fields[place] = field,
        None => object.fields.push(field),
    }
    Ok(())
}

fn field(source: &Source, name: &str, names: &[String]) -> Result<Field, EmulatorError> {
    let mut field = typed(source, name, names)?;
    field.label = source.text("label").unwrap_or(&field.label).to_owned();
    field.required |= source.flag("required")?;
    field.unique = source.flag("unique")?;
    field.external_id = source.flag("externalId")?;
    field.case_sensitive = source.flag("caseSensitive")?;
    let plain = matches!(field.kind, Kind::Text | Kind::Email | Kind::Double);
    if (field.unique || field.external_id) && !plain {
        return source.refuse("type", "can't be unique or an external id");
    }
    if let Some(text) = source.text("defaultValue") {
        field.default = default(source, &field, text)?;
    }
    Ok(field)
}

fn typed(source: &Source, name: &str, names: &[String]) -> Result<Field, EmulatorError> {
    let numeric = |kind| {
        let precision = source.number("precision", 18, 1, 18)?;
        let scale = source.number("scale", 0, 0, precision)?;
        Ok(Field::numeric(name, kind, precision, scale))
    };
    Ok(match source.required("type")? {
        "Text" => Field::sized(name, Kind::Text, source.length(255)?),
        "TextArea" => Field::sized(name, Kind::Area, 255),
        "LongTextArea" => Field::sized(name, Kind::Area, source.length(131_072)?),
        "Email" => Field::sized(name, Kind::Email, 80),
        "Phone" => Field::sized(name, Kind::Phone, 40),
        "Url" => Field::sized(name, Kind::Url, 255),
        "Number" => numeric(Kind::Double)?,
        "Currency" => numeric(Kind::Currency)?,
        "Percent" => numeric(Kind::Percent)?,
        "Checkbox" => Field::new(name, Kind::Bool),
        "Date" => Field::new(name, Kind::Date),
        "DateTime" => Field::new(name, Kind::Instant),
        "Picklist" => choices(source, name, Kind::Picklist, 255)?,
        "MultiselectPicklist" => choices(source, name, Kind::MultiPicklist, 4_099)?,
        "Lookup" => reference(source, name, names, false)?,
        "MasterDetail" => reference(source, name, names, true)?,
        other => return source.refuse("type", format!("{other} is not known to the emulator")),
    })
}

fn choices(source: &Source, name: &str, kind: Kind, len: u32) -> Result<Field, EmulatorError> {
    let mut field = Field::sized(name, kind, len);
    let Some(set) = source.child("valueSet") else {
        return source.refuse("valueSet", "is missing");
    };
    field.restricted = element::text(set, "restricted") == Some("true");
    let Some(definition) = element::child(set, "valueSetDefinition") else {
        return source.refuse("valueSetDefinition", "is missing (shared value sets aren't read)");
    };
    for value in element::children(definition, "value") {
        let Some(text) = element::text(value, "fullName") else {
            return source.refuse("fullName", "is missing in a value");
        };
        field.picklist.push(Choice {
            value: text.to_owned(),
            label: element::text(value, "label").unwrap_or(text).to_owned(),
            active: element::text(value, "isActive") != Some("false"),
            default: element::text(value, "default") == Some("true"),
        });
    }
    if let Some(choice) = field.picklist.iter().find(|choice| choice.default) {
        field.default = Cell::Text(choice.value.clone());
    }
    Ok(field)
}

fn reference(
    source: &Source,
    name: &str,
    names: &[String],
    master: bool,
) -> Result<Field, EmulatorError> {
    let wanted = source.required("referenceTo")?;
    let Some(object) = names.iter().find(|known| known.eq_ignore_ascii_case(wanted)) else {
        return source.refuse("referenceTo", format!("there is no object {wanted}"));
    };
    let on_delete = match source.text("deleteConstraint") {
        Some("Cascade") => OnDelete::Cascade,
        Some("Restrict") => OnDelete::Restrict,
        Some("SetNull") | None if !master => OnDelete::Clear,
        None => OnDelete::Cascade,
        Some(other) => {
            return source.refuse("deleteConstraint", format!("{other} is not possible"));
        }
    };
    let mut field = Field::reference(name, object, on_delete);
    let target = field.target.as_mut().expect("a reference has a target");
    target.master = master;
    target.child_relationship = source.text("relationshipName").map(|name| format!("{name}__r"));
    field.required = master;
    field.updateable = !master || source.flag("reparentableMasterDetail")?;
    Ok(field)
}

/// Constants only: a formula is refused.
fn default(source: &Source, field: &Field, text: &str) -> Result<Cell, EmulatorError> {
    let literal = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let cell = match field.kind {
        Kind::Bool => text.parse().ok().map(Cell::Bool),
        Kind::Int | Kind::Double | Kind::Currency | Kind::Percent => {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map(Cell::Number)
        }
        Kind::Date => parse_date(text).map(Cell::Date),
        Kind::Instant => parse_instant(text).map(Cell::Instant),
        Kind::Text | Kind::Area | Kind::Phone | Kind::Email | Kind::Url => {
            literal.map(|text| Cell::Text(text.to_owned()))
        }
        Kind::Picklist | Kind::MultiPicklist => Some(Cell::Text(literal.unwrap_or(text).into())),
        Kind::Reference | Kind::Id | Kind::Address => None,
    };
    match cell {
        Some(cell) => Ok(cell),
        None => source.refuse("defaultValue", "is not a constant of the field's type"),
    }
}

#[cfg(test)]
mod tests;
