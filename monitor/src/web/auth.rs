//! Basic authentication (RFC 7617) against bcrypt hashes.
//!
//! Bcrypt is slow by design: a password that was right once is remembered by its keyed digest, so
//! that scrapes do not pay for it; a wrong one pays each time, one after another, and so does an
//! unknown user, so that the time tells nothing. Who comes when many wait already is turned away.

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

/// Passwords that wait to be hashed. It takes a good part of a second each, and a user who waits longer than all
/// of these has given up.
const WAITING: usize = 16;

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Allowed,
    /// It shows no user and password, or wrong ones.
    Refused,
    /// There are too many to check.
    Busy,
}

/// Checks users and passwords.
#[derive(Debug)]
pub(super) struct Guard {
    /// `None`: the system gives no random numbers, so nothing is remembered.
    key: Option<hmac::Key>,
    right: Mutex<HashSet<[u8; 32]>>,
    /// One bcrypt at a time: who guesses keeps one core busy, not the host.
    hashing: Semaphore,
    /// Those that may wait for it.
    waiting: Semaphore,
}

impl Guard {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { key, right: Mutex::default(), hashing: Semaphore::new(1), waiting: Semaphore::new(WAITING) }
    }

    /// Whether a request shows a user and password of these.
    pub(super) async fn judge(&self, users: &BTreeMap<String, String>, headers: &HeaderMap) -> Verdict {
        if users.is_empty() {
            return Verdict::Allowed;
        }
        let Some((user, password)) = credentials(headers) else { return Verdict::Refused };
        // An unknown user's password is compared with somebody's hash, in vain.
        let known = users.get(&user);
        let Some(hash) = known.or_else(|| self.somebody(users, &user)) else { return Verdict::Refused };
        let digest = self.digest(&user, hash, &password);
        if let (Some(digest), Some(_)) = (&digest, known) {
            // The set is keyed with a secret, so the time of the look-up says nothing of the password.
            if lock(&self.right).contains(digest) {
                return Verdict::Allowed;
            }
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Verdict::Busy };
        let Ok(_permit) = self.hashing.acquire().await else { return Verdict::Busy };
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
        if right { Verdict::Allowed } else { Verdict::Refused }
    }

    /// The hash for an unknown user: always the same one, as a known user has, also where hashes differ in cost.
    fn somebody<'u>(&self, users: &'u BTreeMap<String, String>, user: &str) -> Option<&'u String> {
        let digest = self.digest(user, "", b"").unwrap_or_default();
        let number = digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) as usize;
        users.values().nth(number % users.len().max(1))
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
        assert_eq!(guard.judge(&users, &basic("ann", "se:cret")).await, Verdict::Allowed);
        assert_eq!(guard.judge(&users, &basic("ann", "se:cret")).await, Verdict::Allowed, "remembered");
        assert_eq!(guard.judge(&users, &basic("ann", "se")).await, Verdict::Refused);
        assert_eq!(guard.judge(&users, &basic("bob", "se:cret")).await, Verdict::Refused);
        assert_eq!(guard.judge(&users, &HeaderMap::new()).await, Verdict::Refused);
        assert_eq!(guard.judge(&users, &headers("Bearer x")).await, Verdict::Refused);
        assert_eq!(guard.judge(&users, &headers("Basic !!!")).await, Verdict::Refused);
        assert_eq!(guard.judge(&BTreeMap::new(), &HeaderMap::new()).await, Verdict::Allowed);
    }

    #[tokio::test]
    async fn what_is_remembered_ends_with_the_hash() {
        let guard = Guard::new();
        let old = BTreeMap::from([("ann".to_owned(), bcrypt::hash("a", 4).unwrap())]);
        assert_eq!(guard.judge(&old, &basic("ann", "a")).await, Verdict::Allowed);
        let new = BTreeMap::from([("ann".to_owned(), bcrypt::hash("b", 4).unwrap())]);
        assert_eq!(guard.judge(&new, &basic("ann", "a")).await, Verdict::Refused);
        assert_eq!(lock(&guard.right).len(), 1);
    }

    #[test]
    fn an_unknown_user_is_compared_with_the_same_hash_each_time_and_not_all_with_one() {
        let guard = Guard::new();
        let users: BTreeMap<String, String> =
            (0..4).map(|n| (format!("user{n}"), format!("hash{n}"))).collect();
        let hashes: HashSet<_> = (0..64)
            .map(|n| {
                let name = format!("nobody{n}");
                assert_eq!(guard.somebody(&users, &name), guard.somebody(&users, &name));
                guard.somebody(&users, &name).cloned().unwrap()
            })
            .collect();
        assert_eq!(hashes.len(), 4);
        assert_eq!(guard.somebody(&BTreeMap::new(), "nobody"), None);
    }

    #[tokio::test]
    async fn who_comes_when_many_wait_is_turned_away() {
        let guard = Guard::new();
        let users = BTreeMap::from([("ann".to_owned(), bcrypt::hash("a", 4).unwrap())]);
        assert_eq!(guard.judge(&users, &basic("ann", "a")).await, Verdict::Allowed);
        let all = guard.waiting.acquire_many(WAITING as u32).await.unwrap();
        assert_eq!(guard.judge(&users, &basic("ann", "b")).await, Verdict::Busy);
        assert_eq!(guard.judge(&users, &basic("ann", "a")).await, Verdict::Allowed, "remembered");
        drop(all);
        assert_eq!(guard.judge(&users, &basic("ann", "b")).await, Verdict::Refused);
    }
}
