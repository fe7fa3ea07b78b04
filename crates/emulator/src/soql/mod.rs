//! SOQL of one object and its parents: text to tree ([`parse()`]), tree to places of fields
//! ([`bind()`]), then rows ([`run`]). No sub-queries, no aggregates but `COUNT()`.

mod ast;
mod bind;
mod dates;
mod eval;
mod lex;
mod parse;
mod run;

pub(crate) use self::{
    ast::Select,
    bind::{Column, Plan, bind},
    parse::parse,
    run::{record, select},
};
use crate::error::ApiError;

/// The longest statement, in characters.
const STATEMENT_MAX: usize = 100_000;

/// An error at a byte of the statement, with the marked line that clients print.
fn error_at(code: &'static str, statement: &str, at: usize, message: &str) -> ApiError {
    let start = floor(statement, at.saturating_sub(30));
    let end = floor(statement, at.saturating_add(30));
    let here = floor(statement, at);
    let column = statement[..here].chars().count();
    let indent = " ".repeat(statement[start..here].chars().count());
    let echo = statement[start..end].replace(['\n', '\r', '\t'], " ");
    let text = format!("\n{echo}\n{indent}^\nERROR at Row:1:Column:{}\n{message}", column + 1);
    ApiError::bad(code, text)
}

fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
