//! Reads the elements of one metadata file, by local name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use roxmltree::{Document, Node};

use crate::error::EmulatorError;

/// An element with text or children.
#[derive(Debug)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// One file, read whole.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    root: Element,
}

impl Source {
    /// Reads a file whose root element must be `root`.
    pub(super) fn read(path: &Path, root: &str) -> Result<Self, EmulatorError> {
        let failed = |source| EmulatorError::File { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        let invalid = |source| EmulatorError::Xml { path: path.to_owned(), source };
        let document = Document::parse(&text).map_err(invalid)?;
        let source = Self { path: path.to_owned(), root: copied(document.root_element()) };
        if source.root.name != root {
            return source.refuse(root, "is not the root element");
        }
        Ok(source)
    }

    /// The error that something in this file can't be used.
    pub(super) fn refuse<T>(
        &self,
        element: &str,
        reason: impl Into<String>,
    ) -> Result<T, EmulatorError> {
        let (path, element) = (self.path.clone(), element.to_owned());
        Err(EmulatorError::Metadata { path, element, reason: reason.into() })
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        child(&self.root, name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        text(&self.root, name)
    }

    pub(super) fn inside(&self, outer: &str, name: &str) -> Option<&str> {
        text(self.child(outer)?, name)
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, EmulatorError> {
        match self.text(name) {
            Some(text) => Ok(text),
            None => self.refuse(name, "is missing"),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, EmulatorError> {
        match self.text(name) {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(_) => self.refuse(name, "is neither true nor false"),
        }
    }

    pub(super) fn number(
        &self,
        name: &str,
        default: u32,
        least: u32,
        most: u32,
    ) -> Result<u32, EmulatorError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            Ok(_) | Err(_) => self.refuse(name, format!("must be {least} to {most}")),
        }
    }

    pub(super) fn length(&self, most: u32) -> Result<u32, EmulatorError> {
        self.required("length")?;
        self.number("length", most, 1, most)
    }
}

pub(super) fn children<'a>(of: &'a Element, name: &str) -> Vec<&'a Element> {
    of.children.iter().filter(|child| child.name == name).collect()
}

pub(super) fn child<'a>(of: &'a Element, name: &str) -> Option<&'a Element> {
    of.children.iter().find(|child| child.name == name)
}

pub(super) fn text<'a>(of: &'a Element, name: &str) -> Option<&'a str> {
    child(of, name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
}

fn copied(node: Node<'_, '_>) -> Element {
    Element {
        name: node.tag_name().name().to_owned(),
        text: node.text().unwrap_or_default().trim().to_owned(),
        children: node.children().filter(Node::is_element).map(copied).collect(),
    }
}
