//! Text to tree and back.

use dwmap::diag::Diagnostics;
use dwmap::source::Sources;
use dwmap::syntax::{self, ast};

fn parse(text: &str) -> (ast::File, Vec<String>) {
    let mut sources = Sources::default();
    let file = sources.add("test.dwmap", text).expect("the text is short");
    let mut diags = Diagnostics::default();
    let tree = syntax::parse(&sources, file, &mut diags);
    let messages = diags.sorted().into_iter().map(|it| format!("{}: {}", sources.text(it.primary()), it.message)).collect();
    (tree, messages)
}

const CUSTOMERS: &str = include_str!("../corpus/syntax/customers.dwmap");
const LAYER: &str = include_str!("../corpus/syntax/layer.dwmap");
const ENTITIES: &str = include_str!("../corpus/syntax/entities.dwmap");

#[test]
fn every_form_of_the_language_parses() {
    for text in [CUSTOMERS, LAYER, ENTITIES] {
        let (tree, messages) = parse(text);
        assert_eq!(messages, Vec::<String>::new());
        assert!(!tree.is_broken);
        assert!(tree.items.len() > 3);
    }
}
