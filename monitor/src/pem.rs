//! Certificates and keys in PEM form (RFC 7468).

use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; give a readable PEM file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no such thing.
    #[error("{}: holds no {wanted} in PEM form: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// Why. The parser's own error shows lines of the file, which may be a key's.
        reason: &'static str,
    },
}

/// The certificates of a file: one at least.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let error = |source: pem::Error| form(path, "certificate", &source);
    let text = read(path)?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(error)?;
    if all.is_empty() { Err(error(pem::Error::NoItemsFound)) } else { Ok(all) }
}

/// The first private key of a file.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| form(path, "private key", &source))
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    std::fs::read(path).map_err(|source| PemError::Read { path: path.to_owned(), source })
}

fn form(path: &Path, wanted: &'static str, error: &pem::Error) -> PemError {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line does not end in -----",
        pem::Error::Base64Decode(_) => "a section is not base64",
        pem::Error::SectionTooLarge => "a section is too long",
        // `Io` is for readers, and here are none.
        _ => "nothing of that kind was found",
    };
    PemError::Form { path: path.to_owned(), wanted, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        for (text, expected) in [
            ("", "nothing of that kind was found"),
            ("-----BEGIN PRIVATE KEY-----hunter2", "a BEGIN line does not end in -----"),
            ("-----BEGIN PRIVATE KEY-----\nhunter2\n", "a section has no END line"),
            ("-----BEGIN PRIVATE KEY-----\nhunter2!\n-----END PRIVATE KEY-----\n", "not base64"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = private_key(&path).unwrap_err();
            let said = format!("{error}\n{error:?}");
            assert!(said.contains(expected), "{expected} in {said}");
            // As text, and as bytes in the debug form.
            assert!(!said.contains("hunter2") && !said.contains("104, 117, 110"), "{said}");
        }
        assert!(matches!(certificates(&path), Err(PemError::Form { .. })));
        assert!(matches!(certificates(&directory.path().join("none")), Err(PemError::Read { .. })));
    }
}
