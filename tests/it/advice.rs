//! What a message advises works when somebody follows it to the letter, and one mistake has one message.
//!
//! A case is the project of `advice/base.dwmap` with one line of it changed.

use dwmap::check::premise::Premises;
use dwmap::diag::render::{self, Color};
use dwmap::diag::{Diagnostic, Fix};
use dwmap::source::Sources;

use super::diagnostics::{compiled, fixtures};

const BASE: &str = include_str!("advice/base.dwmap");

/// The project with one text of it replaced.
fn with(from: &str, to: &str) -> String {
    assert_eq!(BASE.matches(from).count(), 1, "`{from}` stands once in the project");
    BASE.replace(from, to)
}

fn problems(text: &str) -> (Sources, Vec<Diagnostic>) {
    let (sources, _, found) = compiled("acme.dwmap", text, Premises::default());
    (sources, found)
}

/// Each change, and all that is said of it.
fn said(changes: &[(&str, &str)]) -> String {
    let one = |(from, to): &(&str, &str)| {
        let (sources, found) = problems(&with(from, to));
        format!("==== {from}\n===> {to}\n\n{}\n", render::emit(&found, &sources, Color::Never))
    };
    changes.iter().map(one).collect()
}

/// The text after a fix.
fn mended(text: &str, fix: &Fix) -> String {
    let mut edits = fix.edits.clone();
    edits.sort_by_key(|it| std::cmp::Reverse(it.span.start));
    let mut out = text.to_owned();
    for edit in edits {
        out.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    out
}

fn count(found: &[Diagnostic], like: &Diagnostic) -> usize {
    found.iter().filter(|it| it.code == like.code).count()
}

/// The changes that a message carries, after which there are as many of its code as before.
fn idle_fixes(name: &str, text: &str) -> Vec<String> {
    let (sources, found) = problems(text);
    let mut out = Vec::new();
    for diagnostic in &found {
        for fix in diagnostic.fixes.iter().filter(|it| !it.edits.is_empty()) {
            let is_here = fix.edits.iter().all(|it| sources.file(it.span.file).name == "acme.dwmap");
            let (_, after) = problems(&mended(text, fix));
            if is_here && count(&after, diagnostic) >= count(&found, diagnostic) {
                out.push(format!("{name}: {} {}\n  fix: {}", diagnostic.code, diagnostic.message, fix.message));
            }
        }
    }
    out
}

#[test]
fn the_project_is_right() {
    let (sources, found) = problems(BASE);
    assert!(found.is_empty(), "{}", render::emit(&found, &sources, Color::Never));
}

#[test]
fn every_change_that_a_message_carries_takes_the_message_away() {
    let mut idle = Vec::new();
    for path in fixtures() {
        let text = std::fs::read_to_string(&path).expect("a listed file can be read");
        idle.extend(idle_fixes(&path.file_name().expect("a listed file has a name").to_string_lossy(), &text));
    }
    for (from, to) in CASES.iter().copied().flatten() {
        idle.extend(idle_fixes(to, &with(from, to)));
    }
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

const CASES: &[&[(&str, &str)]] = &[NUMBERS, TYPES, OPERATORS, POLICIES, REFERENCES, KEYS, WRITERS, FILTERS, VALUES, LISTS, LAWS];

const LIMIT: &str = "CreditLimit                   <-> creditlimit       else reject";
const TERMS: &str = "PaymentTerms                  <-> paymentterms";
const NEWEST: &str = "on conflict newest";
const KEY: &str = "key       CustomerAccount <-> accountnumber";

const NUMBERS: &[(&str, &str)] = &[
    (LIMIT, "CreditLimit <-> creditlimit"),
    (LIMIT, "round(CreditLimit, 4) <~> creditlimit   loses \"what is too large\""),
    (LIMIT, "CreditLimit * 1.00001 -> creditlimit"),
];

#[test]
fn numbers_are_cut_only_where_that_makes_them_fit() {
    insta::assert_snapshot!(said(NUMBERS));
}

const DESCRIPTION: &str = " description:   text<2000>?";

const TYPES: &[(&str, &str)] = &[
    (DESCRIPTION, " description:   text<0>?"),
    (DESCRIPTION, " description:   string?"),
    (DESCRIPTION, " description:   decimal<4,6>?"),
    (DESCRIPTION, " description:   date<8>?"),
];

#[test]
fn a_type_that_is_none_is_said_once_with_its_form_or_with_all_types() {
    insta::assert_snapshot!(said(TYPES));
}

const OPERATORS: &[(&str, &str)] = &[
    (TERMS, "\"x\" + PaymentTerms -> paymentterms"),
    (TERMS, "PaymentTerms -> paymentterms   when CreditLimit = 0"),
    (TERMS, "'x' -> paymentterms"),
    (TERMS, "PaymentTerms <-> paymentterms   # as it is"),
    (TERMS, "-- PaymentTerms <-> paymentterms"),
    (TERMS, "PaymentTerms ~> paymentterms"),
    (TERMS, "PaymentTerms <-> paymentterms;"),
    (TERMS, "PaymentTerms -> paymentterms   when Blocked && OnHold == All"),
    (TERMS, "PaymentTerms = paymentterms"),
    (TERMS, "PaymentTerms -> paymentterms   when OnHold in [All]"),
];

#[test]
fn signs_of_other_languages_are_answered_with_ours() {
    insta::assert_snapshot!(said(OPERATORS));
}

const POLICIES: &[(&str, &str)] = &[
    (NEWEST, "on conflict latest"),
    (NEWEST, "on conflict last"),
    (NEWEST, "on conflict newest\n  on exit -> now -> then"),
    (NEWEST, "on conflict newest\n  on error retry many"),
    (NEWEST, "on conflict newest\n  on create skip"),
    (NEWEST, "on conflict newest\n  loses \"nothing\""),
    ("on delete -> set statecode = Inactive", "on delete -> set statecode Inactive"),
    ("on delete -> set statecode = Inactive", "on delete -> deactivate"),
];

#[test]
fn a_policy_that_is_broken_is_shown_in_its_own_form() {
    insta::assert_snapshot!(said(POLICIES));
}

const GROUP: &str = "CustomerGroupId               <-> customergroup     via CustomerGroups   else reject";
const PARTITION: &str = "  partition dataAreaId      <-> msdyn_company   via Companies\n  key       CustomerAccount";

const PARTITION_AND_KEY: &str =
    "  partition dataAreaId      <-> msdyn_company   via Companies\n  key       CustomerAccount <-> accountnumber";

const REFERENCES: &[(&str, &str)] = &[
    (GROUP, "CustomerGroupId <-> customergroup   else reject"),
    (PARTITION, "  key       CustomerAccount"),
    (PARTITION_AND_KEY, "  key       (dataAreaId, CustomerAccount) <-> (msdyn_company, accountnumber)"),
    ("msdyn_company: lookup dv.cdm_company\n  name", "msdyn_company:  lookup dv.company\n  name"),
    (TERMS, "dataAreaId -> paymentterms\n  PaymentTerms -> msdyn_company"),
];

#[test]
fn a_reference_is_answered_with_what_the_project_has() {
    insta::assert_snapshot!(said(REFERENCES));
}

const KEYS: &[(&str, &str)] = &[
    (KEY, "key       CustomerAccount <-> name"),
    (KEY, "key       CustomerAccount <~> accountnumber"),
    (KEY, "key       CustomerAccount <~> accountnumber   loses \"nothing\""),
];

#[test]
fn a_key_is_never_told_to_lose_something() {
    insta::assert_snapshot!(said(KEYS));
}

const WRITERS: &[(&str, &str)] = &[
    (TERMS, "Changed <-> modifiedon"),
    (TERMS, "Changed -> modifiedon"),
    (TERMS, "Changed <-> paymentterms"),
    (TERMS, "PaymentTerms <-> modifiedon"),
    (TERMS, "Changed -> paymentterms"),
    (TERMS, "upper(PaymentTerms) -> upper(paymentterms)"),
];

#[test]
fn what_cannot_be_written_is_told_to_be_read_only_where_that_is_possible() {
    insta::assert_snapshot!(said(WRITERS));
}

const FILTERS: &[(&str, &str)] = &[
    (TERMS, "PaymentTerms <-> paymentterms\n\n  filter Blocked == false <-> statecode == Active\n  on exit deactivate"),
    (TERMS, "PaymentTerms <-> paymentterms\n\n  filter Blocked == false <-> statecode == Active"),
];

#[test]
fn a_policy_that_is_written_is_not_missed() {
    insta::assert_snapshot!(said(FILTERS));
}

const VALUES: &[(&str, &str)] = &[
    ("  Payment  -> Everything\n", "  Payment <-> Everything\n"),
    ("hold:          choice { None = 1, Invoicing = 2", "hold:           choice { None = 1, Invoicing = 1"),
    ("  All     <-> Everything\n", "  All     <-> Every\n"),
    ("  All     <-> Everything\n", "  All     <-> Total\n"),
];

#[test]
fn a_row_is_named_by_its_members() {
    insta::assert_snapshot!(said(VALUES));
}

const LISTS: &[(&str, &str)] = &[
    (TERMS, "upper(PaymentTerms, 1) -> paymentterms"),
    (TERMS, "PaymentTerms <-> paymentterms   modulo upper"),
    (NEWEST, "on conflict prefer dynamics"),
    (TERMS, "upper(PaymentTerms) -> paymentterms"),
];

#[test]
fn names_that_are_none_are_answered_with_those_that_there_are() {
    insta::assert_snapshot!(said(LISTS));
}

const LAWS: &[(&str, &str)] = &[
    (LIMIT, "text(CreditLimit) <-> acme_vat   else reject"),
    (TERMS, "take(PaymentTerms, 5) <-> paymentterms"),
    (TERMS, "strip(PaymentTerms, \" \") <-> paymentterms"),
    (TERMS, "normalize_space(PaymentTerms) <-> paymentterms"),
    (LIMIT, "round(CreditLimit, 1) <-> creditlimit   else reject"),
    (TERMS, "PaymentTerms ++ \"!\" <-> paymentterms   else reject"),
];

#[test]
fn both_sides_are_told_to_store_it_so_only_where_that_loses_nothing() {
    insta::assert_snapshot!(said(LAWS));
}
