//! Rules: two ends, their clauses, and the equation between them.

use super::clauses::Clauses;
use super::expr::{Typed, bare, both, single};
use super::fit;
use super::label::ends;
use super::lens::{Given, Split, Writes, null, part, whole};
use super::lookup::Referred;
use super::missing;
use super::premise::Premise;
use super::scope::{Current, Scope};
use super::table::{self, Rows, Tables};
use crate::change::{Side, Sides};
use crate::diag::suggest::{is_ambiguous, nearest};
use crate::diag::{Diagnostic, Severity, codes};
use crate::ir::{Certificate, End, Expr, Fallback, Laws, Missing, Origin, Rule};
use crate::source::Span;
use crate::syntax::ast::{self, ActionKind, Arrow, ClauseKind, ExprKind};
use crate::value::{Kind, Value};

/// Most parts of a tuple: an index of a store has a dozen columns.
const TUPLE_PARTS_MAX: usize = 100;

/// The rows of the map that a rule stands in: its `for` block.
#[derive(Clone)]
pub struct Block {
    pub condition: Expr,
}

/// What the map says for all of its rules.
pub struct Setting {
    /// The sides that the map writes.
    pub writes: Sides<bool>,
    pub on_missing: Missing,
    pub is_key: bool,
}

/// One end of a rule: what is read there, and how it is written.
struct Face<'r> {
    parts: Vec<Typed>,
    back: Back<'r>,
}

enum Back<'r> {
    Fields(Vec<&'r ast::Expr>),
    /// Through a value map, whose table leads back to this side.
    Table {
        end: &'r ast::Expr,
        table: crate::ir::TableId,
        kind: Kind,
        /// Its `else` row answers null too.
        answers_null: bool,
    },
    Reference(&'r ast::Expr, crate::ir::RefId),
}

/// An `else` row covers null as it covers unknown members, unless it yields null itself.
fn answers_null(otherwise: Option<&Fallback>) -> bool {
    match otherwise {
        Some(Fallback::Value(value)) => value.is_value(),
        Some(Fallback::Reject | Fallback::Park | Fallback::Skip | Fallback::Expr(_)) => true,
        None => false,
    }
}

pub fn towards(arrow: Arrow) -> Sides<bool> {
    match arrow {
        Arrow::Both | Arrow::Lossy => Sides::new(true, true),
        Arrow::Right => Sides::new(false, true),
        Arrow::Left => Sides::new(true, false),
    }
}

/// What the rule is called here.
pub fn label(cx: &Scope<'_, '_>, rule: &ast::Rule) -> String {
    super::label::label(cx.sources, &cx.sides.map(|it| Some(it.entity)), rule)
}

impl<'a> Scope<'a, '_> {
    /// The rule as equation. `None`: something in it is wrong, and that was reported.
    pub fn rule(&mut self, rule: &'a ast::Rule, setting: &Setting, block: Option<&Block>) -> Option<Rule> {
        self.grown = 0;
        self.operands.clear();
        let clauses = self.clauses(rule)?;
        let arrow = towards(rule.arrow);
        if !setting.is_key && arrow.iter().any(|(side, writes)| *writes && !setting.writes[side]) {
            let message = format!("`{}` writes a side that this map does not write", rule.arrow.text());
            let right = if setting.writes[Side::Right] { "->" } else { "<-" };
            self.rule = Some(self.current(rule, &clauses, arrow.clone(), setting));
            let diagnostic = Diagnostic::new(codes::ACCESS, rule.arrow_span, message, "the map is one-way");
            self.report(diagnostic.replace(format!("`{right}`"), rule.arrow_span, right, false));
            self.rule = None;
            return None;
        }
        self.rule = Some(self.current(rule, &clauses, arrow.clone(), setting));
        let lowered = self.equation(rule, &clauses, &arrow, setting, block);
        self.rule = None;
        lowered
    }

    fn current(&self, rule: &ast::Rule, clauses: &Clauses<'_>, arrow: Sides<bool>, setting: &Setting) -> Current {
        Current {
            label: label(self, rule),
            span: rule.span,
            has_else: clauses.otherwise.map(Option::is_some),
            can_fail: Sides::default(),
            is_two_way: arrow[Side::Left] && arrow[Side::Right],
            is_tuple: ends(&rule.left).len() > 1,
            on_create: clauses.on_create,
            is_key: setting.is_key,
            can_write: Sides::new(self.can_write(Side::Left, &rule.left), self.can_write(Side::Right, &rule.right)),
        }
    }

    /// No field of this end is read only.
    fn can_write(&self, side: Side, end: &ast::Expr) -> bool {
        let is_readonly = |it: &&ast::Expr| {
            let name = single(it).and_then(|name| self.sides[side].entity.fields.get(name));
            name.is_some_and(|it| it.readonly)
        };
        !ends(end).iter().any(is_readonly)
    }

    fn equation(
        &mut self,
        rule: &'a ast::Rule,
        clauses: &Clauses<'a>,
        arrow: &Sides<bool>,
        setting: &Setting,
        block: Option<&Block>,
    ) -> Option<Rule> {
        let is_two_way = arrow[Side::Left] && arrow[Side::Right];
        let written: Vec<Side> = Side::BOTH.into_iter().filter(|&it| arrow[it]).collect();
        let faces = self.faces(rule, clauses, &written);
        let guard = self.guard(clauses.when, block);
        let (faces, guard) = both(faces, guard)?;
        let (kind, mut halves) = if is_two_way {
            self.two_way(&faces, clauses.split.unwrap_or(Split::First))?
        } else {
            self.one_way_rule(rule, &faces, written[0], clauses)?
        };
        for &side in &written {
            for typed in &faces[side.other()].parts {
                self.reading_may_fail(side, typed);
            }
        }
        let on_missing = match clauses.on_missing.unwrap_or(setting.on_missing) {
            Missing::Create => self.sources(rule, clauses, &faces, &written)?,
            other @ (Missing::Park | Missing::Reject | Missing::Null) => other,
        };
        let refers = faces.iter().any(|(_, it)| matches!(it.back, Back::Reference(..)));
        if refers && !setting.is_key && rule.arrow == Arrow::Both && on_missing == Missing::Null {
            self.missing_loses(rule)?;
        }
        let otherwise = self.otherwise(clauses, &faces, &written, is_two_way, (rule.arrow, rule.arrow_span))?;
        self.idle_else(rule, &faces, &written);
        // A key of a one-way map still matches rows; it is written where the map writes.
        for side in Side::BOTH.into_iter().filter(|&it| !setting.writes[it]) {
            halves[side].write.clear();
        }
        let position = self.sources.position(rule.span);
        Some(Rule {
            label: label(self, rule),
            origin: Origin { file: self.sources.file(rule.span.file).name.clone(), line: position.line as u32 },
            arrow: rule.arrow.text().to_owned(),
            kind,
            ends: halves,
            modulo: clauses.modulo,
            guard,
            on_create: clauses.on_create,
            on_update: clauses.on_update,
            on_missing,
            otherwise,
            loses: clauses.loses.clone(),
            laws: Laws::all(if is_two_way { Certificate::Assumed } else { Certificate::OneWay }),
        })
    }

    /// An `else` for what cannot happen. Members may be added to a set while the schema on file is old, so it always has a use there.
    fn idle_else(&mut self, rule: &ast::Rule, faces: &Sides<Face<'_>>, written: &[Side]) {
        let Some(can_fail) = self.rule.as_ref().map(|it| it.can_fail.clone()) else { return };
        let is_open = |it: &Typed| matches!(it.kind, Kind::Enum(_) | Kind::Choices(_) | Kind::Lookup(_) | Kind::Float64);
        let has_table = |it: &Face<'_>| !matches!(it.back, Back::Fields(_));
        if faces.0.iter().any(|it| has_table(it) || it.parts.iter().any(is_open)) {
            return;
        }
        for clause in &rule.clauses {
            let ClauseKind::Else { arrow, .. } = &clause.kind else { continue };
            let sides = arrow.map_or(Sides::new(true, true), towards);
            if !written.iter().any(|it| sides[*it] && can_fail[*it].get()) {
                let message = "nothing in this rule can fail, so its `else` is never used";
                let diagnostic = Diagnostic::new(codes::UNREACHABLE, clause.span, message, "never used");
                self.report(diagnostic.replace("leave it out", clause.span, "", false));
            }
        }
    }

    pub fn missing(&mut self, action: &ast::Action) -> Option<Missing> {
        match &action.kind {
            ActionKind::Park => Some(Missing::Park),
            ActionKind::Reject => Some(Missing::Reject),
            ActionKind::Null => Some(Missing::Null),
            ActionKind::Create => Some(Missing::Create),
            ActionKind::Skip | ActionKind::Value(_) => {
                let diagnostic =
                    Diagnostic::new(codes::SYNTAX, action.span, "a missing row has four outcomes", "not one of them");
                self.report(diagnostic.advice("write `on missing park`, `reject`, `null` or `create`"));
                None
            }
        }
    }

    /// Both ends, with what `via` puts between them.
    fn faces(&mut self, rule: &'a ast::Rule, clauses: &Clauses<'a>, written: &[Side]) -> Option<Sides<Face<'a>>> {
        let lists = Sides::new(ends(&rule.left), ends(&rule.right));
        let mut ends = [&rule.left, &rule.right].into_iter().zip(&lists.0);
        if let Some((end, list)) = ends.find(|(_, it)| it.len() > TUPLE_PARTS_MAX) {
            let message = format!("a tuple has {TUPLE_PARTS_MAX} parts at most, not {}", list.len());
            let diagnostic = Diagnostic::new(codes::SYNTAX, end.span, message, "too long");
            self.report(diagnostic.advice("write several rules"));
            return None;
        }
        let (left, right) = match clauses.via {
            None => {
                let (left, right) = self.plain_faces(&lists, written)?;
                (left, right)
            }
            Some((ClauseKind::ViaRows(list), span)) => {
                let (left, right) = self.single_ends(&lists, span)?;
                let kinds = Sides::new(left.kind.clone(), right.kind.clone());
                let label = label(self, rule);
                let errors = self.diags.count(crate::diag::Severity::Error);
                let rows = table::rows(list, &label, span, kinds, self.diags);
                self.is_wrong |= self.diags.count(crate::diag::Severity::Error) > errors;
                self.through_rows(&lists, left, right, &rows?, span, written)?
            }
            Some((ClauseKind::Via(path), span)) => self.via_name(&lists, path, span, written)?,
            Some((ClauseKind::ViaTables(keys), span)) => self.via_tables(&lists, keys, span)?,
            Some(_) => unreachable!("`clauses` collects the three forms of `via` only"),
        };
        if left.parts.len() != right.parts.len() {
            let message = format!("the ends have {} and {} values", left.parts.len(), right.parts.len());
            let diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, rule.arrow_span, message, "as many values at both ends");
            self.report(diagnostic.because(rule.left.span, "one end").because(rule.right.span, "the other end"));
            return None;
        }
        Some(Sides::new(left, right))
    }

    /// The written end of a one-way rule comes first: it says what is expected of the other.
    fn plain_faces(&mut self, lists: &Sides<Vec<&'a ast::Expr>>, written: &[Side]) -> Option<(Face<'a>, Face<'a>)> {
        let first = match written {
            [side] => *side,
            _ if lists[Side::Left].iter().all(|it| matches!(bare(it).kind, ExprKind::Path(_))) => Side::Left,
            _ => Side::Right,
        };
        let mut parts: Sides<Vec<Typed>> = Sides::default();
        let leading: Vec<Option<Typed>> = lists[first].iter().map(|it| self.lower(first, it, None)).collect();
        let kinds: Vec<Option<Kind>> = leading.iter().map(|it| it.as_ref().map(|it| it.kind.clone())).collect();
        let other = first.other();
        let mut following = Vec::new();
        for (index, end) in lists[other].iter().enumerate() {
            let expected = kinds.get(index).and_then(Option::as_ref);
            let is_broken = kinds.get(index).is_some_and(Option::is_none);
            // Without the other end's kind a bare member would be reported as an unknown field: one mistake, one message.
            let is_member = is_broken && single(end).is_some_and(|it| !self.sides[other].entity.fields.contains_key(it));
            following.push(if is_member && written.len() == 1 { None } else { self.lower(other, end, expected) });
        }
        parts[first] = leading.into_iter().collect::<Option<_>>()?;
        parts[other] = following.into_iter().collect::<Option<_>>()?;
        let [left, right] = parts.0;
        let back = |side: Side| Back::Fields(lists[side].clone());
        Some((Face { parts: left, back: back(Side::Left) }, Face { parts: right, back: back(Side::Right) }))
    }

    fn single_ends(&mut self, lists: &Sides<Vec<&'a ast::Expr>>, via: Span) -> Option<(Typed, Typed)> {
        if lists.iter().any(|(_, it)| it.len() != 1) {
            self.error(codes::SYNTAX, via, "a value map stands between two single values", "one end is a tuple");
            return None;
        }
        both(self.lower(Side::Left, lists[Side::Left][0], None), self.lower(Side::Right, lists[Side::Right][0], None))
    }

    /// A map or a `values` item.
    fn via_name(
        &mut self,
        lists: &Sides<Vec<&'a ast::Expr>>,
        path: &'a ast::Path,
        span: Span,
        written: &[Side],
    ) -> Option<(Face<'a>, Face<'a>)> {
        let (name, key) = (path.to_string(), self.world.project.key(path));
        let values = self.values;
        if let Some(rows) = values.get(&key) {
            let (left, right) = self.single_ends(lists, span)?;
            let Some(rows) = rows else {
                // What is wrong with the value map was reported where it is declared.
                self.is_wrong = true;
                return None;
            };
            return self.through_rows(lists, left, right, rows, path.span, written);
        }
        if self.world.map_key(path).is_none() {
            let known = self.world.written(path.span.file, self.world.maps.keys().chain(values.keys()));
            let message = format!("there is no map and no value map `{name}`");
            let mut diagnostic = Diagnostic::new(codes::LOOKUP, path.span, message, "not declared");
            if let Some(near) = nearest(&name, known.iter().map(String::as_str)) {
                let is_sure = !is_ambiguous(&name, known.iter().map(String::as_str));
                diagnostic = diagnostic.replace(format!("`{near}`"), path.span, near, is_sure);
            }
            self.report(diagnostic);
            return None;
        }
        let mut faces: Sides<Option<Face<'a>>> = Sides::default();
        for side in Side::BOTH {
            faces[side] = self.reference_face(lists, side, span, &mut |scope, end, kind, width| {
                scope.refer_to_map(side, end, kind, path, width)
            });
        }
        let [left, right] = faces.0;
        both(left, right)
    }

    fn via_tables(
        &mut self,
        lists: &Sides<Vec<&'a ast::Expr>>,
        keys: &'a [ast::TableKey],
        span: Span,
    ) -> Option<(Face<'a>, Face<'a>)> {
        let system = &keys.first()?.table.segments[0];
        let known: Vec<String> = Side::BOTH.iter().map(|&it| self.sides[it].system.name.clone()).collect();
        if self.side_of(&system.text).is_none() {
            self.report(super::names::unknown(
                "system",
                &system.text,
                system.span,
                known.iter().map(String::as_str),
                "not in this map",
            ));
            return None;
        }
        let mut faces: Sides<Option<Face<'a>>> = Sides::default();
        for side in Side::BOTH {
            let is_meant = self.sides[side].system.name == system.text;
            faces[side] = if is_meant {
                self.reference_face(lists, side, span, &mut |scope, end, kind, _| scope.refer_to_tables(side, end, kind, keys))
            } else {
                self.plain_face(lists, side)
            };
        }
        let [left, right] = faces.0;
        both(left, right)
    }

    fn plain_face(&mut self, lists: &Sides<Vec<&'a ast::Expr>>, side: Side) -> Option<Face<'a>> {
        let parts: Vec<Option<Typed>> = lists[side].iter().map(|it| self.lower(side, it, None)).collect();
        Some(Face { parts: parts.into_iter().collect::<Option<_>>()?, back: Back::Fields(lists[side].clone()) })
    }

    /// A lookup as the key of its row; an end that is no lookup is that key itself.
    fn reference_face(
        &mut self,
        lists: &Sides<Vec<&'a ast::Expr>>,
        side: Side,
        via: Span,
        refer: &mut dyn FnMut(&mut Self, &'a ast::Expr, &Kind, usize) -> Option<Referred>,
    ) -> Option<Face<'a>> {
        let mut plain = self.plain_face(lists, side)?;
        let is_lookup = matches!(plain.parts.as_slice(), [Typed { kind: Kind::Lookup(_), .. }]);
        let other_is_lookup = lists[side.other()].first().and_then(|it| single(it)).is_some_and(|it| {
            self.sides[side.other()].entity.fields.get(it).is_some_and(|it| matches!(it.kind, Kind::Lookup(_)))
        });
        if !is_lookup && other_is_lookup {
            return Some(plain);
        }
        let end = lists[side][0];
        let typed = plain.parts.remove(0);
        let referred = refer(self, end, &typed.kind, lists[side.other()].len())?;
        let count = referred.kinds.len();
        let key = Expr::KeyOf { reference: referred.id, operand: typed.expr.clone().boxed() };
        let parts = referred.kinds.into_iter().enumerate().map(|(index, kind)| Typed {
            expr: part(key.clone(), index, count),
            kind,
            nullable: typed.nullable,
            constant: None,
            partial: Vec::new(),
            span: typed.span,
        });
        let parts = parts.collect();
        let _ = via;
        Some(Face { parts, back: Back::Reference(end, referred.id) })
    }

    /// Through a value map; one end keeps its own members and the other is translated.
    fn through_rows(
        &mut self,
        lists: &Sides<Vec<&'a ast::Expr>>,
        left: Typed,
        right: Typed,
        rows: &Rows,
        via: Span,
        written: &[Side],
    ) -> Option<(Face<'a>, Face<'a>)> {
        let kinds = Sides::new(left.kind.clone(), right.kind.clone());
        let Tables { rows, ids } = self.tables(rows, &kinds, written, via)?;
        let canonical = if let [side] = written { *side } else { rows.canonical() };
        let translated = canonical.other();
        let mut typed = Sides::new(left, right);
        let operand = &typed[translated];
        typed[translated] = Typed {
            expr: table::through(ids[canonical], operand.expr.clone()),
            kind: kinds[canonical].clone(),
            nullable: operand.nullable && !answers_null(rows.otherwise[canonical].as_ref()),
            ..operand.clone()
        };
        let mut faces = Vec::new();
        let [left, right] = typed.0;
        for (side, typed) in [(Side::Left, left), (Side::Right, right)] {
            let end = lists[side][0];
            let back = if side == translated {
                Back::Table {
                    end,
                    table: ids[translated],
                    kind: kinds[translated].clone(),
                    answers_null: answers_null(rows.otherwise[translated].as_ref()),
                }
            } else {
                Back::Fields(vec![end])
            };
            faces.push(Face { parts: vec![typed], back });
        }
        let right = faces.pop()?;
        Some((faces.pop()?, right))
    }

    /// One kind for both ends; each reads into it and writes from it.
    fn two_way(&mut self, faces: &Sides<Face<'a>>, split: Split) -> Option<(Kind, Sides<End>)> {
        let (left, right) = (&faces[Side::Left].parts, &faces[Side::Right].parts);
        let mut joined = Vec::new();
        for (left, right) in left.iter().zip(right) {
            joined.push(self.join(left, right)?);
        }
        let mut out: Sides<Option<End>> = Sides::default();
        for side in Side::BOTH {
            let own = &faces[side];
            let given: Vec<Given> = faces[side.other()]
                .parts
                .iter()
                .zip(&joined)
                .enumerate()
                .map(|(index, (it, kind))| Given {
                    expr: part(Expr::It, index, joined.len()),
                    kind: fit::carried(&it.kind, kind),
                    nullable: it.nullable,
                    span: it.span,
                })
                .collect();
            let read = own.parts.iter().zip(&joined).map(|(it, kind)| read_as(it, kind)).collect();
            out[side] = self.write_face(side, own, given, split).map(|write| End { read: whole(read), write });
        }
        let [left, right] = out.0;
        let (left, right) = both(left, right)?;
        let kind = match joined.as_slice() {
            [kind] => kind.clone(),
            several => several.iter().find(|it| matches!(it, Kind::Text { .. })).or(several.first())?.clone(),
        };
        Some((kind, Sides::new(left, right)))
    }

    fn join(&mut self, left: &Typed, right: &Typed) -> Option<Kind> {
        if let Some(kind) = fit::join(&left.kind, &right.kind) {
            if matches!(kind, Kind::Lookup(_)) {
                self.no_via(left, right);
                return None;
            }
            return Some(kind);
        }
        match (&left.kind, &right.kind) {
            (Kind::DateTime, Kind::Date) | (Kind::Date, Kind::DateTime) => {
                let instant = if left.kind == Kind::DateTime { left } else { right };
                let source = self.text(instant.span).to_owned();
                let message = format!("the time of day of `{source}` has no place on the other side");
                let fix = format!("date({source})");
                let diagnostic = Diagnostic::new(codes::DATE_LOSS, instant.span, message, "this is `datetime`");
                self.report(diagnostic.replace(format!("`{fix}` with `<~>` and `loses \"…\"`"), instant.span, fix, false));
            }
            (a, b) => {
                let message = format!("`{a}` and `{b}` have no common type");
                let diagnostic = Diagnostic::new(codes::NO_COMMON_TYPE, right.span, message, format!("this is `{b}`"));
                let diagnostic = diagnostic.because(left.span, format!("this is `{a}`"));
                let diagnostic = self.with_bridges(diagnostic, left, right);
                self.report(diagnostic);
            }
        }
        None
    }

    fn write_face(&mut self, side: Side, face: &Face<'a>, given: Vec<Given>, split: Split) -> Option<Writes> {
        match &face.back {
            Back::Fields(ends) => {
                let mut out = Vec::new();
                for (end, given) in ends.iter().zip(given) {
                    out.extend(self.writers(side, end, given, split)?);
                }
                Some(out)
            }
            Back::Table { end, table, kind, answers_null } => {
                let given = given.into_iter().next()?.then(kind.clone(), |it| table::through(*table, it));
                let nullable = given.nullable && !answers_null;
                self.writers(side, end, Given { nullable, ..given }, split)
            }
            Back::Reference(end, id) => {
                let (nullable, span) = (given.iter().any(|it| it.nullable), given.first()?.span);
                let mut key = Vec::new();
                for (given, own) in given.into_iter().zip(&face.parts) {
                    let loose = super::expr::loose(&own.kind);
                    key.push(self.fit_into(side, given, &loose, None)?);
                }
                let kind = self.lower(side, end, None)?.kind;
                let expr = Expr::IdOf { reference: *id, operand: whole(key).boxed() };
                self.writers(side, end, Given { expr, kind, nullable, span }, split)
            }
        }
    }

    /// The source is read in the target's form, so that what fails there can be answered from the source record.
    fn one_way_rule(
        &mut self,
        rule: &'a ast::Rule,
        faces: &Sides<Face<'a>>,
        written: Side,
        clauses: &Clauses<'a>,
    ) -> Option<(Kind, Sides<End>)> {
        let (source, target) = (&faces[written.other()], &faces[written]);
        for end in ends(if written == Side::Left { &rule.left } else { &rule.right }) {
            if !self.is_field(written, end) {
                let message = "the end to which a one-way rule leads is a field";
                let diagnostic = Diagnostic::new(codes::SYNTAX, end.span, message, "cannot be written");
                let mut named = Vec::new();
                super::paths::paths(end, &mut named);
                self.report(match named.as_slice() {
                    [field] => {
                        let field = self.text(field.span).to_owned();
                        diagnostic.replace(
                            format!("`{field}`: what is done to the value stands at the other end"),
                            end.span,
                            field,
                            false,
                        )
                    }
                    _ => diagnostic.advice("name the field that is written; what is done to the value stands at the other end"),
                });
                return None;
            }
        }
        let (mut read, mut given) = (Vec::new(), Vec::new());
        let count = target.parts.len();
        for (index, (from, to)) in source.parts.iter().zip(&target.parts).enumerate() {
            let from = if matches!(target.back, Back::Fields(_)) { self.fold(from.clone(), &to.kind)? } else { from.clone() };
            let (nullable, span) = (from.nullable, from.span);
            given.push(Given { expr: part(Expr::It, index, count), kind: to.kind.clone(), nullable, span });
            if from.is_null() {
                read.push(null());
            } else {
                let own = Given { expr: from.expr, kind: from.kind, nullable, span };
                let name = self.text(to.span).rsplit('.').next().unwrap_or_default().to_owned();
                read.push(self.fit_into(written, own, &to.kind, Some((&name, to.span)))?);
            }
        }
        // A null that its target does not take is answered while the source is read, like every other failure.
        if let (Some(ast::Action { kind: ActionKind::Value(value), .. }), [from], [to]) =
            (clauses.otherwise[written], source.parts.as_slice(), target.parts.as_slice())
            && from.nullable
            && !to.nullable
            && self.has_else(written)
        {
            let value = self.lower(written.other(), value, Some(&to.kind))?;
            let value = self.fold(value, &to.kind)?;
            read[0] = Expr::Coalesce(read[0].clone().boxed(), value.expr.boxed());
            given[0].nullable = value.nullable;
        }
        let write = self.write_face(written, target, given, clauses.split.unwrap_or(Split::First))?;
        let kind = target.parts.iter().map(|it| &it.kind).find(|it| matches!(it, Kind::Text { .. }) || count == 1);
        let kind = kind.unwrap_or(&target.parts[0].kind).clone();
        let target = End { read: whole(target.parts.iter().map(|it| it.expr.clone()).collect()), write };
        let source = End { read: whole(read), write: Vec::new() };
        Some((kind, if written == Side::Right { Sides::new(source, target) } else { Sides::new(target, source) }))
    }

    fn otherwise(
        &mut self,
        clauses: &Clauses<'a>,
        faces: &Sides<Face<'a>>,
        written: &[Side],
        is_two_way: bool,
        arrow: (Arrow, Span),
    ) -> Option<Sides<Option<Fallback>>> {
        let mut out = Sides::new(None, None);
        for &side in written {
            let Some(action) = clauses.otherwise[side] else { continue };
            out[side] = Some(match &action.kind {
                ActionKind::Reject => Fallback::Reject,
                ActionKind::Park => Fallback::Park,
                ActionKind::Skip => Fallback::Skip,
                ActionKind::Null => Fallback::Value(Value::Null),
                ActionKind::Create => {
                    self.error(codes::SYNTAX, action.span, "`create` stands behind `on missing` only", "no outcome of `else`");
                    return None;
                }
                ActionKind::Value(value) => {
                    if is_two_way && arrow.0 == Arrow::Both {
                        self.else_loses(action.span, arrow.1);
                        return None;
                    }
                    self.else_value(side, value, faces)?
                }
            });
        }
        Some(out)
    }

    /// `on missing create`: notes where each row comes from that can be missed. A rule that can miss none only parks.
    fn sources(&mut self, rule: &ast::Rule, clauses: &Clauses<'_>, faces: &Sides<Face<'_>>, written: &[Side]) -> Option<Missing> {
        let own = missing::clause(rule);
        let (mut count, mut unmade) = (0, Vec::new());
        for &side in written {
            let Back::Reference(_, id) = faces[side].back else { continue };
            let (via, span) = clauses.via.expect("a reference has a `via`");
            let place = own.unwrap_or(span);
            let found = match via {
                ClauseKind::Via(path) => self.source_of(path, id, place),
                ClauseKind::ViaTables(keys) => Err(Some(Box::new(self.no_map(keys, span, place)))),
                _ => unreachable!("a value map makes no reference"),
            };
            match found {
                Ok(source) => {
                    self.references[usize::from(id.0)].source = Some(source);
                    count += 1;
                }
                Err(why) => unmade.push(why),
            }
        }
        if let (0, true, Some(span)) = (count, unmade.is_empty(), own) {
            let message = "this rule writes no reference, so no row can be missing";
            let diagnostic = Diagnostic::new(codes::NOBODY_MAKES, span, message, "has nothing to make");
            self.report(diagnostic.replace("leave it out", span, "", false));
            return None;
        }
        for why in unmade {
            let Some(why) = why else {
                self.is_wrong = true;
                return None;
            };
            // One way is open: what is missed on the other one waits.
            let severity = if count > 0 { Severity::Warning } else { why.severity };
            self.report(Diagnostic { severity, ..*why });
            if count == 0 {
                return None;
            }
        }
        Some(if count > 0 { Missing::Create } else { Missing::Park })
    }

    /// The reference that was not found and the one that was never made are the same null.
    fn missing_loses(&mut self, rule: &ast::Rule) -> Option<()> {
        if !self.world.premises.hold(Premise::Missing) {
            return Some(());
        }
        let clause = rule.clauses.iter().find(|it| matches!(it.kind, ClauseKind::OnMissing(_)));
        let span = clause.map_or(rule.arrow_span, |it| it.span);
        let message = "`<->` claims that nothing is lost, but `on missing null` forgets which row was meant";
        let diagnostic = Diagnostic::new(codes::LOST, span, message, "cannot be told from no reference afterwards");
        let diagnostic = diagnostic.because(rule.arrow_span, "nothing may be lost here");
        let arrow = rule.arrow_span;
        self.report(diagnostic.replace("write `<~>` and say what is lost with `loses`", arrow, "<~>", false));
        None
    }

    fn else_loses(&mut self, span: Span, arrow: Span) {
        let message = "`<->` claims that nothing is lost, but `else` gives several values this one";
        let diagnostic = Diagnostic::new(codes::LOST, span, message, "cannot be told apart afterwards");
        let diagnostic = diagnostic.because(arrow, "nothing may be lost here");
        self.report(diagnostic.replace("write `<~>` and say what is lost with `loses`", arrow, "<~>", false));
    }

    fn else_value(&mut self, side: Side, value: &'a ast::Expr, faces: &Sides<Face<'a>>) -> Option<Fallback> {
        let kind = match &faces[side].back {
            Back::Table { kind, .. } => kind.clone(),
            Back::Fields(_) => faces[side].parts[0].kind.clone(),
            Back::Reference(end, _) => {
                self.error(codes::SYNTAX, value.span, "`else` cannot make up a reference", "a reference stands here");
                let _ = end;
                return None;
            }
        };
        let typed = self.lower(side.other(), value, Some(&kind))?;
        let typed = self.fold(typed, &kind)?;
        if let Some(constant) = typed.constant {
            return Some(Fallback::Value(constant));
        }
        let given = Given { expr: typed.expr, kind: typed.kind, nullable: typed.nullable, span: typed.span };
        Some(Fallback::Expr(self.fit_into(side, given, &kind, None)?.boxed()))
    }
}

/// What an end shows, in the joined kind.
fn read_as(typed: &Typed, kind: &Kind) -> Expr {
    match fit::fit(&typed.kind, kind) {
        fit::Fit::Same => typed.expr.clone(),
        fit::Fit::Converted | fit::Fit::Narrow(_) | fit::Fit::Never => {
            Expr::Convert { to: kind.clone(), operand: typed.expr.clone().boxed() }
        }
    }
}
