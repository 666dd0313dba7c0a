//! Rows from bytes to slots, and back: no map is built between them, and no name is copied.
//!
//! What stands under a wanted name is kept as it stands in the answer until the field's kind says what it is; the rest is passed
//! over. [`wire::record`] does the same over a general value, and a test holds the two equal. An answer is read at a glance
//! ([`scan`](super::scan)) where it can be, and by `serde_json` where it cannot, which then also says what is wrong with it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::scan::Scan;
use super::{Dialect, wire};
use crate::change::Failure;
use crate::schema::{Shape, ShapeField};
use crate::value::{Record, Slot, Value};

/// The annotation that names the table behind a reference (Microsoft, webapi/query-data-web-api.md, on lookup properties).
pub const TARGET: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";

/// What is read of the rows of a shape, and where it is put.
pub struct Columns<'a> {
    dialect: Dialect,
    shape: &'a Shape,
    /// Names of fields, and what else a row says; each once.
    names: Vec<String>,
    /// The same as JSON.
    quoted: Vec<String>,
    places: HashMap<String, usize>,
    /// By slot: the place of its name.
    fields: Vec<usize>,
    /// By slot: what stands before a value that is sent.
    labels: Vec<String>,
    /// By slot: the place of the annotation that names the table of a reference, where there are several.
    targets: Vec<Option<usize>>,
    etag: usize,
    context: usize,
    id: usize,
}

impl<'a> Columns<'a> {
    pub fn dataverse(shape: &'a Shape) -> Self {
        Self::new(Dialect::Dataverse, shape)
    }

    pub fn finops(shape: &'a Shape) -> Self {
        Self::new(Dialect::Finops, shape)
    }

    pub(super) fn new(dialect: Dialect, shape: &'a Shape) -> Self {
        let (mut names, mut places) = (Vec::new(), HashMap::new());
        let mut place = |name: String| {
            *places.entry(name).or_insert_with_key(|name| {
                names.push(name.clone());
                names.len() - 1
            })
        };
        let etag = place("@odata.etag".to_owned());
        let fields = shape.fields.iter().map(|it| place(wire::name(dialect, it))).collect();
        let (context, id) = (place("@odata.context".to_owned()), place("id".to_owned()));
        let target = |it: &ShapeField| wire::is_polymorphic(dialect, it).then(|| format!("{}@{TARGET}", wire::name(dialect, it)));
        let targets = shape.fields.iter().map(|it| target(it).map(&mut place)).collect();
        let quoted = names.iter().map(|it| quoted(it)).collect();
        let labels = shape.fields.iter().map(|it| label(&it.name)).collect();
        Self { dialect, shape, names, quoted, places, fields, labels, targets, etag, context, id }
    }

    /// The entity set that the rows are of.
    pub fn set(&self) -> &str {
        &self.shape.set
    }

    /// A row that stands alone.
    pub fn row<'b>(&'a self, body: &'b [u8]) -> Result<Row<'a, 'b>, serde_json::Error> {
        let mut row = self.blank();
        if Scan::new(body).is_some_and(|mut scan| row.scan(&mut scan).is_some() && scan.is_end()) {
            return Ok(row);
        }
        let mut from = serde_json::Deserializer::from_slice(body);
        row.fill(&mut from)?;
        from.end()?;
        Ok(row)
    }

    /// A row as it is sent: what the record says, each field as `part` has it.
    pub fn body(&self, record: &Record, mut part: impl FnMut(Slot, &Value) -> Result<Part, Failure>) -> Result<String, Failure> {
        let mut out = Vec::with_capacity(self.labels.len() * FIELD_BYTES);
        out.push(b'{');
        for (slot, value) in record.slots().filter(|(_, value)| value.is_known()) {
            let field = self.shape.field(slot);
            match part(slot, value)? {
                Part::LeftOut => continue,
                Part::Plain => {
                    next(&mut out, &self.labels[usize::from(slot.0)]);
                    wire::write(&mut out, self.dialect, field, value)?;
                }
                Part::Bound { name: own, json } => {
                    next(&mut out, &label(&own));
                    write!(out, "{json}").expect("writing to memory cannot fail");
                }
            }
        }
        out.push(b'}');
        Ok(String::from_utf8(out).expect("all parts are UTF-8"))
    }

    fn blank<'b>(&'a self) -> Row<'a, 'b> {
        Row { columns: self, told: vec![None; self.names.len()] }
    }
}

/// How a field of a row is sent.
pub enum Part {
    LeftOut,
    /// Under its own name.
    Plain,
    Bound {
        name: String,
        json: Json,
    },
}

/// What a field takes of a body, about, with its name.
const FIELD_BYTES: usize = 40;

fn quoted(name: &str) -> String {
    Json::from(name).to_string()
}

fn label(name: &str) -> String {
    quoted(name) + ":"
}

/// Begins the next member of a body.
fn next(out: &mut Vec<u8>, label: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.extend_from_slice(label.as_bytes());
}

/// A row as it stands in an answer.
pub struct Row<'a, 'b> {
    columns: &'a Columns<'a>,
    /// By place of the name: the JSON that stands there.
    told: Vec<Option<&'b str>>,
}

impl<'b> Row<'_, 'b> {
    /// The fields, and why one of them could not be read.
    pub fn record(&self) -> (Record, Option<String>) {
        let Columns { dialect, shape, fields, .. } = self.columns;
        let (mut values, mut problem) = (Vec::with_capacity(fields.len()), None);
        for (field, place) in shape.fields.iter().zip(fields) {
            let Some(json) = self.told[*place] else {
                values.push(Value::Absent);
                continue;
            };
            values.push(wire::from_raw(*dialect, &field.kind, json).unwrap_or_else(|| {
                problem.get_or_insert_with(|| wire::strange(shape, field, &compact(json)));
                Value::Absent
            }));
        }
        (Record::from_values(values), problem)
    }

    /// The JSON of a field, without spaces.
    pub fn json(&self, slot: Slot) -> Option<Cow<'b, str>> {
        self.told[self.columns.fields[usize::from(slot.0)]].map(compact)
    }

    /// The table that a reference leads to, where there are several and the answer says so.
    pub fn target(&self, slot: Slot) -> Option<Cow<'b, str>> {
        self.text(self.columns.targets[usize::from(slot.0)]?)
    }

    pub fn etag(&self) -> Option<Cow<'b, str>> {
        self.text(self.columns.etag)
    }

    pub fn context(&self) -> Option<Cow<'b, str>> {
        self.text(self.columns.context)
    }

    pub fn id(&self) -> Option<Cow<'b, str>> {
        self.text(self.columns.id)
    }

    fn text(&self, place: usize) -> Option<Cow<'b, str>> {
        wire::unescaped(self.told[place]?)
    }

    /// As [`fill`](Self::fill), of the object that stands here. Most rows name their fields in the order in which they were asked for.
    fn scan(&mut self, scan: &mut Scan<'b>) -> Option<()> {
        self.told.fill(None);
        let mut expected = 0;
        scan.object(|scan| {
            let is_expected = match self.columns.quoted.get(expected) {
                Some(quoted) => scan.is_name(quoted)?,
                None => false,
            };
            let place = if is_expected { Some(expected) } else { self.columns.places.get(scan.name()?.as_ref()).copied() };
            let value = scan.value()?;
            if let Some(place) = place {
                self.told[place] = Some(value);
                expected = place + 1;
            }
            Some(())
        })
    }

    fn fill<'de: 'b, D: Deserializer<'de>>(&mut self, from: D) -> Result<(), D::Error>
    where
        'b: 'de,
    {
        self.told.fill(None);
        from.deserialize_map(Filling(self))
    }
}

/// As a general value prints it. Only objects, lists, escapes and exponents have more than one form.
fn compact(json: &str) -> Cow<'_, str> {
    let is_plain = match json.as_bytes().first() {
        Some(b'{' | b'[') => false,
        Some(b'"') => !json.contains('\\'),
        _ => return wire::number(json),
    };
    if is_plain {
        return Cow::Borrowed(json);
    }
    serde_json::from_str::<Json>(json).map_or(Cow::Borrowed(json), |it| Cow::Owned(it.to_string()))
}

/// A page of an answer; what was made of its rows.
#[derive(Debug)]
pub struct Rows<T> {
    /// The first failure stands for all.
    pub rows: Result<Vec<T>, Failure>,
    /// The link to the next page.
    pub next: Option<String>,
    /// The link to the next reading of changes.
    pub delta: Option<String>,
}

/// Reads a page, and makes something of every row; of a page that is none, perhaps twice.
pub fn page<T>(
    columns: &Columns<'_>,
    body: &[u8],
    mut make: impl FnMut(&Row<'_, '_>) -> Result<T, Failure>,
) -> Result<Rows<T>, serde_json::Error> {
    if let Some(page) = scanned(columns, body, &mut make) {
        return Ok(page);
    }
    whole(columns, body, make)
}

/// As [`page`], by the general reader.
fn whole<T>(
    columns: &Columns<'_>,
    body: &[u8],
    make: impl FnMut(&Row<'_, '_>) -> Result<T, Failure>,
) -> Result<Rows<T>, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_slice(body);
    let page = from.deserialize_map(Paging { columns, make })?;
    from.end()?;
    Ok(page)
}

/// As [`page`]; `None`: the general reader must say.
fn scanned<T>(columns: &Columns<'_>, body: &[u8], mut make: impl FnMut(&Row<'_, '_>) -> Result<T, Failure>) -> Option<Rows<T>> {
    let (mut scan, mut row) = (Scan::new(body)?, columns.blank());
    let (mut rows, mut next, mut delta) = (None, None, None);
    scan.object(|scan| {
        match scan.name()?.as_ref() {
            "value" => {
                let mut made = Ok(Vec::new());
                scan.list(|scan| {
                    row.scan(scan)?;
                    keep(&mut made, || make(&row));
                    Some(())
                })?;
                rows = Some(made);
            }
            "@odata.nextLink" => next = wire::unescaped(scan.value()?).map(Cow::into_owned),
            "@odata.deltaLink" => delta = wire::unescaped(scan.value()?).map(Cow::into_owned),
            _ => drop(scan.value()?),
        }
        Some(())
    })?;
    scan.is_end().then_some(Rows { rows: rows?, next, delta })
}

/// What was made of the next row, unless one has failed.
fn keep<T>(made: &mut Result<Vec<T>, Failure>, make: impl FnOnce() -> Result<T, Failure>) {
    if let Ok(rows) = made {
        match make() {
            Ok(one) => rows.push(one),
            Err(failure) => *made = Err(failure),
        }
    }
}

struct Paging<'a, M> {
    columns: &'a Columns<'a>,
    make: M,
}

impl<'de, T, M: FnMut(&Row<'_, '_>) -> Result<T, Failure>> Visitor<'de> for Paging<'_, M> {
    type Value = Rows<T>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object with a list `value`")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut rows, mut next, mut delta) = (None, None, None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match name.as_ref() {
                "value" => rows = Some(map.next_value_seed(Listing { columns: self.columns, make: &mut self.make })?),
                "@odata.nextLink" => next = link(&mut map)?,
                "@odata.deltaLink" => delta = link(&mut map)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let rows = rows.ok_or_else(|| A::Error::custom("there is no list `value` in it"))?;
        Ok(Rows { rows, next, delta })
    }
}

fn link<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<String>, A::Error> {
    Ok(wire::unescaped(map.next_value::<&RawValue>()?.get()).map(Cow::into_owned))
}

struct Listing<'a, M> {
    columns: &'a Columns<'a>,
    make: M,
}

impl<'de, T, M: FnMut(&Row<'_, '_>) -> Result<T, Failure>> DeserializeSeed<'de> for Listing<'_, M> {
    type Value = Result<Vec<T>, Failure>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T, M: FnMut(&Row<'_, '_>) -> Result<T, Failure>> Visitor<'de> for Listing<'_, M> {
    type Value = Result<Vec<T>, Failure>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
        let (mut row, mut made) = (self.columns.blank(), Ok(Vec::new()));
        while list.next_element_seed(Filling(&mut row))?.is_some() {
            keep(&mut made, || (self.make)(&row));
        }
        Ok(made)
    }
}

/// Fills a row with what the next object says. Of a name that comes twice, the last counts.
struct Filling<'r, 'a, 'b>(&'r mut Row<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Filling<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.0.fill(from)
    }
}

impl<'de> Visitor<'de> for Filling<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a row, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut expected = 0;
        while let Some(place) = map.next_key_seed(Naming { columns: self.0.columns, expected })? {
            match place {
                Some(place) => {
                    self.0.told[place] = Some(map.next_value::<&RawValue>()?.get());
                    expected = place + 1;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The place of a name; `None`: nobody wants it. Most rows name their fields in the order in which they were asked for.
struct Naming<'a> {
    columns: &'a Columns<'a>,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Naming<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Naming<'_> {
    type Value = Option<usize>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let is_expected = self.columns.names.get(self.expected).is_some_and(|it| it == name);
        Ok(if is_expected { Some(self.expected) } else { self.columns.places.get(name).copied() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;
    use crate::schema::ShapeField;
    use crate::value::{EnumType, Kind, Member};

    fn shape(names: &[&str]) -> Shape {
        let member = |name: &str, number| Member { name: name.to_owned(), value: Value::Int(number) };
        let choice = EnumType { name: "Colour".to_owned(), members: vec![member("Red", 1), member("Blue", 2)], open: false };
        let kinds = [
            Kind::Text { max: None },
            Kind::Bool,
            Kind::Int64,
            Kind::Decimal { precision: 20, scale: 4 },
            Kind::Float64,
            Kind::Guid,
            Kind::Date,
            Kind::Time,
            Kind::DateTime,
            Kind::Enum(choice.into()),
            Kind::Lookup(vec!["account".to_owned()].into()),
        ];
        let field = |(name, kind): (&&str, Kind)| ShapeField {
            name: (*name).to_owned(),
            kind,
            nullable: true,
            readonly: false,
            lookup_sets: Vec::new(),
        };
        let fields = names.iter().zip(kinds.into_iter().cycle()).map(field).collect();
        Shape { entity: "thing".to_owned(), set: "things".to_owned(), fields, key: vec![Slot(0)], modified: None }
    }

    const NAMES: &[&str] = &["id", "Is", "Count", "Sum", "Share", "Gu\"id", "Day", "Clock", "At", "Colour", "Other", "note"];

    /// What a system may send, right for its field or not.
    fn json() -> impl Strategy<Value = String> {
        let text = prop_oneof![
            Just("2024-02-29".to_owned()),
            Just("1900-01-01T00:00:00Z".to_owned()),
            Just("2024-02-29T12:00:00Z".to_owned()),
            Just("12:30:00".to_owned()),
            Just("Red".to_owned()),
            Just("7f0c3a5e-1f60-4f6a-9a53-6e4e3f3a1c11".to_owned()),
            Just("true".to_owned()),
            "[0-9]{1,5}",
            any::<String>(),
        ];
        let number = prop_oneof![
            any::<i64>().prop_map(|it| it.to_string()),
            "-?[1-9][0-9]{0,30}\\.[0-9]{1,8}",
            "[1-9]e[+-]?[0-9]",
            Just("-0".to_owned()),
            Just("1".to_owned()),
        ];
        prop_oneof![
            4 => text.prop_map(|it| Json::from(it).to_string()),
            1 => "[a-zß]{0,5}".prop_map(|it| format!("\"\\u00e4\\n{it}\\ud83d\\ude00\\/\"")),
            4 => number,
            1 => Just("null".to_owned()),
            1 => Just("true".to_owned()),
            1 => Just("false".to_owned()),
            1 => Just("[1, {\"a\": \"\\u0041\"} ]".to_owned()),
            1 => Just("{ \"Sum\" : 1 }".to_owned()),
        ]
    }

    fn object() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            8 => proptest::sample::select(NAMES).prop_map(str::to_owned),
            1 => Just("_Other_value".to_owned()),
            1 => Just("@odata.etag".to_owned()),
            1 => any::<String>(),
        ];
        let member = (name, json(), "[ \n\t]{0,2}")
            .prop_map(|(name, json, space)| format!("{space}{}{space}:{space}{json}{space}", Json::from(name)));
        proptest::collection::vec(member, 0..16).prop_map(|it| format!("{{{}}}", it.join(",")))
    }

    /// What is put into a body, or in place of a letter of it.
    fn bent() -> impl Strategy<Value = &'static str> {
        let letters =
            &["", "{", "}", "[", "]", ",", ":", "\"", "\\", "0", "-", ".", "e", "t", " ", "\u{1}", "ä", "\"a\":1,", "\"a\" "];
        proptest::sample::select(letters)
    }

    fn check_row(dialect: Dialect, shape: &Shape, row: &Row<'_, '_>, general: &Map<String, Json>) {
        assert_eq!(row.record(), wire::record(dialect, shape, general));
        let text = |name: &str| general.get(name).and_then(Json::as_str);
        assert_eq!(row.etag().as_deref(), text("@odata.etag"));
        assert_eq!(row.context().as_deref(), text("@odata.context"));
        assert_eq!(row.id().as_deref(), text("id"));
        for (number, field) in shape.fields.iter().enumerate() {
            let json = general.get(&wire::name(dialect, field)).map(Json::to_string);
            assert_eq!(row.json(Slot(number as u16)).as_deref(), json.as_deref());
        }
    }

    proptest! {
        #[test]
        fn a_row_is_what_the_general_value_gives(text in object()) {
            let general: Map<String, Json> = serde_json::from_str(&text).expect("it is JSON");
            let shape = shape(NAMES);
            for dialect in [Dialect::Dataverse, Dialect::Finops] {
                let columns = Columns::new(dialect, &shape);
                let row = columns.row(text.as_bytes()).expect("it is JSON");
                check_row(dialect, &shape, &row, &general);
            }
        }

        #[test]
        fn a_page_is_all_of_its_rows(rows in proptest::collection::vec(object(), 0..5)) {
            let shape = shape(NAMES);
            let columns = Columns::new(Dialect::Dataverse, &shape);
            let body = format!("{{\"@odata.context\":\"x\",\"value\":[{}],\"@odata.nextLink\":\"a\\/b\"}}", rows.join(", "));
            let page = page(&columns, body.as_bytes(), |row| Ok(row.record())).expect("it is JSON");
            let general = |text: &String| {
                let general: Map<String, Json> = serde_json::from_str(text).expect("it is JSON");
                wire::record(Dialect::Dataverse, &shape, &general)
            };
            prop_assert_eq!(page.rows.expect("no row failed"), rows.iter().map(general).collect::<Vec<_>>());
            prop_assert_eq!(page.next.as_deref(), Some("a/b"));
            prop_assert_eq!(page.delta, None);
        }

        #[test]
        fn what_is_read_at_a_glance_is_what_the_general_reader_finds(
            rows in proptest::collection::vec(object(), 0..4),
            bent in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>(), bent()), 0..3),
        ) {
            let mut body = format!("{{\"value\":[{}],\"@odata.deltaLink\":\"a\"}}", rows.join(","));
            for (place, is_put, letter) in &bent {
                let (at, one) = body.char_indices().nth(place.index(body.chars().count())).expect("it is one of them");
                let end = if *is_put { at } else { at + one.len_utf8() };
                body.replace_range(at..end, letter);
            }
            let (shape, body) = (shape(NAMES), body.as_bytes());
            let columns = Columns::new(Dialect::Finops, &shape);
            let told = |row: &Row<'_, '_>| Ok(row.told.iter().map(|it| it.map(str::to_owned)).collect::<Vec<_>>());
            let (found, expected) = (scanned(&columns, body, told), whole(&columns, body, told));
            prop_assert_eq!(found.is_some(), expected.is_ok(), "{:?}", expected.err());
            if let (Some(found), Ok(expected)) = (found, expected) {
                prop_assert_eq!(found.rows.expect("no row failed"), expected.rows.expect("no row failed"));
                prop_assert_eq!((found.next, found.delta), (expected.next, expected.delta));
            }
        }

        #[test]
        fn what_is_sent_is_read_again(text in object()) {
            let shape = shape(NAMES);
            let columns = Columns::new(Dialect::Dataverse, &shape);
            let (record, _) = columns.row(text.as_bytes()).expect("it is JSON").record();
            let of_lookup = |slot: Slot| matches!(shape.field(slot).kind, Kind::Lookup(_));
            let sent = columns.body(&record, |slot, _| Ok(if of_lookup(slot) { Part::LeftOut } else { Part::Plain }));
            let sent = sent.expect("all of it can be sent");
            let again = columns.row(sent.as_bytes()).expect("it is JSON").record().0;
            for (slot, value) in record.slots().filter(|(slot, _)| !of_lookup(*slot)) {
                prop_assert_eq!(again.get(slot), value);
            }
        }
    }

    #[test]
    fn a_page_that_is_none_says_what_is_wrong() {
        let shape = shape(NAMES);
        let columns = Columns::new(Dialect::Dataverse, &shape);
        let wrong = |body: &str| page(&columns, body.as_bytes(), |_| Ok(())).expect_err("it is wrong").to_string();
        assert!(wrong("{}").contains("there is no list `value` in it"));
        assert!(wrong("{\"value\":{}}").contains("expected a list of rows"));
        assert!(wrong("{\"value\":[1]}").contains("expected a row, which is an object"));
        assert!(wrong("[]").contains("expected an object with a list `value`"));
        assert!(wrong("{\"value\":[{}").contains("EOF"));
        assert!(wrong("{\"value\":[]} x").contains("trailing characters"));
    }

    #[test]
    fn half_a_letter_spoils_its_own_field_only() {
        let shape = shape(NAMES);
        let columns = Columns::new(Dialect::Dataverse, &shape);
        let (record, problem) = columns.row(br#"{"id":"\ud800","Count":7}"#).expect("it is JSON").record();
        assert_eq!((record.get(Slot(0)), record.get(Slot(2))), (&Value::Absent, &Value::Int(7)));
        assert!(problem.expect("it is told").starts_with("thing.id: "), "it names the field");
    }
}
