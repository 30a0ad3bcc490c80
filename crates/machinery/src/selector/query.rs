//! The query syntax of label selectors: `a=b,c!=d,e in (x,y),f notin (z),!g,h,n>1`.
//!
//! Text becomes tokens, tokens become requirements. The grammar is that of `k8s.io/apimachinery/pkg/labels`. Start at [`parse`].

use std::collections::BTreeSet;

use super::SelectorError;
use super::label::{Condition, Requirement};
use crate::name;

/// The requirements in the order of the text.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let tokens = scan(text);
    Parser { tokens: &tokens }.requirements()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Comma,
    Not,
    Equals,
    NotEquals,
    Greater,
    Less,
    Word(&'a str),
}

impl Token<'_> {
    fn text(&self) -> &str {
        match self {
            Token::Open => "(",
            Token::Close => ")",
            Token::Comma => ",",
            Token::Not => "!",
            Token::Equals => "=",
            Token::NotEquals => "!=",
            Token::Greater => ">",
            Token::Less => "<",
            Token::Word(word) => word,
        }
    }
}

/// `==` and `=` are the same. Words end at white space and at symbols.
fn scan(text: &str) -> Vec<Token<'_>> {
    const SYMBOLS: [(&str, Token<'static>); 9] = [
        ("==", Token::Equals),
        ("!=", Token::NotEquals),
        ("=", Token::Equals),
        ("!", Token::Not),
        ("(", Token::Open),
        (")", Token::Close),
        (",", Token::Comma),
        (">", Token::Greater),
        ("<", Token::Less),
    ];
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let symbol = SYMBOLS.iter().find_map(|(symbol, token)| Some((rest.strip_prefix(symbol)?, *token)));
        let (after, token) = symbol.unwrap_or_else(|| {
            let end = rest.find(|c| is_space(c) || "=!(),><".contains(c)).unwrap_or(rest.len());
            (&rest[end..], Token::Word(&rest[..end]))
        });
        tokens.push(token);
        rest = after.trim_start_matches(is_space);
    }
    tokens
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'a> Parser<'_, 'a> {
    fn requirements(mut self) -> Result<Vec<Requirement>, SelectorError> {
        let mut requirements = Vec::new();
        if self.tokens.is_empty() {
            return Ok(requirements);
        }
        loop {
            requirements.push(self.requirement()?);
            match self.next() {
                None => return Ok(requirements),
                Some(Token::Comma) => {}
                other => return Err(unexpected(other, "',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let negated = self.take(Token::Not);
        let key = match self.next() {
            Some(Token::Word(word)) => word,
            other => return Err(unexpected(other, "identifier")),
        };
        valid(key, name::check_qualified(key))?;
        let condition = if negated { Condition::Absent } else { self.condition()? };
        Ok(Requirement { key: key.to_owned(), condition })
    }

    fn condition(&mut self) -> Result<Condition, SelectorError> {
        if matches!(self.tokens.first(), None | Some(Token::Comma)) {
            return Ok(Condition::Exists);
        }
        Ok(match self.next() {
            Some(Token::Equals) => Condition::Equals(self.value()?.to_owned()),
            Some(Token::NotEquals) => Condition::NotEquals(self.value()?.to_owned()),
            Some(Token::Word("in")) => Condition::In(self.values()?),
            Some(Token::Word("notin")) => Condition::NotIn(self.values()?),
            Some(Token::Greater) => Condition::GreaterThan(self.number()?),
            Some(Token::Less) => Condition::LessThan(self.number()?),
            other => return Err(unexpected(other, "in, notin, =, ==, !=, >, <")),
        })
    }

    /// A value may be empty: `a=` asks for an empty label.
    fn value(&mut self) -> Result<&'a str, SelectorError> {
        if matches!(self.tokens.first(), None | Some(Token::Comma)) {
            return Ok("");
        }
        match self.next() {
            Some(Token::Word(word)) => valid(word, name::check_label_value(word)),
            other => Err(unexpected(other, "identifier")),
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let word = self.value()?;
        let problem = || SelectorError::Label(format!("'{word}': for '>' and '<' the value must be an integer"));
        word.parse().ok().ok_or_else(problem)
    }

    /// `(x,y)`; values may be empty, as in `(,x)` and `()`.
    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        if !self.take(Token::Open) {
            return Err(unexpected(self.next(), "'('"));
        }
        let mut values = BTreeSet::new();
        loop {
            let word = match self.tokens.first() {
                Some(Token::Word(word)) => {
                    self.tokens = &self.tokens[1..];
                    word
                }
                _ => "",
            };
            values.insert(valid(word, name::check_label_value(word))?.to_owned());
            match self.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values),
                other => return Err(unexpected(other, "',' or ')'")),
            }
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn take(&mut self, token: Token<'_>) -> bool {
        let found = self.tokens.first() == Some(&token);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }
}

fn unexpected(found: Option<Token<'_>>, expected: &'static str) -> SelectorError {
    SelectorError::Syntax { found: found.map(|token| token.text().to_owned()).unwrap_or_default(), expected }
}

fn valid(text: &str, problems: Vec<String>) -> Result<&str, SelectorError> {
    if problems.is_empty() { Ok(text) } else { Err(SelectorError::Label(format!("'{text}': {}", problems.join("; ")))) }
}
