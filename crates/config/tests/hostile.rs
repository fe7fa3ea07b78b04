//! Damaged and hostile text: mistakes with places, never a panic.

use duet_config::{Source, parse};
use proptest::prelude::*;

const WHOLE: &str = include_str!("../../../tests/northwind/duet.toml");
const FLOW: &str = include_str!("../../../tests/northwind/flows/products.toml");

fn variable(name: &str) -> Option<String> {
    Some(format!("postgres://{name}"))
}

/// Reads the text as `duet.toml` and as a file of flows; checks what is told.
fn survive(text: &str) -> Result<(), TestCaseError> {
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let alone = vec![source("duet.toml", text)];
    let beside = vec![source("duet.toml", WHOLE), source("flow.toml", text)];
    for sources in [alone, beside] {
        let Err(mistakes) = parse(sources.clone(), &variable) else { continue };
        prop_assert!(!mistakes.is_empty());
        for mistake in mistakes {
            let source = sources.iter().find(|source| source.name == mistake.file);
            let source = source.ok_or_else(|| TestCaseError::fail("a file that isn't there"))?;
            prop_assert!(mistake.span.end <= source.text.len());
            prop_assert!(mistake.line <= source.text.lines().count() + 1);
            prop_assert!(mistake.to_string().len() < 4_000);
        }
    }
    Ok(())
}

fn cut(text: &str, at: usize) -> usize {
    let mut at = at % (text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_of_any_kind(text in "\\PC{0,200}") {
        survive(&text)?;
    }

    #[test]
    fn pieces_of_toml(text in "[\\[\\]{}=.,\"'#a-z0-9\n\t ${}:\\\\-]{0,120}") {
        survive(&text)?;
    }

    #[test]
    fn a_flow_with_a_hole(from in any::<usize>(), length in 0_usize..60) {
        let start = cut(FLOW, from);
        let end = cut(FLOW, (start + length).min(FLOW.len()));
        survive(&format!("{}{}", &FLOW[..start], &FLOW[end.max(start)..]))?;
    }

    #[test]
    fn a_flow_with_something_put_in(at in any::<usize>(), what in "[\\PC\n]{0,12}") {
        let at = cut(FLOW, at);
        survive(&format!("{}{what}{}", &FLOW[..at], &FLOW[at..]))?;
    }

    #[test]
    fn a_flow_with_values_exchanged(at in 0_usize..40, with in 0_usize..8) {
        let other = ["1", "true", "\"\"", "[]", "{}", "[[1]]", "1e400", "2026-01-01"][with];
        let mut places = FLOW.match_indices(" = ").map(|(place, _)| place + 3);
        let Some(place) = places.nth(at) else { return Ok(()) };
        let rest = &FLOW[place..];
        let end = rest.find([',', '\n']).unwrap_or(rest.len());
        survive(&format!("{}{other}{}", &FLOW[..place], &rest[end..]))?;
    }
}
