//! A layer over a standard map: it checks, its tests pass, and a base that changes later is reported.

use crate::folder::Folder;

const FILES: &[(&str, &str)] = &[
    ("customers.dwmap", include_str!("../../../maps/examples/contoso/customers.dwmap")),
    ("dwmap.toml", include_str!("../../../maps/examples/contoso/dwmap.toml")),
];
const LOCK: &str = include_str!("../../../maps/examples/contoso/dwmap.lock");

fn example(lock: &str) -> Folder {
    let folder = Folder::new("contoso");
    FILES.iter().for_each(|(name, text)| folder.write(name, text));
    folder.write("dwmap.lock", lock);
    folder
}

#[test]
fn a_layer_over_a_standard_map_checks_and_works() {
    let folder = example(LOCK);
    let checked = folder.dwmap(&["check", "."]);
    assert_eq!(checked.exit, Some(0), "{}", checked.messages);
    let tested = folder.dwmap(&["test", "."]);
    assert_eq!(tested.exit, Some(0), "{}{}", tested.out, tested.messages);
    assert!(tested.out.contains("2 passed, 0 failed"), "{}", tested.out);
}

#[test]
fn a_base_rule_that_changed_since_the_override_is_reported() {
    let old = LOCK.replace("creditlimit ?? 0", "creditlimit");
    assert_ne!(old, LOCK, "the lock holds the base rule");
    let checked = example(&old).dwmap(&["check", "--format", "short", "--deny", "warnings", "."]);
    assert_eq!(checked.exit, Some(1), "{}", checked.messages);
    assert!(checked.out.contains("warning[DW0705]"), "{}", checked.out);
}
