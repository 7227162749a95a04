//! TLS of the client: whom it trusts, and what it says when that fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
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
}

/// How to connect, and whether the server asked for a certificate when that was done.
pub(super) fn config(path: &Path) -> Result<(ClientConfig, Arc<Asked>), TrustError> {
    let unusable = || TrustError::Unusable { path: path.to_owned() };
    let known = pem::certificates(path)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(known.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chains = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let chains = chains.build().map_err(|_| unusable())?;
    let asked = Arc::new(Asked::default());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { chains, known }))
        .with_client_cert_resolver(Arc::<Asked>::clone(&asked));
    Ok((config, asked))
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

fn cause(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether the server ended the handshake for want of a certificate.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(cause(error), Some(Error::AlertReceived(AlertDescription::CertificateRequired)))
}

/// Why there is no TLS, and what to do.
pub(super) fn reason(error: &io::Error) -> String {
    match cause(error) {
        // The signature is bad too where another certificate was made for the same name.
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "the server's certificate is of an unknown CA; name the CA's certificate with --ca-file".into()
        }
        Some(Error::InvalidCertificate(why)) if is_ca(why) => {
            "the server shows a CA's certificate; name that very certificate with --ca-file".into()
        }
        Some(Error::InvalidCertificate(CertificateError::Other(other))) => {
            format!("the server's certificate is not valid: {}", other.0)
        }
        Some(Error::InvalidCertificate(why)) => format!("the server's certificate is not valid: {why}"),
        Some(Error::InvalidMessage(_)) => {
            "the server speaks something else; if it serves without TLS, its address begins with http://"
                .into()
        }
        _ => error.to_string(),
    }
}
