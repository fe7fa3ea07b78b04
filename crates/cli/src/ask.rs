//! Questions to the person at the terminal: numbered choices, one line each, nothing redrawn. Only
//! where there is somebody to ask: both ends are terminals, and `--no-input` isn't said.

use std::io::{self, BufRead, IsTerminal, Write};

/// How often an answer that is none of the choices is asked for again.
const TRIES: usize = 3;

/// Whether somebody can be asked.
pub(crate) fn is_possible(no_input: bool) -> bool {
    !no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for one of several choices; the first is the default.
///
/// # Errors
/// When the terminal can't be read, nobody answers, or no answer was a choice.
pub(crate) fn choice<T: Copy>(question: &str, choices: &[(&str, T)]) -> io::Result<T> {
    asked(question, choices, &mut io::stdin().lock(), &mut io::stderr().lock())
}

fn asked<T: Copy>(
    question: &str,
    choices: &[(&str, T)],
    from: &mut impl BufRead,
    to: &mut impl Write,
) -> io::Result<T> {
    let numbered = choices.iter().enumerate().map(|(at, (name, _))| format!("{} {name}", at + 1));
    let numbered = numbered.collect::<Vec<_>>().join("  ");
    for _ in 0..TRIES {
        write!(to, "{question}  {numbered}  [1] > ")?;
        to.flush()?;
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            writeln!(to)?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match chosen(line.trim(), choices) {
            Some(choice) => return Ok(choice),
            None => writeln!(to, "a number from 1 to {}, or a name", choices.len())?,
        }
    }
    Err(io::ErrorKind::InvalidInput.into())
}

/// A number, a name, or nothing for the first.
fn chosen<T: Copy>(answer: &str, choices: &[(&str, T)]) -> Option<T> {
    let number = if answer.is_empty() { Some(1) } else { answer.parse::<usize>().ok() };
    let named = choices.iter().find(|(name, _)| *name == answer);
    number.and_then(|number| choices.get(number.checked_sub(1)?)).or(named).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    //! Shows what counts as an answer.

    use super::*;

    fn answered(text: &str) -> (io::Result<char>, String) {
        let mut told = Vec::new();
        let choices = [("postgres", 'p'), ("sqlite", 's')];
        let answer = asked("External system?", &choices, &mut text.as_bytes(), &mut told);
        (answer, String::from_utf8(told).expect("text"))
    }

    #[test]
    fn a_number_a_name_or_nothing_is_an_answer() {
        for (text, wanted) in [("1\n", 'p'), ("2\n", 's'), ("sqlite\n", 's'), ("\n", 'p')] {
            let (answer, told) = answered(text);
            assert_eq!(answer.ok(), Some(wanted), "{text}");
            assert_eq!(told, "External system?  1 postgres  2 sqlite  [1] > ");
        }
    }

    #[test]
    fn what_is_none_is_asked_for_again_and_not_for_ever() {
        let (answer, told) = answered("3\n2\n");
        assert_eq!(answer.ok(), Some('s'));
        assert!(told.contains("a number from 1 to 2"), "{told}");
        for text in ["", "3\n", "0\n9\nx\n1\n"] {
            assert!(answered(text).0.is_err(), "{text:?}");
        }
    }
}
