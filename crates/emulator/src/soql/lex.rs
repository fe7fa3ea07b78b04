//! Cuts a statement into tokens.

use super::error_at;
use crate::error::ApiError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, a path, a number, a date: anything without quotes.
    Word(String),
    /// A string as written between its quotes.
    Text(String),
    /// A bracket, a comma, an operator.
    Sign(&'static str),
    End,
}

/// Longer signs first.
const SIGNS: [&str; 10] = ["<=", ">=", "!=", "<>", "(", ")", ",", "=", "<", ">"];

/// All tokens, each with the byte where it starts; the last one is [`Token::End`].
pub(super) fn tokens(statement: &str) -> Result<Vec<(Token, usize)>, ApiError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(letter) = statement[at..].chars().next() {
        let start = at;
        if letter.is_whitespace() {
            at += letter.len_utf8();
            continue;
        }
        let token = if letter == '\'' {
            let text = quoted(statement, at)?;
            at += text.len() + 2;
            Token::Text(text)
        } else if let Some(sign) = SIGNS.iter().find(|sign| statement[at..].starts_with(**sign)) {
            at += sign.len();
            Token::Sign(sign)
        } else {
            let word: String = statement[at..].chars().take_while(|c| in_word(*c)).collect();
            if word.is_empty() {
                let text = format!("unexpected token: '{letter}'");
                return Err(error_at("MALFORMED_QUERY", statement, at, &text));
            }
            at += word.len();
            Token::Word(word)
        };
        found.push((token, start));
    }
    found.push((Token::End, statement.len()));
    Ok(found)
}

fn in_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_.:+-".contains(letter)
}

fn quoted(statement: &str, start: usize) -> Result<String, ApiError> {
    let mut escaped = false;
    for (at, letter) in statement[start + 1..].char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Ok(statement[start + 1..start + 1 + at].to_owned()),
            '\n' | '\r' => break,
            _ => {}
        }
    }
    Err(error_at("MALFORMED_QUERY", statement, start, "line breaks not allowed in string literals"))
}
