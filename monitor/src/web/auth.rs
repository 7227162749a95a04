//! Basic authentication (RFC 7617) against bcrypt hashes.
//!
//! Bcrypt is slow by design: a password that was right once is remembered by its keyed digest, so
//! that scrapes do not pay for it; a wrong one pays each time, one after another, and so does an
//! unknown user, so that the time tells nothing. Passwords wait by address, of addresses and of each one's in turns the
//! first and the last that came; one whose client hung up is not checked. Addresses that showed a wrong one lately stand
//! behind others, and hear of wrong ones one after another, so that many who guess at once do not guess faster than one.
//! Who comes when many wait already is turned away.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::watch;
use tokio::time::Instant;

use super::asker::Client;
use super::fair::Next;
use super::work::Pool;
use crate::sync::lock;

/// Passwords that are remembered. There are few users; this only bounds what reloads pile up.
const REMEMBERED: usize = 1024;

/// How long an address that showed a wrong password stands behind others.
const SUSPECT: Duration = Duration::from_mins(1);
/// The longest that an answer is held back, whatever many wait for one.
const LONGEST: Duration = Duration::from_secs(30);

/// Whether a request may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may, as that of a user or of anybody.
    Allowed(Option<String>),
    /// It shows no user and password.
    Missing,
    /// It shows wrong ones.
    Wrong,
    /// There are too many to check.
    Busy,
}

/// Checks users and passwords.
#[derive(Debug)]
pub(super) struct Guard {
    /// `None`: the system gives no random numbers, so nothing is remembered.
    key: Option<hmac::Key>,
    right: Arc<Mutex<HashSet<[u8; 32]>>>,
    /// When the last answer to a wrong password goes to an address.
    wrong: Mutex<BTreeMap<Client, Instant>>,
    /// One bcrypt at a time: who guesses keeps one core busy, not the host.
    checking: Pool,
}

impl Guard {
    /// At most so many wait.
    pub(super) fn new(most_waiting: usize, stopping: &watch::Sender<bool>) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        let checking = Pool::new(1, most_waiting, Next::OldestOrNewest, stopping);
        Self { key, right: Arc::default(), wrong: Mutex::default(), checking }
    }

    /// Passwords that wait.
    pub(super) fn waiting(&self) -> usize {
        self.checking.waiting()
    }

    /// How long the answer to a wrong password is to wait: `delay` after the answer before it to this address.
    pub(super) fn hold_back(&self, client: &Client, delay: Duration) -> Duration {
        let now = Instant::now();
        let mut wrong = lock(&self.wrong);
        if wrong.len() >= REMEMBERED && !wrong.contains_key(client) {
            wrong.retain(|_, last| now < *last + SUSPECT);
            // More addresses than are remembered: none of them is worse than the others.
            if wrong.len() >= REMEMBERED {
                wrong.clear();
            }
        }
        let last = wrong.get(client).copied().unwrap_or(now).max(now);
        let next = (last + delay).min(now + delay.max(LONGEST));
        wrong.insert(client.clone(), next);
        next.saturating_duration_since(now)
    }

    /// Whether an address showed a wrong password lately.
    fn is_suspect(&self, client: &Client) -> bool {
        lock(&self.wrong).get(client).is_some_and(|last| Instant::now() < *last + SUSPECT)
    }

    /// No password is checked as long as this is held.
    #[cfg(test)]
    pub(super) async fn hold(&self, client: &Client) -> super::fair::Permit {
        self.checking.enter(client).await.unwrap()
    }

    /// Whether a request shows a user and password of these.
    pub(super) async fn judge(
        &self,
        users: &BTreeMap<String, String>,
        headers: &HeaderMap,
        client: &Client,
    ) -> Verdict {
        if users.is_empty() {
            return Verdict::Allowed(None);
        }
        let Some((user, password)) = credentials(headers) else { return Verdict::Missing };
        // An unknown user's password is compared with somebody's hash, in vain.
        let known = users.get(&user);
        let Some(hash) = known.or_else(|| self.somebody(users, &user)) else { return Verdict::Wrong };
        let digest = self.digest(&user, hash, &password);
        if let (Some(digest), Some(_)) = (&digest, known) {
            // The set is keyed with a secret, so the time of the look-up says nothing of the password.
            if lock(&self.right).contains(digest) {
                return Verdict::Allowed(Some(user));
            }
        }
        let (hash, is_known, remembered) = (hash.clone(), known.is_some(), Arc::clone(&self.right));
        let checked = self.checking.run_behind(client, self.is_suspect(client), move |_| {
            let right = bcrypt::verify(&password, &hash).unwrap_or(false) && is_known;
            // Here, so that it is not lost with a client that could not wait.
            if let (true, Some(digest)) = (right, digest) {
                let mut remembered = lock(&remembered);
                if remembered.len() >= REMEMBERED {
                    remembered.clear();
                }
                remembered.insert(digest);
            }
            Some(right)
        });
        match checked.await {
            Ok(true) => Verdict::Allowed(Some(user)),
            Ok(false) => Verdict::Wrong,
            Err(_) => Verdict::Busy,
        }
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

    fn guard() -> Guard {
        Guard::new(64, &watch::Sender::new(false))
    }

    fn client() -> Client {
        Client::at([192, 0, 2, 1].into())
    }

    fn ann() -> Verdict {
        Verdict::Allowed(Some("ann".to_owned()))
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let guard = guard();
        let hash = bcrypt::hash("se:cret", 4).unwrap();
        let users = BTreeMap::from([("ann".to_owned(), hash)]);
        for (headers, expected) in [
            (basic("ann", "se:cret"), ann()),
            // Remembered.
            (basic("ann", "se:cret"), ann()),
            (basic("ann", "se"), Verdict::Wrong),
            (basic("bob", "se:cret"), Verdict::Wrong),
            (HeaderMap::new(), Verdict::Missing),
            (headers("Bearer x"), Verdict::Missing),
            (headers("Basic !!!"), Verdict::Missing),
        ] {
            assert_eq!(guard.judge(&users, &headers, &client()).await, expected);
        }
        let nobody = BTreeMap::new();
        assert_eq!(guard.judge(&nobody, &HeaderMap::new(), &client()).await, Verdict::Allowed(None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_hears_of_wrong_passwords_one_after_another_and_stands_behind_others() {
        let guard = guard();
        let (delay, one, other) = (Duration::from_secs(1), client(), Client::at([192, 0, 2, 99].into()));
        assert!(!guard.is_suspect(&one));
        let holds: Vec<u64> = (0..40).map(|_| guard.hold_back(&one, delay).as_secs()).collect();
        assert_eq!(holds[..30], (1..=30).collect::<Vec<_>>());
        assert!(holds[30..].iter().all(|hold| *hold == 30), "{holds:?}");
        assert_eq!(guard.hold_back(&other, delay), delay);
        assert!(guard.is_suspect(&one) && guard.is_suspect(&other));
        tokio::time::advance(Duration::from_secs(62)).await;
        assert!(guard.is_suspect(&one) && !guard.is_suspect(&other));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!((guard.is_suspect(&one), guard.hold_back(&one, delay)), (false, delay));
        for n in 0..3 * REMEMBERED as u32 {
            guard.hold_back(&Client::at(std::net::Ipv4Addr::from_bits(n).into()), delay);
            assert!(lock(&guard.wrong).len() <= REMEMBERED);
        }
    }

    #[tokio::test]
    async fn what_is_remembered_ends_with_the_hash() {
        let guard = guard();
        let old = BTreeMap::from([("ann".to_owned(), bcrypt::hash("a", 4).unwrap())]);
        assert_eq!(guard.judge(&old, &basic("ann", "a"), &client()).await, ann());
        let new = BTreeMap::from([("ann".to_owned(), bcrypt::hash("b", 4).unwrap())]);
        assert_eq!(guard.judge(&new, &basic("ann", "a"), &client()).await, Verdict::Wrong);
        assert_eq!(lock(&guard.right).len(), 1);
    }

    #[test]
    fn an_unknown_user_is_compared_with_the_same_hash_each_time_and_not_all_with_one() {
        let guard = guard();
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

    /// Asks in a task of its own, and returns once the password waits.
    async fn asks(
        guard: &Arc<Guard>,
        users: &BTreeMap<String, String>,
        password: &str,
        n: u8,
    ) -> tokio::task::JoinHandle<Verdict> {
        let before = guard.checking.came();
        let (other, users, headers) = (Arc::clone(guard), users.clone(), basic("ann", password));
        let task =
            tokio::spawn(
                async move { other.judge(&users, &headers, &Client::at([192, 0, 2, n].into())).await },
            );
        while guard.checking.came() == before && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn who_comes_when_many_wait_is_turned_away_if_its_address_has_most_of_them() {
        let guard = Arc::new(Guard::new(2, &watch::Sender::new(false)));
        let users = BTreeMap::from([("ann".to_owned(), bcrypt::hash("a", 4).unwrap())]);
        assert_eq!(guard.judge(&users, &basic("ann", "a"), &client()).await, ann());
        let held = guard.checking.enter(&client()).await.unwrap();
        let one = asks(&guard, &users, "b", 1).await;
        let two = asks(&guard, &users, "c", 1).await;
        assert_eq!(guard.judge(&users, &basic("ann", "d"), &client()).await, Verdict::Busy);
        assert_eq!(guard.judge(&users, &basic("ann", "a"), &client()).await, ann(), "remembered");
        let other = asks(&guard, &users, "e", 2).await;
        assert_eq!(two.await.unwrap(), Verdict::Busy, "gives way to another address");
        drop(held);
        assert_eq!((one.await.unwrap(), other.await.unwrap()), (Verdict::Wrong, Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_password_whose_client_hung_up_is_not_checked() {
        let guard = Arc::new(guard());
        let users = BTreeMap::from([("ann".to_owned(), bcrypt::hash("a", 4).unwrap())]);
        let held = guard.checking.enter(&client()).await.unwrap();
        let gone = asks(&guard, &users, "a", 1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        drop(held);
        assert_eq!(guard.judge(&users, &basic("ann", "b"), &client()).await, Verdict::Wrong);
        assert!(lock(&guard.right).is_empty(), "it would have been right");
    }
}
