//! Names to places: checks every path and value of a statement against the schema.

use std::collections::HashSet;

use super::{
    Select,
    ast::{Expr, Item, Literal, Op, Path, Statement, Test},
    dates, error_at,
    eval::{Check, Filter, Pattern, Text},
};
use crate::{
    cell::Cell,
    error::ApiError,
    ids::Id,
    org::key,
    schema::{Field, ID, Kind, Schema},
};

/// Levels of parents in a path.
const LEVELS_MAX: usize = 5;

/// A field, seen from the object of the query: the reference fields on the way, then its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) hops: Vec<usize>,
    pub(crate) field: usize,
    /// The object that the field belongs to.
    pub(crate) object: usize,
}

/// How a query sorts.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) column: Column,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

/// A statement that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) object: usize,
    pub(crate) select: Select,
    pub(crate) columns: Vec<Column>,
    pub(super) filter: Option<Filter>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// Binds a statement to the schema.
pub(crate) fn bind(schema: &Schema, statement: &Statement, now_ms: i64) -> Result<Plan, ApiError> {
    let name = statement.object.parts.join(".");
    let object = schema.find(&name).ok_or_else(|| {
        let text = format!("sObject type '{name}' is not supported. {}", advice("object", "__c"));
        error_at("INVALID_TYPE", &statement.text, statement.object.at, &text)
    })?;
    let binder = Binder { schema, statement, object, now_ms };
    let mut columns = Vec::new();
    for item in &statement.items {
        binder.item(item, &mut columns)?;
    }
    let filter = statement.filter.as_ref().map(|expr| binder.filter(expr)).transpose()?;
    let order = statement.sort.iter().map(|sort| {
        let column = binder.sortable(&sort.path)?;
        Ok(Order { column, descending: sort.descending, nulls_last: sort.nulls_last })
    });
    Ok(Plan {
        object,
        select: statement.select.clone(),
        columns,
        filter,
        order: order.collect::<Result<_, ApiError>>()?,
        limit: statement.limit,
        offset: statement.offset,
    })
}

struct Binder<'a> {
    schema: &'a Schema,
    statement: &'a Statement,
    object: usize,
    now_ms: i64,
}

impl Binder<'_> {
    fn item(&self, item: &Item, columns: &mut Vec<Column>) -> Result<(), ApiError> {
        match item {
            Item::Path(path) => {
                let column = self.column(path)?;
                if columns.contains(&column) {
                    let text = format!("duplicate field selected: {}", path.parts.join("."));
                    return Err(self.error("INVALID_FIELD", path.at, &text));
                }
                columns.push(column);
            }
            Item::Fields(which, at) => {
                if which != "STANDARD" && self.statement.limit.is_none_or(|limit| limit > 200) {
                    let text = "The SOQL FIELDS function must have a LIMIT of at most 200";
                    return Err(self.error("MALFORMED_QUERY", *at, text));
                }
                columns.extend(self.fields(which, *at)?);
            }
        }
        Ok(())
    }

    fn fields(&self, which: &str, at: usize) -> Result<Vec<Column>, ApiError> {
        let wanted = |field: &Field| match which {
            "ALL" => Some(true),
            "STANDARD" => Some(!field.custom),
            "CUSTOM" => Some(field.custom),
            _ => None,
        };
        let mut columns = Vec::new();
        for (place, field) in self.schema.objects[self.object].fields.iter().enumerate() {
            let wanted = wanted(field).ok_or_else(|| {
                self.error("MALFORMED_QUERY", at, "FIELDS takes ALL, STANDARD or CUSTOM")
            })?;
            if wanted {
                columns.push(Column { hops: Vec::new(), field: place, object: self.object });
            }
        }
        Ok(columns)
    }

    fn column(&self, path: &Path) -> Result<Column, ApiError> {
        let mut parts = path.parts.as_slice();
        let alias = self.statement.alias.as_ref();
        let own = &self.schema.objects[self.object].name;
        if let [first, rest @ ..] = parts
            && !rest.is_empty()
            && (alias.is_some_and(|alias| alias.eq_ignore_ascii_case(first))
                || first.eq_ignore_ascii_case(own) && self.relation(self.object, first).is_none())
        {
            parts = rest;
        }
        let (last, parents) = parts.split_last().expect("a path has a part");
        let mut object = self.object;
        let mut hops = Vec::new();
        for parent in parents {
            let (hop, target) = self.relation(object, parent).ok_or_else(|| {
                let text = format!(
                    "Didn't understand relationship '{parent}' in field path. {}",
                    advice("relationship", "__r")
                );
                self.error("INVALID_FIELD", path.at, &text)
            })?;
            hops.push(hop);
            object = target;
        }
        if hops.len() > LEVELS_MAX {
            let text = "SOQL statements cannot go up more than 5 levels of parents";
            return Err(self.error("MALFORMED_QUERY", path.at, text));
        }
        let one = &self.schema.objects[object];
        let field = one.find(last).ok_or_else(|| {
            let text = format!(
                "No such column '{last}' on entity '{}'. {}",
                one.name,
                advice("field", "__c")
            );
            self.error("INVALID_FIELD", path.at, &text)
        })?;
        Ok(Column { hops, field, object })
    }

    fn relation(&self, object: usize, name: &str) -> Option<(usize, usize)> {
        let one = &self.schema.objects[object];
        let hop = one.relationship(name)?;
        Some((hop, self.schema.target(&one.fields[hop])?))
    }

    fn sortable(&self, path: &Path) -> Result<Column, ApiError> {
        let column = self.column(path)?;
        if self.field(&column).filterable() {
            return Ok(column);
        }
        let text = format!("field '{}' can not be sorted in a query call", path.parts.join("."));
        Err(self.error("MALFORMED_QUERY", path.at, &text))
    }

    fn field(&self, column: &Column) -> &Field {
        &self.schema.objects[column.object].fields[column.field]
    }

    fn filter(&self, expr: &Expr) -> Result<Filter, ApiError> {
        let all =
            |parts: &[Expr]| parts.iter().map(|part| self.filter(part)).collect::<Result<_, _>>();
        Ok(match expr {
            Expr::And(parts) => Filter::All(all(parts)?),
            Expr::Or(parts) => Filter::Any(all(parts)?),
            Expr::Not(inner) => Filter::Not(Box::new(self.filter(inner)?)),
            Expr::Test(test) => self.test(test)?,
        })
    }

    fn test(&self, test: &Test) -> Result<Filter, ApiError> {
        let column = self.column(&test.path)?;
        let field = self.field(&column);
        if !field.filterable() {
            let text = format!("field '{}' can not be filtered in a query call", field.name);
            return Err(self.error("INVALID_FIELD", test.path.at, &text));
        }
        let check = match test.op {
            Op::In => self.one_of(field, test, false)?,
            Op::NotIn => self.one_of(field, test, true)?,
            Op::Includes => self.includes(field, test, false)?,
            Op::Excludes => self.includes(field, test, true)?,
            Op::Like => self.like(field, test)?,
            Op::Equal | Op::NotEqual | Op::Less => self.compare(field, test)?,
            Op::LessEqual | Op::Greater | Op::GreaterEqual => self.compare(field, test)?,
        };
        let sensitive = field.case_sensitive;
        Ok(Filter::Test { column, check, sensitive })
    }

    fn compare(&self, field: &Field, test: &Test) -> Result<Check, ApiError> {
        let [literal] = test.values.as_slice() else { return Err(self.operator(field, test)) };
        let ordered = !matches!(test.op, Op::Equal | Op::NotEqual);
        if ordered && (field.kind == Kind::Bool || field.kind == Kind::MultiPicklist) {
            return Err(self.operator(field, test));
        }
        if let Literal::Relative(name, number) = literal {
            return self.relative(field, test, name, *number);
        }
        Ok(Check::Compare(test.op, self.value(field, test, literal)?))
    }

    fn relative(
        &self,
        field: &Field,
        test: &Test,
        name: &str,
        number: Option<i64>,
    ) -> Result<Check, ApiError> {
        let (start, end) = dates::range(name, number, self.now_ms);
        let midnight = |day: chrono::NaiveDate| {
            Cell::Instant(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis())
        };
        match field.kind {
            Kind::Date => Ok(Check::Range(test.op, Cell::Date(start), Cell::Date(end))),
            Kind::Instant => Ok(Check::Range(test.op, midnight(start), midnight(end))),
            _ => Err(self.wrong_type(field, test)),
        }
    }

    fn one_of(&self, field: &Field, test: &Test, negated: bool) -> Result<Check, ApiError> {
        let mut keys = HashSet::new();
        let mut with_null = false;
        for literal in &test.values {
            match key(&self.value(field, test, literal)?, field.case_sensitive) {
                Some(key) => _ = keys.insert(key),
                None => with_null = true,
            }
        }
        Ok(Check::In { keys, with_null, negated })
    }

    fn includes(&self, field: &Field, test: &Test, negated: bool) -> Result<Check, ApiError> {
        if field.kind != Kind::MultiPicklist {
            return Err(self.operator(field, test));
        }
        let mut sets = Vec::new();
        for literal in &test.values {
            let value = self.value(field, test, literal)?;
            let parts = value.text().unwrap_or_default().split(';');
            sets.push(parts.map(|part| part.trim().to_lowercase()).collect());
        }
        Ok(Check::Includes { sets, negated })
    }

    fn like(&self, field: &Field, test: &Test) -> Result<Check, ApiError> {
        let ([Literal::Text(text)], true) = (test.values.as_slice(), field.kind.is_text()) else {
            return Err(self.operator(field, test));
        };
        let pattern = Pattern::new(&unescaped(text).ok_or_else(|| self.bad_escape(test))?);
        Ok(Check::Like(pattern))
    }

    fn value(&self, field: &Field, test: &Test, literal: &Literal) -> Result<Cell, ApiError> {
        Ok(match (field.kind, literal) {
            (_, Literal::Null) => Cell::Null,
            (Kind::Bool, Literal::Bool(flag)) => Cell::Bool(*flag),
            (kind, Literal::Number(number)) if kind.is_number() => Cell::Number(*number),
            (Kind::Date, Literal::Date(date)) => Cell::Date(*date),
            (Kind::Instant, Literal::Instant(at)) => Cell::Instant(*at),
            (Kind::Id | Kind::Reference, Literal::Text(text)) if text.is_empty() => Cell::Null,
            (Kind::Id | Kind::Reference, Literal::Text(text)) => match Id::parse(text) {
                Some(id) => Cell::Id(id),
                None => {
                    let shown: String = text.chars().take(40).collect();
                    let text = format!("invalid ID field: {shown}");
                    let code = "INVALID_QUERY_FILTER_OPERATOR";
                    return Err(self.error(code, test.path.at, &text));
                }
            },
            (kind, Literal::Text(text)) if kind.is_text() => {
                let text = unescaped(text).ok_or_else(|| self.bad_escape(test))?;
                let plain: String = text.iter().map(|letter| letter.letter()).collect();
                if plain.is_empty() { Cell::Null } else { Cell::Text(plain) }
            }
            _ => return Err(self.wrong_type(field, test)),
        })
    }

    fn wrong_type(&self, field: &Field, test: &Test) -> ApiError {
        let quoted = if field.kind.is_text() || field.id_lookup() || field.kind == Kind::Reference {
            "and should be enclosed in quotes"
        } else {
            "and should not be enclosed in quotes"
        };
        let text = format!(
            "value of filter criterion for field '{}' must be of type {} {quoted}",
            field.name,
            field.kind.wire()
        );
        self.error("INVALID_FIELD", test.path.at, &text)
    }

    fn operator(&self, field: &Field, test: &Test) -> ApiError {
        let text = format!("invalid operator on {} field: {}", field.kind.wire(), field.name);
        self.error("INVALID_QUERY_FILTER_OPERATOR", test.path.at, &text)
    }

    fn bad_escape(&self, test: &Test) -> ApiError {
        let text = "Invalid string literal. Illegal character sequence in string literal.";
        self.error("MALFORMED_QUERY", test.path.at, text)
    }

    fn error(&self, code: &'static str, at: usize, message: &str) -> ApiError {
        error_at(code, &self.statement.text, at, message)
    }
}

/// What the platform adds to an unknown name.
fn advice(what: &str, ending: &str) -> String {
    format!(
        "If you are attempting to use a custom {what}, be sure to append the '{ending}' after the \
         custom {what} name. Please reference your WSDL or the describe call for the appropriate \
         names."
    )
}

/// The letters of a string, with the escaped ones marked; nothing for an unknown escape.
fn unescaped(raw: &str) -> Option<Vec<Text>> {
    let mut letters = Vec::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(letter) = rest.next() {
        letters.push(match letter {
            '\\' => Text::Escaped(match rest.next()? {
                'n' | 'N' => '\n',
                'r' | 'R' => '\r',
                't' | 'T' => '\t',
                'b' | 'B' => '\u{8}',
                'f' | 'F' => '\u{c}',
                same @ ('\'' | '"' | '\\' | '%' | '_') => same,
                _ => return None,
            }),
            other => Text::Plain(other),
        });
    }
    Some(letters)
}

/// True if a test on this column alone can be answered by an index.
pub(super) fn is_own(column: &Column) -> bool {
    column.hops.is_empty()
}

/// True if this column is the object's own id.
pub(super) fn is_own_id(column: &Column) -> bool {
    column.hops.is_empty() && column.field == ID
}
