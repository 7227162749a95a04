//! A password that is proved and not told (SCRAM, RFC 5802; with SHA-256 RFC 7677).

use std::num::NonZeroU32;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{digest, hmac, pbkdf2, rand};

/// Rounds that a server may ask for at most; more would keep this thread for long.
const ROUNDS: u32 = 1_000_000;

/// The digest that is used.
#[derive(Clone, Copy)]
pub(super) struct Mechanism {
    hmac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
    derive: pbkdf2::Algorithm,
}

pub(super) const SHA_256: Mechanism =
    Mechanism { hmac: hmac::HMAC_SHA256, digest: &digest::SHA256, derive: pbkdf2::PBKDF2_HMAC_SHA256 };
pub(super) const SHA_512: Mechanism =
    Mechanism { hmac: hmac::HMAC_SHA512, digest: &digest::SHA512, derive: pbkdf2::PBKDF2_HMAC_SHA512 };

/// A login under way.
pub(super) struct Login {
    mechanism: Mechanism,
    first: String,
    nonce: String,
    expected: Vec<u8>,
}

impl Login {
    /// Begins one; its first message is [`Self::first`].
    pub(super) fn new(mechanism: Mechanism, user: &str) -> Option<Self> {
        let mut nonce = [0; 18];
        rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut nonce).ok()?;
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Some(Self::with(mechanism, &user, &BASE64_STANDARD.encode(nonce)))
    }

    fn with(mechanism: Mechanism, user: &str, nonce: &str) -> Self {
        let first = format!("n={user},r={nonce}");
        Self { mechanism, first, nonce: nonce.to_owned(), expected: Vec::new() }
    }

    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// The proof, in answer to what the server said first.
    pub(super) fn proof(&mut self, said: &str, password: &str) -> Option<String> {
        let (mut nonce, mut salt, mut rounds) = (None, None, None);
        for part in said.split(',') {
            match part.split_once('=') {
                Some(("r", value)) => nonce = Some(value),
                Some(("s", value)) => salt = BASE64_STANDARD.decode(value).ok(),
                Some(("i", value)) => rounds = value.parse::<NonZeroU32>().ok(),
                _ => {}
            }
        }
        let nonce = nonce.filter(|nonce| nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len())?;
        let rounds = rounds.filter(|rounds| rounds.get() <= ROUNDS)?;
        let Mechanism { hmac: algorithm, digest: hash, derive } = self.mechanism;
        let mut salted = vec![0; hash.output_len()];
        pbkdf2::derive(derive, rounds, &salt?, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(algorithm, key), text);
        let key = sign(&salted, b"Client Key");
        let stored = digest::digest(hash, key.as_ref());
        let last = format!("c=biws,r={nonce}");
        let all = format!("{},{said},{last}", self.first);
        let signature = sign(stored.as_ref(), all.as_bytes());
        let proof: Vec<u8> = key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server = sign(&salted, b"Server Key");
        self.expected = sign(server.as_ref(), all.as_bytes()).as_ref().to_vec();
        Some(format!("{last},p={}", BASE64_STANDARD.encode(proof)))
    }

    /// Whether the server knows the password too.
    pub(super) fn is_server(&self, said: &str) -> bool {
        let signature = said.split(',').find_map(|part| part.strip_prefix("v="));
        let signature = signature.and_then(|text| BASE64_STANDARD.decode(text).ok());
        !self.expected.is_empty() && signature.is_some_and(|signature| signature == self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677_is_proved_and_a_wrong_server_is_not_believed() {
        let mut login = Login::with(SHA_256, "user", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(login.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let said = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(login.proof(said, "pencil").as_deref(), Some(proof));
        assert!(login.is_server("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!login.is_server("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
        assert!(login.proof("r=another,s=W22Z,i=1", "pencil").is_none());
    }
}
