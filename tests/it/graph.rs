//! `dwmap graph`: the order of maps, circles, and rows that refer to themselves.

use insta::assert_snapshot;

use super::folder::Folder;

/// A country has cities; a department has a head, a person a department; a person has a boss and a currency.
const MAPS: &str = r#"
profile loose {
  text: compare ignoring case, compare ignoring trailing blanks
}

system a profile loose
system b profile dataverse

entity a.Country    { key Code: text<20> }
entity a.Department {
  key Code: text<20>
  Head:     text<20>?
}
entity a.Person {
  key Id:     text<20>
  Kind:       text<20>
  Department: text<20>?
  Boss:       text<20>?
  Country:    text<20>?
  Currency:   text<3>?
}

entity b.country {
  key countryid: guid
  unique (code)
  code: text<20>
}
entity b.currency {
  key currencyid: guid
  unique (iso)
  iso: text<3>
}
entity b.department {
  key departmentid: guid
  unique (code)
  code: text<20>
  head: lookup b.person?
}
entity b.person {
  key personid: guid
  unique (id)
  id:         text<20>
  kind:       text<20> required
  department: lookup b.department?
  boss:       lookup b.person?
  country:    lookup b.country?
  currency:   lookup b.currency?
}

map Departments: a.Department <-> b.department {
  key Code <-> code
  Head <-> head via People
  on conflict prefer a
  on delete <-> refuse
}

map People: a.Person <-> b.person {
  key Id <-> id
  filter Kind == "person" <-> kind == "person"
  Kind       <-> kind
  Department <-> department via Departments
  Boss       <-> boss via People
  Country    <-> country via Countries
  Currency   <-> currency via b.currency(iso)
  on conflict prefer a
  on delete <-> refuse
  on exit <-> detach
}

map Robots: a.Person <-> b.person {
  key Id <-> id
  filter Kind == "robot" <-> kind == "robot"
  Kind <-> kind
  on conflict prefer a
  on delete <-> refuse
  on exit <-> detach
}

map Countries: a.Country <-> b.country {
  key Code <-> code
  on conflict prefer a
  on delete <-> refuse
}
"#;

fn graph(format: &str) -> String {
    let folder = Folder::new("graph");
    folder.write("maps.dwmap", MAPS);
    let said = folder.dwmap(&["graph", "--format", format]);
    assert_eq!(said.exit, Some(0), "{}", said.messages);
    said.out
}

#[test]
fn text_shows_the_order_and_what_is_done_in_two_steps() {
    assert_snapshot!(graph("text"));
}

#[test]
fn dot_draws_circles_as_clusters() {
    assert_snapshot!(graph("dot"));
}

#[test]
fn mermaid_draws_deferred_references_dashed() {
    assert_snapshot!(graph("mermaid"));
}

#[test]
fn maps_with_errors_have_no_graph() {
    let folder = Folder::new("graph");
    folder.write("maps.dwmap", &MAPS.replace("Head <-> head", "Haed <-> head"));
    let said = folder.dwmap(&["graph"]);
    assert_eq!((said.exit, said.out.as_str()), (Some(1), ""));
}
