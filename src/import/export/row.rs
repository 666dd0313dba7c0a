//! Rules as rows. A rule may be looser or safer than dual-write (`modulo trim`, `else reject`, a zero in the place of null), because
//! dual-write does as much without saying so; anything else that a row has no word for is refused.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{Ends, Exporter, Project, bare, literal, marks, set_of, single};
use crate::change::Side;
use crate::import::mapping::{Direction, Mapping, Row, Transform};
use crate::import::path::Target;
use crate::import::write::NOTHING;
use crate::schema::Field;
use crate::syntax::ast::{
    ActionKind, Arrow, BinaryOp, ClauseKind, Expr, ExprKind, MapHead, MemberKind, RowEnd, Rule, TableKey, ValueRow,
};
use crate::value::Kind;

/// Maps that lead to maps.
const DEPTH_MAX: usize = 8;

/// How a rule leads through something.
enum Via<'p> {
    Nothing,
    Values(&'p [ValueRow]),
    Map(&'p crate::syntax::ast::Map),
    Tables(&'p [TableKey]),
}

impl<'p> Exporter<'p, '_> {
    pub fn rule(&mut self, rule: &'p Rule, implied: Arrow, docs: &[String], ends: &Ends<'p>, mapping: &mut Mapping) {
        let shown = shown(rule);
        match self.rows(rule, implied, ends) {
            Ok(mut rows) => {
                if let Err(why) = apply(&marks(docs), &mut rows) {
                    self.refuse(&shown, why);
                }
                mapping.rows.append(&mut rows);
            }
            Err(why) => self.refuse(&shown, why),
        }
    }

    fn rows(&self, rule: &'p Rule, implied: Arrow, ends: &Ends<'p>) -> Result<Vec<Row>, String> {
        let direction = match implied {
            Arrow::Both | Arrow::Lossy => Direction::Both,
            Arrow::Right => Direction::Right,
            Arrow::Left => Direction::Left,
        };
        let via = self.clauses(rule)?;
        let (left_field, right_field) = (field(&rule.left, Side::Left, ends), field(&rule.right, Side::Right, ends));
        if let Some(row) = constant(rule, direction, left_field, right_field)? {
            return Ok(vec![row]);
        }
        let lefts: Vec<&Expr> = match &bare(&rule.left).kind {
            ExprKind::Tuple(parts) => parts.iter().collect(),
            _ => vec![&rule.left],
        };
        let mut row = |left: &Expr, target: Target| -> Result<Row, String> {
            let left = plain(left).ok_or("the left side is no column of Finance & Operations")?;
            Ok(Row {
                number: 0,
                direction,
                left: left.to_uppercase(),
                right: Some(target),
                related: None,
                transform: None,
                extra: Map::new(),
            })
        };
        if !matches!(via, Via::Nothing | Via::Values(_)) && lefts.iter().any(|it| !defaults(it).is_empty()) {
            return Err("a reference of dual-write has no default".to_owned());
        }
        if !matches!(via, Via::Nothing | Via::Values(_)) && !defaults(&rule.right).is_empty() {
            return Err("a reference of dual-write has no default".to_owned());
        }
        let right = plain(&rule.right).ok_or("the right side is no column of Dataverse")?.to_owned();
        match via {
            Via::Nothing => {
                let mut it = row(&rule.left, Target::Column(right))?;
                it.transform = default_of(rule, direction, left_field, right_field, None)?;
                Ok(vec![it])
            }
            Via::Values(rows) => {
                let mut it = row(&rule.left, Target::Column(right))?;
                if default_of(rule, direction, left_field, right_field, Some(rows))?.is_some() {
                    return Err("a row of dual-write has a value map or a default, not both".to_owned());
                }
                it.transform = Some(Transform::Values(pairs(rows, left_field, right_field)?));
                Ok(vec![it])
            }
            Via::Tables([one]) => {
                let keys: Vec<Vec<String>> =
                    one.columns.iter().map(|it| it.segments.iter().map(|it| it.text.clone()).collect()).collect();
                let table = &one.table.segments.last().expect("a path is never empty").text;
                references(&lefts, &right, keys, &set_of(ends.schemas[Side::Right], table), &mut row)
            }
            Via::Tables(several) => {
                let [left] = lefts.as_slice() else { return Err("several tables are told apart by one column".to_owned()) };
                let mut it = row(left, several_target(several, right)?)?;
                it.related = Some("Customer".to_owned());
                Ok(vec![it])
            }
            Via::Map(map) => {
                let keys = key_paths(self.project, map, 0)?;
                let table = right_table(map).unwrap_or_default();
                references(&lefts, &right, keys, &set_of(ends.schemas[Side::Right], table), &mut row)
            }
        }
    }

    /// Looks at the clauses of a rule, and finds what it leads through.
    fn clauses(&self, rule: &'p Rule) -> Result<Via<'p>, String> {
        let mut via = Via::Nothing;
        for clause in &rule.clauses {
            match &clause.kind {
                ClauseKind::Via(path) => {
                    let name = path.segments.last().expect("a path is never empty").text.as_str();
                    via = match (self.project.values.get(name), self.project.maps.get(name)) {
                        (Some(values), _) => Via::Values(&values.rows),
                        (None, Some(map)) => Via::Map(map),
                        (None, None) => return Err(format!("`{name}` is not among these files")),
                    };
                }
                ClauseKind::ViaTables(keys) => via = Via::Tables(keys),
                ClauseKind::ViaRows(rows) => via = Via::Values(rows),
                ClauseKind::Modulo(words) if words.iter().all(|it| it.text == "trim") => {}
                ClauseKind::Modulo(_) => {
                    return Err(
                        "dual-write compares values as they are; only blanks at the ends fall away by themselves".to_owned()
                    );
                }
                ClauseKind::Loses(_) => {}
                ClauseKind::Else { action, .. } if matches!(action.kind, ActionKind::Reject) => {}
                ClauseKind::Else { .. } => {
                    return Err("dual-write fails a row that it cannot carry; it knows no other `else` than `reject`".to_owned());
                }
                ClauseKind::OnCreate => {}
                ClauseKind::OnUpdate => return Err("dual-write has no rule for updates only".to_owned()),
                ClauseKind::OnMissing(action) if matches!(action.kind, ActionKind::Reject | ActionKind::Park) => {}
                ClauseKind::OnMissing(_) => return Err("dual-write fails a row whose reference is missing".to_owned()),
                ClauseKind::OnConflict(_) => return Err("dual-write has no policy for one column".to_owned()),
                ClauseKind::When(_) => return Err("dual-write has no conditions for single columns".to_owned()),
                ClauseKind::Split(_) => return Err("dual-write neither joins nor splits texts".to_owned()),
            }
        }
        Ok(via)
    }
}

/// `name: left <-> right` as the author would find it.
fn shown(rule: &Rule) -> String {
    let end = |it: &Expr| plain(it).map_or_else(|| "…".to_owned(), str::to_owned);
    format!("`{} {} {}`", end(&rule.left), rule.arrow.text(), end(&rule.right))
}

fn field<'p>(expr: &Expr, side: Side, ends: &Ends<'p>) -> Option<&'p Field> {
    ends.schemas[side].entities.get(ends.entities[side])?.fields.get(plain(expr)?)
}

/// The column beneath what dual-write does by itself: trimmed blanks, rounding by the store, a zero in the place of null.
fn plain(expr: &Expr) -> Option<&str> {
    match &bare(expr).kind {
        ExprKind::Path(_) => single(expr),
        ExprKind::Call { function, arguments } if matches!(function.to_string().as_str(), "trim" | "round") => {
            plain(arguments.first()?)
        }
        ExprKind::Binary { op: BinaryOp::Coalesce, left, .. } => plain(left),
        _ => None,
    }
}

/// A rule with a literal at one end.
fn constant(rule: &Rule, direction: Direction, left: Option<&Field>, right: Option<&Field>) -> Result<Option<Row>, String> {
    let row = |left: String, right: Option<Target>, value: String| Row {
        number: 0,
        direction,
        left,
        right,
        related: None,
        transform: Some(Transform::Default(value)),
        extra: Map::new(),
    };
    if matches!(bare(&rule.left).kind, ExprKind::Tuple(_)) {
        return Ok(None);
    }
    if left.is_none() && direction == Direction::Right {
        let name = single(&rule.right).ok_or("a constant goes to a column")?;
        let value =
            literal(&rule.left, right.map(|it| &it.kind)).ok_or("dual-write calculates nothing; a constant is a fixed value")?;
        return Ok(Some(row(String::new(), Some(Target::Column(name.to_owned())), value)));
    }
    if right.is_none() && direction == Direction::Left {
        let name = single(&rule.left).ok_or("a constant goes to a column")?;
        let value =
            literal(&rule.right, left.map(|it| &it.kind)).ok_or("dual-write calculates nothing; a constant is a fixed value")?;
        return Ok(Some(row(name.to_uppercase(), None, value)));
    }
    Ok(None)
}

/// What stands behind each `??` above the column that `plain` finds.
fn defaults(expr: &Expr) -> Vec<&Expr> {
    match &bare(expr).kind {
        ExprKind::Call { arguments, .. } => arguments.first().map(defaults).unwrap_or_default(),
        ExprKind::Binary { op: BinaryOp::Coalesce, left, right, .. } => {
            let mut out = defaults(left);
            out.push(right);
            out
        }
        _ => Vec::new(),
    }
}

/// The default of a row: `A ?? 5 -> b`, `A <- b ?? 5`. What dual-write puts by itself where Dataverse holds nothing is none;
/// any other is refused, for the row would be without it.
fn default_of(
    rule: &Rule,
    direction: Direction,
    left: Option<&Field>,
    right: Option<&Field>,
    values: Option<&[ValueRow]>,
) -> Result<Option<Transform>, String> {
    const FIXED: &str = "dual-write calculates nothing; a default is a fixed value";
    let known = |it: Option<&Field>, expr: &Expr| literal(expr, it.map(|it| &it.kind)).map(Transform::Default).ok_or(FIXED);
    let (on_left, on_right) = (defaults(&rule.left), defaults(&rule.right));
    if on_left.len() > 1 || on_right.len() > 1 {
        return Err("a row of dual-write has one default".to_owned());
    }
    // A field that can hold nothing is left so by dual-write itself, and the import writes such a default for a row that has it.
    let is_implied = on_right.first().is_none_or(|it| {
        let is_own = direction == Direction::Left && values.is_none() && left.is_some_and(|it| it.nullable);
        !is_own && is_nothing(it, left, right, values)
    });
    match (on_left.first(), on_right.first()) {
        (Some(_), _) if direction == Direction::Left => Err("the default of the left side is never used".to_owned()),
        (Some(it), _) if is_implied => Ok(Some(known(left, it)?)),
        (None, _) if is_implied => Ok(None),
        (None, Some(it)) if direction == Direction::Left => Ok(Some(known(right, it)?)),
        _ => Err("where Dataverse holds nothing, dual-write puts 0, no or the first member, and no other value".to_owned()),
    }
}

/// The value that Finance & Operations holds where nothing was chosen: 0, no, the first member or one that means none.
fn is_nothing(expr: &Expr, left: Option<&Field>, right: Option<&Field>, values: Option<&[ValueRow]>) -> bool {
    let member = |kind: Option<&Kind>, word: &str| match kind {
        Some(Kind::Enum(set)) => {
            set.members.first().is_some_and(|it| it.name == word) || NOTHING.contains(&word.to_lowercase().as_str())
        }
        _ => false,
    };
    match &bare(expr).kind {
        ExprKind::Bool(it) => !it,
        ExprKind::Number(digits) => digits.parse() == Ok(0.0),
        ExprKind::Path(path) => {
            let Some(word) = path.segments.last() else { return false };
            let Some(rows) = values else { return member(right.map(|it| &it.kind), &word.text) };
            rows.iter().any(|row| match (&row.left, &row.right) {
                (RowEnd::Value(from), RowEnd::Value(to)) if last(to) == Some(&word.text) => match &bare(from).kind {
                    ExprKind::Bool(it) => !it,
                    _ => last(from).is_some_and(|it| member(left.map(|it| &it.kind), it)),
                },
                _ => false,
            })
        }
        _ => false,
    }
}

/// The member that an expression names.
fn last(expr: &Expr) -> Option<&str> {
    match &bare(expr).kind {
        ExprKind::Path(path) => path.segments.last().map(|it| it.text.as_str()),
        _ => None,
    }
}

/// The dictionary of a value map: from left to right, whatever the rows' arrows.
fn pairs(rows: &[ValueRow], left: Option<&Field>, right: Option<&Field>) -> Result<IndexMap<String, String>, String> {
    let mut out = IndexMap::new();
    for row in rows {
        match (&row.left, &row.right) {
            (RowEnd::Value(from), RowEnd::Value(to)) if row.arrow != Arrow::Left => {
                let from = literal(from, left.map(|it| &it.kind)).ok_or("a value map of dual-write has fixed values")?;
                let to = literal(to, right.map(|it| &it.kind)).ok_or("a value map of dual-write has fixed values")?;
                let from = if left.is_some_and(|it| it.kind == Kind::Bool) { from.to_lowercase() } else { from };
                out.insert(from, to);
            }
            (RowEnd::Value(_), RowEnd::Value(_)) => {
                return Err("a value map of dual-write has no rows for one direction".to_owned());
            }
            (RowEnd::Action(action), RowEnd::Else(_)) | (RowEnd::Else(_), RowEnd::Action(action))
                if matches!(action.kind, ActionKind::Reject) => {}
            _ => return Err("dual-write refuses a value that its value map does not name; there is no other `else`".to_owned()),
        }
    }
    Ok(out)
}

fn several_target(keys: &[TableKey], column: String) -> Result<Target, String> {
    let mut tables = Vec::new();
    for key in keys {
        let [path] = key.columns.as_slice() else { return Err("several tables are told apart by one column each".to_owned()) };
        let table = &key.table.segments.last().expect("a path is never empty").text;
        tables.push((crate::import::names::capital(table), path.to_string()));
    }
    Ok(Target::Several { column, tables })
}

/// One row for each part of the key.
fn references(
    lefts: &[&Expr],
    column: &str,
    keys: Vec<Vec<String>>,
    set: &str,
    row: &mut dyn FnMut(&Expr, Target) -> Result<Row, String>,
) -> Result<Vec<Row>, String> {
    if lefts.len() != keys.len() {
        return Err(format!("the key has {} columns, and the left side {}", keys.len(), lefts.len()));
    }
    let one = |(left, key): (&&Expr, Vec<String>)| {
        let mut it = row(left, Target::Lookup { column: column.to_owned(), key })?;
        it.related = Some(set.to_owned());
        Ok(it)
    };
    lefts.iter().zip(keys).map(one).collect()
}

fn right_table(map: &crate::syntax::ast::Map) -> Option<&str> {
    match &map.head {
        MapHead::Sides { right, .. } => right.segments.last().map(|it| it.text.as_str()),
        MapHead::Extends(_) => None,
    }
}

/// The paths on the right by which a map knows its rows.
fn key_paths(project: &Project<'_>, map: &crate::syntax::ast::Map, depth: usize) -> Result<Vec<Vec<String>>, String> {
    let mut out = Vec::new();
    for member in &map.members {
        let MemberKind::Key(rule) = &member.kind else { continue };
        let column = plain(&rule.right).ok_or_else(|| format!("the key of `{}` is no column", map.name.text))?.to_owned();
        let before = |rest: Vec<String>| std::iter::once(column.clone()).chain(rest).collect::<Vec<String>>();
        let mut inner = vec![Vec::new()];
        for clause in &rule.clauses {
            match &clause.kind {
                ClauseKind::ViaTables(keys) => {
                    inner = keys[0].columns.iter().map(|it| it.segments.iter().map(|it| it.text.clone()).collect()).collect();
                }
                ClauseKind::Via(path) => {
                    let target = project.maps.get(path.segments.last().expect("a path is never empty").text.as_str());
                    if let Some(target) = target.filter(|_| depth < DEPTH_MAX) {
                        inner = key_paths(project, target, depth + 1)?;
                    }
                }
                _ => {}
            }
        }
        out.extend(inner.into_iter().map(before));
    }
    Ok(out)
}

/// What the lines above a rule say of its rows, one line a row: `> {"isSystemGenerated":true}`.
fn apply(marks: &[String], rows: &mut [Row]) -> Result<(), String> {
    if !marks.is_empty() && marks.len() != rows.len() {
        return Err(format!("it has {} lines for dual-write and {} rows", marks.len(), rows.len()));
    }
    for (mark, row) in marks.iter().zip(rows) {
        let (symbol, rest) = mark.split_once(' ').unwrap_or((mark, ""));
        row.direction = Direction::of_symbol(symbol).ok_or_else(|| format!("`{symbol}` is no symbol of a direction"))?;
        if rest.is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(rest).map_err(|error| format!("`{rest}` is no JSON: {error}"))?;
        for (key, value) in value.as_object().cloned().unwrap_or_default() {
            match (key.as_str(), value.as_object()) {
                ("valueMap", Some(pairs)) => {
                    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
                    row.transform = Some(Transform::Values(pairs.iter().map(|(from, to)| (from.clone(), text(to))).collect()));
                }
                _ => drop(row.extra.insert(key, value)),
            }
        }
    }
    Ok(())
}
