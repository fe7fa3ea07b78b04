//! How values of a field translate: `split`, `transform`, `map`, `type`, in this order on the way
//! to the neutral form. The neutral values of a map are the right side's.

use crate::code::Code;
use crate::keys;
use crate::section::{Reading, Section, clipped, list};
use crate::tree::{Node, Tree};
use duet_core::bind::closest;
use duet_core::side::{Both, Side};
use duet_core::spec::Transform;
use duet_core::value::{Value, ValueType};
use duet_ports::keys::Holds;

pub(crate) const TYPES: &[(&str, ValueType)] = &[
    ("text", ValueType::Text),
    ("integer", ValueType::Integer),
    ("decimal", ValueType::Decimal),
    ("boolean", ValueType::Boolean),
    ("date", ValueType::Date),
    ("instant", ValueType::Instant),
    ("set", ValueType::Set),
];

/// Decimals with so many digits, so many of them behind the point.
pub(crate) const TYPE_OF_DECIMALS: Holds =
    Holds::Form("`decimal(P,S)`", r"^decimal\(\s*\d+\s*,\s*\d+\s*\)$");

/// One step, by its name.
pub(crate) const TRANSFORM: Holds = Holds::Form(
    "`trim`, `lower`, `upper`, `round(N)`, `scale(N)`, `date`, `date(+01:00)`",
    r"^\s*(trim|lower|upper|date)\s*$|^\s*(round|scale|date)\s*\(.+\)$",
);

const TRANSFORMS: [&str; 6] = ["trim", "lower", "upper", "round", "scale", "date"];
/// Known by name, for later.
const TRANSFORMS_LATER: [&str; 1] = ["e164"];

/// The steps of both sides.
pub(crate) fn of(reading: &mut Reading<'_>, section: &Section<'_>) -> Both<Vec<Transform>> {
    let kind = section.get("type").and_then(|node| kind(reading, node));
    let split = split(reading, section, kind.map(|(kind, _)| kind));
    let named = named(reading, section);
    let map = map(reading, section);
    Both::build(|side| {
        let mut steps: Vec<Transform> = split.get(side).clone().into_iter().collect();
        steps.extend(named.get(side).iter().cloned());
        if side == Side::Left {
            steps.extend(map.clone());
        }
        if let Some((kind, digits)) = kind {
            steps.push(Transform::Cast(kind));
            steps.extend(digits.map(Transform::Round));
        }
        steps
    })
}

/// A type, and the digits of `decimal(P,S)`.
fn kind(reading: &mut Reading<'_>, node: &Node) -> Option<(ValueType, Option<u32>)> {
    let (written, text) = reading.text(node, "type")?;
    if let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == text) {
        return Some((*kind, None));
    }
    let digits = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(scale) = digits.and_then(scale_of) {
        return Some((ValueType::Decimal, Some(scale)));
    }
    let help = match closest(written, TYPES.iter().map(|(name, _)| *name)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("one of {}, \"decimal(18,2)\"", list(TYPES.iter().map(|(name, _)| *name))),
    };
    let sentence = format!("there is no type \"{}\"", clipped(written));
    reading.told(Code::UnknownType, &node.span, sentence).help = help;
    None
}

fn scale_of(digits: &str) -> Option<u32> {
    let (precision, scale) = digits.split_once(',')?;
    let precision: u32 = precision.trim().parse().ok()?;
    let scale: u32 = scale.trim().parse().ok()?;
    (scale <= precision && precision <= DIGITS_MAX).then_some(scale)
}

/// Databases end below; nobody means more.
const DIGITS_MAX: u32 = 100;

fn split(
    reading: &mut Reading<'_>,
    section: &Section<'_>,
    kind: Option<ValueType>,
) -> Both<Option<Transform>> {
    let Some(entry) = section.entry("split") else { return Both::default() };
    if kind != Some(ValueType::Set) {
        let sentence = format!("{}: `split` makes a set", section.name);
        reading.told(Code::SplitWithoutSet, &entry.key_span, sentence).help =
            "type = \"set\"".to_owned();
    }
    let Some(inner) = Section::open_node(reading, "`split`", &entry.node, keys::SIDES) else {
        return Both::default();
    };
    Both::build(|side| separator(reading, &inner, side).map(Transform::Split))
}

/// A separator may be a blank; only nothing is no separator.
fn separator(reading: &mut Reading<'_>, inner: &Section<'_>, side: Side) -> Option<String> {
    let node = inner.get(side.as_str())?;
    if let Tree::Text { value, .. } = &node.value
        && !value.is_empty()
    {
        return Some(value.clone());
    }
    reading.text(node, side.as_str()).map(|(_, value)| value.to_owned())
}

fn named(reading: &mut Reading<'_>, section: &Section<'_>) -> Both<Vec<Transform>> {
    let Some(node) = section.get("transform") else { return Both::default() };
    if !matches!(node.value, Tree::Table(_)) {
        let steps = steps(reading, node);
        return Both::new(steps.clone(), steps);
    }
    let Some(inner) = Section::open_node(reading, "`transform`", node, keys::SIDES) else {
        return Both::default();
    };
    Both::build(|side| match inner.get(side.as_str()) {
        Some(node) => steps(reading, node),
        None => Vec::new(),
    })
}

fn steps(reading: &mut Reading<'_>, node: &Node) -> Vec<Transform> {
    let Tree::List(items) = &node.value else {
        return step(reading, node).into_iter().collect();
    };
    items.iter().filter_map(|item| step(reading, item)).collect()
}

fn step(reading: &mut Reading<'_>, node: &Node) -> Option<Transform> {
    let (written, text) = reading.text(node, "transform")?;
    let (name, argument) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')').unwrap_or(""))),
        None => (text.trim(), None),
    };
    if TRANSFORMS_LATER.contains(&name) {
        let sentence = format!("the transform {name} is not supported yet");
        reading.told(Code::ValueNotSupportedYet, &node.span, sentence).help =
            format!("one of {}", list(TRANSFORMS));
        return None;
    }
    if !TRANSFORMS.contains(&name) {
        let help = match closest(name, TRANSFORMS) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("one of {}", list(TRANSFORMS)),
        };
        let sentence = format!("there is no transform \"{}\"", clipped(written));
        reading.told(Code::UnknownTransform, &node.span, sentence).help = help;
        return None;
    }
    let found = transform(name, argument);
    if found.is_none() {
        let sentence = format!("{name} can't be used in this way");
        reading.told(Code::BadArgument, &node.span, sentence).help =
            "round(2), scale(-2), date or date(+01:00); the others take nothing".to_owned();
    }
    found
}

fn transform(name: &str, argument: Option<&str>) -> Option<Transform> {
    const SHIFT_MAX: i32 = 30;
    match (name, argument.map(str::trim)) {
        ("trim", None) => Some(Transform::Trim),
        ("lower", None) => Some(Transform::Lower),
        ("upper", None) => Some(Transform::Upper),
        ("round", Some(digits)) => {
            let digits = digits.parse().ok().filter(|digits| *digits <= DIGITS_MAX)?;
            Some(Transform::Round(digits))
        }
        ("scale", Some(power)) => {
            let power: i32 = power.parse().ok()?;
            (power.unsigned_abs() <= SHIFT_MAX.unsigned_abs()).then_some(Transform::Scale(power))
        }
        ("date", None) => Some(Transform::DayOf(0)),
        ("date", Some(zone)) => offset(zone).map(Transform::DayOf),
        (_, _) => None,
    }
}

/// Seconds of `+01:00`, `-05:30`, `UTC`.
fn offset(zone: &str) -> Option<i32> {
    if zone == "UTC" {
        return Some(0);
    }
    zone.parse::<chrono::FixedOffset>().ok().map(|offset| offset.local_minus_utc())
}

/// Pairs of left value and neutral value.
fn map(reading: &mut Reading<'_>, section: &Section<'_>) -> Option<Transform> {
    let node = section.get("map")?;
    let entries = reading.entries(node, "map")?;
    if entries.is_empty() {
        reading.told(Code::EmptyValue, &node.span, "map is empty");
    }
    let mut pairs: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(left) = entry.node.plain() else {
            reading.wrong_type(&entry.node, "an entry of map", "a plain value");
            continue;
        };
        if pairs.iter().any(|(other, _)| *other == left) {
            let sentence = "two entries of `map` have this left value".to_owned();
            reading.told(Code::MapNotOneToOne, &entry.node.span, sentence);
        }
        pairs.push((left, Value::text(entry.key.clone())));
    }
    Some(Transform::Map(pairs))
}
