//! Tokens: what pest cannot give. They cut the text into pieces, keep the comments and feed the formatter.

use logos::Logos;

/// One kind of token; its text is in the source.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\u{feff}]+")]
pub enum Token {
    #[token("\n")]
    Newline,
    #[regex(r"///[^\n]*", allow_greedy = true, priority = 5)]
    Doc,
    #[regex(r"//[^\n]*", allow_greedy = true, priority = 4)]
    Comment,
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Text,
    #[regex(r#""([^"\\\n]|\\[^\n])*"#)]
    OpenText,
    #[regex(r"[0-9]+(\.[0-9]+)*")]
    Number,
    #[regex(r"[\p{XID_Start}_]\p{XID_Continue}*")]
    Word,
    #[regex(r"`[^`\n]+`")]
    Quoted,
    #[token("<->")]
    #[token("<~>")]
    #[token("->")]
    #[token("<-")]
    Arrow,
    #[token("{")]
    OpenBrace,
    #[token("}")]
    CloseBrace,
    #[token("(")]
    OpenParen,
    #[token(")")]
    CloseParen,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token(".")]
    Dot,
    #[token("..=")]
    #[token("++")]
    #[token("??")]
    #[token("==")]
    #[token("!=")]
    #[token("<=")]
    #[token(">=")]
    #[token("<")]
    #[token(">")]
    #[token("+")]
    #[token("-")]
    #[token("*")]
    #[token("/")]
    #[token("=")]
    #[token("?")]
    #[token("|")]
    Operator,
    /// A letter that belongs to no token.
    Stray,
}

/// A token and where it stands, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

impl Lexeme {
    pub fn text(self, source: &str) -> &str {
        &source[self.start..self.end]
    }

    /// A line end, or something that only a reader sees.
    pub fn is_trivia(self) -> bool {
        matches!(self.token, Token::Newline | Token::Comment | Token::Doc)
    }
}

/// All tokens of a text. Nothing is lost but blanks.
pub fn lex(source: &str) -> Vec<Lexeme> {
    Token::lexer(source)
        .spanned()
        .map(|(token, range)| Lexeme { token: token.unwrap_or(Token::Stray), start: range.start, end: range.end })
        .collect()
}
