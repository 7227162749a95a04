//! Archives of `tar` in the form of POSIX (pax), the same bytes for the same files: one time, root's, in order.

use super::tree::{Content, Tree};

/// A block.
const BLOCK: usize = 512;
/// The longest path of a plain header.
const PATH: usize = 100;

/// All of a tree below a prefix, such as `./` or `weir-1.0/`. `time`: seconds of Unix that each file has.
pub(crate) fn archive(tree: &Tree, prefix: &str, time: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, entry) in tree.entries() {
        let (kind, content, to): (u8, &[u8], &str) = match &entry.content {
            Content::File(content) => (b'0', content, ""),
            Content::Link(to) => (b'2', &[], to),
            Content::Directory => (b'5', &[], ""),
        };
        let mut path = format!("{prefix}{path}");
        if kind == b'5' {
            path.push('/');
        }
        let mut more = Vec::new();
        if path.len() > PATH {
            more.extend(record("path", path.as_bytes()));
        }
        if let Some(capability) = &entry.capability {
            more.extend(record("SCHILY.xattr.security.capability", capability));
        }
        if !more.is_empty() {
            bytes.extend(header("././@PaxHeader", 0o644, more.len(), time, b'x', ""));
            padded(&mut bytes, &more);
        }
        bytes.extend(header(&path, entry.mode, content.len(), time, kind, to));
        padded(&mut bytes, content);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

fn padded(bytes: &mut Vec<u8>, content: &[u8]) {
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn header(path: &str, mode: u32, size: usize, time: u64, kind: u8, link: &str) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, &path.as_bytes()[..path.len().min(PATH)]);
    put(100, format!("{mode:07o}").as_bytes());
    // Owner and group: root.
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{time:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, &link.as_bytes()[..link.len().min(PATH)]);
    put(257, b"ustar\x0000");
    put(265, b"root");
    put(297, b"root");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        assert_eq!(record("path", b"abc"), b"12 path=abc\n");
        // Where the length gains a digit by counting itself.
        for size in 85..105 {
            let record = record("path", &vec![b'a'; size]);
            let length: usize = String::from_utf8_lossy(&record).split(' ').next().unwrap().parse().unwrap();
            assert_eq!(length, record.len());
        }
    }

    #[test]
    fn tar_itself_reads_what_is_written() {
        let mut tree = Tree::default();
        let long = format!("{}/file", "d".repeat(110));
        tree.program("usr/bin/weir", "program");
        tree.file(&long, vec![7; 1000]);
        tree.link("usr/bin/w", "weir");
        tree.capability("usr/bin/weir", vec![1, 2, 3]);
        let path = std::env::temp_dir().join(format!("weir-tar-{}", std::process::id()));
        std::fs::write(&path, archive(&tree, "./", 86_400)).unwrap();
        let listed = std::process::Command::new("tar").args(["--utc", "-tvf"]).arg(&path).output();
        std::fs::remove_file(&path).unwrap();
        let listed = listed.unwrap();
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.status.success() && text.lines().count() == 6, "{text}");
        let text: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let text = text.join(" ");
        assert!(text.contains("-rwxr-xr-x root/root 7 1970-01-02 00:00 ./usr/bin/weir\n"), "{text}");
        assert!(text.contains(&format!("./{long}\n")) && text.contains("./usr/bin/w -> weir\n"), "{text}");
    }
}
