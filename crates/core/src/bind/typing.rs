//! Gives every field its neutral type and every written value the type of its column.

use super::{BindKind, BindPlace, Work};
use crate::cast;
use crate::id::Column;
use crate::side::{Both, Side};
use crate::spec::{ColumnSpec, FieldSpec, Mapping, MergeKind, Strategy, Transform};
use crate::transform;
use crate::value::{Value, ValueType};

/// What is wrong with a field: kind, the column, sentence, help.
struct Fault {
    kind: BindKind,
    at: Option<(Side, Column)>,
    sentence: String,
    help: Option<String>,
}

/// Settles all types.
pub(super) fn settle(work: &mut Work<'_>) {
    for index in 0..work.spec.fields.len() {
        let mut field = work.spec.fields[index].clone();
        let faults = settle_field(work, &mut field);
        let place = BindPlace::Field(field.name.clone());
        work.spec.fields[index] = field;
        for fault in faults {
            let at = fault.at.as_ref().map(|(side, column)| (*side, column));
            work.mistake(fault.kind, place.clone(), at, fault.sentence).help = fault.help;
        }
    }
    for side in Side::BOTH {
        settle_constants(work, side);
        settle_soft(work, side);
    }
}

fn settle_field(work: &Work<'_>, field: &mut FieldSpec) -> Vec<Fault> {
    let found = Both::build(|side| {
        let columns = field.columns.get(side).iter();
        let known: Option<Vec<&ColumnSpec>> =
            columns.map(|column| work.facts.get(side).columns.get(column)).collect();
        known
    });
    // An unknown column has been told of; nothing can be said about its types.
    let (Some(left), Some(right)) = (&found.left, &found.right) else { return Vec::new() };
    let known = Both::new(left.as_slice(), right.as_slice());
    let mut faults = Vec::new();
    if let Mapping::Parent { none, .. } = &mut field.mapping {
        type_nones(&field.columns, &known, none, &mut faults);
        return faults;
    }
    if left.len() != right.len() || left.is_empty() {
        faults.push(fault(
            BindKind::PartsDiffer,
            format!("{} columns on the left, {} on the right", left.len(), right.len()),
        ));
        return faults;
    }
    if let Err(fault) = settle_values(field, &known) {
        faults.push(fault);
        return faults;
    }
    type_strategy(field, &mut faults);
    faults
}

fn fault(kind: BindKind, sentence: String) -> Fault {
    Fault { kind, at: None, sentence, help: None }
}

fn type_nones(
    columns: &Both<Vec<Column>>,
    known: &Both<&[&ColumnSpec]>,
    none: &mut Both<Option<Value>>,
    faults: &mut Vec<Fault>,
) {
    for side in Side::BOTH {
        let (Some(value), [only]) = (none.get_mut(side), *known.get(side)) else { continue };
        if !retype(value, only.kind) {
            let column = columns.get(side)[0].clone();
            faults.push(mistyped("`none`", side, column, only.kind));
        }
    }
}

fn mistyped(what: &str, side: Side, column: Column, kind: ValueType) -> Fault {
    Fault {
        kind: BindKind::ValueMismatch,
        sentence: format!("{what} isn't of the type of {column}, which is {}", kind.as_str()),
        at: Some((side, column)),
        help: None,
    }
}

/// The right side's type after its steps is the neutral one; value maps on the left lead to it.
fn settle_values(field: &mut FieldSpec, known: &Both<&[&ColumnSpec]>) -> Result<(), Fault> {
    let columns = field.columns.clone();
    let Mapping::Values { kind, transforms, defaults } = &mut field.mapping else { return Ok(()) };
    let right = chain(&mut transforms.right, known.right, None, Side::Right, &columns.right)?;
    let left = chain(&mut transforms.left, known.left, Some(right), Side::Left, &columns.left)?;
    *kind = meet(left, right).ok_or_else(|| Fault {
        kind: BindKind::TypeMismatch,
        at: None,
        sentence: format!(
            "{} is {} on the left, {} is {} on the right",
            columns.left[0],
            left.as_str(),
            columns.right[0],
            right.as_str()
        ),
        help: Some("say which with `type`, or translate with `transform` or `map`".to_owned()),
    })?;
    for side in Side::BOTH {
        let Some(default) = defaults.get_mut(side) else { continue };
        let (column, known) = (&columns.get(side)[0], known.get(side)[0]);
        if !retype(default, known.kind) {
            return Err(mistyped("the default", side, column.clone(), known.kind));
        }
    }
    Ok(())
}

/// Whole numbers and decimals meet as decimals, unless one side's type was asked for.
fn meet(left: ValueType, right: ValueType) -> Option<ValueType> {
    let numbers = [ValueType::Integer, ValueType::Decimal];
    if left == right {
        return Some(left);
    }
    (numbers.contains(&left) && numbers.contains(&right)).then_some(ValueType::Decimal)
}

/// Drops steps that a side doesn't need, types its value map, and gives the type at its end. The
/// columns of a group have one type.
fn chain(
    steps: &mut Vec<Transform>,
    known: &[&ColumnSpec],
    neutral: Option<ValueType>,
    side: Side,
    columns: &[Column],
) -> Result<ValueType, Fault> {
    let first = known[0].kind;
    if let Some(place) = known.iter().position(|column| column.kind != first) {
        return Err(Fault {
            kind: BindKind::TypeMismatch,
            at: Some((side, columns[place].clone())),
            sentence: format!("{} and {} of one group differ in type", columns[0], columns[place]),
            help: None,
        });
    }
    let mut kind = first;
    let mut kept = Vec::with_capacity(steps.len());
    for mut step in std::mem::take(steps) {
        if needless(&step, kind) {
            continue;
        }
        if !transform::takes(&step, kind) {
            return Err(Fault {
                kind: BindKind::StepMismatch,
                at: Some((side, columns[0].clone())),
                sentence: format!(
                    "{} of {}, which is {}",
                    step_name(&step),
                    columns[0],
                    kind.as_str()
                ),
                help: None,
            });
        }
        if let Transform::Map(pairs) = &mut step {
            type_map(pairs, kind, neutral.unwrap_or(kind))
                .map_err(|what| mistyped(what, side, columns[0].clone(), kind))?;
        }
        kind = transform::kind_after(Some(kind), &step).unwrap_or(kind);
        kept.push(step);
    }
    *steps = kept;
    Ok(kind)
}

fn step_name(step: &Transform) -> &'static str {
    match step {
        Transform::Trim => "`trim` can't be taken",
        Transform::Lower => "`lower` can't be taken",
        Transform::Upper => "`upper` can't be taken",
        Transform::Map(_) => "`map` can't be taken",
        Transform::Scale(_) => "`scale` can't be taken",
        Transform::Split(_) => "`split` can't be taken",
        Transform::DayOf(_) => "`date` can't be taken",
        Transform::Cast(_) => "no such `type` can be made",
        Transform::Round(_) => "`round` can't be taken",
    }
}

fn needless(step: &Transform, kind: ValueType) -> bool {
    match step {
        Transform::Cast(to) => *to == kind,
        Transform::Split(_) => kind == ValueType::Set,
        Transform::DayOf(_) => kind == ValueType::Date,
        Transform::Trim
        | Transform::Lower
        | Transform::Upper
        | Transform::Map(_)
        | Transform::Scale(_)
        | Transform::Round(_) => false,
    }
}

fn type_map(
    pairs: &mut [(Value, Value)],
    side: ValueType,
    neutral: ValueType,
) -> Result<(), &'static str> {
    for (from, to) in pairs {
        if !retype(from, side) {
            return Err("an entry of `map`");
        }
        if !retype(to, neutral) {
            return Err("a right entry of `map`, or what it leads to,");
        }
    }
    Ok(())
}

/// Gives a configured value a column's type. True if it has it now.
fn retype(value: &mut Value, kind: ValueType) -> bool {
    if let Some(typed) = cast::cast(value.clone(), kind) {
        *value = typed;
        return true;
    }
    false
}

fn type_strategy(field: &mut FieldSpec, faults: &mut Vec<Fault>) {
    let Mapping::Values { kind, .. } = &field.mapping else { return };
    let kind = *kind;
    let Strategy::Merge { kind: merge, .. } = &mut field.strategy else { return };
    let mut wrong = 0;
    for value in values_of(merge) {
        wrong += usize::from(!retype(value, kind));
    }
    if wrong > 0 {
        let sentence = format!("{wrong} values of the strategy aren't {}", kind.as_str());
        faults.push(fault(BindKind::ValueMismatch, sentence));
    }
    if let Some(wanted) = wanted(merge, kind) {
        let sentence = format!("this merge combines {wanted}, the field is {}", kind.as_str());
        faults.push(fault(BindKind::TypeMismatch, sentence));
    }
}

fn values_of(merge: &mut MergeKind) -> Vec<&mut Value> {
    match merge {
        MergeKind::Counter { min, max } => min.iter_mut().chain(max.iter_mut()).collect(),
        MergeKind::Progress { path, also } => {
            let also = also.iter_mut().flat_map(|(value, from)| std::iter::once(value).chain(from));
            path.iter_mut().chain(also).collect()
        }
        MergeKind::Strictest { order } => order.iter_mut().collect(),
        MergeKind::Set | MergeKind::Max | MergeKind::Min | MergeKind::FirstNonEmpty => Vec::new(),
    }
}

/// What a merge kind combines, if the field is of another type.
fn wanted(merge: &MergeKind, kind: ValueType) -> Option<&'static str> {
    match merge {
        MergeKind::Counter { .. } => {
            let number = [ValueType::Integer, ValueType::Decimal].contains(&kind);
            (!number).then_some("numbers")
        }
        MergeKind::Set => (kind != ValueType::Set).then_some("sets"),
        MergeKind::Max
        | MergeKind::Min
        | MergeKind::Progress { .. }
        | MergeKind::Strictest { .. }
        | MergeKind::FirstNonEmpty => None,
    }
}

fn settle_constants(work: &mut Work<'_>, side: Side) {
    for (column, mut value) in work.spec.constants.get(side).clone() {
        let Some(known) = work.facts.get(side).columns.get(&column) else { continue };
        let kind = known.kind;
        if retype(&mut value, kind) {
            work.spec.constants.get_mut(side).insert(column, value);
        } else {
            let fault = mistyped("the constant", side, column.clone(), kind);
            let at = Some((side, &column));
            work.mistake(BindKind::ValueMismatch, BindPlace::Constants(side), at, fault.sentence);
        }
    }
}

/// `now` in a column of times stays as it is: the connector writes its own time.
fn settle_soft(work: &mut Work<'_>, side: Side) {
    let Some((column, mut value)) = work.spec.ends.get(side).soft.clone() else { return };
    let Some(known) = work.facts.get(side).columns.get(&column) else { return };
    let kind = known.kind;
    let times = [ValueType::Instant, ValueType::Date];
    if value == Value::text("now") && times.contains(&kind) {
        return;
    }
    if retype(&mut value, kind) {
        work.spec.ends.get_mut(side).soft = Some((column, value));
    } else {
        let fault = mistyped("the value", side, column.clone(), kind);
        let at = Some((side, &column));
        work.mistake(BindKind::ValueMismatch, BindPlace::Soft(side), at, fault.sentence);
    }
}
