//! `dwmap test --coverage`: which rules the tests of a map see at work.

use super::folder::Folder;

const MAP: &str = r#"system crm profile exact
system shop profile exact

entity crm.Contact {
  key Number: text<20>
  Name:       text<100> required
  Email:      text<80>?
  Kind:       enum { Person, Firm }
}

entity shop.customer {
  key code: text<20>
  title:    text<100> required
  mail:     text<80>?
  firm:     text<100>?
  since:    text<10>?
}

map Contacts: crm.Contact <-> shop.customer {
  key Number <-> code
  Name       <-> title
  Email      <-> mail
  Kind       <-  Person   on create
  firm: Name  -> firm    when Kind == Firm
  "2026"      -> since   on create

  on conflict prefer crm
  on delete <-> refuse
}

test "a person becomes a customer" in Contacts {
  given  crm { Number: "7", Name: "Ada", Kind: Person }
  expect shop { title: "Ada", since: "2026" }
  edit   shop { title: "Ada L." }
  expect crm { Name: "Ada L." }
}
"#;

/// `Email` is carried by no test, `firm` is guarded away, nothing is ever made in the shop first.
#[test]
fn rules_that_no_test_sees_are_told_with_their_direction() {
    let folder = Folder::new("coverage");
    folder.write("contacts.dwmap", MAP);
    let said = folder.dwmap(&["test", "--coverage"]);
    assert_eq!(said.exit, Some(0), "{said:?}");
    let told: Vec<&str> = said.messages.lines().filter_map(|it| it.strip_prefix("hint[DW0802]: ")).collect();
    assert_eq!(
        told,
        [
            "no test sees `code` write crm",
            "no test sees `mail` write crm or shop",
            "no test sees `Kind` write crm",
            "no test sees `firm` write shop",
        ]
    );
    assert!(said.out.contains("coverage: 2 of 6 rules in every direction that they have"), "{}", said.out);
}

#[test]
fn a_test_that_makes_the_rule_work_ends_the_hint() {
    let folder = Folder::new("coverage");
    let more = r#"
test "a firm" in Contacts {
  given  shop { code: "8", title: "Contoso", mail: "a@example.org" }
  expect crm { Name: "Contoso", Email: "a@example.org", Kind: Person }
  edit   crm { Kind: Firm, Email: "b@example.org" }
  expect shop { firm: "Contoso", mail: "b@example.org" }
}
"#;
    folder.write("contacts.dwmap", &format!("{MAP}{more}"));
    let said = folder.dwmap(&["test", "--coverage"]);
    assert!(said.out.contains("coverage: 6 of 6 rules in every direction that they have"), "{said:?}");
    assert!(!said.messages.contains("DW0802"), "{said:?}");
}
