//! What the maps that run make use of: names that nothing uses are worth a word.

use std::collections::HashSet;

use super::names::World;
use super::paths::visit;
use crate::diag::{Diagnostic, Diagnostics, codes};
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, ActionKind, ClauseKind, ExprKind, ItemKind, MapHead, Member, MemberKind, RowEnd, Rule};

/// Keys of the declarations that were named, and the aliases through which.
#[derive(Default)]
pub struct Used {
    pub keys: HashSet<String>,
    aliases: HashSet<(FileId, String)>,
}

impl Used {
    fn path(&mut self, world: &World<'_>, path: &ast::Path) {
        let key = world.project.key(path);
        // Most names are fields.
        let is_declared = world.values.contains_key(&key)
            || world.functions.contains_key(&key)
            || world.isos.contains_key(&key)
            || world.params.contains_key(&key);
        if is_declared {
            self.keys.insert(key);
        }
        if let [alias, _] = path.segments.as_slice() {
            self.aliases.insert((alias.span.file, alias.text.clone()));
        }
    }

    fn expr(&mut self, world: &World<'_>, expr: &ast::Expr) {
        let mut found = Vec::new();
        visit(expr, &mut |it| match &it.kind {
            ExprKind::Path(path) => found.push(path),
            ExprKind::Call { function, .. } => found.push(function),
            _ => {}
        });
        for path in found {
            self.path(world, path);
        }
    }

    fn rule(&mut self, world: &World<'_>, rule: &Rule) {
        self.expr(world, &rule.left);
        self.expr(world, &rule.right);
        for clause in &rule.clauses {
            match &clause.kind {
                ClauseKind::Via(path) => self.path(world, path),
                ClauseKind::When(condition) => self.expr(world, condition),
                ClauseKind::Else { action, .. } => {
                    if let ActionKind::Value(value) = &action.kind {
                        self.expr(world, value);
                    }
                }
                ClauseKind::ViaRows(rows) => {
                    for end in rows.iter().flat_map(|it| [&it.left, &it.right]) {
                        if let RowEnd::Value(value) = end {
                            self.expr(world, value);
                        }
                    }
                }
                ClauseKind::ViaTables(_)
                | ClauseKind::Modulo(_)
                | ClauseKind::Split(_)
                | ClauseKind::Loses(_)
                | ClauseKind::OnCreate
                | ClauseKind::OnUpdate
                | ClauseKind::OnMissing(_)
                | ClauseKind::OnConflict(_) => {}
            }
        }
    }

    fn members(&mut self, world: &World<'_>, members: &[Member]) {
        for member in members {
            match &member.kind {
                MemberKind::Partition(rule)
                | MemberKind::Key(rule)
                | MemberKind::Rule(rule)
                | MemberKind::Override { rule, .. } => {
                    self.rule(world, rule);
                }
                MemberKind::PartitionIn(set) => self.expr(world, set),
                MemberKind::Filter { left, right, .. } => {
                    for condition in [left, right].into_iter().flatten() {
                        self.expr(world, condition);
                    }
                }
                MemberKind::For { set, members, .. } => {
                    self.expr(world, set);
                    self.members(world, members);
                }
                MemberKind::Policy(ast::Policy { kind: ast::PolicyKind::Delete { action, .. }, .. }) => {
                    if let ast::DeleteAction::Set { value, .. } = action {
                        self.expr(world, value);
                    }
                }
                MemberKind::Version(_) | MemberKind::Drop { .. } | MemberKind::Seal(_) | MemberKind::Policy(_) => {}
            }
        }
    }
}

/// What the lines of one map name.
pub fn of_map(world: &World<'_>, map: &ast::Map) -> Used {
    let mut out = Used::default();
    out.members(world, &map.members);
    out
}

/// What is used by these maps and by all that is no map.
pub fn together<'u>(world: &World<'_>, maps: impl IntoIterator<Item = &'u Used>) -> Used {
    let mut out = Used::default();
    for it in maps {
        out.keys.extend(it.keys.iter().cloned());
        out.aliases.extend(it.aliases.iter().cloned());
    }
    for function in world.functions.values() {
        out.expr(world, &function.body);
    }
    for iso in world.isos.values() {
        out.expr(world, &iso.forward);
        out.expr(world, &iso.backward);
    }
    for file in &world.project.files {
        for item in &file.items {
            if let ItemKind::Map(ast::Map { head: MapHead::Extends(base), .. }) = &item.kind {
                out.path(world, base);
            }
        }
    }
    for (test, _) in &world.tests {
        out.path(world, &test.map);
    }
    out
}

/// Reports what nothing uses. A file that did not parse may use more than is seen.
pub fn check(world: &World<'_>, used: &Used, diags: &mut Diagnostics) {
    if world.project.files.iter().any(|it| it.is_broken) || world.maps.values().any(|it| it.map.is_broken) {
        return;
    }
    let values = world.values.iter().map(|(key, it)| (key, "value map", it.name.span, it.name.text.as_str()));
    let functions = world.functions.iter().map(|(key, it)| (key, "function", it.name.span, it.name.text.as_str()));
    let isos = world.isos.iter().map(|(key, it)| (key, "function", it.name.span, it.name.text.as_str()));
    let params = world.params.iter().map(|(key, it)| (key, "parameter", it.name, key.as_str()));
    for (key, what, span, name) in values.chain(functions).chain(isos).chain(params) {
        if !used.keys.contains(key) && !world.project.is_library(span.file) {
            diags.push(unused(what, name, span));
        }
    }
    for file in world.project.files.iter().filter(|it| !world.project.is_library(it.id)) {
        for (alias, span) in world.project.aliases(file.id) {
            if !used.aliases.contains(&(file.id, alias.to_owned())) {
                diags.push(unused("import", alias, span));
            }
        }
    }
}

fn unused(what: &str, name: &str, span: Span) -> Diagnostic {
    let message = format!("nothing uses the {what} `{name}`");
    Diagnostic::new(codes::UNUSED, span, message, "not used").advice("remove it, or use it")
}
