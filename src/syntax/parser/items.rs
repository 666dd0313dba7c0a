//! Items: what stands in the first column.

use std::ops::Range;

use pest::iterators::Pair;

use super::{Builder, FileParser, Rule};
use crate::diag::{Diagnostic, codes, suggest};
use crate::syntax::ast::{
    Entity, EntityField, EntityMember, Function, Iso, Item, ItemKind, Map, MapHead, Name, Parameter, Profile, ProfileFacts,
    Quoted, Test, Values,
};
use crate::syntax::lexer::Token;
use crate::syntax::slice::{self, Braced, Piece};
use crate::syntax::words;

impl FileParser<'_> {
    pub(super) fn item(&mut self, piece: &Piece) -> Option<Item> {
        let at = piece.tokens.start;
        let kind = match self.word(at) {
            "use" => self.plain(Rule::use_item, piece, Builder::use_item),
            "system" => self.plain(Rule::system_item, piece, Builder::system_item),
            "fn" | "canon" => self.plain(Rule::function_item, piece, Builder::function_item),
            "iso" => self.plain(Rule::iso_item, piece, Builder::iso_item),
            "param" => self.plain(Rule::param_item, piece, Builder::param_item),
            "profile" => self.profile(piece),
            "entity" => self.entity(piece),
            "values" => self.values(piece),
            "map" => self.map(piece),
            "test" => self.test(piece),
            _ => {
                self.leave_unread(piece.tokens.clone());
                self.unknown_item(at);
                None
            }
        }?;
        Some(Item { docs: self.docs(piece), kind, span: self.span(&piece.tokens) })
    }

    fn unknown_item(&mut self, at: usize) {
        let (word, span) = (self.word(at), self.span(&(at..at + 1)));
        let message = match word {
            "" => "an item begins in the first column with its keyword".to_owned(),
            word => format!("an item begins in the first column with its keyword, and `{word}` is none"),
        };
        let diagnostic = Diagnostic::new(codes::SYNTAX, span, message, "here");
        let small = word.to_lowercase();
        let nearest = words::ITEMS.iter().find(|it| **it == small).copied();
        let nearest = nearest.or_else(|| suggest::nearest(word, words::ITEMS.iter().copied()));
        self.push(match nearest {
            Some(nearest) => diagnostic.replace(format!("`{nearest}`"), span, nearest, false),
            None => diagnostic.advice(format!("begin with one of {}", words::listed(words::ITEMS))),
        });
    }

    fn plain(&mut self, rule: Rule, piece: &Piece, build: fn(Builder, Pair<'_, Rule>) -> ItemKind) -> Option<ItemKind> {
        let (builder, pair) = self.pair(rule, piece.tokens.clone())?;
        Some(build(builder, pair))
    }

    /// Head and body of an item in braces. A missing brace is reported, and what is there is kept.
    fn body(&mut self, piece: &Piece) -> Option<Braced> {
        let Some(braced) = slice::braced(self.tokens, piece.tokens.clone()) else {
            let tokens = &self.tokens[piece.tokens.clone()];
            let head = tokens.iter().take_while(|it| it.token != Token::Newline).filter(|it| !it.is_trivia());
            let last = *head.last().unwrap_or(&tokens[0]);
            self.leave_unread(piece.tokens.clone());
            self.report(last, "no `{` follows, so this item has no body", "write its lines between `{` and `}`");
            return None;
        };
        if !braced.is_closed {
            let open = self.tokens[braced.body.start - 1];
            self.report(
                open,
                "this brace is not closed, or something stands behind its end",
                "close it with `}` on a line of its own",
            );
        }
        Some(braced)
    }

    pub(super) fn lines(&self, body: Range<usize>, clauses: bool, commas: bool) -> Vec<Piece> {
        slice::lines(self.source, self.tokens, body, clauses, commas)
    }

    fn profile(&mut self, piece: &Piece) -> Option<ItemKind> {
        let braced = self.body(piece)?;
        let (builder, pair) = self.pair(Rule::profile_head, braced.head)?;
        let name = builder.name(part(pair, Rule::name));
        let mut facts = Vec::new();
        for line in self.lines(braced.body, false, false) {
            let Some((builder, pair)) = self.pair(Rule::profile_line, line.tokens) else { continue };
            let mut parts = pair.into_inner();
            let kind = builder.name(parts.next().expect("a fact line begins with its kind"));
            let words = |it: Pair<'_, Rule>| it.into_inner().map(|it| builder.name(it)).collect();
            facts.push(ProfileFacts { kind, facts: parts.filter(|it| it.as_rule() == Rule::fact).map(words).collect() });
        }
        Some(ItemKind::Profile(Profile { name, facts }))
    }

    fn entity(&mut self, piece: &Piece) -> Option<ItemKind> {
        let braced = self.body(piece)?;
        let (builder, pair) = self.pair(Rule::entity_head, braced.head)?;
        let path = builder.path(part(pair, Rule::path));
        let mut members = Vec::new();
        for line in self.lines(braced.body, false, false) {
            let docs = self.docs(&line);
            if let Some((builder, pair)) = self.pair(Rule::entity_line, line.tokens) {
                members.push(builder.entity_member(pair, docs));
            }
        }
        Some(ItemKind::Entity(Entity { path, members }))
    }

    fn values(&mut self, piece: &Piece) -> Option<ItemKind> {
        let braced = self.body(piece)?;
        let (builder, pair) = self.pair(Rule::values_head, braced.head)?;
        let mut parts = pair.into_inner().filter(|it| matches!(it.as_rule(), Rule::name | Rule::path));
        let name = builder.name(parts.next().expect("a value map has a name"));
        let mut path = || builder.path(parts.next().expect("a value map has two sides"));
        let (left, right) = (path(), path());
        let mut rows = Vec::new();
        for line in self.lines(braced.body, false, true) {
            let docs = self.docs(&line);
            if let Some((builder, pair)) = self.pair(Rule::row_line, line.tokens) {
                rows.push(builder.row(part(pair, Rule::row), docs));
            }
        }
        Some(ItemKind::Values(Values { name, left, right, rows }))
    }

    fn map(&mut self, piece: &Piece) -> Option<ItemKind> {
        let unread = self.unread.take();
        let map = self.body(piece).and_then(|braced| {
            let (builder, pair) = self.pair(Rule::map_head, braced.head)?;
            let (name, head) = builder.map_head(pair);
            let members = self.members(braced.body);
            Some(ItemKind::Map(Map { name, head, members, is_broken: self.unread.is_some() }))
        });
        super::join(&mut self.unread, unread);
        map
    }

    fn test(&mut self, piece: &Piece) -> Option<ItemKind> {
        let braced = self.body(piece)?;
        let (builder, pair) = self.pair(Rule::test_head, braced.head)?;
        let mut parts = pair.into_inner();
        let name = builder.quoted(&parts.find(|it| it.as_rule() == Rule::string).expect("a test has a name"));
        let map = builder.path(parts.find(|it| it.as_rule() == Rule::path).expect("a test names its map"));
        let mut steps = Vec::new();
        for line in self.lines(braced.body, false, false) {
            if let Some((builder, pair)) = self.pair(Rule::step_line, line.tokens) {
                steps.push(builder.step(pair));
            }
        }
        Some(ItemKind::Test(Test { name, map, steps }))
    }
}

/// The first inner pair of a rule; the grammar says that it is there.
pub(super) fn part<'i>(pair: Pair<'i, Rule>, rule: Rule) -> Pair<'i, Rule> {
    pair.into_inner().find(|it| it.as_rule() == rule).expect("the grammar requires this part")
}

impl Builder {
    fn use_item(self, pair: Pair<'_, Rule>) -> ItemKind {
        let mut parts = pair.into_inner().filter(|it| matches!(it.as_rule(), Rule::string | Rule::name));
        let path = self.quoted(&parts.next().expect("`use` names a file"));
        ItemKind::Use { path, alias: self.name(parts.next().expect("`use` gives a name")) }
    }

    fn system_item(self, pair: Pair<'_, Rule>) -> ItemKind {
        let (mut name, mut schema, mut profile) = (None, None::<Quoted>, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name => name = Some(self.name(it)),
                Rule::from_schema => schema = Some(self.quoted(&part(it, Rule::string))),
                Rule::with_profile => profile = Some(self.name(part(it, Rule::name))),
                _ => {}
            }
        }
        ItemKind::System { name: name.expect("a system has a name"), schema, profile }
    }

    fn function_item(self, pair: Pair<'_, Rule>) -> ItemKind {
        let (mut is_canon, mut name, mut parameters, mut result, mut body) = (false, None, Vec::new(), None, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::kw_canon => is_canon = true,
                Rule::name => name = Some(self.name(it)),
                Rule::parameter => parameters.push(self.parameter(it)),
                Rule::ty => result = Some(self.ty(it)),
                Rule::expr => body = Some(self.expr(it)),
                _ => {}
            }
        }
        let name = name.expect("a function has a name");
        ItemKind::Function(Function { is_canon, name, parameters, result, body: body.expect("a function has a body") })
    }

    fn parameter(self, pair: Pair<'_, Rule>) -> Parameter {
        let mut parts = pair.into_inner().filter(|it| it.as_rule() != Rule::colon);
        let name = self.name(parts.next().expect("a parameter has a name"));
        Parameter { name, ty: self.ty(parts.next().expect("a parameter has a type")) }
    }

    fn iso_item(self, pair: Pair<'_, Rule>) -> ItemKind {
        let (mut name, mut parameter, mut target, mut range, mut bodies) = (None, None, None, None, Vec::new());
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name => name = Some(self.name(it)),
                Rule::parameter => parameter = Some(self.parameter(it)),
                Rule::ty => target = Some(self.ty(it)),
                Rule::iso_range => {
                    let mut ends = self.exprs(it);
                    let last = ends.pop().expect("a range has two ends");
                    range = Some((ends.pop().expect("a range has two ends"), last));
                }
                Rule::expr => bodies.push(self.expr(it)),
                _ => {}
            }
        }
        let backward = bodies.pop().expect("an iso has two directions");
        ItemKind::Iso(Box::new(Iso {
            name: name.expect("an iso has a name"),
            parameter: parameter.expect("an iso has a parameter"),
            target: target.expect("an iso has a target"),
            range,
            forward: bodies.pop().expect("an iso has two directions"),
            backward,
        }))
    }

    fn param_item(self, pair: Pair<'_, Rule>) -> ItemKind {
        let (mut name, mut ty, mut default) = (None, None, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name => name = Some(self.name(it)),
                Rule::ty => ty = Some(self.ty(it)),
                Rule::expr => default = Some(self.expr(it)),
                _ => {}
            }
        }
        ItemKind::Param { name: name.expect("a parameter has a name"), ty: ty.expect("a parameter has a type"), default }
    }

    fn entity_member(self, pair: Pair<'_, Rule>, docs: Vec<String>) -> EntityMember {
        let line = pair.into_inner().next().expect("an entity line has content");
        let span = self.span(&line);
        if line.as_rule() == Rule::unique_line {
            let is_primary = line.as_str().starts_with("key");
            let fields = line.into_inner().filter(|it| it.as_rule() == Rule::name).map(|it| self.name(it)).collect();
            return EntityMember::Unique { is_primary, fields, span };
        }
        let mut roles: Vec<String> = Vec::new();
        let (mut name, mut ty, mut marks): (_, _, Vec<Name>) = (None, None, Vec::new());
        for it in line.into_inner() {
            match it.as_rule() {
                Rule::field_role => roles.push(it.as_str().trim().to_owned()),
                Rule::name => name = Some(self.name(it)),
                Rule::ty => ty = Some(self.ty(it)),
                Rule::mark => marks.push(self.name(it)),
                _ => {}
            }
        }
        let has = |role: &str| roles.iter().any(|it| it == role);
        EntityMember::Field(EntityField {
            docs,
            is_partition: has("partition"),
            is_key: has("key"),
            is_unique: has("unique"),
            name: name.expect("a field has a name"),
            ty: ty.expect("a field has a type"),
            marks,
            span,
        })
    }

    fn map_head(self, pair: Pair<'_, Rule>) -> (Name, MapHead) {
        let mut name = None;
        let mut paths = Vec::new();
        let mut arrow = None;
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name => name = Some(self.name(it)),
                Rule::path => paths.push(self.path(it)),
                Rule::arrow => arrow = Some((self.arrow(&it), self.span(&it))),
                _ => {}
            }
        }
        let last = paths.pop().expect("a map names an entity or a base");
        let head = match (arrow, paths.pop()) {
            (Some((arrow, arrow_span)), Some(left)) => MapHead::Sides { left, arrow, right: last, arrow_span },
            _ => MapHead::Extends(last),
        };
        (name.expect("a map has a name"), head)
    }
}
