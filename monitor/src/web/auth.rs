//! Basic authentication (RFC 7617) against bcrypt hashes.
//!
//! Bcrypt is slow by design: a password that was right once is remembered by its keyed digest, so
//! that scrapes do not pay for it; a wrong one pays each time, one after another, and so does an
//! unknown user, so that the time tells nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;

use crate::state::lock;

/// Passwords that are remembered. There are few users; this only bounds what reloads pile up.
const REMEMBERED: usize = 1024;

/// Checks users and passwords.
#[derive(Debug)]
pub(super) struct Guard {
    /// `None`: the system gives no random numbers, so nothing is remembered.
    key: Option<hmac::Key>,
    right: Mutex<HashSet<[u8; 32]>>,
    /// One bcrypt at a time: who guesses keeps one core busy, not the host.
    hashing: Semaphore,
}

impl Guard {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { key, right: Mutex::default(), hashing: Semaphore::new(1) }
    }

    /// Whether a request shows a user and password of these.
    pub(super) async fn allows(&self, users: &BTreeMap<String, String>, headers: &HeaderMap) -> bool {
        if users.is_empty() {
            return true;
        }
        let Some((user, password)) = credentials(headers) else { return false };
        // An unknown user's password is compared with somebody's hash, in vain.
        let known = users.get(&user);
        let Some(hash) = known.or_else(|| users.values().next()) else { return false };
        let digest = self.digest(&user, hash, &password);
        if let (Some(digest), Some(_)) = (&digest, known) {
            // The set is keyed with a secret, so the time of the look-up says nothing of the password.
            if lock(&self.right).contains(digest) {
                return true;
            }
        }
        let Ok(_permit) = self.hashing.acquire().await else { return false };
        let hash = hash.clone();
        let right = tokio::task::spawn_blocking(move || bcrypt::verify(&password, &hash).unwrap_or(false))
            .await
            .unwrap_or(false)
            && known.is_some();
        if let (true, Some(digest)) = (right, digest) {
            let mut remembered = lock(&self.right);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(digest);
        }
        right
    }

    fn digest(&self, user: &str, hash: &str, password: &[u8]) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        // Lengths keep the parts apart.
        for part in [user.as_bytes(), hash.as_bytes(), password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().ok()
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|b| *b == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(AUTHORIZATION, value.parse().unwrap());
        map
    }

    fn basic(user: &str, password: &str) -> HeaderMap {
        headers(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let guard = Guard::new();
        let hash = bcrypt::hash("se:cret", 4).unwrap();
        let users = BTreeMap::from([("ann".to_owned(), hash)]);
        assert!(guard.allows(&users, &basic("ann", "se:cret")).await);
        assert!(guard.allows(&users, &basic("ann", "se:cret")).await, "remembered");
        assert!(!guard.allows(&users, &basic("ann", "se")).await);
        assert!(!guard.allows(&users, &basic("bob", "se:cret")).await);
        assert!(!guard.allows(&users, &HeaderMap::new()).await);
        assert!(!guard.allows(&users, &headers("Bearer x")).await);
        assert!(!guard.allows(&users, &headers("Basic !!!")).await);
        assert!(guard.allows(&BTreeMap::new(), &HeaderMap::new()).await);
    }

    #[tokio::test]
    async fn what_is_remembered_ends_with_the_hash() {
        let guard = Guard::new();
        let old = BTreeMap::from([("ann".to_owned(), bcrypt::hash("a", 4).unwrap())]);
        assert!(guard.allows(&old, &basic("ann", "a")).await);
        let new = BTreeMap::from([("ann".to_owned(), bcrypt::hash("b", 4).unwrap())]);
        assert!(!guard.allows(&new, &basic("ann", "a")).await);
        assert_eq!(lock(&guard.right).len(), 1);
    }
}
