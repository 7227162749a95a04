//! What systemd gives a service, and what it is told: sockets that listen already, credentials, the state, and
//! that the counting goes on. Without systemd none of it is there, and nothing is missed.

mod activation;
mod notify;

use std::ffi::OsString;
use std::path::PathBuf;

pub use activation::{ActivationError, listeners};
pub use notify::{Notifier, Watchdog};

/// The credential that is the web config when no other is named (`LoadCredential=web.yml:…`).
const WEB_CONFIG: &str = "web.yml";

/// The web config among the credentials of this environment, if it is there (`systemd.exec(5)`).
pub fn web_config(environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    let (_, directory) = environment.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY")?;
    let path = PathBuf::from(directory).join(WEB_CONFIG);
    path.is_file().then_some(path)
}
