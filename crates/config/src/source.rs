//! The text of one file: lines, columns, and what of a line may be shown. Reads no file.

/// Sections whose string values may be credentials.
const SECRET_SECTIONS: [&str; 3] = ["connections", "hub", "state"];
/// Keys of those sections that never are.
const OPEN_KEYS: [&str; 3] = ["kind", "label", "partitions"];
/// Longest line that a mistake shows.
const LINE_MAX: usize = 240;

/// A file's name, relative to the project's folder, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// Line and column of a byte, both from 1; the column counts characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |place| place + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// A line as a mistake may show it.
    #[must_use]
    pub fn shown_line(&self, line: usize) -> String {
        let Some(text) = self.text.lines().nth(line.saturating_sub(1)) else {
            return String::new();
        };
        let visible: String =
            text.chars().take(LINE_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.may_hold_secrets(line) { masked(&visible) } else { visible }
    }

    fn may_hold_secrets(&self, line: usize) -> bool {
        let above: Vec<&str> = self.text.lines().take(line).collect();
        let own = above.last().map_or("", |text| text.trim_start());
        // Keys before the first header may name a section themselves: `hub.url = …`.
        let header = above.iter().rev().find_map(|text| header(text));
        let place = header.unwrap_or(own);
        let secret = SECRET_SECTIONS.iter().any(|section| place.starts_with(section));
        let key = own.split(['=', ' ', '.', '\t']).next().unwrap_or_default();
        secret && !OPEN_KEYS.contains(&key)
    }
}

/// What a line heads, if it is a header; a line of a list may look like one.
fn header(line: &str) -> Option<&str> {
    let line = line.trim();
    let name = line.trim_start_matches('[').trim_start_matches([' ', '\t']);
    let bare = name.trim_start_matches('"');
    let listed =
        name.len() != bare.len() && !SECRET_SECTIONS.iter().any(|one| bare.starts_with(one));
    (line.starts_with('[') && bare.starts_with(|c: char| c.is_alphanumeric()) && !listed)
        .then_some(bare)
}

/// Every character inside quotes becomes a star, so that columns stay true; text that only names a
/// variable stays. A line without quotes inside such a section may be a part of a long string.
fn masked(line: &str) -> String {
    if !line.contains(['"', '\'']) {
        let bare = line.contains('=') || line.trim_start().starts_with(['[', '#', '}', ']']);
        return if bare { line.to_owned() } else { "*".repeat(line.chars().count()) };
    }
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(open) = rest.find(['"', '\'']) {
        let quote = &rest[open..=open];
        shown.push_str(&rest[..=open]);
        let inside = &rest[open + 1..];
        let close = inside.find(quote).unwrap_or(inside.len());
        let text = &inside[..close];
        let names_variable = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
        if names_variable && !text.contains(":-") {
            shown.push_str(text);
        } else {
            shown.push_str(&"*".repeat(text.chars().count()));
        }
        shown.push_str(inside.get(close..=close).unwrap_or_default());
        rest = inside.get(close + 1..).unwrap_or_default();
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, line: usize) -> String {
        Source { name: "duet.toml".to_owned(), text: text.to_owned() }.shown_line(line)
    }

    #[test]
    fn credentials_are_masked_and_variables_are_not() {
        let text = "[connections.shop]\nurl = \"postgres://u:pw@h\"\nlabel = \"Shop\"\n";
        assert_eq!(shown(text, 2), "url = \"*****************\"");
        assert_eq!(shown(text, 3), "label = \"Shop\"");
        assert_eq!(shown("[state]\nurl = \"${DB_URL}\"", 2), "url = \"${DB_URL}\"");
        assert_eq!(shown("[state]\nurl = \"${DB:-pw}\"", 2), "url = \"*********\"");
        assert_eq!(shown("hub.url = 'amqp://pw", 1), "hub.url = '*********");
        assert_eq!(shown("[connections.x]\nkey = '''\nBEGIN\n'''", 3), "*****");
        assert_eq!(shown("[connections.x]\nkeys = [\n[\"pw\"],\n\"pw\"]", 4), "\"**\"]");
        assert_eq!(shown("[flow.x]\nstate = \"a\"", 2), "state = \"a\"");
        assert_eq!(shown("[flow.x]\nname = \"a\"", 2), "name = \"a\"");
    }

    #[test]
    fn positions_count_characters() {
        let source = Source { name: String::new(), text: "ä = 1\nöö = 2".to_owned() };
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(source.text.find('2').expect("it is there")), (2, 6));
        assert_eq!(source.position(10_000), (2, 7));
    }
}
