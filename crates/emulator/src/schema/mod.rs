//! The objects of the org and their fields. Fixed once the emulator has started.

mod builtin;
mod describe;
mod field;
mod source;

use std::{collections::HashMap, path::Path};

pub(crate) use self::{
    builtin::{ORGANIZATION, PERSON, STANDARD_BOOK, USER},
    describe::{describe, global_entry},
    field::{Choice, Field, Kind, OnDelete},
};
use crate::error::EmulatorError;

/// Places of the system fields: the same in every object.
pub(crate) const ID: usize = 0;
pub(crate) const IS_DELETED: usize = 1;
pub(crate) const CREATED_DATE: usize = 2;
pub(crate) const CREATED_BY: usize = 3;
pub(crate) const MODIFIED_DATE: usize = 4;
pub(crate) const MODIFIED_BY: usize = 5;
pub(crate) const STAMP: usize = 6;

/// A child object's field that refers to an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child {
    pub(crate) object: usize,
    pub(crate) field: usize,
    pub(crate) on_delete: OnDelete,
}

/// One object (a table) of the org.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) label_plural: String,
    pub(crate) prefix: String,
    pub(crate) custom: bool,
    /// False for the few objects that clients may only read.
    pub(crate) writable: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) children: Vec<Child>,
    by_name: HashMap<String, usize>,
    by_relationship: HashMap<String, usize>,
}

impl Object {
    fn new(name: &str, prefix: &str) -> Self {
        let label = field::label_of(name);
        Self {
            name: name.to_owned(),
            label_plural: format!("{label}s"),
            label,
            prefix: prefix.to_owned(),
            custom: name.ends_with("__c"),
            writable: true,
            fields: field::system_fields(),
            children: Vec::new(),
            by_name: HashMap::new(),
            by_relationship: HashMap::new(),
        }
    }

    /// The place of a field, by its name in any case.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_lowercase()).copied()
    }

    /// The place of the reference field behind a parent path such as `Account`.
    pub(crate) fn relationship(&self, name: &str) -> Option<usize> {
        self.by_relationship.get(&name.to_lowercase()).copied()
    }

    fn index(&mut self) {
        for (place, field) in self.fields.iter().enumerate() {
            self.by_name.insert(field.name.to_lowercase(), place);
            if let Some(name) = field.target.as_ref().and_then(|t| t.relationship.as_ref()) {
                self.by_relationship.insert(name.to_lowercase(), place);
            }
        }
    }
}

/// All objects of the org.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) objects: Vec<Object>,
    by_name: HashMap<String, usize>,
}

impl Schema {
    /// The built-in objects and what a folder in the Salesforce source format adds to them.
    pub(crate) fn load(metadata: Option<&Path>) -> Result<Self, EmulatorError> {
        let mut objects = builtin::objects();
        if let Some(folder) = metadata {
            source::extend(&mut objects, folder)?;
        }
        Ok(Self::indexed(objects))
    }

    fn indexed(mut objects: Vec<Object>) -> Self {
        objects.iter_mut().for_each(Object::index);
        let by_name =
            objects.iter().enumerate().map(|(at, one)| (one.name.to_lowercase(), at)).collect();
        let mut schema = Self { objects, by_name };
        for (parent, child) in schema.references() {
            schema.objects[parent].children.push(child);
        }
        schema
    }

    fn references(&self) -> Vec<(usize, Child)> {
        let mut found = Vec::new();
        for (object, one) in self.objects.iter().enumerate() {
            for (field, target) in
                one.fields.iter().enumerate().filter_map(|(at, f)| Some((at, f.target.as_ref()?)))
            {
                let parent = self.find(&target.object).expect("references are checked on loading");
                found.push((parent, Child { object, field, on_delete: target.on_delete }));
            }
        }
        found
    }

    /// The place of an object, by its name in any case.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_lowercase()).copied()
    }

    /// The place of a built-in object.
    pub(crate) fn builtin(&self, name: &str) -> usize {
        self.find(name).expect("built-in objects are always there")
    }

    /// The object that a reference field points to.
    pub(crate) fn target(&self, field: &Field) -> Option<usize> {
        self.find(&field.target.as_ref()?.object)
    }
}
