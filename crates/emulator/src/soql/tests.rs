//! The parser, with right, wrong and hostile statements.

use super::{
    bind,
    eval::{Pattern, Text},
    parse,
};
use crate::{rules::Random, schema::Schema};

fn code(statement: &str) -> String {
    let schema = Schema::load(None).unwrap();
    let bound = parse(statement).and_then(|tree| bind(&schema, &tree, 0));
    bound.map_or_else(|error| error.code.into_owned(), |_| "ok".to_owned())
}

fn filter(text: &str) -> String {
    code(&format!("SELECT Id FROM Account WHERE {text}"))
}

#[test]
fn values_must_fit_their_field() {
    for right in [
        "Name = null",
        "IsDeleted = TRUE",
        "AnnualRevenue > -1.5e3",
        "CreatedDate >= LAST_N_DAYS:30",
        "CreatedDate < 2024-01-31T10:00:00.123+01:00",
        "OwnerId = '005000000000001'",
        "Name IN ('a', null)",
        "NOT NOT Name = 'a'",
        "(((Name='a')))",
        "Name='a' AND(Phone='b')",
    ] {
        assert_eq!(filter(right), "ok", "{right}");
    }
    for wrong in ["IsDeleted = 'true'", "AnnualRevenue = 'x'", "CreatedDate = 2024-01-31"] {
        assert_eq!(filter(wrong), "INVALID_FIELD", "{wrong}");
    }
    for wrong in [
        "Name",
        "Name =",
        "Name = 'a",
        "Name = a",
        "Name = 'a' Phone = 'b'",
        "Name == 'a'",
        "= 'a'",
        "Name = 'a')",
        "(Name = 'a'",
        "Name IN ()",
        "Name IN 'a'",
        "Name IN (SELECT Name FROM Contact)",
        "Name NOT LIKE 'a'",
        "Name = \"a\"",
        "Na--me = 'a'",
        "Name = LAST_N_DAYS:99999999999",
        "Name = 'a' ORDER Name",
        "Name = 'a' LIMIT -1",
        "Name = 'a' FOR UPDATE",
    ] {
        assert_eq!(filter(wrong), "MALFORMED_QUERY", "{wrong}");
    }
    assert_eq!(filter("IsDeleted > false"), "INVALID_QUERY_FILTER_OPERATOR");
    assert_eq!(filter("Name INCLUDES ('a')"), "INVALID_QUERY_FILTER_OPERATOR");
}

#[test]
fn strings_end_where_they_say() {
    let long = "ü".repeat(4_000);
    for right in [
        r"'it\'s'",
        r"'\\'",
        r#"'\"'"#,
        r"'\n\R\t\b\F'",
        r"'\%\_'",
        "'null'",
        "''",
        "'\u{0}'",
        "'💥'",
        &format!("'{long}'"),
    ] {
        assert_eq!(filter(&format!("Name = {right}")), "ok", "{right}");
    }
    for wrong in [
        r"'\'",
        r"'a\\\'",
        "'",
        "'a",
        "'a''",
        "'a' 'b'",
        "'a\nb'",
        "'a\rb'",
        "'a\\\nb'",
        r"'\u0041'",
        r"'\x'",
        r"'\ '",
        "\u{2018}a\u{2019}",
        "\"a\"",
        "`a`",
        "'a';",
        "'a' --",
        "'a' /* x */",
        &format!("'{long}ü'"),
    ] {
        assert_eq!(filter(&format!("Name = {wrong}")), "MALFORMED_QUERY", "{wrong}");
    }
}

#[test]
fn letters_are_counted_and_not_bytes() {
    let padded =
        |letter: &str, count: usize| format!("Name = 'a' OR Phone = '{}'", letter.repeat(count));
    assert_eq!(filter(&padded("é", 3_999)), "ok");
    let many = format!("SELECT Id FROM Account WHERE Name IN ({}'')", "'éé',".repeat(19_000));
    assert!(many.len() > 100_000 && many.chars().count() < 100_000);
    assert_eq!(code(&many), "ok");
}

#[test]
fn deep_and_long_statements_are_refused() {
    let deep = format!("{}Name = 'a'{}", "(".repeat(20_000), ")".repeat(20_000));
    assert_eq!(filter(&deep), "MALFORMED_QUERY");
    assert_eq!(filter(&format!("{}Name = 'a'", "NOT ".repeat(20_000))), "MALFORMED_QUERY");
    assert_eq!(filter(&format!("Name = '{}'", "x".repeat(4_001))), "MALFORMED_QUERY");
    assert_eq!(filter(&format!("Name IN ('{}')", "x','".repeat(30_000))), "MALFORMED_QUERY");
    let parents = "Parent.".repeat(6);
    assert_eq!(filter(&format!("{parents}Name = 'a'")), "MALFORMED_QUERY");
    let wide = vec!["Name = 'a'"; 5_000].join(" OR ");
    assert_eq!(filter(&wide), "ok");
}

#[test]
fn no_statement_makes_it_panic() {
    let words = [
        "SELECT",
        "Id",
        "FROM",
        "Account",
        "WHERE",
        "NOT",
        "(",
        ")",
        ",",
        "'a'",
        "'\\",
        "=",
        "IN",
        "LIKE",
        "AND",
        "OR",
        "ORDER BY",
        "LIMIT",
        "5",
        "null",
        "é",
        "\u{0}",
        "💥",
        "2024-01-31",
        "TODAY",
        "LAST_N_DAYS:3",
        "COUNT()",
        "FIELDS(",
        ".",
        "Parent.Name",
        "'%_\\%'",
        "\n",
        ":",
    ];
    let seed = 20_240_131;
    let mut random = Random(seed);
    for round in 0..20_000 {
        let length = random.next() % 16;
        let pick = |random: &mut Random| words[usize::try_from(random.next() % 33).unwrap()];
        let text: Vec<_> = (0..length).map(|_| pick(&mut random)).collect();
        let start = if round % 2 == 0 { "SELECT Id FROM Account WHERE " } else { "" };
        // Whatever it is, it is answered.
        assert!(!code_of(&format!("{start}{}", text.join(" "))).is_empty(), "seed {seed}");
    }
}

fn code_of(statement: &str) -> String {
    thread_local!(static SCHEMA: Schema = Schema::load(None).unwrap());
    SCHEMA.with(|schema| {
        let bound = parse(statement).and_then(|tree| bind(schema, &tree, 0));
        bound.map_or_else(|error| error.code.into_owned(), |_| "ok".to_owned())
    })
}

#[test]
fn patterns_match_without_blowing_up() {
    let pattern = |text: &str| Pattern::new(&text.chars().map(Text::Plain).collect::<Vec<_>>());
    for (wanted, text, expected) in [
        ("a%", "ABC", true),
        ("%c", "abc", true),
        ("a_c", "abc", true),
        ("a_c", "ac", false),
        ("%b%b%", "abcab", true),
        ("", "", true),
        ("%", "", true),
        ("_", "", false),
        ("abc", "abcd", false),
    ] {
        assert_eq!(pattern(wanted).matches(text), expected, "{wanted} {text}");
    }
    let hostile = "a%".repeat(1_900);
    assert!(!pattern(&format!("{hostile}b")).matches(&"a".repeat(30_000)));
}

#[test]
fn errors_show_the_place() {
    let error = parse("SELECT Id FROM Account WHERE ünïcode = 1").unwrap_err();
    assert!(error.message.contains("ERROR at Row:1:Column:30"), "{}", error.message);
    assert!(error.message.starts_with('\n') && error.message.contains('^'));
}
