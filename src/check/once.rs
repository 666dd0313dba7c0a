//! Lines that a map has once: of two that say the same thing differently, neither is the one that counts.

use std::collections::HashMap;

use super::rule::towards;
use crate::change::Side;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::Span;
use crate::syntax::ast::{Arrow, Map, MemberKind, PolicyKind};

/// Looks at a map as it is written: what a layer says anew replaces what its base says.
pub fn check(map: &Map, diags: &mut Diagnostics) {
    let mut seen: HashMap<String, Span> = HashMap::new();
    for member in &map.members {
        for line in lines(&member.kind) {
            let Some(first) = seen.get(&line) else {
                seen.insert(line, member.span);
                continue;
            };
            let message = format!("`{line}` stands twice in `{}`", map.name.text);
            let diagnostic = Diagnostic::new(codes::SYNTAX, member.span, message, "the second one");
            diags.push(diagnostic.because(*first, "the first one").advice("leave one of them out").in_rule(&map.name.text, None));
            break;
        }
    }
}

/// What a line settles: one thing, or one for each direction.
fn lines(kind: &MemberKind) -> Vec<String> {
    let policy = match kind {
        MemberKind::Version(_) => return vec!["version".to_owned()],
        MemberKind::PartitionIn(_) => return vec!["partition in".to_owned()],
        MemberKind::Policy(policy) => &policy.kind,
        MemberKind::Partition(_)
        | MemberKind::Key(_)
        | MemberKind::Filter { .. }
        | MemberKind::Rule(_)
        | MemberKind::Override { .. }
        | MemberKind::Drop { .. }
        | MemberKind::Seal(_)
        | MemberKind::For { .. } => return Vec::new(),
    };
    match policy {
        PolicyKind::Conflict { fields, .. } if fields.is_empty() => vec!["on conflict".to_owned()],
        PolicyKind::Conflict { fields, .. } => {
            let mut names: Vec<&str> = fields.iter().map(|it| it.text.as_str()).collect();
            names.sort_unstable();
            vec![format!("on conflict … for ({})", names.join(", "))]
        }
        PolicyKind::Delete { arrow, .. } => directed("on delete", *arrow),
        PolicyKind::Exit { arrow, .. } => directed("on exit", arrow.unwrap_or(Arrow::Both)),
        PolicyKind::Rekey(_) => vec!["on rekey".to_owned()],
        PolicyKind::Error { .. } => vec!["on error".to_owned()],
        PolicyKind::Missing(_) => vec!["on missing".to_owned()],
    }
}

fn directed(words: &str, arrow: Arrow) -> Vec<String> {
    let sides = towards(arrow);
    let of = |side: Side, arrow: &str| sides[side].then(|| format!("{words} {arrow}"));
    of(Side::Right, "->").into_iter().chain(of(Side::Left, "<-")).collect()
}
