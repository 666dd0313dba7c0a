//! `roundtrip N seed S`: random records go to the other side and back, and must come back as they were.

use crate::change::Side;
use crate::engine::merge::changes_nothing;
use crate::interp::{self, Cx, Lookups, Stamp, Stop};
use crate::ir::Plan;
use crate::schema::ShapeField;
use crate::value::{Date, Decimal, Kind, Record, Timestamp, Uuid, Value};

/// Texts that tend to break round trips.
const TEXTS: &[&str] =
    &["", "a", "Contoso", " lead", "trail ", "MiXed", "ß", "é", "e\u{301}", "O'Br/ien & 50%", "two words", "😀"];

/// A small generator with a period long enough for tests (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 1
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(usize::MAX) % limit.max(1)
    }
}

/// Both ways. References stay empty: their round trip is the systems' business. Rows that a rule refuses are not counted.
pub fn roundtrip(plan: &Plan, count: u32, seed: u64) -> Result<(), String> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut lookups = Lookups::default();
    lookups.begin(Stamp { now: Timestamp::UNIX_EPOCH, op: Uuid::from_u64_pair(seed, 0) });
    let cx = Cx { plan, lookups: &lookups };
    for turn in 0..count {
        let side = Side::BOTH[turn as usize % 2];
        if !(plan.writes[Side::Left] && plan.writes[Side::Right]) {
            return Err("`roundtrip` needs a map that goes both ways".to_owned());
        }
        let shape = &plan.shapes[side];
        let own = Record::from_values(shape.fields.iter().map(|it| random_value(it, &mut random)).collect());
        let own = interp::normalise(plan, side, &own);
        if let Some(change) = there_and_back(cx, side, &own)? {
            let (record, change) = (crate::engine::merge::describe(shape, &own), crate::engine::merge::describe(shape, &change));
            return Err(format!("record {turn} of seed {seed} does not come back: {record} would be changed to {change}"));
        }
    }
    Ok(())
}

/// What the way back would change; `None`: nothing, or the record cannot be carried at all.
fn there_and_back(cx: Cx<'_>, side: Side, own: &Record) -> Result<Option<Record>, String> {
    let other = side.other();
    let sent = match interp::put(cx, other, own, None) {
        Ok(sent) => interp::normalise(cx.plan, other, &sent),
        Err(Stop::Refused(_) | Stop::Skip | Stop::Unresolved(_)) => return Ok(None),
    };
    match interp::put(cx, side, &sent, Some(own)) {
        Ok(change) => Ok((!changes_nothing(cx.plan, side, &change, own)).then_some(change)),
        Err(Stop::Refused(refusal)) => Err(format!("what was sent cannot be read back: {}", refusal.message)),
        Err(Stop::Skip | Stop::Unresolved(_)) => Ok(None),
    }
}

fn random_value(field: &ShapeField, random: &mut Random) -> Value {
    if field.nullable && random.below(5) == 0 {
        return Value::Null;
    }
    let number = i64::try_from(random.below(2_000_000)).unwrap_or(0) - 1_000_000;
    match &field.kind {
        Kind::Bool => Value::Bool(random.below(2) == 0),
        Kind::Int32 | Kind::Int64 => Value::Int(number),
        Kind::Decimal { scale, .. } => Decimal::new(i128::from(number), (*scale).min(6)).map_or(Value::Int(0), Value::Decimal),
        Kind::Float64 => Value::Float(crate::value::Float(number as f64 / 8.0)),
        Kind::Text { max } => {
            let text = TEXTS[random.below(TEXTS.len())];
            let fits = max.is_none_or(|it| text.encode_utf16().count() <= it as usize);
            Value::text(if fits { text } else { "x" })
        }
        Kind::Guid => Value::Guid(Uuid::from_u64_pair(random.next(), random.next())),
        Kind::Date => Date::new(1950 + random.below(100) as i16, 1 + random.below(12) as i8, 1 + random.below(28) as i8)
            .map_or(Value::Null, Value::Date),
        Kind::Time => Value::Time(crate::value::Time::midnight()),
        Kind::DateTime => Timestamp::from_second(number * 1000).map_or(Value::Null, Value::DateTime),
        Kind::Binary => Value::Binary([].into()),
        Kind::Enum(members) => {
            members.members.get(random.below(members.members.len())).map_or(Value::Null, |it| it.value.clone())
        }
        Kind::Choices(_) => Value::Set([].into()),
        Kind::Lookup(_) => Value::Null,
    }
}
