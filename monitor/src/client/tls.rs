//! TLS of the client: whom it trusts, and what it says when that fails.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::pem::{self, PemError};

/// Why certificates cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// They cannot be read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// They are in PEM form, and no certificates.
    #[error("{}: holds no certificate that can be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
    },
    /// The system has none.
    #[error("this system has no certificates of CAs{}", first(errors))]
    NoneOfSystem {
        /// What could not be read.
        errors: Vec<rustls_native_certs::Error>,
    },
    /// They cannot be used together with the versions of TLS that are spoken.
    #[error("TLS: {0}")]
    Tls(Error),
}

fn first(errors: &[rustls_native_certs::Error]) -> String {
    errors.first().map_or_else(String::new, |error| format!(" ({error})"))
}

/// Who may vouch for a server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trust<'a> {
    /// Nobody: it is asked without TLS.
    Nobody,
    /// Whom this system trusts.
    System,
    /// The certificates of a file.
    File(&'a Path),
}

/// How to connect, and whether the server asked for a certificate when that was done.
pub(super) fn config(trust: Trust<'_>) -> Result<(ClientConfig, Arc<Asked>), TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(TrustError::Tls)?;
    let asked = Arc::new(Asked::default());
    let (known, unusable) = match trust {
        Trust::Nobody => {
            let config = builder.with_root_certificates(RootCertStore::empty());
            return Ok((config.with_client_cert_resolver(Arc::<Asked>::clone(&asked)), asked));
        }
        Trust::System => (of_system()?, TrustError::NoneOfSystem { errors: Vec::new() }),
        Trust::File(path) => (pem::certificates(path)?, TrustError::Unusable { path: path.to_owned() }),
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(known.iter().cloned());
    let chains = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
    let chains = chains.build().map_err(|_| unusable)?;
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { chains, known }))
        .with_client_cert_resolver(Arc::<Asked>::clone(&asked));
    Ok((config, asked))
}

/// The certificates that this system trusts, wherever its distribution keeps them.
fn of_system() -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        Err(TrustError::NoneOfSystem { errors: found.errors })
    } else {
        Ok(found.certs)
    }
}

/// Chains of certificates, or one of the known certificates itself.
#[derive(Debug)]
struct Verifier {
    chains: Arc<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    /// A certificate that signed itself is often made as that of a CA (`openssl req -x509`). No chain may end in
    /// one of those; who named this very one to be trusted means the server that has its key.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The dates were looked at before this.
            Err(Error::InvalidCertificate(why)) if is_ca(&why) && self.known.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether the certificate of a CA was shown as a server's: webpki's error, which rustls hands on by its name alone.
fn is_ca(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity")
}

/// Has no certificate to show, and remembers that it was asked for one.
#[derive(Debug, Default)]
pub(super) struct Asked(AtomicBool);

impl Asked {
    /// Whether it was.
    pub(super) fn is(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// The first of the errors below one that is of this type. What an [`io::Error`] was made of is none of its sources.
pub(super) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map_or_else(|| error.source(), |inner| Some(inner));
    }
    None
}

/// What TLS has to say of an error.
pub(super) fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    find(error)
}

/// Why there is no TLS, and what to do.
pub(super) fn reason(error: &Error) -> String {
    match error {
        // The signature is bad too where another certificate was made for the same name.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the server's certificate is of an unknown CA; name the CA's certificate with --ca-file".into()
        }
        Error::InvalidCertificate(why) if is_ca(why) => {
            "the server shows a CA's certificate; name that very certificate with --ca-file".into()
        }
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            format!("the server's certificate is not valid: {}", other.0)
        }
        Error::InvalidCertificate(why) => format!("the server's certificate is not valid: {why}"),
        Error::InvalidMessage(_) => {
            "the server speaks something else; if it serves without TLS, its address begins with http://"
                .into()
        }
        _ => error.to_string(),
    }
}
