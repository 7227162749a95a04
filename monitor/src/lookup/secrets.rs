//! Command lines without what looks like a secret: every user of a host may read them, but records travel.

/// Words of a command line that are kept.
const WORDS: usize = 8;
/// Bytes of all of them.
const BYTES: usize = 160;

/// What stands in names whose values are hidden.
const NAMES: [&str; 9] =
    ["pass", "passwd", "pwd", "secret", "token", "credential", "apikey", "api-key", "auth"];

/// What stands for a secret.
const HIDDEN: &[u8] = b"...";

/// The first words of a command line, with values of options hidden whose names look like that of a secret.
pub(super) fn first_words(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut hide = false;
    for word in line.split(|byte| *byte == 0).filter(|word| !word.is_empty()).take(WORDS) {
        if !out.is_empty() {
            out.push(b' ');
        }
        if std::mem::take(&mut hide) && !word.starts_with(b"-") {
            out.extend_from_slice(HIDDEN);
        } else {
            hide = show(word, &mut out);
        }
        if out.len() >= BYTES {
            break;
        }
    }
    out.truncate(BYTES);
    out
}

/// Writes a word without its secret. Returns whether the next word is one.
fn show(word: &[u8], out: &mut Vec<u8>) -> bool {
    let equals = word.iter().position(|byte| *byte == b'=');
    let (name, value) = word.split_at(equals.unwrap_or(word.len()));
    if is_secret(name) && (name.starts_with(b"-") || equals.is_some()) {
        out.extend_from_slice(name);
        if value.is_empty() {
            return true;
        }
        out.push(b'=');
        out.extend_from_slice(HIDDEN);
        return false;
    }
    // A password in a URL: scheme://user:password@host.
    let scheme = word.windows(3).position(|bytes| bytes == b"://").map(|at| at + 3);
    let at = scheme.and_then(|from| Some(from + word.get(from..)?.iter().position(|byte| *byte == b'@')?));
    match (scheme, at) {
        (Some(from), Some(at)) => {
            out.extend_from_slice(word.get(..from).unwrap_or_default());
            out.extend_from_slice(HIDDEN);
            out.extend_from_slice(word.get(at..).unwrap_or_default());
        }
        _ => out.extend_from_slice(word),
    }
    false
}

fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let has = |part: &str| name.windows(part.len()).any(|bytes| bytes == part.as_bytes());
    NAMES.iter().any(|part| has(part)) || name.ends_with(b"key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> String {
        String::from_utf8(first_words(words.join("\0").as_bytes())).unwrap()
    }

    #[test]
    fn values_that_look_like_secrets_are_hidden_and_all_else_stays() {
        assert_eq!(shown(&["nginx:", "worker", "process"]), "nginx: worker process");
        assert_eq!(shown(&["app", "--password=hunter2", "-v"]), "app --password=... -v");
        assert_eq!(shown(&["app", "--db-password", "hunter2", "x"]), "app --db-password ... x");
        assert_eq!(shown(&["app", "API_TOKEN=abc", "--api-key", "k"]), "app API_TOKEN=... --api-key ...");
        assert_eq!(shown(&["curl", "https://me:pw@host/x"]), "curl https://...@host/x");
        assert_eq!(shown(&["pass", "show"]), "pass show");
    }

    #[test]
    fn a_long_command_is_cut() {
        let long: Vec<String> = (0..100).map(|n| format!("word{n}")).collect();
        let words: Vec<&str> = long.iter().map(String::as_str).collect();
        assert_eq!(shown(&words), "word0 word1 word2 word3 word4 word5 word6 word7");
        assert!(shown(&[&"x".repeat(5000)]).len() <= BYTES);
        assert_eq!(shown(&[]), "");
    }
}
