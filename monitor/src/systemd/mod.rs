//! What systemd gives a service, and what it is told: sockets that listen already, credentials, the state, and
//! that the counting goes on. Without systemd none of it is there, and nothing is missed.

mod activation;
mod notify;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use activation::{Activated, ActivationError, listeners};
pub use notify::{Notifier, Watchdog};

/// The credential that is the web config when no other is named (`LoadCredential=web.yml:…`).
const WEB_CONFIG: &str = "web.yml";

/// The web config among the credentials of this environment, if it is there (`systemd.exec(5)`). One that may not be
/// looked at is named too, and one of a directory that should be there and is not: it has the passwords, and without
/// them nothing is to be served.
pub fn web_config(environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    let (_, directory) = environment.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY")?;
    let directory = PathBuf::from(directory);
    let path = directory.join(WEB_CONFIG);
    (!is_missing(&path) || is_missing(&directory)).then_some(path)
}

fn is_missing(path: &Path) -> bool {
    path.metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_cannot_be_looked_at_are_named_so_that_nothing_is_served_without_them() {
        let directory = tempfile::tempdir().unwrap();
        let config = |at: &Path| web_config(&[("CREDENTIALS_DIRECTORY".into(), at.into())]);
        assert_eq!(config(directory.path()), None);
        let file = directory.path().join("web.yml");
        std::fs::write(&file, "").unwrap();
        assert_eq!(config(directory.path()), Some(file.clone()));
        // Its "directory" is a file: neither there nor missing.
        assert_eq!(config(&file), Some(file.join("web.yml")));
        let gone = directory.path().join("gone");
        assert_eq!(config(&gone), Some(gone.join("web.yml")));
        assert_eq!(web_config(&[]), None);
    }
}
