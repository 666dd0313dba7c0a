//! Layers, imports, parameters and own functions: what they mean, and what is said where they cannot be right.

use std::collections::BTreeMap;
use std::sync::Arc;

use dwmap::change::Side;
use dwmap::check::{self, Checked, Given, SchemaProblem, Schemas, Setting, uses};
use dwmap::diag::{Diagnostic, Diagnostics, Severity};
use dwmap::interp::{self, Cx, Lookups, Query, Resolution};
use dwmap::ir::Plan;
use dwmap::schema::Schema;
use dwmap::source::{FileId, Sources};
use dwmap::syntax;
use dwmap::value::{Record, Value};

const CUSTOMERS: &str = include_str!("../corpus/lowering/customers.dwmap");
const ACME: &str = include_str!("../corpus/layers/acme.dwmap");

/// Files by name, as a project, an editor or the program itself would hold them.
struct Texts<'t>(&'t [(&'t str, &'t str)]);

impl Schemas for Texts<'_> {
    fn load(&self, _: FileId, path: &str) -> Result<Arc<Schema>, SchemaProblem> {
        Err(SchemaProblem::Missing(path.to_owned()))
    }

    fn used(&self, name: &str) -> Result<String, String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "there is no such file".to_owned())
    }
}

struct Outcome {
    checked: Checked,
    diags: Vec<Diagnostic>,
    sources: Sources,
}

impl Outcome {
    /// Hints of what was tried and not proved are not the matter here.
    fn serious(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diags.iter().filter(|it| it.severity != Severity::Hint)
    }

    /// Code and marked text of everything that was reported.
    fn found(&self) -> Vec<(String, String)> {
        self.serious().map(|it| (it.code.to_string(), self.sources.text(it.primary()).to_owned())).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.serious().map(|it| format!("{} {}: {}", it.code, self.sources.text(it.primary()), it.message)).collect()
    }

    fn plan(&self, name: &str) -> &Plan {
        assert!(!self.diags.iter().any(|it| it.severity == Severity::Error), "{:?}", self.messages());
        self.checked.program.plan(name).expect("a map without errors is in the program").1
    }
}

/// The first file is the project; the others can be used.
fn check_files(files: &[(&str, &str)], given: &Given) -> Outcome {
    check_project(&files[..1], &files[1..], given)
}

fn check_project(own: &[(&str, &str)], others: &[(&str, &str)], given: &Given) -> Outcome {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let mut parsed = Vec::new();
    for (name, text) in own {
        let file = sources.add(*name, *text).expect("the text is short");
        parsed.push(syntax::parse(&sources, file, &mut diags));
    }
    let texts = Texts(others);
    let project = uses::load(parsed, &mut sources, &texts, &mut diags);
    let checked = check::check_project(&project, given, &sources, &texts, &mut diags);
    Outcome { checked, diags: diags.sorted(), sources }
}

/// The base of the language page, with the country that the layer's guard reads.
fn standard() -> String {
    let country = "  AddressCountryRegionId <-> address1_country\n";
    CUSTOMERS.replace(
        "  PartyType                     <-  Organization",
        &format!("{country}  PartyType                     <-  Organization"),
    )
}

fn acme_with(given: &Given) -> Outcome {
    check_files(&[("acme.dwmap", ACME), ("std/customers.dwmap", &standard())], given)
}

fn acme() -> Outcome {
    acme_with(&Given::default())
}

fn record(plan: &Plan, side: Side, fields: &[(&str, Value)]) -> Record {
    let shape = &plan.shapes[side];
    let mut out = Record::from_values(vec![Value::Null; shape.fields.len()]);
    for (name, value) in fields {
        out.set(shape.slot(name).unwrap_or_else(|| panic!("the plan uses {name}")), value.clone());
    }
    out
}

/// What is written; the row with the key k has the id #k.
fn put(plan: &Plan, towards: Side, from: &[(&str, Value)], onto: Option<&[(&str, Value)]>) -> BTreeMap<String, Value> {
    let mut lookups = Lookups::default();
    let from = record(plan, towards.other(), from);
    let onto = onto.map(|it| record(plan, towards, it));
    for _ in 0..10 {
        match interp::put(Cx { plan, lookups: &lookups }, towards, &from, onto.as_ref()) {
            Err(interp::Stop::Unresolved(query)) => {
                let found = match &query {
                    Query::KeyOf { id, .. } => Value::text(id.as_text().expect("ids are texts here").trim_start_matches('#')),
                    Query::IdOf { key, .. } => Value::text(format!("#{}", key.as_text().unwrap_or_default())),
                };
                lookups.insert(query, Resolution::Found(found));
            }
            Err(stop) => panic!("{stop:?}"),
            Ok(out) => {
                let named =
                    |(slot, value): (dwmap::value::Slot, &Value)| (plan.shapes[towards].field(slot).name.clone(), value.clone());
                return out.slots().filter(|(_, it)| it.is_known()).map(named).collect();
            }
        }
    }
    panic!("the references do not resolve");
}

fn text(it: &str) -> Value {
    Value::text(it)
}

fn decimal(it: &str) -> Value {
    Value::Decimal(it.parse().expect("the literal is a decimal"))
}

use Side::{Left, Right};

/// A customer of Finance & Operations, with what a test is about.
fn customer<'f>(fields: &[(&'f str, Value)]) -> Vec<(&'f str, Value)> {
    let mut out = vec![
        ("dataAreaId", text("demf")),
        ("CustomerAccount", text("DE-001")),
        ("OrganizationName", text("Contoso")),
        ("PartyType", text("Organization")),
        ("OnHoldStatus", text("No")),
        ("CreditLimit", decimal("0")),
    ];
    out.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    out.extend(fields.iter().cloned());
    out
}

#[test]
fn the_layer_of_the_language_page_has_no_error() {
    let outcome = acme();
    assert_eq!(outcome.messages(), Vec::<String>::new());
    let names: Vec<&str> = outcome.checked.program.plans.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["Customers"], "a base runs only through its layer");
    let plan = outcome.plan("Customers");
    assert_eq!(plan.partition_in, Some(vec![text("usmf"), text("demf")]));
    assert!(plan.rules.iter().all(|it| it.label != "emailaddress1"), "the rule was dropped");
    assert!(plan.rules.iter().any(|it| it.label == "msdyn_searchname"), "the other rules stay");
}

#[test]
fn an_override_keeps_its_label_and_its_place() {
    let outcome = acme();
    let plan = outcome.plan("Customers");
    let rule = plan.rules.iter().find(|it| it.label == "creditlimit").expect("the override has the label of its base rule");
    assert_eq!(rule.arrow, "<~>");
    assert_eq!(rule.origin.file, "acme.dwmap");
    let other = plan.rules.iter().find(|it| it.label == "description").expect("the rule of the base is there");
    assert_eq!(other.origin.file, "std/customers.dwmap");
}

#[test]
fn an_iso_carries_money_as_cents_and_back() {
    let outcome = acme();
    let plan = outcome.plan("Customers");
    let out = put(plan, Right, &customer(&[("CreditLimit", decimal("12.345"))]), None);
    assert_eq!(out["acme_creditcents"], Value::Int(1235));
    let from = [
        ("acme_creditcents", Value::Int(1250)),
        ("customertypecode", Value::Int(3)),
        ("msdyn_onholdstatus", Value::Int(0)),
        ("name", text("Contoso")),
    ];
    let back = put(plan, Left, &from, Some(&customer(&[("CreditLimit", decimal("12.345"))])));
    assert_eq!(back.get("CreditLimit"), Some(&decimal("12.5")));
    let same = [
        ("acme_creditcents", Value::Int(1235)),
        ("customertypecode", Value::Int(3)),
        ("msdyn_onholdstatus", Value::Int(0)),
        ("name", text("Contoso")),
    ];
    let kept = put(plan, Left, &same, Some(&customer(&[("CreditLimit", decimal("12.345"))])));
    assert_eq!(kept.get("CreditLimit"), None, "a limit that reads as the same cents keeps its digits");
}

#[test]
fn a_canoniser_of_the_file_compares_and_writes_canonically() {
    let outcome = acme();
    let plan = outcome.plan("Customers");
    let out = put(plan, Right, &customer(&[("TaxExemptNumber", text("de 123.4"))]), None);
    assert_eq!(out["acme_vatnumber"], text("DE1234"));
    let from = customer(&[("TaxExemptNumber", text("de 123.4"))]);
    let kept = put(plan, Right, &from, Some(&[("acme_vatnumber", text("DE-1234")), ("name", text("Contoso"))]));
    assert_eq!(kept.get("acme_vatnumber"), None, "the other spelling agrees");
}

#[test]
fn a_for_block_and_a_guard_hold_where_they_say() {
    let outcome = acme();
    let plan = outcome.plan("Customers");
    let address = [("AddressCity", text("Bonn")), ("AddressStreet", text("Weg 1")), ("AddressZipCode", text("53111"))];
    let german = put(plan, Right, &customer(&[&address[..], &[("AddressCountryRegionId", text("DEU"))]].concat()), None);
    assert_eq!((&german["acme_region"], &german["address1_city"]), (&text("DE"), &text("Bonn")));
    let american = [&address[..], &[("dataAreaId", text("usmf")), ("AddressCountryRegionId", text("USA"))]].concat();
    let american = put(plan, Right, &customer(&american), None);
    assert_eq!((american.get("acme_region"), american.get("address1_city")), (None, None));
}

#[test]
fn the_base_rules_that_are_replaced_are_told_for_the_lock() {
    let outcome = acme();
    let name = "OrganizationName <-> name modulo trim else reject";
    assert_eq!(outcome.checked.overrides["Customers.name"], name);
    let given = |text: &str| {
        let overrides = BTreeMap::from([("Customers.name".to_owned(), text.to_owned())]);
        acme_with(&Given { overrides, ..Given::default() })
    };
    assert_eq!(given(name).found(), []);
    let changed = given("OrganizationName <-> name");
    assert_eq!(changed.found(), [("DW0705".to_owned(), "name".to_owned())]);
    let notes: Vec<&str> = changed.diags[0].notes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(notes, ["base, then", "base, now", "override"]);
    assert_eq!(changed.diags[0].severity, Severity::Warning);
}

/// A base of few rules, as another file.
const BASE: &str = r#"system a
system b

entity a.Item {
  key Id: text<10>
  Name:   text<20>
  Kind:   text<5>
  Price:  decimal<18,2>
}

entity b.item {
  key id:  text<10>
  name:    text<20> required
  kind:    text<5>
  price:   int64
  note:    text<20>?
}

map Items: a.Item <-> b.item {
  key Id <-> id
  filter Kind == "x" <-> kind == "x"
  Name <-> name
  Kind <-> kind
  on conflict prefer a
  on delete <-> refuse
  on exit detach
  on rekey reject
}
"#;

fn layered(layer: &str) -> Outcome {
    let text = format!("use \"base\" as base\n{layer}\n");
    check_files(&[("own.dwmap", &text), ("base.dwmap", BASE)], &Given::default())
}

/// The layer draws exactly these codes at these texts.
fn check_found(layer: &str, expected: &[(&str, &str)]) {
    let outcome = layered(layer);
    let expected: Vec<(String, String)> = expected.iter().map(|(code, text)| ((*code).to_owned(), (*text).to_owned())).collect();
    assert_eq!(outcome.found(), expected, "{layer}\n{:?}", outcome.messages());
}

fn check_clean(layer: &str) {
    check_found(layer, &[]);
}

#[test]
fn a_layer_may_change_only_what_its_base_has() {
    check_found("map Items extends base.Items {\n  drop nmae\n}", &[("DW0702", "nmae")]);
    check_found("map Items extends base.Items {\n  override kynd: Kind -> kind\n}", &[("DW0702", "kynd")]);
    check_clean("map Items extends base.Items {\n  override name: Name <-> name   modulo case\n}");
}

#[test]
fn what_new_rows_and_the_filter_need_is_not_dropped() {
    for label in ["id", "name", "kind"] {
        check_found(&format!("map Items extends base.Items {{\n  drop {label}\n}}"), &[("DW0706", label)]);
    }
}

#[test]
fn a_sealed_rule_stays() {
    let middle = "map Middle extends base.Items {\n  seal name\n}\n";
    check_found(&format!("{middle}map Items extends Middle {{\n  override name: Name -> name\n}}"), &[("DW0703", "name")]);
    check_clean(&format!("{middle}map Items extends Middle {{\n  override kind: Kind <-> kind   on conflict prefer b\n}}"));
}

#[test]
fn two_layers_of_equal_rank_do_not_change_one_rule() {
    let one = "map One extends base.Items {\n  override name: Name <-> name   modulo case\n}\n";
    check_found(
        &format!("{one}map Two extends base.Items {{\n  override name: Name <-> name   modulo trim\n}}"),
        &[("DW0704", "name")],
    );
    check_clean(&format!("{one}map Two extends One {{\n  override name: Name <-> name   modulo trim\n}}"));
}

#[test]
fn two_layers_that_bring_one_base_twice_are_one_mistake() {
    check_found("map One extends base.Items {\n}\nmap Two extends base.Items {\n}", &[("DW0506", "Two")]);
}

#[test]
fn a_map_that_is_built_upon_itself_or_nothing_is_refused() {
    check_found("map One extends Two {\n}\nmap Two extends One {\n}\nmap Three extends base.Items {\n}", &[("DW0001", "Two")]);
    check_found("map Items extends base.Itens {\n}", &[("DW0101", "base.Itens")]);
    let outcome = layered("map Items extends base.Itens {\n}");
    assert_eq!(outcome.diags[0].fixes[0].edits[0].text, "base.Items");
}

/// So many layers, each over the one before it.
fn tower(height: usize) -> Vec<String> {
    let base = |it: usize| if it == 0 { "base.Items".to_owned() } else { format!("Layer{}", it - 1) };
    (0..height).map(|it| format!("map Layer{it} extends {} {{\n}}\n", base(it))).collect()
}

#[test]
fn a_layer_overrides_a_rule_once() {
    let twice = "map Items extends base.Items {\n  override kind: Kind -> kind\n  override kind: Kind <- kind\n}";
    check_found(twice, &[("DW0001", "kind")]);
}

#[test]
fn sixteen_layers_stand_on_one_another_at_most() {
    check_clean(&tower(16).concat());
    check_found(&tower(40).concat(), &[("DW0001", "Layer15")]);
    let downwards: String = tower(40).into_iter().rev().collect();
    check_found(&downwards, &[("DW0001", "Layer22")]);
}

#[test]
fn names_that_nothing_uses_are_told() {
    let items = "param limit: int32 = 3\nfn loud(s: text<5>): text<6> = s ++ \"!\"\n";
    check_found(&format!("{items}map Items extends base.Items {{\n}}"), &[("DW0707", "limit"), ("DW0707", "loud")]);
    check_clean(&format!("{items}map Items extends base.Items {{\n  loud(text(limit)) -> note   else reject\n}}"));
    let outcome = check_files(&[("own.dwmap", "use \"base\" as base\n"), ("base.dwmap", BASE)], &Given::default());
    assert_eq!(outcome.found(), [("DW0707".to_owned(), "use \"base\" as base".to_owned())]);
}

#[test]
fn files_that_use_each_other_in_a_circle_are_refused() {
    let other = format!("use \"own\" as own\n{BASE}");
    let files = [("own.dwmap", "use \"base\" as base\nmap Items extends base.Items {\n}\n"), ("base.dwmap", other.as_str())];
    let found = check_files(&files, &Given::default()).found();
    assert_eq!(found.iter().filter(|(code, _)| code == "DW0001").count(), 1, "{found:?}");
    let missing = check_files(&[("own.dwmap", "use \"std/nothing\" as std\n")], &Given::default());
    assert_eq!(missing.found(), [("DW0101".to_owned(), "\"std/nothing\"".to_owned())]);
}

#[test]
fn in_a_project_a_base_runs_through_its_layer_only() {
    let layer = "use \"base\" as base\nmap Items extends base.Items {\n  drop kind\n  Kind <-> kind   modulo case\n}\n";
    let files = [
        ("base.dwmap", BASE),
        ("own.dwmap", &layer.replace("  drop kind\n  Kind <-> kind   modulo case\n", "  \"new\" -> note   on create\n")),
    ];
    let outcome = check_project(&files, &[], &Given::default());
    assert_eq!(outcome.messages(), Vec::<String>::new());
    assert_eq!(outcome.checked.program.plans.len(), 1);
    assert_eq!(outcome.plan("Items").rules.len(), 4);
}

#[test]
fn a_parameter_has_its_default_or_what_the_run_sets() {
    let layer = "use \"base\" as base\nparam names: set<text<20>> = { \"n\" }\nparam note: text<9> = \"none\"\n\
                 map Items extends base.Items {\n  filter Name in names ->\n  note -> note   on create\n}\n";
    let with = |params: &[(&str, Setting)]| {
        let params = params.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect();
        check_files(&[("own.dwmap", layer), ("base.dwmap", BASE)], &Given { params, ..Given::default() })
    };
    let row = [("Id", text("1")), ("Name", text("n")), ("Kind", text("x"))];
    let note = |outcome: &Outcome| put(outcome.plan("Items"), Right, &row, None)["note"].clone();
    let default = with(&[]);
    assert_eq!(default.messages(), Vec::<String>::new());
    assert_eq!(note(&default), text("none"));
    let set = with(&[("note", Setting::One(text("set"))), ("names", Setting::Several(vec![text("y")]))]);
    assert_eq!(note(&set), text("set"));
    let lookups = Lookups::default();
    let in_scope = |it: &Outcome| {
        let plan = it.plan("Items");
        interp::in_scope(Cx { plan, lookups: &lookups }, Left, &record(plan, Left, &row))
    };
    assert_eq!((in_scope(&default), in_scope(&set)), (Ok(true), Ok(false)));
    let wrong = with(&[("note", Setting::One(text("much too long")))]);
    assert_eq!(wrong.found()[0], ("DW0103".to_owned(), "note".to_owned()));
    let unknown = with(&[("nite", Setting::One(text("x")))]);
    assert_eq!(unknown.found().iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["DW0101"]);
}

#[test]
fn the_halves_of_an_iso_undo_each_other_in_its_range() {
    let iso = |range: &str, back: &str| {
        format!(
            "iso cents(d: decimal<18,2>) <-> int64{range} {{\n  -> int(d * 100)\n  <- {back}\n}}\n\
             map Items extends base.Items {{\n  cents(Price) <-> price   else reject\n}}"
        )
    };
    let range = " in -999999999999999999 ..= 999999999999999999";
    check_clean(&iso(range, "decimal(it, 2) / 100"));
    check_found(&iso(range, "decimal(it, 2) / 10"), &[("DW0305", "cents")]);
    check_found(&iso("", "decimal(it, 2) / 100"), &[("DW0305", "cents")]);
    let outcome = layered(&iso(range, "decimal(it, 2) / 10"));
    assert!(outcome.diags[0].counterexample.as_deref().is_some_and(|it| it.contains("→")), "{:?}", outcome.diags[0]);
}

#[test]
fn declared_types_of_functions_hold() {
    let with = |item: &str, call: &str| format!("{item}\nmap Items extends base.Items {{\n  {call} -> note\n}}");
    check_clean(&with("fn twice(s: text<5>): text<10> = s ++ s", "twice(Kind)"));
    check_found(&with("fn twice(s: text<5>): text<8> = s ++ s", "twice(Kind)"), &[("DW0203", "s ++ s")]);
    check_found(&with("fn twice(s: text<5>): int32 = s ++ s", "twice(Kind)"), &[("DW0103", "s ++ s")]);
    check_found(&with("fn twice(s: text<5>): text<10> = s ++ Kind", "twice(Kind)"), &[("DW0101", "Kind")]);
    let narrow = "fn twice(s: text<3>): text<6> = s ++ s\nmap Items extends base.Items {\n  twice(Kind) -> note\n}";
    check_found(narrow, &[("DW0203", "Kind")]);
}

#[test]
fn a_canoniser_changes_nothing_the_second_time() {
    let with = |body: &str| {
        format!("canon short(s: text<20>): text<20> = {body}\nmap Items extends base.Items {{\n  short(Name) -> note\n}}")
    };
    check_clean(&with("trim(take(s, 4))"));
    check_found(&with("drop(s, 1)"), &[("DW0306", "drop(s, 1)")]);
}

#[test]
fn two_layers_over_one_base_are_one_mistake() {
    let fields = |name: &str| (0..45).map(|it| format!("  {name}{it}: int32\n")).collect::<String>();
    let rules = (0..45).map(|it| format!("  F{it} <-> f{it}\n")).collect::<String>();
    let base = format!(
        "system a\nsystem b\nentity a.Item {{\n  key Id: text<9>\n{}}}\nentity b.item {{\n  key id: text<9>\n{}}}\n\
         map Base: a.Item <-> b.item {{\n  key Id <-> id\n{rules}  on conflict prefer a\n  on delete <-> refuse\n}}\n",
        fields("F"),
        fields("f")
    );
    let found = |more: &str| check_files(&[("test.dwmap", &format!("{base}{more}"))], &Given::default()).found();
    let first = "map One extends Base {\n  drop f1 because \"x\"\n}\n";
    for second in [
        "map Two extends Base {\n}\n",
        "map Two extends Base {\n  drop f2 because \"x\"\n}\n",
        "map Two extends Base {\n  override f3: F3 -> f3\n}\n",
    ] {
        let found = found(&format!("{first}{second}"));
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
