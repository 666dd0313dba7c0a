//! What is wrong with a map, as data: rendering it is somebody else's job.
//!
//! Compiler stages take `&mut Diagnostics`, push what they see and go on; they never stop the next stage.

use std::collections::HashMap;

use crate::source::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Hint,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

/// A stable diagnostic number, written `DW0101`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "DW{:04}", self.0)
    }
}

/// A place and what this place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub message: String,
    pub primary: bool,
}

/// A change of text that mends the problem. Without edits it is advice in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What to write or do, as an order.
    pub message: String,
    pub edits: Vec<Edit>,
    /// A tool may apply it without asking: the meaning is what the author must have wanted.
    pub safe: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

/// One problem, or one remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, the author's words in backticks.
    pub message: String,
    pub labels: Vec<Label>,
    /// `name = text` lines below the source: effect, trace, reason.
    pub notes: Vec<(String, String)>,
    /// Two records or one value that show the problem; each was run through the interpreter.
    pub counterexample: Option<String>,
    pub fixes: Vec<Fix>,
    pub map: Option<String>,
    pub rule: Option<String>,
}

impl Diagnostic {
    /// Starts a diagnostic at its primary place; severity comes from the table of codes.
    pub fn new(code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: codes::info(code).severity,
            message: message.into(),
            labels: vec![Label { span, message: label.into(), primary: true }],
            notes: Vec::new(),
            counterexample: None,
            fixes: Vec::new(),
            map: None,
            rule: None,
        }
    }

    /// Adds the reason's place ("declared here").
    pub fn because(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into(), primary: false });
        self
    }

    pub fn note(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.notes.push((name.into(), text.into()));
        self
    }

    pub fn counterexample(mut self, text: impl Into<String>) -> Self {
        self.counterexample = Some(text.into());
        self
    }

    /// Advice in words.
    pub fn advice(mut self, message: impl Into<String>) -> Self {
        self.fixes.push(Fix { message: message.into(), edits: Vec::new(), safe: false });
        self
    }

    /// A replacement of one place; `safe` when a tool may apply it without asking.
    pub fn replace(mut self, message: impl Into<String>, span: Span, text: impl Into<String>, safe: bool) -> Self {
        self.fixes.push(Fix { message: message.into(), edits: vec![Edit { span, text: text.into() }], safe });
        self
    }

    pub fn in_rule(mut self, map: &str, rule: Option<&str>) -> Self {
        self.map = Some(map.to_owned());
        self.rule = rule.map(str::to_owned);
        self
    }

    pub fn primary(&self) -> Span {
        self.labels[0].span
    }
}

/// Most diagnostics kept in one run; the rest are counted.
pub const DIAGNOSTICS_MAX: usize = 10_000;

/// The sink of all stages.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Where in the list those of one place and code are, so that one that is there already is found at once.
    places: HashMap<(Span, Code), Vec<usize>>,
    pub dropped: usize,
}

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() >= DIAGNOSTICS_MAX {
            self.dropped += 1;
            return;
        }
        let same = self.places.entry((diagnostic.primary(), diagnostic.code)).or_default();
        if !same.iter().any(|it| self.list[*it] == diagnostic) {
            same.push(self.list.len());
            self.list.push(diagnostic);
        }
    }

    /// Takes over those of another sink, in their order.
    pub fn append(&mut self, other: Self) {
        self.dropped += other.dropped;
        other.list.into_iter().for_each(|it| self.push(it));
    }

    /// Takes out those that say nothing after all.
    pub fn leave_out(&mut self, is_idle: impl Fn(&Diagnostic) -> bool) {
        for it in std::mem::take(self).list.into_iter().filter(|it| !is_idle(it)) {
            self.push(it);
        }
    }

    /// All, in the order in which they were pushed.
    pub fn into_list(self) -> Vec<Diagnostic> {
        self.list
    }

    /// All, by file, place and code.
    pub fn sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|it| (it.primary(), it.code));
        self.list
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|it| it.severity == severity).count()
    }

    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }
}

pub mod annotations;
pub mod codes;
pub mod mend;
pub mod render;
pub mod report;
pub mod sarif;
pub mod suggest;
