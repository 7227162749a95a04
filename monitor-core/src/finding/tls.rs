//! What a handshake of TLS shows.

use super::{Finding, cipher};
use crate::{
    label::FindingKind,
    parse::tls::{Certificate, Handshake, cipher_name, version_name},
    record::{Text, Time},
};

/// Risks in a handshake whose hello came at `now`. From TLS 1.3 on the certificate is encrypted.
pub fn tls(handshake: &Handshake, now: Time) -> Vec<Finding> {
    let answer = &handshake.answer;
    // A request for another hello has chosen nothing yet.
    if answer.hello_retry == Some(true) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut add = |kind, detail: Text| found.push(Finding { kind, detail });
    if let Some(version) = answer.version.filter(|version| is_old(*version)) {
        add(FindingKind::OldTls, Text::from(&*version_name(version)));
    }
    if let Some(suite) = answer.cipher.filter(|suite| cipher::is_weak(*suite)) {
        add(FindingKind::WeakCipher, Text::from(&*cipher_name(suite)));
    }
    if let Some(certificate) = answer.certificate.as_deref() {
        let name = certificate.names.first().map_or_else(|| Text::from(""), |name| Text::new(name));
        let seconds = (now.0 / 1_000_000_000).cast_signed();
        if certificate.not_after.is_some_and(|end| end < seconds) {
            add(FindingKind::CertificateExpired, name.clone());
        }
        if certificate.not_before.is_some_and(|begin| begin > seconds) {
            add(FindingKind::CertificateNotYetValid, name.clone());
        }
        if certificate.self_signed {
            add(FindingKind::CertificateSelfSigned, name);
        }
        if let Some(asked) = handshake.hello.server_name.as_deref()
            && !covers(certificate, asked)
        {
            add(FindingKind::CertificateNameMismatch, Text::new(asked));
        }
    }
    found
}

/// Versions that are not to be used any more (RFC 7568, RFC 8996).
const fn is_old(version: u16) -> bool {
    matches!(version, 0x0002 | 0x0200 | 0x0300..=0x0302 | 0xfeff)
}

/// Whether a certificate is for a name. One with more names than were kept may be.
fn covers(certificate: &Certificate, asked: &[u8]) -> bool {
    let asked = asked.strip_suffix(b".").unwrap_or(asked);
    certificate.more_names || certificate.names.iter().any(|name| matches(name, asked))
}

/// Whether a name of a certificate is the one that was asked for; a star is its whole first label
/// (RFC 9525, 6.3).
fn matches(name: &[u8], asked: &[u8]) -> bool {
    if let Some(parent) = name.strip_prefix(b"*") {
        return asked
            .iter()
            .position(|byte| *byte == b'.')
            .and_then(|dot| asked.get(dot..))
            .is_some_and(|rest| parent.len() > 1 && rest.eq_ignore_ascii_case(parent));
    }
    name.eq_ignore_ascii_case(asked)
}
