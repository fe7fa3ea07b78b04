//! The shop's script in SQLite's words: the same tables, keys, references and rows. Knows what this
//! one script says and nothing more of PostgreSQL.

/// An alteration puts a constraint here; SQLite has it among the columns.
const CONSTRAINT: &str = "ADD CONSTRAINT";

/// A table under way.
struct Made<'a> {
    name: &'a str,
    /// Columns, then constraints.
    parts: Vec<String>,
}

/// The script for an empty file. Declared types stay as they are: SQLite takes any.
pub(crate) fn translated(script: &str) -> String {
    let mut tables: Vec<Made<'_>> = Vec::new();
    let mut rows: Vec<String> = Vec::new();
    let plain = plain(script);
    for statement in statements(&plain) {
        if let Some(table) = statement.strip_prefix("CREATE TABLE ") {
            tables.extend(created(table));
        } else if let Some(change) = statement.strip_prefix("ALTER TABLE ONLY ") {
            alter(&mut tables, change);
        } else if statement.starts_with("INSERT INTO ") {
            rows.push(numbers(&statement.replace("'\\x'", "x''")));
        }
    }
    let tables = tables
        .iter()
        .map(|table| format!("CREATE TABLE {} (\n{}\n)", table.name, table.parts.join(",\n")));
    tables.chain(rows).collect::<Vec<_>>().join(";\n")
}

/// Without lines that are comments.
fn plain(script: &str) -> String {
    let lines = script.lines().filter(|line| !line.starts_with("--"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands between semicolons outside of quotes.
fn statements(script: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = script.split(move |letter| {
        quoted ^= letter == '\'';
        letter == ';' && !quoted
    });
    parts.map(str::trim).filter(|statement| !statement.is_empty())
}

fn created(table: &str) -> Option<Made<'_>> {
    let (name, columns) = table.split_once(" (")?;
    let columns = columns.trim().strip_suffix(')')?;
    let columns = columns.trim().split(",\n").map(|column| column.trim().to_owned());
    Some(Made { name, parts: columns.collect() })
}

fn alter(tables: &mut [Made<'_>], change: &str) {
    let Some((name, constraint)) = change.split_once(CONSTRAINT) else { return };
    let table = tables.iter_mut().find(|table| table.name == name.trim());
    if let Some(table) = table {
        table.parts.push(format!("CONSTRAINT {}", constraint.trim()));
    }
}

/// Numbers with a point are of the type `real`, which has four bytes: the server tells `32.38` of
/// `32.3800011`. SQLite's has eight, and would keep the rest.
fn numbers(statement: &str) -> String {
    let mut told = String::new();
    for (at, part) in statement.split('\'').enumerate() {
        if at > 0 {
            told.push('\'');
        }
        match at % 2 {
            0 => told.push_str(&shortened(part)),
            _ => told.push_str(part),
        }
    }
    told
}

/// Outside of quotes there are words, commas, parentheses and numbers.
fn shortened(part: &str) -> String {
    let words = part.split_inclusive([' ', ',', '(', ')']);
    let shorten = |word: &str| {
        let number = word.trim_end_matches([' ', ',', '(', ')']);
        let short = number.contains('.').then(|| number.parse::<f32>().ok()).flatten();
        match short {
            Some(short) => word.replacen(number, &short.to_string(), 1),
            None => word.to_owned(),
        }
    };
    words.map(shorten).collect()
}

#[cfg(test)]
mod tests {
    //! Shows each kind of statement; that the rows are the same is shown on the whole script.

    use super::*;

    #[test]
    fn constraints_go_among_the_columns() {
        let script = "SET x = 1;\n-- a; b\nCREATE TABLE a (\n    b real NOT NULL,\n    c text\n);
            INSERT INTO a VALUES (1, 'x');
            ALTER TABLE ONLY a\n    ADD CONSTRAINT k PRIMARY KEY (b);";
        assert_eq!(
            translated(script),
            "CREATE TABLE a (\nb real NOT NULL,\nc text,\nCONSTRAINT k PRIMARY KEY (b)\n);\n\
             INSERT INTO a VALUES (1, 'x')"
        );
    }

    #[test]
    fn only_numbers_outside_of_quotes_are_shortened() {
        let row = "INSERT INTO a VALUES (32.3800011, 'it''s 32.3800011; (1.0)', 5, 0.0500000007)";
        let told = "INSERT INTO a VALUES (32.38, 'it''s 32.3800011; (1.0)', 5, 0.05)";
        assert_eq!(numbers(row), told);
        assert_eq!(statements(row).count(), 1);
        let bytes = "INSERT INTO a VALUES (263.5, '\\x')";
        assert_eq!(numbers(bytes), bytes);
    }
}
