//! What is wrong with the form of a web config, without a word of what stands in it: passwords and their hashes
//! stand there, and the parser's own errors show lines of the file.

use std::borrow::Cow;

use serde_saphyr::Error;

/// Where a file has another form, and which it should have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct FormError {
    /// The line, from 1; 0: none is known.
    pub line: u64,
    /// The column, from 1; 0: none is known.
    pub column: u64,
    /// The kind of error: words of the parser and of the form, none of the file.
    pub reason: Cow<'static, str>,
}

impl From<&Error> for FormError {
    fn from(error: &Error) -> Self {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        Self { line, column, reason: reason(error.without_snippet()) }
    }
}

/// The kind of an error. Parts that come from the file (`field`, `variant`, `unexpected`, …) are left out.
fn reason(error: &Error) -> Cow<'static, str> {
    match error {
        // It shows the character.
        Error::ExternalMessage { msg, .. } if msg.starts_with("unexpected character") => {
            "unexpected character".into()
        }
        Error::ExternalMessage { msg, .. } => msg.replace('\n', ", ").into(),
        Error::SerdeUnknownField { expected, .. } => format!("unknown key; {}", one_of(expected)).into(),
        Error::SerdeUnknownVariant { expected, .. } => format!("unknown value; {}", one_of(expected)).into(),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("a value of another kind; expected {expected}").into()
        }
        Error::SerdeMissingField { field, .. } => format!("{field} is missing").into(),
        Error::Unexpected { expected, .. } => format!("expected {expected}").into(),
        Error::DuplicateMappingKey { .. } => "a key stands here for the second time".into(),
        Error::Eof { .. } => "the file ends too early".into(),
        Error::MultipleDocuments { .. } => "more than one document".into(),
        Error::NullIntoString { .. } => "a value is missing".into(),
        Error::UnknownAnchor { .. } => "an alias of nothing".into(),
        Error::AliasError { error, .. } => reason(error.without_snippet()),
        _ => "not of this form".into(),
    }
}

/// Names that are known; the empty one, which means that nothing is chosen, is for no one to write.
fn one_of(known: &[&str]) -> String {
    let known: Vec<&str> = known.iter().copied().filter(|name| !name.is_empty()).collect();
    format!("expected one of {}", known.join(", "))
}
