//! And the other way: what is shown with a refusal is taken at its word. The records that a message prints are read from its text,
//! put into the same rule compiled without the law engine, and must break its promise there, step by step as printed.

use dwmap::change::{Side, Sides};
use dwmap::check::premise::{Premise, Premises};
use dwmap::diag::{Diagnostic, Severity, codes};
use dwmap::interp::{self, Cx, Lookups, Query, Resolution, Stop};
use dwmap::ir::{Missing, Plan, Program, RuleId};
use dwmap::schema::Shape;
use dwmap::value::{Date, Float, Kind, Record, Time, Timestamp, Uuid, Value};

use super::case::Case;
use super::compile;
use super::families::Family;

/// Maps of each family, of one rule each.
const MAPS: u64 = if cfg!(debug_assertions) { 150 } else { 1_500 };
/// Of those so many refusals show something at least; else the test would try little.
const SHOWN_MIN: usize = if cfg!(debug_assertions) { 200 } else { 2_000 };
/// A longer text is shown by its ends.
const WHOLE_MAX: usize = 40;
/// The steps after which a rule is said never to settle, and the writes that one edit may cause.
const STEPS: usize = 8;
const WRITES_MAX: usize = 2;
const QUESTIONS_MAX: usize = 32;

/// Why what is shown shows nothing.
type Doubt = String;

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
    it.map.is_some() && (it.counterexample.is_some() || it.notes.iter().any(|(name, _)| name == "trace"))
}

/// Every shown refusal of a text, with what is doubtful about it.
fn doubts(text: &str, premises: Premises) -> Vec<(String, Result<(), Doubt>)> {
    let (_, found) = compile(text, premises);
    let shown: Vec<&Diagnostic> = found.iter().filter(|it| is_shown(it)).collect();
    if shown.is_empty() {
        return Vec::new();
    }
    let (bare, others) = compile(text, Premises::without(Premise::Laws));
    let judged = |it: &&Diagnostic| {
        let name = it.map.as_deref().unwrap_or_default();
        let said = format!("{} {} {}", it.code, it.message, it.counterexample.as_deref().unwrap_or_default());
        let verdict = match bare.program.plan(name) {
            Some((_, plan)) => {
                let id = plan.rule_ids().find(|id| Some(plan.rule(*id).label.as_str()) == it.rule.as_deref());
                let judge = |id: RuleId, are_found: bool| Refused { program: &bare.program, plan, id, are_found }.judge(it);
                let found = id.ok_or_else(|| "no such rule".to_owned()).and_then(|id| judge(id, true));
                match id.filter(|id| plan.rule(*id).on_missing == Missing::Null) {
                    Some(id) => found.or_else(|_| judge(id, false)),
                    None => found,
                }
            }
            None if it.code == codes::AMBIGUOUS_SPLIT => joins_alike(text, it),
            // It is wrong in another way as well, and cannot be run.
            None if others.iter().any(|it| it.severity == Severity::Error) => return None,
            None => Err("there is no plan".to_owned()),
        };
        Some((said, verdict))
    };
    shown.iter().filter_map(judged).collect()
}

/// What nobody can take apart, written one way: both rows of the refusal are sent, and arrive as one.
fn joins_alike(text: &str, refusal: &Diagnostic) -> Result<(), Doubt> {
    let at = refusal.primary().start as usize;
    let (start, end) = (text[..at].rfind('\n').map_or(0, |it| it + 1), at + text[at..].find('\n').unwrap_or(text.len() - at));
    let one_way = text[start..end].replace("<->", "->").replace("<~>", "->");
    let (checked, found) = compile(&format!("{}{one_way}{}", &text[..start], &text[end..]), Premises::default());
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
            (code, [_, _]) if code == codes::DATE_LOSS => self.cuts_instants(),
            (code, [_]) if code == codes::KEY_COLLISION => self.collides(),
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

    /// One side holds a fraction of a second that the other drops.
    fn cuts_instants(&self) -> Result<(), Doubt> {
        let at = Value::DateTime("2024-02-29T12:30:00.250Z".parse::<Timestamp>().expect("this is an instant"));
        let kept = |side: Side| self.plan.profiles[side].store(&Kind::DateTime, &at) == at;
        if kept(Side::Left) == kept(Side::Right) { Err("both stores treat it alike".to_owned()) } else { Ok(()) }
    }

    /// Two keys of one store are one key of the other.
    fn collides(&self) -> Result<(), Doubt> {
        let is_one = |side: Side| {
            let fold = |text: &str| self.plan.profiles[side].fold_key(&Value::text(text));
            fold("a1") == fold("A1")
        };
        if is_one(Side::Left) == is_one(Side::Right) { Err("both stores compare alike".to_owned()) } else { Ok(()) }
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

fn same(what: &str, found: &str, printed: &str) -> Result<(), Doubt> {
    if found == printed { Ok(()) } else { Err(format!("{what} is {found}, printed as {printed}")) }
}

/// A value as messages show it.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= WHOLE_MAX {
        return text;
    }
    let (head, tail): (String, String) = (letters[..12].iter().collect(), letters[letters.len() - 8..].iter().collect());
    format!("{head}…{tail} ({} characters)", letters.len())
}

/// The printed value of a field, and what stands behind it.
fn value<'t>(printed: &'t str, kind: &Kind) -> Result<(Value, &'t str), Doubt> {
    let wrong = || format!("`{printed}` begins with no `{kind}`");
    if let Some((full, rest)) = unshortened(printed) {
        return Ok((Value::text(unquoted(&full).ok_or_else(wrong)?), rest));
    }
    if printed.starts_with('"') {
        let end = closing(printed).ok_or_else(wrong)?;
        let text = unquoted(&printed[..end]).ok_or_else(wrong)?;
        return Ok((Value::text(text), &printed[end..]));
    }
    let end = [", ", " and "].iter().filter_map(|it| printed.find(it)).min().unwrap_or(printed.len());
    let end = if printed.starts_with('{') { printed.find('}').map_or(end, |it| it + 1) } else { end };
    let (word, rest) = printed.split_at(end);
    let number = || word.parse::<i64>().ok().map(Value::Int);
    let found = match kind {
        _ if word == "null" => Some(Value::Null),
        Kind::Bool => word.parse().ok().map(Value::Bool),
        Kind::Int32 | Kind::Int64 => number(),
        Kind::Decimal { .. } => word.parse().ok().map(Value::Decimal),
        Kind::Float64 => word.parse().ok().map(|it| Value::Float(Float(it))),
        Kind::Text { .. } | Kind::Binary => None,
        Kind::Guid => word.parse::<Uuid>().ok().map(Value::Guid),
        Kind::Date => word.parse::<Date>().ok().map(Value::Date),
        Kind::Time => word.parse::<Time>().ok().map(Value::Time),
        Kind::DateTime => word.parse::<Timestamp>().ok().map(Value::DateTime),
        Kind::Enum(members) => members.members.iter().find(|it| it.name == word).map(|it| it.value.clone()).or_else(number),
        Kind::Choices(_) => {
            let numbers = word.trim_matches(['{', '}']).split(", ").filter(|it| !it.is_empty());
            numbers.map(|it| it.parse::<i64>().ok()).collect::<Option<Vec<_>>>().map(|it| Value::Set(it.into()))
        }
        Kind::Lookup(_) => number().or_else(|| word.parse::<Uuid>().ok().map(Value::Guid)),
    };
    Ok((found.ok_or_else(wrong)?, rest))
}

/// `"xxxxxxxxxxx…xxxxxxx" (62 characters)` in full: the samples that are so long repeat one letter between their ends.
fn unshortened(printed: &str) -> Option<(String, &str)> {
    let letters: Vec<char> = printed.chars().take(21).collect();
    if !printed.starts_with('"') || letters.get(12) != Some(&'…') {
        return None;
    }
    let behind: &str = &printed[letters.iter().map(|it| it.len_utf8()).sum()..];
    let (count, rest) = behind.strip_prefix(" (")?.split_once(" characters)")?;
    let count: usize = count.parse().ok()?;
    let (head, tail): (String, String) = (letters[..12].iter().collect(), letters[13..].iter().collect());
    // What repeats is whichever of the two ends is longer of one letter.
    let filler = if letters[10] == letters[11] { letters[11] } else { letters[13] };
    Some((format!("{head}{}{tail}", filler.to_string().repeat(count.checked_sub(20)?)), rest))
}

/// Where the text that begins with a quote ends, behind its closing quote.
fn closing(printed: &str) -> Option<usize> {
    let mut is_escaped = false;
    printed.char_indices().skip(1).find_map(|(index, letter)| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends.then_some(index + 1)
    })
}

fn unquoted(quoted: &str) -> Option<String> {
    let mut out = String::new();
    let mut letters = quoted.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        out.push(match letters.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            'u' => {
                let code: String = letters.by_ref().skip(1).take_while(|it| *it != '}').collect();
                char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(out)
}

/// Every text with refusals that show something: random rules, and the fixtures.
fn check_all(texts: impl Iterator<Item = (String, String)>, premises: Premises) -> (usize, Vec<String>) {
    let (mut shown, mut wrong) = (0, Vec::new());
    for (name, text) in texts {
        for (said, verdict) in doubts(&text, premises) {
            shown += 1;
            if let Err(doubt) = verdict {
                wrong.push(format!("{name}: {said}\n  {doubt}\n{text}"));
            }
        }
    }
    (shown, wrong)
}

fn drawn(family: Family) -> impl Iterator<Item = (String, String)> {
    (0..MAPS).map(move |seed| (format!("seed {seed} of {family:?}"), Case::draw(seed, Some(family)).text()))
}

#[test]
fn what_a_refusal_of_a_random_rule_shows_breaks_the_rule() {
    let mut total = 0;
    let mut wrong = Vec::new();
    for family in Family::ALL {
        let (shown, found) = check_all(drawn(*family), Premises::default());
        println!("{family:?}: {shown} refusals show something");
        total += shown;
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{} of {total}\n{}", wrong.len(), wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n"));
    assert!(total >= SHOWN_MIN, "only {total}");
}

#[test]
fn what_a_refusal_of_a_fixture_shows_breaks_the_rule() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/diagnostics");
    let mut texts: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the fixtures are there")
        .map(|it| it.expect("a folder can be listed").path())
        .map(|it| (it.display().to_string(), std::fs::read_to_string(&it).expect("a fixture can be read")))
        .collect();
    texts.sort();
    let (shown, wrong) = check_all(texts.into_iter(), Premises::default());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown >= 8, "only {shown} fixtures show something");
}

/// A checker that forgets what the stores do shows rows that no store holds so.
#[test]
fn what_a_wrong_checker_shows_is_doubted() {
    let (shown, wrong) = check_all(drawn(Family::Mixed), Premises::without(Premise::Stores));
    assert!(!wrong.is_empty(), "none of {shown} is doubted");
}
