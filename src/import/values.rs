//! Value maps: the same dictionary stands in dual-write wherever it is used; here it has one name.

use indexmap::IndexMap;

use super::area::COMMON;
use super::mapping::{Row, Transform};
use super::path::Target;
use super::plan::Planned;
use super::{Note, World, names};
use crate::change::{Side, Sides};
use crate::value::{EnumType, Kind, Value};

/// One row: the values as they are written, and whether it is the preferred reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub left: String,
    pub right: String,
    pub is_preferred: bool,
}

/// A named value map.
#[derive(Clone, Debug)]
pub struct Shared {
    pub name: String,
    pub types: Sides<String>,
    pub pairs: Vec<Pair>,
    /// The file that holds it.
    pub area: &'static str,
}

impl Shared {
    /// The left values that have no way back, because another one has it.
    pub fn merged(&self) -> Vec<&str> {
        self.pairs.iter().filter(|it| !it.is_preferred).map(|it| it.left.as_str()).collect()
    }

    /// All left values that share a right value with another one.
    pub fn confused(&self) -> Vec<&str> {
        let is_shared = |pair: &&Pair| self.pairs.iter().filter(|it| it.right == pair.right).count() > 1;
        self.pairs.iter().filter(is_shared).map(|it| it.left.as_str()).collect()
    }

    pub fn text(&self) -> String {
        let rows: Vec<String> = self
            .pairs
            .iter()
            .map(|it| format!("  {} {} {}", it.left, if it.is_preferred { "<->" } else { "->" }, it.right))
            .collect();
        format!("values {}: {} <-> {} {{\n{}\n}}\n", self.name, self.types[Side::Left], self.types[Side::Right], rows.join("\n"))
    }
}

/// All value maps, and which of them each row uses.
#[derive(Clone, Debug, Default)]
pub struct ValueMaps {
    pub list: Vec<Shared>,
    /// By map and row number.
    users: IndexMap<(String, usize), usize>,
}

impl ValueMaps {
    pub fn of(&self, map: &Planned, row: &Row) -> Option<&Shared> {
        self.users.get(&(map.name.clone(), row.number)).map(|&it| &self.list[it])
    }
}

/// What makes two dictionaries one: the sets on both sides, and the pairs.
type Signature = (String, String, Vec<(String, String)>);

struct Use<'w> {
    map: &'w Planned,
    row: &'w Row,
    kinds: Sides<Kind>,
    pairs: Vec<Pair>,
}

pub fn collect(world: &World, notes: &mut Vec<Note>) -> ValueMaps {
    let mut groups: IndexMap<Signature, Vec<Use<'_>>> = IndexMap::new();
    for map in &world.maps {
        for row in &map.mapping.rows {
            if let Some(it) = used(world, map, row, notes) {
                let mut pairs: Vec<(String, String)> = it.pairs.iter().map(|it| (it.left.clone(), it.right.clone())).collect();
                pairs.sort();
                let signature = (set_of(&it.kinds[Side::Left]), set_of(&it.kinds[Side::Right]), pairs);
                groups.entry(signature).or_default().push(it);
            }
        }
    }
    let mut out = ValueMaps::default();
    for uses in groups.into_values() {
        let index = out.list.len();
        let first = &uses[0];
        let one_area = uses.iter().all(|it| it.map.area == first.map.area);
        out.list.push(Shared {
            name: name(first, &out.list),
            types: Sides::new(type_name(world, first, Side::Left), type_name(world, first, Side::Right)),
            pairs: first.pairs.clone(),
            area: if one_area { first.map.area } else { COMMON },
        });
        out.users.extend(uses.iter().map(|it| ((it.map.name.clone(), it.row.number), index)));
    }
    out
}

/// The members of a set, so that sets of several fields can be compared.
fn set_of(kind: &Kind) -> String {
    match kind {
        Kind::Enum(it) => {
            it.members.iter().map(|it| format!("{}={} ", it.name, it.value)).collect::<String>()
                + if it.open { "…" } else { "" }
        }
        other => other.to_string(),
    }
}

fn used<'w>(world: &World, map: &'w Planned, row: &'w Row, notes: &mut Vec<Note>) -> Option<Use<'w>> {
    let Some(Transform::Values(values)) = &row.transform else { return None };
    let Some(Target::Column(column)) = &row.right else { return None };
    let left = world.field(Side::Left, &map.entities[Side::Left], &row.left)?;
    let right = world.field(Side::Right, &map.entities[Side::Right], column)?;
    if matches!(left.kind, Kind::Date | Kind::DateTime) {
        return None;
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for (from, to) in values {
        let ends = (value(&left.kind, from), value(&right.kind, to));
        let (Some(left_text), Some(right_text)) = ends else {
            let text = format!(
                "{}: the pair `{from}` – `{to}` has no place in `{}` and `{}`; it is left out",
                row.text(),
                left.kind,
                right.kind
            );
            notes.push(Note::error(&map.mapping.identity(), Some(row.number), text));
            continue;
        };
        let is_preferred = !pairs.iter().any(|it| it.right == right_text);
        pairs.push(Pair { left: left_text, right: right_text, is_preferred });
    }
    if let Kind::Enum(members) = &left.kind {
        let place = |it: &Pair| members.members.iter().position(|member| names::written(&member.name) == it.left);
        pairs.sort_by_key(place);
        mark_preferred(&mut pairs);
    }
    (!pairs.is_empty()).then(|| Use { map, row, kinds: Sides::new(left.kind.clone(), right.kind.clone()), pairs })
}

fn mark_preferred(pairs: &mut [Pair]) {
    for index in 0..pairs.len() {
        let (before, rest) = pairs.split_at_mut(index);
        rest[0].is_preferred = !before.iter().any(|it| it.right == rest[0].right);
    }
}

/// A value of dual-write as the language writes it for this kind.
pub fn value(kind: &Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Bool => names::truth(text).map(|it| it.to_string()),
        Kind::Enum(members) => member(members, text).map(names::written),
        Kind::Text { .. } => Some(names::quoted(text)),
        Kind::Int32 | Kind::Int64 | Kind::Decimal { .. } | Kind::Float64 => names::number(text),
        Kind::Date | Kind::Time | Kind::DateTime | Kind::Guid => (!text.is_empty()).then(|| names::quoted(text)),
        Kind::Binary | Kind::Choices(_) | Kind::Lookup(_) => None,
    }
}

/// A member by its symbol or number.
pub fn member<'m>(members: &'m EnumType, text: &str) -> Option<&'m str> {
    let by_number = text.parse().ok().and_then(|number: i64| members.by_value(&Value::Int(number)));
    by_number.or_else(|| members.member(text)).map(|it| it.name.as_str())
}

fn name(of: &Use<'_>, taken: &[Shared]) -> String {
    let texts: Vec<&str> = of.pairs.iter().map(|it| it.left.as_str()).collect();
    let is_bool = of.kinds[Side::Right] == Kind::Bool;
    let column = of.row.right.as_ref().map_or("", Target::column);
    let own = match &of.kinds[Side::Left] {
        Kind::Bool if is_bool => "TrueFalse".to_owned(),
        Kind::Enum(_) if is_bool && texts == ["No", "Yes"] && of.pairs[0].right == "false" => "YesNo".to_owned(),
        Kind::Enum(it) if !it.name.contains('.') => it.name.clone(),
        _ => names::pascal(names::without_prefix(column)),
    };
    let is_free = |name: &str| !taken.iter().any(|it| it.name == name);
    let longer = format!("{}{}", of.map.name, names::pascal(names::without_prefix(column)));
    let numbered = (2..).map(|it| format!("{own}{it}"));
    [own.clone(), longer].into_iter().chain(numbered).find(|it| is_free(it)).unwrap_or(own)
}

/// How `values` names the set of one side.
fn type_name(world: &World, of: &Use<'_>, side: Side) -> String {
    let (entity, column) = match side {
        Side::Left => (&of.map.entities[side], of.row.left.as_str()),
        Side::Right => (&of.map.entities[side], of.row.right.as_ref().map_or("", Target::column)),
    };
    let system = super::system(side);
    match &of.kinds[side] {
        Kind::Enum(it) if world.schemas[side].enums.contains_key(&it.name) => format!("{system}.{}", names::written(&it.name)),
        Kind::Enum(_) | Kind::Decimal { .. } | Kind::Text { max: Some(_) } => {
            let column = world.field(side, entity, column).map_or(column, |it| &it.name);
            format!("{system}.{}.{}", names::written(entity), names::written(column))
        }
        Kind::Text { max: None } => "text".to_owned(),
        other => other.to_string(),
    }
}
