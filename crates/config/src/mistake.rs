//! A mistake in the configuration: where, what, and what to do. Never holds a value that came from
//! the environment; string values of sections with credentials are masked in the line shown.

use crate::code::Code;
use crate::source::Source;
use std::fmt;
use std::ops::Range;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Its code, as in `docs/reference/codes.md`.
    pub code: Code,
    /// The file, relative to the project's folder.
    pub file: String,
    /// Bytes of the file that it is about.
    pub span: Range<usize>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line, masked where it may hold a secret.
    pub source_line: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// What to do: in this case, or else in general for this code.
    pub help: String,
}

impl Mistake {
    /// A mistake at a place of a file.
    #[must_use]
    pub fn new(code: Code, source: &Source, span: Range<usize>, sentence: String) -> Mistake {
        let (line, column) = source.position(span.start);
        Mistake {
            code,
            file: source.name.clone(),
            line,
            column,
            source_line: source.shown_line(line),
            span,
            sentence,
            help: code.advice(),
        }
    }

    /// A mistake about a file that has no text to show.
    #[must_use]
    pub fn of_file(code: Code, file: impl Into<String>, sentence: String) -> Mistake {
        Mistake {
            code,
            file: file.into(),
            span: 0..0,
            line: 1,
            column: 1,
            source_line: String::new(),
            sentence,
            help: code.advice(),
        }
    }

    /// Whether the project can be used in spite of it.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.code.is_warning()
    }

    /// How many characters of the line it is about.
    fn width(&self) -> usize {
        let rest = self.source_line.chars().count().saturating_sub(self.column - 1);
        self.span.len().clamp(1, rest.max(1))
    }
}

/// Plain text, one block; the command line draws it with colours.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_warning() { "warning" } else { "error" };
        writeln!(f, "{word}[{}]: {}", self.code, self.sentence)?;
        write!(f, "  --> {}:{}:{}", self.file, self.line, self.column)?;
        let margin = " ".repeat(self.line.to_string().len());
        if !self.source_line.is_empty() {
            let before = " ".repeat(self.column - 1);
            let marks = "^".repeat(self.width());
            write!(f, "\n{} | {}", self.line, self.source_line)?;
            write!(f, "\n{margin} | {before}{marks}")?;
        }
        write!(f, "\n{margin} = help: {}", self.help)
    }
}
