//! Secrets of outputs: in the configuration stands the file that holds one, never the secret.

use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::value::{Scalar, ValueError};

/// Begin of a value that names a credential of systemd instead of a path.
const CREDENTIAL: &str = "credential:";
/// Bytes that a secret has at most.
const LONGEST: u64 = 64 << 10;

/// Where a secret is: a path, or `credential:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile(String);

/// A secret. It is printed by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret cannot be had; no text of it is told.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("secret {}: {source}; give the file that holds it, or {CREDENTIAL}NAME", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Certificates cannot be read.
    #[error("certificates {}: {source}; give the file that holds them in PEM form", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// systemd has given no credentials.
    #[error("secret {CREDENTIAL}{name}: there are no credentials; add LoadCredential={name}:… to the unit")]
    NoCredentials {
        /// Its name.
        name: String,
    },
    /// Others can read it.
    #[error("secret {}: every user of this host can read or write it (mode {mode:04o}); chmod o-rwx", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is none.
    #[error("secret {}: it is empty, no text, or longer than {LONGEST} bytes", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
}

impl SecretFile {
    /// Reads the secret, without the end of its line.
    ///
    /// # Errors
    /// When it is not there or not a secret.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let path = self.path(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from))?;
        let failed = |source| SecretError::Read { path: path.clone(), source };
        let file = std::fs::File::open(&path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        if mode & 0o007 != 0 {
            return Err(SecretError::Open { path, mode });
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= LONGEST);
        match text.as_deref().map(str::trim_end) {
            Some(text) if !text.is_empty() => Ok(Secret(text.to_owned())),
            _ => Err(SecretError::None { path }),
        }
    }

    /// The file that holds it, as far as it is known.
    pub fn file(&self) -> Option<PathBuf> {
        self.path(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)).ok()
    }

    fn path(&self, credentials: Option<PathBuf>) -> Result<PathBuf, SecretError> {
        match self.0.strip_prefix(CREDENTIAL) {
            Some(name) => credentials
                .map(|directory| directory.join(name))
                .ok_or_else(|| SecretError::NoCredentials { name: name.to_owned() }),
            None => Ok(PathBuf::from(&self.0)),
        }
    }
}

impl Secret {
    /// The secret itself, for whoever sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Scalar for SecretFile {
    fn read(text: &str) -> Result<Self, ValueError> {
        let name = text.strip_prefix(CREDENTIAL);
        if text.is_empty() || name.is_some_and(|name| name.is_empty() || name.contains('/')) {
            return Err(ValueError::Form {
                text: text.to_owned(),
                expected: "a file that holds a secret",
                example: "/etc/weir/token or credential:token",
            });
        }
        Ok(Self(text.to_owned()))
    }

    fn toml(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn of(text: &str) -> SecretFile {
        <SecretFile as Scalar>::read(text).unwrap()
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_printed_by_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            of(path.to_str().unwrap()).read()
        };
        let secret = read("sesame\n", 0o640).unwrap();
        assert_eq!(secret.expose(), "sesame");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert!(matches!(read("sesame", 0o644), Err(SecretError::Open { mode: 0o644, .. })));
        assert!(matches!(read("\n", 0o600), Err(SecretError::None { .. })));
        assert!(matches!(read(&"x".repeat(65_537), 0o600), Err(SecretError::None { .. })));
        assert!(matches!(of("/nowhere/at/all").read(), Err(SecretError::Read { .. })));
    }

    #[test]
    fn a_credential_is_a_file_of_systemds_directory_and_no_other() {
        let file = of("credential:token");
        assert_eq!(
            file.path(Some("/run/credentials/weir".into())).unwrap(),
            PathBuf::from("/run/credentials/weir/token")
        );
        assert!(matches!(file.path(None), Err(SecretError::NoCredentials { .. })));
        for text in ["", "credential:", "credential:../token"] {
            assert!(<SecretFile as Scalar>::read(text).is_err(), "{text}");
        }
    }
}
