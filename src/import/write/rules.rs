//! One rule, as honest as what is known of its two fields allows.

use serde_json::{Map, Value};

use super::body::symbol;
use super::{Refused, Writer};
use crate::change::{Side, Sides};
use crate::import::mapping::{Direction, Row, Transform};
use crate::import::path::Target;
use crate::import::plan::Planned;
use crate::import::{MARK, Note, names, values};
use crate::schema::Field;
use crate::value::Kind;

/// A written rule and the lines above it that only dual-write needs.
pub struct Line {
    pub marks: Vec<String>,
    pub text: String,
}

/// A rule that is being put together.
pub struct Draft {
    pub left: String,
    pub right: String,
    pub direction: Direction,
    pub loses: Option<String>,
    pub clauses: Vec<String>,
    /// Some values cannot be carried: `else reject`.
    pub can_fail: bool,
}

impl Draft {
    pub fn new(left: String, right: String, direction: Direction) -> Self {
        Self { left, right, direction, loses: None, clauses: Vec::new(), can_fail: false }
    }

    pub fn text(mut self) -> String {
        let is_lossy = self.loses.is_some() && self.direction == Direction::Both;
        let arrow = if is_lossy { "<~>" } else { symbol(self.direction) };
        if let (Some(loses), true) = (&self.loses, is_lossy) {
            self.clauses.push(format!("loses {}", names::quoted(loses)));
        }
        if self.can_fail {
            self.clauses.push("else reject".to_owned());
        }
        let clauses: String = self.clauses.iter().map(|it| format!("   {it}")).collect();
        format!("{} {arrow} {}{clauses}", self.left, self.right)
    }

    /// The direction leads there.
    fn leads(&self, side: Side) -> bool {
        match side {
            Side::Left => self.direction.leads_left(),
            Side::Right => self.direction.leads_right(),
        }
    }
}

impl Writer<'_> {
    /// The rule of all rows that feed one column of Dataverse.
    pub fn rule(&mut self, rows: &[Row], is_key: bool) -> Result<Line, Refused> {
        let first = &rows[0];
        let implied = if is_key {
            self.arrow()
        } else {
            rows.iter().map(|it| it.direction).reduce(Direction::with).unwrap_or(first.direction)
        };
        let arrow = if is_key { Direction::Both } else { self.with_one_writer(rows, implied) };
        let implied = if is_key { implied } else { arrow };
        if arrow == Direction::Both && rows.iter().any(|it| it.direction != first.direction) {
            let text = format!("{}: the parts of this reference go different ways; here the whole goes both ways", first.text());
            self.notes.push(Note::warning(&self.map.mapping.identity(), Some(first.number), text));
        }
        let text = match &first.right {
            Some(Target::Column(column)) => self.field_rule(first, column, arrow, is_key)?,
            Some(target @ (Target::Lookup { .. } | Target::Several { .. })) => self.reference_rule(rows, target, arrow)?,
            None => return Err(self.refuse(first, "it names no column of Dataverse")),
        };
        let rows: Vec<&Row> = rows.iter().collect();
        Ok(Line { marks: self.marks(&rows, implied), text })
    }

    /// A field of Finance & Operations that another row writes already, or that names the row, is not written by this one.
    fn with_one_writer(&mut self, rows: &[Row], direction: Direction) -> Direction {
        if direction != Direction::Both {
            return direction;
        }
        let own = &rows[0];
        let is_earlier = |other: &Row| {
            let is_key = other.right.as_ref().is_some_and(|it| self.map.key.iter().any(|key| key == it.column()));
            let is_same = other.right.as_ref().map(Target::column) == own.right.as_ref().map(Target::column);
            !is_same && other.direction.leads_left() && (is_key || other.number < own.number)
        };
        let is_written =
            |row: &Row| self.map.mapping.rows.iter().any(|it| it.left.eq_ignore_ascii_case(&row.left) && is_earlier(it));
        let Some(row) = rows.iter().find(|it| is_written(it)) else { return direction };
        let text = format!("{}: another row writes `{}` already, so this one goes to Dataverse only", row.text(), row.left);
        self.notes.push(Note::warning(&self.map.mapping.identity(), Some(row.number), text));
        Direction::Right
    }

    fn field_rule(&mut self, row: &Row, column: &str, direction: Direction, is_key: bool) -> Result<String, Refused> {
        let fields = self.fields(row, column)?;
        let name = |side: Side| names::written(&fields[side].name);
        let mut draft = Draft::new(name(Side::Left), name(Side::Right), direction);
        match &row.transform {
            Some(Transform::Values(_)) if !matches!(fields[Side::Left].kind, Kind::Date | Kind::DateTime) => {
                self.through_values(row, &fields, &mut draft)?;
            }
            Some(Transform::Values(_)) | None => {
                let is_compared = self.is_compared(column);
                copy(&fields, &mut draft, is_key, is_compared).map_err(|why| self.refuse(row, &why))?;
            }
            Some(Transform::Default(value)) => {
                copy(&fields, &mut draft, is_key, false).map_err(|why| self.refuse(row, &why))?;
                let side = if direction == Direction::Left { Side::Right } else { Side::Left };
                let literal = values::value(&fields[side].kind, value);
                let Some(literal) = literal.filter(|_| fields[side].nullable) else {
                    return Err(self.refuse(
                        row,
                        &format!("the default `{value}` does not fit `{}`, or that is never empty", fields[side].name),
                    ));
                };
                let end = if side == Side::Left { &mut draft.left } else { &mut draft.right };
                if side == Side::Right {
                    // The row's own default stands in the place of the zero that a copy would have.
                    end.truncate(end.find(" ?? ").unwrap_or(end.len()));
                }
                *end = format!("{end} ?? {literal}");
                draft.can_fail = false;
            }
        }
        Ok(draft.text())
    }

    /// A filter of this map or the key of another one reads the column.
    fn is_compared(&self, column: &str) -> bool {
        let table = &self.map.entities[Side::Right];
        let is_key = |it: &Planned| it.entities[Side::Right] == *table && it.key.iter().any(|it| it == column);
        let mut words = self.map.mapping.right_filter.split(|it: char| !it.is_alphanumeric() && it != '_');
        self.world.maps.iter().any(is_key) || words.any(|it| it.eq_ignore_ascii_case(column))
    }

    fn fields(&mut self, row: &Row, column: &str) -> Result<Sides<Field>, Refused> {
        let left = self.world.field(Side::Left, &self.map.entities[Side::Left], &row.left).cloned();
        let right = self.world.field(Side::Right, &self.map.entities[Side::Right], column).cloned();
        match (left, right) {
            (Some(left), Some(right)) => Ok(Sides::new(left, right)),
            (None, _) => Err(self.refuse(row, &format!("`{}` has no column `{}`", self.map.entities[Side::Left], row.left))),
            (Some(_), None) => Err(self.refuse(row, &format!("`{}` has no column `{column}`", self.map.entities[Side::Right]))),
        }
    }

    fn through_values(&mut self, row: &Row, fields: &Sides<Field>, draft: &mut Draft) -> Result<(), Refused> {
        let values = self.values;
        let Some(shared) = values.of(self.map, row) else {
            return Err(
                self.refuse(row, &format!("no pair fits `{}` and `{}`", fields[Side::Left].kind, fields[Side::Right].kind))
            );
        };
        let via = self.name_in(shared.area, &shared.name);
        draft.clauses.push(format!("via {via}"));
        if !shared.merged().is_empty() {
            draft.loses = Some(format!("which of {}", shared.confused().join(", ")));
        }
        draft.can_fail |=
            draft.leads(Side::Right) && is_open(&fields[Side::Left].kind, shared.pairs.iter().map(|it| it.left.as_str()));
        draft.can_fail |=
            draft.leads(Side::Left) && is_open(&fields[Side::Right].kind, shared.pairs.iter().map(|it| it.right.as_str()));
        let (left, right) = (&fields[Side::Left], &fields[Side::Right]);
        if draft.leads(Side::Left) && right.nullable && !left.nullable {
            match empty_value(&left.kind, &right.kind, shared) {
                Some(value) => draft.right = format!("{} ?? {value}", draft.right),
                None => draft.can_fail = true,
            }
        }
        draft.can_fail |= draft.leads(Side::Right) && left.nullable && !right.nullable;
        Ok(())
    }

    /// What the arrow of the rule does not say about its rows: other directions, and keys that are not understood.
    pub fn marks(&self, rows: &[&Row], implied: Direction) -> Vec<String> {
        let is_said = |row: &&Row| row.direction == implied && rest(row, self).is_empty();
        if rows.iter().all(is_said) {
            return Vec::new();
        }
        let line = |row: &&Row| {
            let rest = rest(row, self);
            let rest = if rest.is_empty() { String::new() } else { format!(" {}", Value::Object(rest)) };
            format!("/// {MARK} {}{rest}", row.direction.symbol())
        };
        rows.iter().map(line).collect()
    }
}

/// Keys of a row that the text has no word for.
fn rest(row: &Row, writer: &Writer<'_>) -> Map<String, Value> {
    let mut rest = row.extra.clone();
    let is_date = || {
        writer
            .world
            .field(Side::Left, &writer.map.entities[Side::Left], &row.left)
            .is_some_and(|it| matches!(it.kind, Kind::Date | Kind::DateTime))
    };
    if let Some(Transform::Values(pairs)) = &row.transform
        && is_date()
    {
        // The date that stands for none is a fact about the store, which its profile states.
        rest.insert("valueMap".to_owned(), pairs.iter().map(|(key, it)| (key.clone(), Value::String(it.clone()))).collect());
    }
    rest
}

/// More values can come than have a row.
fn is_open<'p>(kind: &Kind, mut named: impl Iterator<Item = &'p str> + Clone) -> bool {
    match kind {
        Kind::Bool => named.clone().all(|it| it != "true") || named.all(|it| it != "false"),
        Kind::Enum(set) => {
            set.open || set.members.iter().any(|member| !named.clone().any(|it| it == names::written(&member.name)))
        }
        _ => named.next().is_some(),
    }
}

/// Members that mean that nothing was chosen; Finance & Operations keeps them as zero, and has no null.
pub const NOTHING: &[&str] = &["no", "none", "notset", "blank", "unknown", "undetermined", "notapplicable"];

/// What no value on the right means on the left, written as the value of the right that stands for it.
fn empty_value(left: &Kind, right: &Kind, shared: &values::Shared) -> Option<String> {
    match (left, right) {
        (Kind::Enum(_) | Kind::Bool, Kind::Bool) => {
            let has_false = shared.pairs.iter().any(|it| it.right == "false");
            has_false.then(|| "false".to_owned())
        }
        (Kind::Enum(_), Kind::Enum(_)) => {
            let pair = shared.pairs.iter().find(|it| NOTHING.contains(&it.left.to_lowercase().as_str()));
            pair.map(|it| it.right.clone())
        }
        _ => None,
    }
}

/// A copy, with what the two kinds and the two stores make necessary.
fn copy(fields: &Sides<Field>, draft: &mut Draft, is_key: bool, is_compared: bool) -> Result<(), String> {
    let (left, right) = (&fields[Side::Left], &fields[Side::Right]);
    match (&left.kind, &right.kind) {
        (Kind::Text { max: from }, Kind::Text { max: to }) => {
            if draft.direction == Direction::Both && is_compared && !is_key {
                // Something else compares the field, so both sides are to spell it alike.
                draft.left = format!("trim({})", draft.left);
                draft.right = format!("trim({})", draft.right);
            } else if draft.direction == Direction::Both && !is_key {
                draft.clauses.push("modulo trim".to_owned());
            }
            draft.can_fail |= draft.leads(Side::Right) && longer(*from, *to);
            draft.can_fail |= draft.leads(Side::Left) && longer(*to, *from);
        }
        (Kind::Enum(a), Kind::Enum(b)) if a.members != b.members => {
            return Err(format!("`{}` and `{}` have different members, and there is no value map", left.kind, right.kind));
        }
        (a, b) if a == b => {}
        (a, b) => numbers(a, b, draft)?,
    }
    if draft.leads(Side::Left) && right.nullable && !left.nullable && !is_key {
        match zero(&right.kind) {
            Some(zero) => draft.right = format!("{} ?? {zero}", draft.right),
            None => draft.can_fail = true,
        }
    }
    draft.can_fail |= draft.leads(Side::Right) && left.nullable && !right.nullable && !is_key;
    for (from, to, side) in [(left, right, Side::Right), (right, left, Side::Left)] {
        // Finance & Operations holds a date where another system holds none, so a date there is never missing.
        let is_dated = side == Side::Left && matches!(to.kind, Kind::Date | Kind::DateTime);
        draft.can_fail |= draft.leads(side) && to.required && !from.required && !is_dated;
    }
    Ok(())
}

fn longer(from: Option<u32>, to: Option<u32>) -> bool {
    match (from, to) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(from), Some(to)) => from > to,
    }
}

fn zero(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Bool => Some("false"),
        Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64 => Some("0"),
        Kind::Text { .. }
        | Kind::Guid
        | Kind::Date
        | Kind::Time
        | Kind::DateTime
        | Kind::Binary
        | Kind::Enum(_)
        | Kind::Choices(_)
        | Kind::Lookup(_) => None,
    }
}

/// Digits before the point and after it, of an exact number.
fn digits(kind: &Kind) -> Option<(u8, u8)> {
    match kind {
        Kind::Int32 => Some((10, 0)),
        Kind::Int64 => Some((19, 0)),
        Kind::Decimal { precision, scale } => Some((precision - scale, *scale)),
        _ => None,
    }
}

fn numbers(left: &Kind, right: &Kind, draft: &mut Draft) -> Result<(), String> {
    let (Some((left_whole, left_scale)), Some((right_whole, right_scale))) = (digits(left), digits(right)) else {
        return Err(format!("`{left}` and `{right}` have no common type"));
    };
    if draft.leads(Side::Right) && left_scale > right_scale {
        draft.left = format!("round({}, {right_scale})", draft.left);
        draft.loses = Some(format!("digits after the first {right_scale} behind the point"));
    }
    if draft.leads(Side::Left) && right_scale > left_scale {
        draft.right = format!("round({}, {left_scale})", draft.right);
        draft.loses = Some(format!("digits after the first {left_scale} behind the point"));
    }
    draft.can_fail |= draft.leads(Side::Right) && left_whole >= right_whole && left != right;
    draft.can_fail |= draft.leads(Side::Left) && right_whole >= left_whole && left != right;
    Ok(())
}
