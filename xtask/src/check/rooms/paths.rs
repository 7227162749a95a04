//! The paths of a file that lead through the root of its crate.

/// A word or a character of a Rust file, and its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// The first names of all paths of a file that begin at the root, each with its line. The file is a module
/// `depth` below the root. What is behind `#[cfg(test)]` is left out.
pub(super) fn from_root(text: &str, depth: usize) -> Vec<(String, usize)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // Braces that are open, and of which of them a module of this file is the content.
    let (mut open, mut inline) = (0_usize, Vec::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = tokens.get(at..).unwrap_or_default();
        match token.text {
            "#" if is_test_only(rest) => {
                at += item(rest);
                continue;
            }
            "{" => {
                if is_word(&tokens, at, 2, "mod") {
                    inline.push(open);
                }
                open += 1;
            }
            "}" => {
                open = open.saturating_sub(1);
                if inline.last() == Some(&open) {
                    inline.pop();
                }
            }
            "crate" => names(rest.get(1..).unwrap_or_default(), &mut found),
            "super" if !is_word(&tokens, at, 3, "super") => {
                let supers = rest.iter().step_by(3).take_while(|token| token.text == "super").count();
                if supers == depth + inline.len() {
                    names(rest.get(supers * 3 - 2..).unwrap_or_default(), &mut found);
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Whether the token `before` places earlier is this word.
fn is_word(tokens: &[Token<'_>], at: usize, before: usize, word: &str) -> bool {
    at.checked_sub(before).and_then(|at| tokens.get(at)).is_some_and(|token| token.text == word)
}

/// The names behind a `::`: one, or those of a group.
fn names(rest: &[Token<'_>], found: &mut Vec<(String, usize)>) {
    let [Token { text: ":", .. }, Token { text: ":", .. }, rest @ ..] = rest else { return };
    let mut put = |token: &Token<'_>| found.push((token.text.to_owned(), token.line));
    match rest.first() {
        Some(Token { text: "{", .. }) => {
            let mut open = 0;
            let mut first = false;
            for token in rest {
                match token.text {
                    "{" => open += 1,
                    "}" => open -= 1,
                    "," => {}
                    _ if first => put(token),
                    _ => {}
                }
                if open == 0 {
                    return;
                }
                first = open == 1 && matches!(token.text, "{" | ",");
            }
        }
        Some(token) => put(token),
        None => {}
    }
}

/// Whether `#[cfg(test)]` begins here.
fn is_test_only(rest: &[Token<'_>]) -> bool {
    let words = ["#", "[", "cfg", "(", "test", ")", "]"];
    rest.len() >= words.len() && rest.iter().zip(words).all(|(token, word)| token.text == word)
}

/// How many tokens the item that begins here has, its attributes included.
fn item(rest: &[Token<'_>]) -> usize {
    let (mut open, mut ends_with_semicolon) = (0_usize, false);
    for (at, token) in rest.iter().enumerate() {
        match token.text {
            "use" | "const" | "static" | "type" if open == 0 => ends_with_semicolon = true,
            "fn" if open == 0 => ends_with_semicolon = false,
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => {
                open = open.saturating_sub(1);
                if open == 0 && token.text == "}" && !ends_with_semicolon {
                    return at + 1;
                }
            }
            ";" if open == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Words and characters without comments and literals.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(c) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = length.max(c.len_utf8());
            if !c.is_whitespace() {
                tokens.push(Token { text: rest.get(..length).unwrap_or_default(), line });
            }
            length
        });
        let (over, left) = rest.split_at(length);
        line += over.matches('\n').count();
        rest = left;
    }
    tokens
}

/// Length of the comment or literal that begins here, if one does.
fn skipped(rest: &str) -> Option<usize> {
    let end = |from: usize, close: &str| {
        rest.get(from..).and_then(|rest| rest.find(close)).map_or(rest.len(), |at| from + at + close.len())
    };
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(end(2, "*/"));
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    if let Some(fence) = raw.strip_prefix('r') {
        let hashes = fence.len() - fence.trim_start_matches('#').len();
        if fence.get(hashes..).is_some_and(|rest| rest.starts_with('"')) {
            let begin = rest.len() - fence.len() + hashes + 1;
            return Some(end(begin, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    if raw.starts_with('"') {
        let mut escaped = false;
        let begin = rest.len() - raw.len() + 1;
        let close = rest.get(begin..)?.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        return Some(close.map_or(rest.len(), |at| begin + at + 1));
    }
    // A character, not a lifetime.
    let mut quoted = rest.strip_prefix('\'')?.char_indices();
    let (_, first) = quoted.next()?;
    if first == '\\' {
        quoted.next();
        return quoted.find(|(_, c)| *c == '\'').map(|(at, _)| at + 2);
    }
    quoted.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, depth: usize) -> Vec<String> {
        from_root(text, depth).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn groups_give_the_first_name_of_each_path() {
        let text = "use crate::{\n    flow::{entry::{Entry, A}, table},\n    label,\n    a::b,\n};";
        assert_eq!(names(text, 1), ["flow", "label", "a"]);
        assert_eq!(from_root(text, 1)[2], ("a".to_owned(), 4));
    }

    #[test]
    fn paths_in_code_and_in_macros_count() {
        assert_eq!(names("let a = crate::flow::NONE + $crate::label::x!();", 2), ["flow", "label"]);
    }

    #[test]
    fn super_counts_where_it_leads_to_the_root() {
        assert_eq!(names("use super::{a, b::c};", 1), ["a", "b"]);
        assert_eq!(names("use super::a;", 2), [""; 0]);
        assert_eq!(names("use super::super::a; use super::b;", 2), ["a"]);
        assert_eq!(
            names("mod at { use super::a; fn f() { super::super::b(); } } use super::c;", 1),
            ["b", "c"]
        );
    }

    #[test]
    fn literals_and_lifetimes_hide_nothing() {
        let text = r##"let a = ['"', '\'', '\u{41}']; fn f<'a>(x: &'a crate::b::B) { r#"crate::c"#; b"\"crate::d" }"##;
        assert_eq!(names(text, 1), ["b"]);
    }

    #[test]
    fn an_item_of_tests_ends_where_it_ends() {
        let text = "#[cfg(test)] use crate::{a, b};\nuse crate::c;\n#[cfg(test)] #[path = \"x\"] mod t;\n\
                    use crate::d;\n#[cfg(test)] fn f(a: [u8; 3]) { crate::e; }\nuse crate::f;\n\
                    #[cfg(test)] const G: [u8; 1] = { crate::g };\nuse crate::h;";
        assert_eq!(names(text, 1), ["c", "d", "f", "h"]);
    }
}
