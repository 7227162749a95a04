//! What the host tells of processes, users, control groups, sockets, interfaces, connections that it translates, and
//! containers: any user chooses the names of theirs.

use monitor::{host, lookup};
use monitor_core::host::Translating;

pub(crate) fn run(bytes: &[u8]) {
    let command = lookup::read_all(bytes);
    assert!(command.len() <= 160, "{} bytes", command.len());
    // A password in a place where all know it.
    let line = [b"app\0--password=hunter2\0".as_slice(), bytes].concat();
    let command = lookup::read_all(&line);
    assert!(!command.windows(7).take(24).any(|part| part == b"hunter2"), "a secret is shown");
    for news in host::read_all(bytes) {
        if let Translating::Began(translation) | Translating::Ended(translation) = news {
            assert_ne!(translation.before, translation.behind, "nothing is translated");
        }
    }
}
