//! Tokens to tree. Nesting is bounded: a hostile statement is refused, not followed.

use super::{
    STATEMENT_MAX,
    ast::{Expr, Item, Literal, Op, Path, Select, Sort, Statement, Test},
    error_at,
    lex::{Token, tokens},
};
use crate::{
    cell::{parse_date, parse_instant},
    error::ApiError,
};

/// Brackets and NOTs within each other.
const DEPTH_MAX: usize = 40;

/// Words that end the object's name, so that they are no alias of it.
const CLAUSES: [&str; 6] = ["WHERE", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL"];

/// Reads a statement.
pub(crate) fn parse(statement: &str) -> Result<Statement, ApiError> {
    if statement.chars().count() > STATEMENT_MAX {
        return Err(ApiError::bad(
            "MALFORMED_QUERY",
            "SOQL statements cannot be longer than 100000 characters.",
        ));
    }
    let mut parser = Parser { text: statement, tokens: tokens(statement)?, next: 0, depth: 0 };
    parser.statement()
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn statement(&mut self) -> Result<Statement, ApiError> {
        self.word("SELECT")?;
        let (select, items) = self.select()?;
        self.word("FROM")?;
        let object = self.path()?;
        let alias = self.alias();
        let filter = if self.takes("WHERE") { Some(self.any_of()?) } else { None };
        let sort = self.sort()?;
        let limit = if self.takes("LIMIT") { Some(self.count()?) } else { None };
        let offset = if self.takes("OFFSET") { self.count()? } else { 0 };
        if offset > 2_000 {
            let text = "Maximum SOQL offset allowed is 2000";
            return Err(ApiError::bad("NUMBER_OUTSIDE_VALID_RANGE", text));
        }
        if self.takes("FOR") && !(self.takes("VIEW") || self.takes("REFERENCE")) {
            return Err(self.unexpected());
        }
        if *self.peek() != Token::End {
            return Err(self.unexpected());
        }
        let text = self.text.to_owned();
        Ok(Statement { text, select, items, object, alias, filter, sort, limit, offset })
    }

    fn select(&mut self) -> Result<(Select, Vec<Item>), ApiError> {
        let mut items = Vec::new();
        loop {
            let at = self.at();
            if *self.peek() == Token::Sign("(") {
                return Err(self.error("nested queries are not known to the emulator"));
            }
            let path = self.path()?;
            if self.takes_sign("(") {
                let counts = path.parts.len() == 1 && path.parts[0].eq_ignore_ascii_case("COUNT");
                if counts && items.is_empty() && self.takes_sign(")") {
                    return Ok((Select::Count, items));
                }
                items.push(self.function(&path, at)?);
            } else {
                items.push(Item::Path(path));
            }
            if !self.takes_sign(",") {
                return Ok((Select::Rows, items));
            }
        }
    }

    fn function(&mut self, name: &Path, at: usize) -> Result<Item, ApiError> {
        let argument = self.path()?;
        let is_fields = name.parts.len() == 1 && name.parts[0].eq_ignore_ascii_case("FIELDS");
        if !is_fields || !self.takes_sign(")") {
            let text = "only COUNT() and FIELDS(…) are known to the emulator";
            return Err(error_at("MALFORMED_QUERY", self.text, at, text));
        }
        Ok(Item::Fields(argument.parts.join(".").to_uppercase(), at))
    }

    fn alias(&mut self) -> Option<String> {
        let _as = self.takes("AS");
        match self.peek().clone() {
            Token::Word(word)
                if !CLAUSES.iter().any(|clause| word.eq_ignore_ascii_case(clause)) =>
            {
                self.next += 1;
                Some(word)
            }
            Token::Word(_) | Token::Text(_) | Token::Sign(_) | Token::End => None,
        }
    }

    /// Tests joined by AND, or by OR. Both at one level need brackets.
    fn any_of(&mut self) -> Result<Expr, ApiError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("the filter is nested too deeply"));
        }
        let mut parts = vec![self.one()?];
        let joined = ["AND", "OR"].into_iter().find(|word| self.sees(word));
        while let Some(word) = joined.filter(|word| self.sees(word)) {
            self.word(word)?;
            parts.push(self.one()?);
        }
        if self.sees("AND") || self.sees("OR") {
            return Err(self.unexpected());
        }
        self.depth -= 1;
        Ok(match joined {
            Some("AND") => Expr::And(parts),
            Some(_) => Expr::Or(parts),
            None => parts.remove(0),
        })
    }

    fn one(&mut self) -> Result<Expr, ApiError> {
        if self.takes("NOT") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(self.error("the filter is nested too deeply"));
            }
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.takes_sign("(") {
            let inner = self.any_of()?;
            self.sign(")")?;
            return Ok(inner);
        }
        self.test()
    }

    fn test(&mut self) -> Result<Expr, ApiError> {
        let path = self.path()?;
        let op = self.operator()?;
        let values = match op {
            Op::In | Op::NotIn | Op::Includes | Op::Excludes => self.list()?,
            Op::Equal | Op::NotEqual | Op::Less | Op::LessEqual | Op::Greater => {
                vec![self.literal()?]
            }
            Op::GreaterEqual | Op::Like => vec![self.literal()?],
        };
        Ok(Expr::Test(Test { path, op, values }))
    }

    fn operator(&mut self) -> Result<Op, ApiError> {
        let signs = [
            ("=", Op::Equal),
            ("!=", Op::NotEqual),
            ("<>", Op::NotEqual),
            ("<=", Op::LessEqual),
            (">=", Op::GreaterEqual),
            ("<", Op::Less),
            (">", Op::Greater),
        ];
        if let Some((_, op)) = signs.into_iter().find(|(sign, _)| self.takes_sign(sign)) {
            return Ok(op);
        }
        let words = [
            ("LIKE", Op::Like),
            ("IN", Op::In),
            ("INCLUDES", Op::Includes),
            ("EXCLUDES", Op::Excludes),
        ];
        if let Some((_, op)) = words.into_iter().find(|(word, _)| self.takes(word)) {
            return Ok(op);
        }
        if self.takes("NOT") && self.takes("IN") {
            return Ok(Op::NotIn);
        }
        Err(self.unexpected())
    }

    fn list(&mut self) -> Result<Vec<Literal>, ApiError> {
        self.sign("(")?;
        if self.sees("SELECT") {
            return Err(self.error("nested queries are not known to the emulator"));
        }
        let mut values = vec![self.literal()?];
        while self.takes_sign(",") {
            values.push(self.literal()?);
        }
        self.sign(")")?;
        Ok(values)
    }

    fn literal(&mut self) -> Result<Literal, ApiError> {
        let literal = match self.peek() {
            Token::Text(text) if text.chars().count() > 4_000 => {
                return Err(self.error("a string in a filter can't be longer than 4000 characters"));
            }
            Token::Text(text) => Some(Literal::Text(text.clone())),
            Token::Word(word) => bare(word),
            Token::Sign(_) | Token::End => None,
        };
        let literal = literal.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(literal)
    }

    fn sort(&mut self) -> Result<Vec<Sort>, ApiError> {
        let mut sort = Vec::new();
        if !self.takes("ORDER") {
            return Ok(sort);
        }
        self.word("BY")?;
        loop {
            let path = self.path()?;
            let descending = !self.takes("ASC") && self.takes("DESC");
            let mut nulls_last = false;
            if self.takes("NULLS") {
                nulls_last = self.takes("LAST");
                if !nulls_last {
                    self.word("FIRST")?;
                }
            }
            sort.push(Sort { path, descending, nulls_last });
            if !self.takes_sign(",") {
                return Ok(sort);
            }
        }
    }

    fn count(&mut self) -> Result<usize, ApiError> {
        let number = match self.peek() {
            Token::Word(word) => word.parse().ok(),
            Token::Text(_) | Token::Sign(_) | Token::End => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(number)
    }

    fn path(&mut self) -> Result<Path, ApiError> {
        let Token::Word(word) = self.peek().clone() else { return Err(self.unexpected()) };
        let parts: Vec<_> = word.split('.').map(str::to_owned).collect();
        let starts = |part: &String| part.starts_with(|c: char| c.is_ascii_alphabetic());
        let plain = |part: &String| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !parts.iter().all(|part| starts(part) && plain(part)) {
            return Err(self.unexpected());
        }
        let at = self.at();
        self.next += 1;
        Ok(Path { at, parts })
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    fn sees(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.sees(word);
        self.next += usize::from(found);
        found
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> Result<(), ApiError> {
        if self.takes(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn sign(&mut self, sign: &str) -> Result<(), ApiError> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> ApiError {
        let token = match self.peek() {
            Token::Word(text) | Token::Text(text) => text.chars().take(60).collect::<String>(),
            Token::Sign(sign) => (*sign).to_owned(),
            Token::End => "<EOF>".to_owned(),
        };
        self.error(&format!("unexpected token: '{token}'"))
    }

    fn error(&self, message: &str) -> ApiError {
        error_at("MALFORMED_QUERY", self.text, self.at(), message)
    }
}

/// A value without quotes.
fn bare(word: &str) -> Option<Literal> {
    let lower = word.to_lowercase();
    match lower.as_str() {
        "null" => return Some(Literal::Null),
        "true" => return Some(Literal::Bool(true)),
        "false" => return Some(Literal::Bool(false)),
        _ => {}
    }
    if let Some(date) = parse_date(word) {
        return Some(Literal::Date(date));
    }
    if let Some(at) = parse_instant(word) {
        return Some(Literal::Instant(at));
    }
    if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        return number.map(Literal::Number);
    }
    let (name, number) = match word.split_once(':') {
        Some((name, number)) => (name, Some(number.parse().ok()?)),
        None => (word, None),
    };
    super::dates::known(name, number).then(|| Literal::Relative(name.to_uppercase(), number))
}
