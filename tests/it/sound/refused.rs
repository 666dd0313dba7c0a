//! And the other way: what is shown with a refusal is taken at its word. The records that a message prints are read from its text,
//! put into the same rule compiled without the law engine, and must break its promise there, step by step as printed.

use std::path::PathBuf;

use dwmap::change::{Side, Sides};
use dwmap::check::premise::{Premise, Premises};
use dwmap::diag::{Diagnostic, Severity, codes};
use dwmap::interp::{self, Cx, Lookups, Query, Resolution, Stop};
use dwmap::ir::{Missing, Plan, Program, RuleId};
use dwmap::schema::Shape;
use dwmap::value::{Kind, Record, Slot, Value};

use super::case::Case;
use super::families::Family;
use super::printed::{same, shown, value};
use super::{setting, written};
use crate::diagnostics::{self, compiled};

/// Maps of each family, of one rule each.
const MAPS: u64 = if cfg!(debug_assertions) { 150 } else { 1_500 };
/// A rule that is wrong in a second way, for which no `else` helps, cannot be run. Of so many refusals one may be such.
const SHOWN_FOR_ONE_NOT_RUN: usize = 1_000;
/// Of those so many refusals show something at least; else the test would try little.
const SHOWN_MIN: usize = if cfg!(debug_assertions) { 200 } else { 2_000 };
/// Fixtures that show something.
const FIXTURES_MIN: usize = 8;
/// So many failures are shown.
const FAILURES_MAX: usize = 8;
/// The steps after which a rule is said never to settle, and the writes that one edit may cause.
const STEPS: usize = 8;
const WRITES_MAX: usize = 2;
const QUESTIONS_MAX: usize = 32;

/// Why what is shown shows nothing.
pub type Doubt = String;

/// A refused rule, as it would run.
struct Refused<'p> {
    program: &'p Program,
    plan: &'p Plan,
    id: RuleId,
    /// References are found by every key, or by none.
    are_found: bool,
}

/// Whether the refusal shows records or values that the interpreter can be asked about.
fn is_shown(it: &Diagnostic) -> bool {
    it.counterexample.is_some() || it.notes.iter().any(|(name, _)| name == "trace")
}

/// What came of taking one refusal at its word.
enum Verdict {
    Breaks,
    Doubted(Doubt),
    /// The map is wrong in another way as well, and cannot be run.
    NotRun(String),
}

impl From<Result<(), Doubt>> for Verdict {
    fn from(result: Result<(), Doubt>) -> Self {
        match result {
            Ok(()) => Self::Breaks,
            Err(doubt) => Self::Doubted(doubt),
        }
    }
}

/// Every refusal of a text that shows something, and what came of it. `bend` may change what is shown.
fn verdicts(text: &str, premises: Premises, bend: &dyn Fn(Diagnostic) -> Vec<Diagnostic>) -> Vec<(String, Verdict)> {
    let (_, _, found) = compiled("case.dwmap", text, premises);
    let judged = |it: Diagnostic| {
        let said = format!("{} {} {}", it.code, it.message, it.counterexample.as_deref().unwrap_or_default());
        (said, verdict(text, &it))
    };
    found.into_iter().filter(is_shown).flat_map(bend).map(judged).collect()
}

fn verdict(text: &str, refusal: &Diagnostic) -> Verdict {
    if written::is_of_function(refusal) {
        return written::judge(text, refusal).into();
    }
    let lawless = |text: &str| compiled("case.dwmap", text, Premises::without(Premise::Laws));
    let (_, bare, _) = lawless(text);
    let name = refusal.map.as_deref().unwrap_or_default();
    if let Some((_, plan)) = bare.program.plan(name) {
        return of_plan(&bare.program, plan, refusal).into();
    }
    if refusal.code == codes::AMBIGUOUS_SPLIT {
        return joins_alike(text, refusal).into();
    }
    let (_, answered, found) = lawless(&with_else(text, refusal));
    match answered.program.plan(name) {
        Some((_, plan)) => of_plan(&answered.program, plan, refusal).into(),
        None => {
            let errors = found.iter().filter(|it| it.severity == Severity::Error);
            Verdict::NotRun(errors.map(|it| format!("{} {}", it.code, it.message)).collect::<Vec<_>>().join(", "))
        }
    }
}

fn of_plan(program: &Program, plan: &Plan, refusal: &Diagnostic) -> Result<(), Doubt> {
    let is_meant = |id: &RuleId| Some(plan.rule(*id).label.as_str()) == refusal.rule.as_deref();
    let id = plan.rule_ids().find(is_meant).ok_or("no such rule")?;
    let judge = |are_found: bool| Refused { program, plan, id, are_found }.judge(refusal);
    let may_miss = plan.rule(id).on_missing == Missing::Null;
    judge(true).or_else(|doubt| if may_miss { judge(false) } else { Err(doubt) })
}

/// Where the line of the refused rule stands.
fn line(text: &str, refusal: &Diagnostic) -> std::ops::Range<usize> {
    let at = refusal.primary().start as usize;
    text[..at].rfind('\n').map_or(0, |it| it + 1)..at + text[at..].find('\n').unwrap_or(text.len() - at)
}

/// A rule that does not say what becomes of values that it cannot carry is wrong for that reason, too, and is run as if it did.
fn with_else(text: &str, refusal: &Diagnostic) -> String {
    let line = line(text, refusal);
    let plain = text[line.clone()].replace(" else -> reject", "").replace(" else <- reject", "");
    let (rule, loses) = plain.split_once(" loses ").map_or((plain.as_str(), None), |(rule, loses)| (rule, Some(loses)));
    let loses = loses.map_or_else(String::new, |it| format!(" loses {it}"));
    format!("{}{rule} else reject{loses}{}", &text[..line.start], &text[line.end..])
}

/// What nobody can take apart, written one way: both rows of the refusal are sent, and arrive as one.
fn joins_alike(text: &str, refusal: &Diagnostic) -> Result<(), Doubt> {
    let line = line(text, refusal);
    let one_way = text[line.clone()].replace("<->", "->").replace("<~>", "->");
    let one_way = format!("{}{one_way}{}", &text[..line.start], &text[line.end..]);
    let (_, checked, found) = compiled("case.dwmap", &one_way, Premises::default());
    let plan = checked.program.plans.first().ok_or_else(|| format!("no plan: {found:?}"))?;
    let label = refusal.rule.as_deref().unwrap_or_default();
    let id = plan.rule_ids().find(|it| plan.rule(*it).label == label).ok_or("no such rule")?;
    let refused = Refused { program: &checked.program, plan, id, are_found: true };
    let shown = refusal.counterexample.as_deref().unwrap_or_default();
    let (pair, both) = shown.split_once("  →  ").ok_or("there is one step")?;
    let (side, first, rest) = refused.record_of(pair)?;
    let (_, second) = refused.record(rest.strip_prefix(" and ").ok_or("there is one record only")?)?;
    for record in [&first, &second] {
        same("what is joined", &refused.held(side, record)?.to_string(), both)?;
    }
    if first == second { Err("they do not differ".to_owned()) } else { Ok(()) }
}

impl Refused<'_> {
    fn judge(&self, refusal: &Diagnostic) -> Result<(), Doubt> {
        if let Some((_, trace)) = refusal.notes.iter().find(|(name, _)| name == "trace") {
            return self.restless(trace);
        }
        let shown = refusal.counterexample.as_deref().unwrap_or_default();
        let steps: Vec<&str> = shown.split("  →  ").collect();
        match (refusal.code, steps.as_slice()) {
            (code, [record, wanted, after, again]) if code == codes::NOT_IDEMPOTENT => {
                self.unstable(record, wanted, after, again)
            }
            (code, [record, after, reads]) if code == codes::SECTION => self.section(record, after, reads),
            (code, [pair, both]) if code == codes::LOST || code == codes::AMBIGUOUS_SPLIT => self.lost(pair, both),
            (code, [from, to]) if code == codes::IMAGE_OUT_OF_SCOPE => self.image(from, to),
            (code, [from, to]) if code == codes::DATE_LOSS => self.cuts_instants(from, to),
            (code, [pair]) if code == codes::KEY_COLLISION => self.collides(pair),
            _ => Err(format!("nobody knows how to try {shown}")),
        }
    }

    /// What `side` writes of its own value reads as another.
    fn unstable(&self, record: &str, wanted: &str, after: &str, again: &str) -> Result<(), Doubt> {
        let (side, record) = self.record(record)?;
        let value = self.held(side, &record)?;
        same("what is read", &shown(&value), wanted)?;
        let written = self.written(side, &value, &self.blank(side))?;
        self.same_record(side, &written, after)?;
        let read = self.read(side, &written)?;
        same("what is read again", &shown(&read), again)?;
        self.differ(&value, &read)
    }

    /// The other side cannot be made equal to this one.
    fn section(&self, record: &str, after: &str, reads: &str) -> Result<(), Doubt> {
        let (side, record) = self.record(record)?;
        let value = self.held(side, &record)?;
        let written = self.stored(side.other(), &self.written(side.other(), &value, &self.blank(side.other()))?);
        self.same_record(side.other(), &written, after)?;
        let read = self.read(side.other(), &written)?;
        same("what the other side reads", &format!("reads as {}  ≠  {}", shown(&read), shown(&value)), reads)?;
        self.differ(&value, &read)
    }

    /// Two rows that differ are one on the other side.
    fn lost(&self, pair: &str, both: &str) -> Result<(), Doubt> {
        let (side, first, rest) = self.record_of(pair)?;
        let second = rest.strip_prefix(" and ").ok_or("there is one record only")?;
        let (other_side, second) = self.record(second)?;
        if side != other_side {
            return Err("the records are of two sides".to_owned());
        }
        let towards = side.other();
        let sent = [&first, &second].map(|it| {
            let value = self.held(side, it)?;
            self.written(towards, &value, &self.blank(towards))
        });
        let [one, two] = sent;
        // One of them may be refused, and is then taken for the other where that is there already.
        let arrives = two.as_ref().or(one.as_ref()).map_err(Clone::clone)?;
        self.same_record(towards, arrives, both)?;
        // The rule takes them for one, or the store does.
        let is_one = interp::agree(self.plan, self.id, &self.read(side, &first)?, &self.read(side, &second)?);
        let is_stored_as_one = one.is_ok()
            && one.as_ref().ok().map(|it| self.stored(towards, it)) == two.as_ref().ok().map(|it| self.stored(towards, it));
        if !is_one && !is_stored_as_one {
            return Err(format!("they can be told apart: {one:?} and {two:?}"));
        }
        // Texts may differ in what the rule forgives. Numbers that a store can hold are different numbers.
        let is_other = |left: &Value, right: &Value| match left {
            Value::Text(_) => !interp::agree(self.plan, self.id, left, right),
            other => other != right,
        };
        let differs = first.slots().any(|(slot, value)| is_other(value, second.get(slot)));
        if differs { Ok(()) } else { Err("they do not differ".to_owned()) }
    }

    /// Each side answers the other.
    fn restless(&self, trace: &str) -> Result<(), Doubt> {
        let (trace, is_endless) = trace.strip_suffix(" → …").map_or((trace, false), |it| (it, true));
        let mut rows = Sides::new(self.blank(Side::Left), self.blank(Side::Right));
        let mut steps = Vec::new();
        for step in trace.split(" → ") {
            let (system, record) = step.split_once(' ').ok_or("a step names a system")?;
            let side = Side::BOTH.into_iter().find(|it| self.program.systems[usize::from(self.plan.systems[*it])].name == system);
            steps.push((side.ok_or("a step names a system of the map")?, record));
        }
        let [(start, first), answers @ ..] = steps.as_slice() else { return Err("there is no step".to_owned()) };
        rows[*start] = self.record(first)?.1;
        self.held(*start, &rows[*start])?;
        let (mut from, mut writes, mut rests) = (*start, 0, false);
        for index in 0..STEPS {
            let towards = from.other();
            let Some(written) = self.answer(towards, &rows)? else {
                rests = true;
                break;
            };
            writes += 1;
            if let Some((side, printed)) = answers.get(index) {
                same("who answers", side.word(), towards.word())?;
                self.same_record(towards, &written, printed)?;
            }
            rows[towards] = written;
            from = towards;
        }
        if is_endless == rests || writes <= WRITES_MAX {
            return Err(format!("it rests after {writes} writes"));
        }
        Ok(())
    }

    fn answer(&self, towards: Side, rows: &Sides<Record>) -> Result<Option<Record>, Doubt> {
        let wanted = self.read(towards.other(), &rows[towards.other()])?;
        let slots = self.plan.rule(self.id).ends[towards].read.slots();
        let is_there = slots.into_iter().all(|it| rows[towards].get(it).is_known());
        if is_there && self.read(towards, &rows[towards]).is_ok_and(|it| interp::agree(self.plan, self.id, &wanted, &it)) {
            return Ok(None);
        }
        // What is refused is not answered.
        Ok(self.written(towards, &wanted, &rows[towards]).ok().map(|it| self.stored(towards, &it)))
    }

    /// A row in scope is carried to where it is not.
    fn image(&self, from: &str, to: &str) -> Result<(), Doubt> {
        let (side, record) = self.record(from)?;
        let value = self.held(side, &record)?;
        let written = self.stored(side.other(), &self.written(side.other(), &value, &self.blank(side.other()))?);
        self.same_record(side.other(), &written, to)?;
        let is_in = |side: Side, record: &Record| interp::in_scope(self.cx(&Lookups::default()), side, record) == Ok(true);
        if is_in(side, &record) && !is_in(side.other(), &written) { Ok(()) } else { Err("it stays in scope".to_owned()) }
    }

    /// What comes back from the other side has lost its fraction of a second.
    fn cuts_instants(&self, from: &str, to: &str) -> Result<(), Doubt> {
        let (side, record) = self.record(from)?;
        let towards = side.other();
        let there = self.stored(towards, &self.written(towards, &self.held(side, &record)?, &self.blank(towards))?);
        self.same_record(towards, &there, to)?;
        let back = self.stored(side, &self.written(side, &self.read(towards, &there)?, &self.blank(side))?);
        let is_whole = |it: &Value| matches!(it, Value::DateTime(at) if at.as_microsecond() % 1_000_000 == 0);
        let is_cut = |(slot, value): (Slot, &Value)| !is_whole(value) && is_whole(back.get(slot));
        if record.slots().any(is_cut) { Ok(()) } else { Err(format!("it comes back as {back:?}")) }
    }

    /// Two keys of one store are one key of the other.
    fn collides(&self, pair: &str) -> Result<(), Doubt> {
        let (side, first, rest) = self.record_of(pair)?;
        let (_, second) = self.record(rest.strip_prefix(" and ").ok_or("there is one record only")?)?;
        let key = |side: Side, record: &Record| Ok(self.plan.profiles[side].fold_key(&self.held(side, record)?));
        let there = |record: &Record| {
            let towards = side.other();
            let written = self.written(towards, &self.held(side, record)?, &self.blank(towards))?;
            key(towards, &self.stored(towards, &written))
        };
        let is_one: Result<bool, Doubt> = key(side, &first).and_then(|it| Ok(it == key(side, &second)?));
        if is_one? {
            return Err("they are one key on their own side".to_owned());
        }
        if there(&first)? == there(&second)? { Ok(()) } else { Err("they are two keys on the other side".to_owned()) }
    }

    fn cx<'a>(&'a self, lookups: &'a Lookups) -> Cx<'a> {
        Cx { plan: self.plan, lookups }
    }

    /// Asks with a world in which each referenced row has its key as its id, as the messages show references.
    fn asked<T>(&self, ask: impl Fn(Cx<'_>) -> Result<T, Stop>) -> Result<T, Doubt> {
        let mut lookups = Lookups::default();
        for _ in 0..QUESTIONS_MAX {
            match ask(self.cx(&lookups)) {
                Err(Stop::Unresolved(query)) => {
                    if let (Query::IdOf { .. }, false) = (&query, self.are_found) {
                        lookups.insert(query, Resolution::Missing);
                        continue;
                    }
                    let id = match &query {
                        Query::KeyOf { id, .. } => id.clone(),
                        Query::IdOf { reference, key } => match key {
                            Value::Tuple(parts) if self.plan.reference(*reference).is_partitioned => match &parts[1..] {
                                [single] => single.clone(),
                                several => Value::Tuple(several.into()),
                            },
                            whole => whole.clone(),
                        },
                    };
                    lookups.insert(query, Resolution::Found(id));
                }
                done => return done.map_err(|stop| format!("{stop:?}")),
            }
        }
        Err("it asks for ever".to_owned())
    }

    fn read(&self, side: Side, record: &Record) -> Result<Value, Doubt> {
        self.asked(|cx| interp::read(cx, self.id, side, record))
    }

    /// The value of a row that its store can hold.
    fn held(&self, side: Side, record: &Record) -> Result<Value, Doubt> {
        if self.stored(side, record) != *record {
            return Err(format!("its store cannot hold {record:?}"));
        }
        self.read(side, record)
    }

    fn written(&self, side: Side, value: &Value, own: &Record) -> Result<Record, Doubt> {
        let from = self.blank(side.other());
        let rows = interp::Rows { own, from: &from };
        let out = self.asked(|cx| {
            let mut out = self.blank(side);
            interp::write(cx, self.id, side, value, &Value::Absent, rows, &mut out).map(|()| out)
        })?;
        let mut after = own.clone();
        after.overlay(&out);
        Ok(after)
    }

    /// As the store gives it back. A reference stands for its key here, which the store of the key has had already.
    fn stored(&self, side: Side, record: &Record) -> Record {
        interp::normalise(self.plan, side, record)
    }

    fn differ(&self, left: &Value, right: &Value) -> Result<(), Doubt> {
        if interp::agree(self.plan, self.id, left, right) { Err(format!("{left} and {right} agree")) } else { Ok(()) }
    }

    fn blank(&self, side: Side) -> Record {
        Record::absent(self.plan.shapes[side].fields.len())
    }

    fn same_record(&self, side: Side, record: &Record, printed: &str) -> Result<(), Doubt> {
        let end = &self.plan.rule(self.id).ends[side];
        let mut slots = end.read.slots();
        slots.extend(end.write.iter().map(|(slot, _)| *slot));
        slots.sort_unstable();
        slots.dedup();
        let of_enum = |kind: &Kind, value: &Value| match kind {
            Kind::Enum(members) => members.members.iter().find(|it| it.value == *value).map(|it| it.name.clone()),
            _ => None,
        };
        let fields = slots.into_iter().filter(|it| record.get(*it).is_known()).map(|slot| {
            let (field, value) = (self.plan.shapes[side].field(slot), record.get(slot));
            format!("{} = {}", field.name, of_enum(&field.kind, value).unwrap_or_else(|| shown(value)))
        });
        same("the row", &fields.collect::<Vec<_>>().join(", "), printed)
    }

    fn record(&self, printed: &str) -> Result<(Side, Record), Doubt> {
        let (side, record, rest) = self.record_of(printed)?;
        if rest.is_empty() { Ok((side, record)) } else { Err(format!("`{rest}` is left over")) }
    }

    /// `Name = "a", Kind = Old`, and what stands behind it.
    fn record_of<'t>(&self, printed: &'t str) -> Result<(Side, Record, &'t str), Doubt> {
        let (first, _) = printed.split_once(" = ").ok_or_else(|| format!("`{printed}` is no record"))?;
        // Names of fields are of one side only in the texts that are tried here.
        let is_of_rule = |side: &Side| {
            let end = &self.plan.rule(self.id).ends[*side];
            let slots = end.read.slots().into_iter().chain(end.write.iter().map(|(slot, _)| *slot));
            slots.into_iter().any(|it| self.plan.shapes[*side].field(it).name == first)
        };
        let side = Side::BOTH.into_iter().find(is_of_rule).ok_or_else(|| format!("the rule has no field `{first}`"))?;
        let shape: &Shape = &self.plan.shapes[side];
        let (mut record, mut rest) = (self.blank(side), printed);
        while let Some((name, behind)) = rest.split_once(" = ") {
            let slot = shape.slot(name).ok_or_else(|| format!("`{name}` is no field of the {} side", side.word()))?;
            let (value, behind) = value(behind, &shape.field(slot).kind)?;
            record.set(slot, value);
            match behind.strip_prefix(", ") {
                Some(next) => rest = next,
                None => return Ok((side, record, behind)),
            }
        }
        Err(format!("`{printed}` ends too early"))
    }
}

/// What came of all refusals of some texts.
#[derive(Default)]
struct Tally {
    shown: usize,
    /// Not run, because the map is wrong in another way as well.
    not_run: Vec<String>,
    doubted: Vec<String>,
    believed: Vec<String>,
}

impl Tally {
    fn add(
        &mut self,
        texts: impl IntoIterator<Item = (String, String)>,
        premises: Premises,
        bend: &dyn Fn(Diagnostic) -> Vec<Diagnostic>,
    ) {
        for (name, text) in texts {
            for (said, verdict) in verdicts(&text, premises, bend) {
                self.shown += 1;
                match verdict {
                    Verdict::NotRun(why) => self.not_run.push(format!("{name}: {said}\n  {why}")),
                    Verdict::Breaks => self.believed.push(format!("{name}: {said}\n{text}")),
                    Verdict::Doubted(doubt) => self.doubted.push(format!("{name}: {said}\n  {doubt}\n{text}")),
                }
            }
        }
    }
}

fn as_it_is(refusal: Diagnostic) -> Vec<Diagnostic> {
    vec![refusal]
}

fn first_of(all: &[String]) -> String {
    all.iter().take(FAILURES_MAX).cloned().collect::<Vec<_>>().join("\n")
}

fn drawn(family: Family) -> impl Iterator<Item = (String, String)> {
    (0..setting("DWMAP_REFUSALS").unwrap_or(MAPS))
        .map(move |seed| (format!("seed {seed} of {family:?}"), Case::draw(seed, Some(family)).text()))
}

/// Every fixture and every map of the corpus.
fn fixtures() -> Vec<(String, String)> {
    let mut folders = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus").into()];
    let mut paths = diagnostics::fixtures();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir::<PathBuf>(folder).expect("the corpus is there");
        for path in entries.map(|it| it.expect("a folder can be listed").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "dwmap") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read = |path: PathBuf| (path.display().to_string(), std::fs::read_to_string(&path).expect("a fixture can be read"));
    paths.into_iter().map(read).collect()
}

#[test]
fn what_a_refusal_of_a_random_rule_shows_breaks_the_rule() {
    let mut tally = Tally::default();
    for family in Family::ALL {
        let before = tally.shown;
        tally.add(drawn(*family), Premises::default(), &as_it_is);
        println!("{family:?}: {} refusals show something", tally.shown - before);
    }
    println!("{} refusals, {} not run, {} doubted", tally.shown, tally.not_run.len(), tally.doubted.len());
    assert!(tally.doubted.is_empty(), "{} of {}\n{}", tally.doubted.len(), tally.shown, first_of(&tally.doubted));
    assert!(tally.not_run.len() <= tally.shown / SHOWN_FOR_ONE_NOT_RUN, "{}", first_of(&tally.not_run));
    assert!(tally.shown >= SHOWN_MIN, "only {}", tally.shown);
}

#[test]
fn what_a_refusal_of_a_fixture_shows_breaks_the_rule() {
    let mut tally = Tally::default();
    tally.add(fixtures(), Premises::default(), &as_it_is);
    println!("{} refusals, {} not run, {} doubted", tally.shown, tally.not_run.len(), tally.doubted.len());
    assert!(tally.doubted.is_empty(), "{}", first_of(&tally.doubted));
    assert!(tally.not_run.is_empty(), "{}", first_of(&tally.not_run));
    assert!(tally.shown >= FIXTURES_MIN, "only {} fixtures show something", tally.shown);
}

#[test]
fn what_a_refused_function_of_a_file_shows_happens() {
    let mut tally = Tally::default();
    let texts = written::texts();
    let count = texts.len();
    tally.add(texts, Premises::default(), &as_it_is);
    assert!(tally.doubted.is_empty(), "{}", first_of(&tally.doubted));
    assert_eq!(tally.believed.len(), count, "{}", first_of(&tally.believed));
}

/// A checker that forgets what the stores do shows rows that no store holds so.
#[test]
fn what_a_wrong_checker_shows_is_doubted() {
    let mut tally = Tally::default();
    tally.add(drawn(Family::Mixed), Premises::without(Premise::Stores), &as_it_is);
    assert!(!tally.doubted.is_empty(), "none of {} is doubted", tally.shown);
}

/// The same refusal with other endings, with its first row twice, and without its first step.
fn bent(refusal: Diagnostic) -> Vec<Diagnostic> {
    let is_trace = refusal.counterexample.is_none();
    let shown = match &refusal.counterexample {
        Some(shown) => shown.clone(),
        None => refusal.notes.iter().find(|(name, _)| name == "trace").map(|(_, it)| it.clone()).unwrap_or_default(),
    };
    let arrow = if is_trace { " → " } else { "  →  " };
    let (steps, end) = shown.strip_suffix(" → …").map_or((shown.as_str(), ""), |it| (it, " → …"));
    let steps: Vec<&str> = steps.split(arrow).collect();
    let mut forms = Vec::new();
    if let [first, .., before, last] = steps.as_slice() {
        let others = [*first, *before].into_iter().filter(|it| it != last);
        forms.extend(others.map(|it| [&steps[..steps.len() - 1], &[it]].concat().join(arrow) + end));
        // The steps of a trace are one, too, without the first.
        forms.extend((!is_trace).then(|| steps[1..].join(arrow)));
    }
    if let Some((one, _)) = steps[0].split_once(" and ") {
        forms.push([&[format!("{one} and {one}").as_str()], &steps[1..]].concat().join(arrow));
    }
    let with = |form: String| {
        let mut bent = refusal.clone();
        if is_trace {
            bent.notes.iter_mut().filter(|(name, _)| name == "trace").for_each(|(_, it)| it.clone_from(&form));
        } else {
            bent.counterexample = Some(form);
        }
        bent
    };
    forms.into_iter().map(with).collect()
}

/// So that a wrong counterexample would be seen: none of those that are bent on purpose is believed.
#[test]
fn a_counterexample_that_was_bent_is_doubted() {
    let mut tally = Tally::default();
    for family in [Family::Canon, Family::Mixed, Family::Joined, Family::Filtered, Family::Dates, Family::Referred] {
        tally.add(drawn(family), Premises::default(), &bent);
    }
    tally.add(fixtures(), Premises::default(), &bent);
    tally.add(written::texts(), Premises::default(), &bent);
    println!("{} bent, {} doubted", tally.shown, tally.doubted.len());
    assert!(tally.believed.is_empty(), "{}", first_of(&tally.believed));
    assert!(tally.doubted.len() >= SHOWN_MIN, "only {}", tally.doubted.len());
}
