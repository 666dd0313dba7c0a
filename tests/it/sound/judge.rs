//! Runs an accepted map: people edit, the stores do to values what their profiles say, and what a rule promises must hold.
//!
//! After each edit the maps run to and fro until nothing is written any more. Promised is: each side is written once at most,
//! the edited side of `<->` not at all; a rule that nobody touched writes nothing; what is written fits its field; a rule without
//! `else` refuses nothing; and what `<->` carried over can be made again from the other side alone.

use dwmap::change::{Class, Side, Sides};
use dwmap::functions;
use dwmap::interp::{self, Cx, Lookups, Refusal, Stop};
use dwmap::ir::{Plan, Rule, RuleId};
use dwmap::value::{Kind, Record, Slot, Value};

use super::case::{Admitted, Case, Drawn, name};
use super::dice::Dice;
use super::families::Family;
use super::values;
use super::world::World;

/// Edits of each accepted map.
const EDITS: usize = 24;
/// Rows that are tried until one can be created.
const STARTS: usize = 12;
/// The map runs so often after an edit before it is called restless.
const ROUNDS: usize = 6;
/// Questions about references that one run of the map may ask.
const QUESTIONS_MAX: usize = 32;

/// A promise that was broken, with the way there.
#[derive(Debug)]
pub struct Broken {
    pub promise: &'static str,
    pub trace: Vec<String>,
}

/// What was done with one map.
#[derive(Default)]
pub struct Tally {
    pub edits: u64,
    pub writes: u64,
    pub refused: u64,
}

pub struct Judge<'c> {
    case: &'c Case,
    plan: &'c Plan,
    /// The rows that references lead to.
    world: World,
    /// That of the pair.
    company: &'static str,
    lookups: Lookups,
    /// The rule as drawn that each slot belongs to.
    owners: Sides<Vec<Option<usize>>>,
    rows: Sides<Record>,
    trace: Vec<String>,
    tally: Tally,
}

/// What a run of the map toward one side came to.
enum Put {
    Nothing,
    Written(Vec<Slot>),
    /// Refused, or left alone, as a rule says.
    Refused,
}

impl<'c> Judge<'c> {
    pub fn new(case: &'c Case, plan: &'c Plan) -> Self {
        let owner = |field: &str| case.rules.iter().position(|it| it.owns(field));
        let owners = plan.shapes.map(|it| it.fields.iter().map(|field| owner(&field.name)).collect());
        let rows = plan.shapes.map(|it| Record::absent(it.fields.len()));
        let (world, lookups) = (World::default(), Lookups::default());
        Self { case, plan, world, company: "usmf", lookups, owners, rows, trace: Vec::new(), tally: Tally::default() }
    }

    /// Random rows and random edits.
    pub fn run(mut self, dice: &mut Dice) -> Result<Tally, Broken> {
        let spice: Vec<Value> = self.case.rules.iter().flat_map(|it| it.spice.clone()).collect();
        self.world = World::draw(dice, self.plan, &spice);
        if !self.start(dice)? {
            return Ok(self.tally);
        }
        for _ in 0..EDITS {
            let before = self.rows.clone();
            let side = if dice.percent(50) { Side::Left } else { Side::Right };
            let Some(rule) = self.draw_edit(dice, side) else { continue };
            self.tally.edits += 1;
            if !self.settle(side, Some(rule))? {
                self.rows = before;
            }
        }
        Ok(self.tally)
    }

    fn cx(&self) -> Cx<'_> {
        Cx { plan: self.plan, lookups: &self.lookups }
    }

    /// Runs the map, and answers what it asks.
    fn run_map(&mut self, towards: Side, from: &Record, onto: Option<&Record>) -> Result<Record, Stop> {
        for _ in 0..QUESTIONS_MAX {
            match interp::put(self.cx(), towards, from, onto) {
                Err(Stop::Unresolved(query)) => {
                    let answer = self.world.answer(self.plan, &query);
                    self.lookups.insert(query, answer);
                }
                done => return done,
            }
        }
        panic!("the map asks for ever: {}", self.case.text());
    }

    /// The rules that stand aside towards this side, as their `else skip` says. They write nothing.
    fn check_aside(&self, towards: Side, onto: Option<&Record>, change: &Record) -> Result<bool, Broken> {
        let (from, blank) = (&self.rows[towards.other()], Record::absent(change.len()));
        let own = onto.unwrap_or(&blank);
        let mut is_any = false;
        for id in self.plan.rule_ids() {
            let rule = self.plan.rule(id);
            let Some(drawn) = self.case.rules.iter().find(|it| rule.label == it.label && it.may_skip) else { continue };
            if !rule.writes(towards) || !self.will_take_part(drawn, towards, change) || !self.is_aside(id, towards, from, own) {
                continue;
            }
            let written = rule.ends[towards].write.iter().find(|(slot, _)| change.get(*slot).is_known());
            // The parts of a tuple that agree are left as they are, and what cannot be carried may be among them.
            if rule.ends[towards].write.len() > 1 && written.is_some() {
                continue;
            }
            is_any = true;
            if let Some((slot, _)) = written {
                let field = &self.plan.shapes[towards].field(*slot).name;
                return self.broken("a rule that stands aside writes nothing", format!("{field} = {}", change.get(*slot)));
            }
        }
        Ok(is_any)
    }

    fn is_aside(&self, id: RuleId, towards: Side, from: &Record, own: &Record) -> bool {
        let wanted = match interp::read(self.cx(), id, towards.other(), from) {
            Ok(wanted) => wanted,
            Err(stop) => return stop == Stop::Skip,
        };
        let there = interp::read(self.cx(), id, towards, own);
        if !wanted.is_known() || there.is_ok_and(|it| interp::agree(self.plan, id, &wanted, &it)) {
            return false;
        }
        let rows = interp::Rows { own, from };
        let mut out = Record::absent(own.len());
        interp::write(self.cx(), id, towards, &wanted, &Value::text(self.company), rows, &mut out) == Err(Stop::Skip)
    }

    fn is_in_scope(&self, side: Side) -> bool {
        interp::in_scope(self.cx(), side, &self.rows[side]).unwrap_or(false)
    }

    /// What is written towards this side from a row in scope is in scope.
    fn check_scope(&self, towards: Side) -> Result<(), Broken> {
        if self.is_in_scope(towards) { Ok(()) } else { self.broken("what is written stays in scope", String::new()) }
    }

    fn broken<T>(&self, promise: &'static str, what: String) -> Result<T, Broken> {
        let mut trace = self.trace.clone();
        trace.push(what);
        Err(Broken { promise, trace })
    }

    /// A pair that was made from a row of one side.
    fn start(&mut self, dice: &mut Dice) -> Result<bool, Broken> {
        for _ in 0..STARTS {
            self.trace.clear();
            let side = if dice.percent(50) { Side::Left } else { Side::Right };
            self.company = *dice.pick(&["usmf", "demf"]);
            let company = self.company;
            let shape = &self.plan.shapes[side];
            let drawn = shape.fields.iter().zip(&self.owners[side]).map(|(field, owner)| match owner {
                Some(owner) => self.drawn(dice, &field.kind, field.nullable, &self.case.rules[*owner].spice),
                None if field.name == "company" => Value::text(company),
                None => Value::Int(1),
            });
            let record = interp::normalise(self.plan, side, &Record::from_values(drawn.collect()));
            if !self.fits(side, &record) {
                continue;
            }
            self.rows[side] = record;
            if !self.is_in_scope(side) {
                continue;
            }
            self.note(side, "is");
            if self.create(side.other())? {
                return self.settle(side, None);
            }
        }
        Ok(false)
    }

    /// Makes the other row.
    fn create(&mut self, towards: Side) -> Result<bool, Broken> {
        let from = self.rows[towards.other()].clone();
        let sent = match self.run_map(towards, &from, None) {
            Ok(sent) => sent,
            Err(stop) => return self.refused(towards, &stop).map(|()| false),
        };
        self.check_fit(towards, &sent)?;
        if self.check_aside(towards, None, &sent)? {
            return Ok(false);
        }
        let made = self.filled(towards, &interp::normalise(self.plan, towards, &sent));
        if !self.fits(towards, &made) {
            // A store whose own changes do not fit its field: there is none.
            return Ok(false);
        }
        self.rows[towards] = made;
        self.note(towards, "made");
        self.check_scope(towards)?;
        Ok(true)
    }

    /// What nobody gave a value: null, or the store's own default.
    fn filled(&self, side: Side, record: &Record) -> Record {
        let mut out = record.clone();
        for (index, field) in self.plan.shapes[side].fields.iter().enumerate() {
            let slot = Slot(index as u16);
            if out.get(slot).is_known() {
                continue;
            }
            out.set(slot, if field.nullable { Value::Null } else { blank(&field.kind) });
        }
        interp::normalise(self.plan, side, &out)
    }

    /// Changes some fields of one rule; `None`: they came out as they were.
    fn draw_edit(&mut self, dice: &mut Dice, side: Side) -> Option<usize> {
        let rule = dice.below(self.case.rules.len());
        let mut after = self.rows[side].clone();
        for (index, owner) in self.owners[side].iter().enumerate() {
            if *owner == Some(rule) && dice.percent(70) {
                let field = &self.plan.shapes[side].fields[index];
                let value = self.drawn(dice, &field.kind, field.nullable, &self.case.rules[rule].spice);
                after.set(Slot(index as u16), value);
            }
        }
        let after = interp::normalise(self.plan, side, &after);
        if after == self.rows[side] || !self.fits(side, &after) {
            return None;
        }
        self.trace.clear();
        self.note(Side::Left, "is");
        self.note(Side::Right, "is");
        let before = std::mem::replace(&mut self.rows[side], after);
        if !self.is_in_scope(side) {
            self.rows[side] = before;
            return None;
        }
        self.note(side, "edited");
        Some(rule)
    }

    fn drawn(&self, dice: &mut Dice, kind: &Kind, nullable: bool, spice: &[Value]) -> Value {
        match kind {
            Kind::Lookup(targets) => self.world.draw_id(dice, targets, self.company),
            kind => values::draw(dice, kind, nullable, spice),
        }
    }

    /// Lets the map run until it is quiet. `false`: the edit was refused as a rule says.
    fn settle(&mut self, edited: Side, rule: Option<usize>) -> Result<bool, Broken> {
        let mut writes: Sides<Vec<usize>> = Sides::new(vec![0; self.case.rules.len()], vec![0; self.case.rules.len()]);
        let (mut towards, mut quiet) = (edited.other(), 0);
        for round in 0..ROUNDS {
            match self.put(towards, round == 0)? {
                Put::Nothing => quiet += 1,
                // The answer to a write is refused as a rule says: a person sees it, and nothing more is written.
                Put::Refused => return Ok(false),
                Put::Written(slots) => {
                    quiet = 0;
                    let mut owners: Vec<usize> = slots.iter().filter_map(|it| self.owners[towards][usize::from(it.0)]).collect();
                    owners.sort_unstable();
                    owners.dedup();
                    for owner in owners {
                        writes[towards][owner] += 1;
                        self.check_write(towards, edited, owner, rule, writes[towards][owner])?;
                    }
                    self.check_scope(towards)?;
                }
            }
            if quiet == 2 {
                self.check_kept(edited)?;
                return Ok(true);
            }
            towards = towards.other();
        }
        self.broken("the map comes to rest", "it still writes".to_owned())
    }

    fn check_write(&self, towards: Side, edited: Side, owner: usize, rule: Option<usize>, count: usize) -> Result<(), Broken> {
        let drawn = &self.case.rules[owner];
        if rule.is_some_and(|it| it != owner) {
            return self.broken("a rule that nobody touched writes nothing", drawn.text.clone());
        }
        if count > 1 {
            return self.broken("one edit causes one write per side at most", drawn.text.clone());
        }
        let is_answered = drawn.admits.iter().any(|it| matches!(it, Admitted::Anything | Admitted::Default(_)));
        if towards == edited && drawn.is_lossless && !is_answered && drawn.family != Some(Family::Twins) {
            return self.broken("`<->` does not write the side that was edited", drawn.text.clone());
        }
        Ok(())
    }

    fn put(&mut self, towards: Side, is_first: bool) -> Result<Put, Broken> {
        let (from, onto) = (self.rows[towards.other()].clone(), self.rows[towards].clone());
        let change = match self.run_map(towards, &from, Some(&onto)) {
            Ok(change) => change,
            Err(stop) => {
                self.tally.refused += 1;
                return self.refused(towards, &stop).map(|()| Put::Refused);
            }
        };
        if self.check_aside(towards, Some(&onto), &change)? && is_first {
            return Ok(Put::Refused);
        }
        let stored = interp::normalise(self.plan, towards, &change);
        let differs = |(slot, value): &(Slot, &Value)| change.get(*slot).is_known() && *value != onto.get(*slot);
        let slots: Vec<Slot> = stored.slots().filter(differs).map(|(slot, _)| slot).collect();
        if slots.is_empty() {
            return Ok(Put::Nothing);
        }
        self.check_fit(towards, &change)?;
        slots.iter().for_each(|it| self.rows[towards].set(*it, stored.get(*it).clone()));
        if !self.fits(towards, &self.rows[towards]) {
            // A store whose own changes do not fit its field: there is none.
            return Ok(Put::Refused);
        }
        self.tally.writes += 1;
        self.note(towards, "written");
        Ok(Put::Written(slots))
    }

    /// A refusal that the rule allows.
    fn refused(&self, towards: Side, stop: &Stop) -> Result<(), Broken> {
        let Stop::Refused(Refusal { rule, message, class, .. }) = stop else {
            return self.broken("nothing is left open", format!("{stop:?}"));
        };
        let drawn = self.case.rules.iter().find(|it| rule.starts_with(&it.label));
        let is_said = drawn.is_some_and(|it| it.may_refuse[towards] || (it.refers && *class == Class::Reference));
        if is_said { Ok(()) } else { self.broken("a rule without `else` refuses nothing", format!("{rule}: {message}")) }
    }

    /// Every value is one that its field can hold.
    fn fits(&self, side: Side, record: &Record) -> bool {
        self.misfit(side, record).is_none()
    }

    fn misfit(&self, side: Side, record: &Record) -> Option<String> {
        self.plan.shapes[side].fields.iter().enumerate().find_map(|(index, field)| {
            let value = record.get(Slot(index as u16));
            let is_text_null = matches!(field.kind, Kind::Text { .. }) && self.plan.profiles[side].text.blank_is_null;
            let is_date_null = matches!(field.kind, Kind::Date | Kind::DateTime) && self.plan.profiles[side].null_date.is_some();
            let is_null_free = *value == Value::Null && !field.nullable && !is_text_null && !is_date_null;
            let is_held = !value.is_value() || interp::convert(&field.kind, value).is_ok();
            (!is_held || is_null_free).then(|| format!("{}: {value} is no `{}`", field.name, field.kind))
        })
    }

    /// What is written fits its field, before the store has it.
    fn check_fit(&self, side: Side, change: &Record) -> Result<(), Broken> {
        let stored = |(slot, value): (Slot, &Value)| match value {
            Value::Null => self.plan.profiles[side].store(&self.plan.shapes[side].field(slot).kind, value),
            other => other.clone(),
        };
        let sent = Record::from_values(change.slots().map(stored).collect());
        match self.misfit(side, &sent) {
            Some(misfit) => self.broken("what is written fits its field", misfit),
            None => Ok(()),
        }
    }

    /// From the other side alone the edited row can be made again, but for what the rules call inessential.
    fn check_kept(&mut self, edited: Side) -> Result<(), Broken> {
        let from = self.rows[edited.other()].clone();
        let made = match self.run_map(edited, &from, None) {
            Ok(made) => made,
            Err(stop) => return self.refused(edited, &stop),
        };
        let made = interp::normalise(self.plan, edited, &made);
        for (index, owner) in self.owners[edited].iter().enumerate() {
            let Some(drawn) = owner.map(|it| &self.case.rules[it]).filter(|it| it.is_lossless) else { continue };
            let slot = Slot(index as u16);
            let (held, again) = (self.rows[edited].get(slot), made.get(slot));
            if again.is_known()
                && self.is_carried(drawn, edited, slot)
                && self.takes_part(drawn)
                && !self.refers_nowhere(drawn, edited)
                && !self.is_same(drawn, slot, edited, held, again)
            {
                let field = &self.plan.shapes[edited].field(slot).name;
                return self.broken("`<->` loses nothing", format!("{field} was {held}, and is {again} when made again"));
            }
        }
        Ok(())
    }

    /// The two-way rule itself has this field; another one may only derive it.
    fn is_carried(&self, drawn: &Drawn, side: Side, slot: Slot) -> bool {
        self.rules_of(drawn).any(|id| self.plan.rule(id).ends[side].write.iter().any(|(own, _)| *own == slot))
    }

    /// The guard of the rule holds, so that it carried the value.
    fn takes_part(&self, drawn: &Drawn) -> bool {
        self.guards_hold(drawn, &self.rows)
    }

    /// The same for the row as it will be: another rule may write what the guard asks for.
    fn will_take_part(&self, drawn: &Drawn, towards: Side, change: &Record) -> bool {
        let mut after = self.rows.clone();
        after[towards].overlay(&interp::normalise(self.plan, towards, change));
        self.guards_hold(drawn, &after)
    }

    fn guards_hold(&self, drawn: &Drawn, rows: &Sides<Record>) -> bool {
        let holds = |id: RuleId, side: Side| interp::guard_holds(self.cx(), id, side, &rows[side]).unwrap_or(false);
        self.rules_of(drawn).all(|id| Side::BOTH.into_iter().all(|side| holds(id, side)))
    }

    /// A key with an empty part: it is as good as none.
    fn refers_nowhere(&self, drawn: &Drawn, side: Side) -> bool {
        let is_no_key = |id: RuleId| match interp::read(self.cx(), id, side, &self.rows[side]) {
            Ok(Value::Tuple(parts)) => parts.iter().any(Value::is_blank),
            Ok(single) => single.is_blank(),
            Err(_) => false,
        };
        drawn.refers && self.rules_of(drawn).any(is_no_key)
    }

    fn rules_of(&self, drawn: &Drawn) -> impl Iterator<Item = RuleId> {
        let is_own = |it: &RuleId| self.plan.rule(*it).label == drawn.label;
        self.plan.rule_ids().filter(is_own).collect::<Vec<_>>().into_iter()
    }

    fn is_same(&self, drawn: &Drawn, slot: Slot, side: Side, held: &Value, again: &Value) -> bool {
        let rules: Vec<&Rule> = self.rules_of(drawn).map(|it| self.plan.rule(it)).collect();
        let kind = &self.plan.shapes[side].field(slot).kind;
        let has_one_empty = self.plan.profiles.iter().any(|(_, it)| it.text.null_is_blank || it.text.blank_is_null);
        let is_text = matches!(kind, Kind::Text { .. });
        let is_padded = self.plan.profiles.iter().any(|(_, it)| it.text.padded.is_some());
        let is_cased = self.plan.profiles.iter().any(|(_, it)| it.text.upper || it.text.lower);
        let full = |it: Value| match it.as_text() {
            // The small sigma has another form at the end of a word, and a text that is joined to it moves that end.
            Some(text) if is_cased => Value::text(text.replace('ς', "σ").trim_end_matches(if is_padded { ' ' } else { '\0' })),
            Some(text) if is_padded => Value::text(text.trim_end_matches(' ')),
            None if is_text && has_one_empty && it == Value::Null => Value::text(""),
            Some(_) | None => it,
        };
        let canonical = rules.first().map_or(kind, |it| &it.kind);
        let admitted = |value: Value| drawn.admits.iter().fold(value, |it, admitted| full(fold(admitted, &it)));
        let stored = |value: Value| full(self.stored(kind, canonical, &value));
        // A function may look for its place behind the blanks that a store fills up with.
        let as_held = |value: Value| drawn.admits.iter().fold(value, |it, admitted| fold(admitted, &it));
        let forms = |value: &Value| {
            [admitted(full(value.clone())), stored(admitted(stored(value.clone()))), stored(as_held(value.clone()))]
        };
        let defaults: Vec<[Value; 3]> =
            drawn.admits.iter().filter_map(|it| if let Admitted::Default(it) = it { Some(forms(it)) } else { None }).collect();
        // Null and the defaults are one.
        let form = |value: &Value, index: usize| {
            let form = forms(value)[index].clone();
            let is_default = defaults.iter().any(|it| is_equal(&it[index], &form));
            let is_none = !defaults.is_empty() && (form == Value::Null || *value == Value::Null || form == full(Value::Null));
            if is_default || is_none { Value::Null } else { form }
        };
        let has_answer = drawn.admits.iter().any(|it| matches!(it, Admitted::Anything));
        has_answer || (0..3).any(|it| is_equal(&form(held, it), &form(again, it)))
    }

    /// What neither store can keep apart cannot be a difference; instants are known to be cut, and that is a loss.
    fn stored(&self, kind: &Kind, canonical: &Kind, value: &Value) -> Value {
        if matches!(kind, Kind::DateTime) {
            let is_none = self.plan.profiles.iter().any(|(_, it)| it.store(kind, value) == Value::Null);
            return if is_none { Value::Null } else { value.clone() };
        }
        let fold = |it: Value, kind: &Kind| self.plan.profiles.iter().fold(it, |it, (_, profile)| profile.store(kind, &it));
        fold(fold(value.clone(), kind), canonical)
    }

    fn note(&mut self, side: Side, what: &str) {
        let shape = &self.plan.shapes[side];
        let field = |(slot, value): (Slot, &Value)| format!("{}: {value}", shape.field(slot).name);
        let fields: Vec<String> =
            self.rows[side].slots().filter(|(slot, _)| self.owners[side][usize::from(slot.0)].is_some()).map(field).collect();
        self.trace.push(format!("{} {what} {{ {} }}", name(side), fields.join(", ")));
    }
}

/// The store's own default where a field may not be null.
fn blank(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int32 | Kind::Int64 => Value::Int(0),
        Kind::Decimal { .. } => Value::Decimal(dwmap::value::Decimal::ZERO),
        Kind::Text { .. } => Value::text(""),
        Kind::Enum(members) => members.members[0].value.clone(),
        Kind::Date => Value::Date("2000-01-01".parse().expect("a day")),
        Kind::Time => Value::Time("00:00:00".parse().expect("a time")),
        Kind::DateTime => Value::DateTime("2000-01-01T00:00:00Z".parse().expect("an instant")),
        Kind::Float64 | Kind::Guid | Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => Value::Null,
    }
}

/// Numbers by what they are worth.
fn is_equal(left: &Value, right: &Value) -> bool {
    let number = |it: &Value| if it.as_text().is_none() { interp::to_decimal(it) } else { None };
    left == right || (number(left).is_some() && number(left) == number(right))
}

/// One form for all values that differ only in what is admitted.
fn fold(admitted: &Admitted, value: &Value) -> Value {
    let text = |change: fn(&str) -> String| value.as_text().map_or_else(|| value.clone(), |it| Value::text(change(it)));
    match admitted {
        Admitted::Trim => text(|it| it.trim().to_owned()),
        // The small sigma has another form at the end of a word, and where a word ends depends on what else is folded away.
        Admitted::Case => text(|it| it.to_lowercase().replace('ς', "σ")),
        Admitted::Space => text(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")),
        Admitted::Function(name, more) => {
            let function = functions::find(name).expect("the library has it");
            let mut arguments = vec![value.clone()];
            arguments.extend(more.iter().cloned());
            if value.as_text().is_none() { value.clone() } else { (function.eval)(&arguments).unwrap_or_else(|_| value.clone()) }
        }
        Admitted::Default(_) | Admitted::Anything => value.clone(),
    }
}
