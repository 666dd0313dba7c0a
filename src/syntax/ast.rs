//! The tree: what was written, with every place. It knows no schema and no function.

use std::collections::HashSet;

use crate::source::{FileId, Span};

/// One parsed file. Items that did not parse are missing; their messages are in the diagnostics.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub id: FileId,
    pub items: Vec<Item>,
    /// Every comment, in order; the formatter puts them back.
    pub comments: Vec<Comment>,
    /// Some text did not parse: checks for something *missing* would mislead.
    pub is_broken: bool,
    /// The words of what did not parse: one of them may be the name that is missed elsewhere.
    pub unread: HashSet<String>,
}

/// `// text`; documentation (`/// text`) belongs to the item or rule that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub span: Span,
    pub is_doc: bool,
    /// Something else stands before it on its line.
    pub is_trailing: bool,
}

/// A word that names something; backticks are taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

/// `fo.CustomersV3`, `std.Customers`, `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Never empty.
    pub segments: Vec<Name>,
    pub span: Span,
}

impl std::fmt::Display for Path {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.segments.iter().enumerate() {
            write!(out, "{}{}", if index > 0 { "." } else { "" }, name.text)?;
        }
        Ok(())
    }
}

/// A quoted text with its escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub text: String,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrow {
    /// `<->`
    Both,
    /// `<~>`
    Lossy,
    /// `->`
    Right,
    /// `<-`
    Left,
}

impl Arrow {
    pub fn text(self) -> &'static str {
        match self {
            Self::Both => "<->",
            Self::Lossy => "<~>",
            Self::Right => "->",
            Self::Left => "<-",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub docs: Vec<String>,
    pub kind: ItemKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `use "std/customers" as std`
    Use {
        path: Quoted,
        alias: Name,
    },
    /// `system fo from "schemas/fo.json" profile finops`
    System {
        name: Name,
        schema: Option<Quoted>,
        profile: Option<Name>,
    },
    /// `entity fo.Widget { … }`
    Entity(Entity),
    /// `profile legacy { text: padded 8 }`
    Profile(Profile),
    /// `values Name: A <-> B { rows }`
    Values(Values),
    /// `fn f(a: text) = e`, `canon f(a: text<20>): text<60> = e`
    Function(Function),
    /// `iso cents(d: decimal<18,2>) <-> int64 in a ..= b { -> e  <- e }`
    Iso(Box<Iso>),
    /// `param companies: set<text<4>> = { "usmf" }`
    Param {
        name: Name,
        ty: Type,
        default: Option<Expr>,
    },
    Map(Map),
    Test(Test),
}

/// `text<20>?`, `enum { No, Yes }`, `lookup dv.company`, `set<text<4>>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    pub kind: TypeKind,
    pub nullable: bool,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `bool`, `decimal<32,6>`, `text<20>`, or the name of a member set (`fo.CustVendorBlocked`).
    Named {
        path: Path,
        arguments: Vec<u32>,
    },
    Set(Box<Type>),
    /// `enum { No, Yes }` (closed), `choice { None = 0 }` (open), `choices { … }` (several at once).
    Members {
        word: Name,
        members: Vec<(Name, Option<Expr>)>,
    },
    /// `lookup dv.account | dv.contact`
    Lookup(Vec<Path>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    pub path: Path,
    pub members: Vec<EntityMember>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EntityMember {
    /// `partition key dataAreaId: text<4>`, `Name: text<100> required`
    Field(EntityField),
    /// `key accountid: guid` is a field; `key (a, b)` and `unique (a, b)` name fields.
    Unique { is_primary: bool, fields: Vec<Name>, span: Span },
}

#[derive(Clone, Debug, PartialEq)]
pub struct EntityField {
    pub docs: Vec<String>,
    pub is_partition: bool,
    pub is_key: bool,
    pub is_unique: bool,
    pub name: Name,
    pub ty: Type,
    /// `required`, `readonly`, `modified`
    pub marks: Vec<Name>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub name: Name,
    pub facts: Vec<ProfileFacts>,
}

/// `text: padded 8, trailing blanks dropped`
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileFacts {
    pub kind: Name,
    /// Each fact as its words: `["padded", "8"]`, `["null", "is", "1900-01-01"]`.
    pub facts: Vec<Vec<Name>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    pub name: Name,
    pub left: Path,
    pub right: Path,
    pub rows: Vec<ValueRow>,
}

/// `No <-> None`, `reject <- else`
#[derive(Clone, Debug, PartialEq)]
pub struct ValueRow {
    pub docs: Vec<String>,
    pub left: RowEnd,
    pub arrow: Arrow,
    pub right: RowEnd,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RowEnd {
    /// A member, text, number, boolean or null.
    Value(Expr),
    /// `else`: every other value of this side.
    Else(Span),
    /// `reject`, `park`, `skip`, `null` opposite an `else`.
    Action(Action),
}

/// What happens to a value or row that a rule cannot carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub kind: ActionKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ActionKind {
    Reject,
    Park,
    Skip,
    Null,
    /// `create`: only after `on missing`.
    Create,
    Value(Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// `canon` instead of `fn`.
    pub is_canon: bool,
    pub name: Name,
    pub parameters: Vec<Parameter>,
    pub result: Option<Type>,
    pub body: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: Name,
    pub ty: Type,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Iso {
    pub name: Name,
    pub parameter: Parameter,
    pub target: Type,
    /// `in a ..= b`
    pub range: Option<(Expr, Expr)>,
    pub forward: Expr,
    /// In terms of `it`.
    pub backward: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub name: Name,
    pub head: MapHead,
    pub members: Vec<Member>,
    /// A member did not parse.
    pub is_broken: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MapHead {
    /// `map N: fo.A <-> dv.b`
    Sides { left: Path, arrow: Arrow, right: Path, arrow_span: Span },
    /// `map N extends std.M`
    Extends(Path),
}

/// One line of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub docs: Vec<String>,
    pub kind: MemberKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MemberKind {
    /// `version 1.0.0.5`
    Version(Name),
    /// `partition L <-> R via M`
    Partition(Rule),
    /// `partition in { "usmf" }`
    PartitionIn(Expr),
    /// `key L <-> R`
    Key(Rule),
    /// `filter P <-> Q`, `filter P ->`, `filter <- Q`
    Filter {
        left: Option<Expr>,
        arrow: Arrow,
        arrow_span: Span,
        right: Option<Expr>,
    },
    Rule(Rule),
    /// `override label: rule`
    Override {
        label: Name,
        rule: Rule,
    },
    /// `drop label because "…"`
    Drop {
        label: Name,
        because: Option<Quoted>,
    },
    /// `seal a, b`
    Seal(Vec<Name>),
    /// `for dataAreaId in { "demf" } { … }`
    For {
        field: Name,
        set: Expr,
        members: Vec<Member>,
    },
    Policy(Policy),
}

/// `L <-> R clauses`
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// `label:` written before the rule.
    pub label: Option<Name>,
    pub left: Expr,
    pub arrow: Arrow,
    pub arrow_span: Span,
    pub right: Expr,
    pub clauses: Vec<Clause>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    pub kind: ClauseKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ClauseKind {
    /// `via Companies`, `via std.Companies`: a map or a `values` item.
    Via(Path),
    /// `via dv.account(accountnumber) | dv.contact(…)`
    ViaTables(Vec<TableKey>),
    /// `via { No <-> false, Yes <-> true }`
    ViaRows(Vec<ValueRow>),
    /// `modulo trim, case`
    Modulo(Vec<Name>),
    /// `split first`, `split last`
    Split(Name),
    /// `loses "…"`
    Loses(Quoted),
    /// `when e`
    When(Expr),
    /// `else reject`, `else -> park`
    Else {
        arrow: Option<Arrow>,
        action: Action,
    },
    OnCreate,
    OnUpdate,
    /// `on missing park`
    OnMissing(Action),
    /// `on conflict prefer fo`
    OnConflict(ConflictPolicy),
}

/// `dv.transactioncurrency(isocurrencycode)`; a column may be a path through that table's own lookups.
#[derive(Clone, Debug, PartialEq)]
pub struct TableKey {
    pub table: Path,
    pub columns: Vec<Path>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConflictPolicy {
    pub kind: ConflictKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ConflictKind {
    /// `newest`, `newest else prefer dv`
    Newest {
        tie: Option<Name>,
    },
    /// `prefer fo`
    Prefer(Name),
    Manual,
}

/// A policy of the whole map.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub kind: PolicyKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PolicyKind {
    /// `on conflict newest`, `on conflict prefer fo for (a, b)`
    Conflict { policy: ConflictPolicy, fields: Vec<Name> },
    /// `on delete -> delete`
    Delete { arrow: Arrow, action: DeleteAction },
    /// `on exit <-> detach`; no arrow: both
    Exit { arrow: Option<Arrow>, action: Name },
    /// `on rekey reject`
    Rekey(Name),
    /// `on error retry 5`
    Error { action: Name, count: Option<u32> },
    /// `on missing park` for every lookup of the map
    Missing(Action),
}

#[derive(Clone, Debug, PartialEq)]
pub enum DeleteAction {
    Delete,
    /// `set statecode = 1`
    Set {
        field: Name,
        value: Expr,
    },
    Refuse,
    Ignore,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    pub name: Quoted,
    pub map: Path,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub kind: StepKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    Given {
        system: Name,
        record: RecordLiteral,
    },
    Edit {
        system: Name,
        record: RecordLiteral,
    },
    /// `delete dv`, `delete dv { accountnumber: "1" }`
    Delete {
        system: Name,
        record: Option<RecordLiteral>,
    },
    Expect {
        system: Name,
        record: RecordLiteral,
    },
    ExpectNothing {
        system: Name,
    },
    /// `expect writes fo 1, dv 1`, `expect writes 0`
    ExpectWrites(Vec<(Option<Name>, u32)>),
    /// `expect reject DW0212`
    ExpectReject(Name),
    ExpectPark,
    ExpectConflict,
    /// `roundtrip 1000 seed 7`
    Roundtrip {
        count: u32,
        seed: u64,
    },
}

/// `{ name: "Contoso", hold: Payment }`
#[derive(Clone, Debug, PartialEq)]
pub struct RecordLiteral {
    pub fields: Vec<(Name, Expr)>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Null,
    Bool(bool),
    /// Digits as written, with sign and point: `12`, `0.50`.
    Number(String),
    Text(String),
    /// A field, an enum member (`Organization`, `Enum.Member`), a parameter, or `it`.
    Path(Path),
    Call {
        function: Path,
        arguments: Vec<Expr>,
    },
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        op_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `a in { x, y }`, `a in companies`
    In {
        operand: Box<Expr>,
        set: Box<Expr>,
    },
    /// `if a then b else c`
    If {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `{ "usmf", "demf" }`
    Set(Vec<Expr>),
    /// `(a)`: kept, so that formatting does not change the tree
    Group(Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Not,
    Negate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// `??`
    Coalesce,
    /// `++`
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
}
