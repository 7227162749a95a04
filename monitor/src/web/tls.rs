//! TLS of the server: rustls with ring.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde::Deserialize;
use tokio_rustls::TlsAcceptor;

use crate::pem::{self, PemError};

/// `tls_server_config` of the web config.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    cert_file: PathBuf,
    key_file: PathBuf,
    #[serde(default)]
    client_auth_type: ClientAuth,
    client_ca_file: Option<PathBuf>,
    #[serde(default)]
    min_version: Version,
    #[serde(default)]
    max_version: Version,
    #[serde(default)]
    cipher_suites: Vec<String>,
    #[serde(default)]
    curve_preferences: Vec<String>,
    /// Part of the form; the client's order has no meaning in TLS 1.3, and here the server's is kept.
    #[serde(rename = "prefer_server_cipher_suites")]
    _prefer_server_cipher_suites: Option<bool>,
}

/// What a client must show. The two kinds that ask for a certificate and check nothing are left out:
/// they look like protection and are none.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum ClientAuth {
    #[default]
    #[serde(alias = "")]
    NoClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

/// Versions by the form's names. Those before 1.2 mean 1.2 as a minimum.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
enum Version {
    #[default]
    #[serde(alias = "")]
    Unset,
    #[serde(alias = "TLS10", alias = "TLS11")]
    TLS12,
    TLS13,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file holds no certificate or key.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate or key stands where the name of its file belongs.
    #[error("{setting} holds a certificate or key itself; write it to a file and give the file's name")]
    NoFileName {
        /// The setting.
        setting: &'static str,
    },
    /// Clients are to be checked against nothing.
    #[error(
        "client_auth_type asks for certificates and client_ca_file is missing; name the CA of the clients"
    )]
    NoClientCa,
    /// No cipher suite or curve is left.
    #[error("{setting} names nothing that this server has; give some of {known}")]
    Nothing {
        /// The setting.
        setting: &'static str,
        /// What there is.
        known: String,
    },
    /// The client CA cannot be used.
    #[error("client_ca_file: {0}")]
    ClientCa(#[from] VerifierBuilderError),
    /// rustls refuses.
    #[error("TLS: {0}; check that certificate, key and versions belong together")]
    Rustls(#[from] rustls::Error),
}

impl Settings {
    /// With file names as seen from the directory of the web config.
    pub(super) fn relative_to(&self, directory: &Path) -> Self {
        let mut settings = self.clone();
        settings.cert_file = directory.join(&self.cert_file);
        settings.key_file = directory.join(&self.key_file);
        settings.client_ca_file = self.client_ca_file.as_ref().map(|f| directory.join(f));
        settings
    }

    /// Whether clients without a certificate are turned away.
    pub(super) const fn asks_for_certificate(&self) -> bool {
        matches!(self.client_auth_type, ClientAuth::RequireAndVerifyClientCert)
    }

    /// Refuses certificates and keys in place of names: names are told of in errors.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        let settings = [
            ("cert_file", Some(&self.cert_file)),
            ("key_file", Some(&self.key_file)),
            ("client_ca_file", self.client_ca_file.as_ref()),
        ];
        let is_pem = |name: &Path| name.to_string_lossy().contains("-----BEGIN");
        let wrong = settings.into_iter().find(|(_, name)| name.is_some_and(|name| is_pem(name)));
        wrong.map_or(Ok(()), |(setting, _)| Err(TlsError::NoFileName { setting }))
    }

    /// The files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.cert_file, &self.key_file].into_iter().chain(&self.client_ca_file).map(PathBuf::as_path)
    }

    /// Reads certificate and key.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(self.provider()?);
        let chain = pem::certificates(&self.cert_file)?;
        let key = pem::private_key(&self.key_file)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions())?;
        let builder = match self.client_auth_type {
            ClientAuth::NoClientCert => builder.with_no_client_auth(),
            ClientAuth::VerifyClientCertIfGiven | ClientAuth::RequireAndVerifyClientCert => {
                let path = self.client_ca_file.as_ref().ok_or(TlsError::NoClientCa)?;
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(pem::certificates(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = if matches!(self.client_auth_type, ClientAuth::VerifyClientCertIfGiven) {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                };
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        static NEW: &[&SupportedProtocolVersion] = &[&TLS13];
        static OLD: &[&SupportedProtocolVersion] = &[&TLS12];
        static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
        match (self.min_version, self.max_version) {
            (Version::TLS13, _) => NEW,
            (_, Version::TLS12) => OLD,
            _ => BOTH,
        }
    }

    fn provider(&self) -> Result<CryptoProvider, TlsError> {
        let mut provider = rustls::crypto::ring::default_provider();
        // Go and the IANA registry write TLS 1.3's suites without the 13.
        let suite = |s: &rustls::SupportedCipherSuite| format!("{:?}", s.suite()).replace("TLS13_", "TLS_");
        if !self.cipher_suites.is_empty() {
            let known = provider.cipher_suites.iter().map(suite).collect::<Vec<_>>().join(", ");
            // As in Go, the suites of TLS 1.3 are not for choosing.
            provider.cipher_suites.retain(|s| s.tls13().is_some() || self.cipher_suites.contains(&suite(s)));
            if !provider.cipher_suites.iter().any(|s| self.cipher_suites.contains(&suite(s))) {
                return Err(TlsError::Nothing { setting: "cipher_suites", known });
            }
        }
        if !self.curve_preferences.is_empty() {
            let curve = |name: rustls::NamedGroup| match name {
                rustls::NamedGroup::secp256r1 => "CurveP256",
                rustls::NamedGroup::secp384r1 => "CurveP384",
                rustls::NamedGroup::X25519 => "X25519",
                _ => "",
            };
            let place = |name| self.curve_preferences.iter().position(|c| c == curve(name));
            provider.kx_groups.retain(|g| place(g.name()).is_some());
            provider.kx_groups.sort_by_key(|g| place(g.name()));
            if provider.kx_groups.is_empty() {
                let known = "CurveP256, CurveP384, X25519".to_owned();
                return Err(TlsError::Nothing { setting: "curve_preferences", known });
            }
        }
        Ok(provider)
    }
}
