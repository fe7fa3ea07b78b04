//! Variables in string values: `${NAME}`, `${NAME:-default}`, `${file:NAME}`; nothing else.

use crate::code::Code;

/// Where variables come from.
pub(crate) struct Environment<'a> {
    /// The value of a variable.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of the file at a path that a variable named.
    pub(crate) file: &'a dyn Fn(&str) -> Option<String>,
}

/// What is wrong with a text. The sentence names variables, never their values.
pub(crate) type Trouble = (Code, String);

/// The text with its variables replaced.
pub(crate) fn interpolate(text: &str, environment: &Environment<'_>) -> Result<String, Trouble> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            return Err((Code::BadInterpolation, "`${` without `}`".to_owned()));
        };
        out.push_str(&value_of(&inside[..end], environment)?);
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn value_of(reference: &str, environment: &Environment<'_>) -> Result<String, Trouble> {
    let (source, default) = match reference.split_once(":-") {
        Some((source, default)) => (source, Some(default)),
        None => (reference, None),
    };
    let (is_file, name) = match source.strip_prefix("file:") {
        Some(name) => (true, name),
        None => (false, source),
    };
    if !is_name(name) || (is_file && default.is_some()) {
        let sentence = "`${` is followed by the name of a variable".to_owned();
        return Err((Code::BadInterpolation, sentence));
    }
    let set = (environment.variable)(name).filter(|value| !value.is_empty());
    let Some(value) = set.or_else(|| default.map(str::to_owned)) else {
        return Err((Code::MissingVariable, format!("the variable {name} is not set")));
    };
    if !is_file {
        return Ok(value);
    }
    let text = (environment.file)(&value);
    text.map(|text| text.trim_end().to_owned()).ok_or_else(|| {
        (Code::UnreadableVariable, format!("the file that {name} names can't be read"))
    })
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, Code> {
        let variable = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "KEY" => Some("/key".to_owned()),
            "GONE" => Some("/gone".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let file = |path: &str| (path == "/key").then(|| "secret\n".to_owned());
        let environment = Environment { variable: &variable, file: &file };
        interpolate(text, &environment).map_err(|(code, _)| code)
    }

    #[test]
    fn the_three_forms() {
        assert_eq!(with("x ${A} y ${A}").as_deref(), Ok("x one y one"));
        assert_eq!(with("${B:-two:-three}").as_deref(), Ok("two:-three"));
        assert_eq!(with("${EMPTY:-two}").as_deref(), Ok("two"));
        assert_eq!(with("${B:-}").as_deref(), Ok(""));
        assert_eq!(with("${file:KEY}").as_deref(), Ok("secret"));
        assert_eq!(with("costs 5$ {A} $A").as_deref(), Ok("costs 5$ {A} $A"));
    }

    #[test]
    fn what_is_wrong() {
        assert_eq!(with("${B}"), Err(Code::MissingVariable));
        assert_eq!(with("${EMPTY}"), Err(Code::MissingVariable));
        assert_eq!(with("${A"), Err(Code::BadInterpolation));
        assert_eq!(with("${}"), Err(Code::BadInterpolation));
        assert_eq!(with("${A B}"), Err(Code::BadInterpolation));
        assert_eq!(with("${env:A}"), Err(Code::BadInterpolation));
        assert_eq!(with("${file:GONE}"), Err(Code::UnreadableVariable));
    }
}
