//! Command lines without what looks like a secret: every user of a host may read them, but records travel.

/// Words of a command line that are kept.
const WORDS: usize = 8;
/// Bytes of all of them.
const BYTES: usize = 160;

/// What stands in names whose values are hidden.
const NAMES: [&str; 9] =
    ["pass", "passwd", "pwd", "secret", "token", "credential", "apikey", "api-key", "auth"];

/// Programs whose passwords stand in one word with `-p`.
const JOINED: [&[u8]; 5] = [b"mysql", b"mysqldump", b"mysqladmin", b"mariadb", b"sshpass"];

/// What stands for a secret.
const HIDDEN: &[u8] = b"...";

/// The first words of a command line, with values of options hidden whose names look like that of a secret.
pub(super) fn first_words(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut hide = false;
    let mut words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty()).take(WORDS).peekable();
    let program = words.peek().map_or(&[][..], |word| name_of(word));
    for word in words {
        if !out.is_empty() {
            out.push(b' ');
        }
        if std::mem::take(&mut hide) && !word.starts_with(b"-") {
            out.extend_from_slice(HIDDEN);
        } else if let (true, Some(_)) =
            (JOINED.contains(&program), word.strip_prefix(b"-p").filter(|v| !v.is_empty()))
        {
            out.extend_from_slice(b"-p");
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
    // A name with its value, of an option, a variable, a header or a query: the rest of the word is not shown.
    let ends = word.iter().enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':'));
    for (end, byte) in ends {
        let before = word.get(..end).unwrap_or_default();
        let begin = before.iter().rposition(|byte| b"?&;, =\"'".contains(byte)).map_or(0, |at| at + 1);
        let is_scheme = word.get(end..).is_some_and(|rest| rest.starts_with(b"://"));
        if !is_scheme && is_secret(before.get(begin..).unwrap_or_default()) {
            out.extend_from_slice(before);
            out.push(*byte);
            out.extend_from_slice(HIDDEN);
            return false;
        }
    }
    if word.starts_with(b"-") && !word.contains(&b'=') && is_secret(word) {
        out.extend_from_slice(word);
        return true;
    }
    // A user with a password, as in scheme://user:password@host: the password may have an @ of its own.
    let begin = word.windows(3).position(|bytes| bytes == b"://").map_or(0, |at| at + 3);
    let rest = word.get(begin..).unwrap_or_default();
    let end = if begin == 0 {
        rest.len()
    } else {
        rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len())
    };
    let at = rest.get(..end).and_then(|authority| authority.iter().rposition(|byte| *byte == b'@'));
    match at.filter(|at| begin > 0 || rest.get(..*at).is_some_and(|user| user.contains(&b':'))) {
        Some(at) => {
            out.extend_from_slice(word.get(..begin).unwrap_or_default());
            out.extend_from_slice(HIDDEN);
            out.extend_from_slice(rest.get(at..).unwrap_or_default());
        }
        None => out.extend_from_slice(word),
    }
    // What these say next has a password, or is one.
    matches!(word, b"-u" | b"--user" | b"--proxy-user" | b"-p")
}

/// The last part of a path.
fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
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
        assert_eq!(shown(&["curl", "https://me:p@w@host/a@b"]), "curl https://...@host/a@b");
        assert_eq!(shown(&["curl", "http://host/x?a=1&token=abc"]), "curl http://host/x?a=1&token=...");
        assert_eq!(shown(&["curl", "-H", "Authorization: Bearer abc"]), "curl -H Authorization:...");
        assert_eq!(shown(&["curl", "-u", "me:pw", "https://host"]), "curl -u ... https://host");
        assert_eq!(shown(&["psql", "host=db password=pw user=me"]), "psql host=db password=...");
        assert_eq!(shown(&["rsync", "me:pw@host::module"]), "rsync ...@host::module");
        assert_eq!(shown(&["ssh", "me@host"]), "ssh me@host");
        assert_eq!(shown(&["/usr/bin/mysql", "-phunter2", "db"]), "/usr/bin/mysql -p... db");
        assert_eq!(shown(&["sshpass", "-p", "pw", "ssh", "host"]), "sshpass -p ... ssh host");
        assert_eq!(shown(&["nginx:", "worker"]), "nginx: worker");
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
