//! What the host tells of processes, users, control groups and sockets: any user chooses the names of theirs.

use monitor::lookup::read_all;

pub(crate) fn run(bytes: &[u8]) {
    let command = read_all(bytes);
    assert!(command.len() <= 160, "{} bytes", command.len());
    // A password in a place where all know it.
    let line = [b"app\0--password=hunter2\0".as_slice(), bytes].concat();
    let command = read_all(&line);
    assert!(!command.windows(7).take(24).any(|part| part == b"hunter2"), "a secret is shown");
}
