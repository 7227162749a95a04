//! Names and domains.

use std::net::IpAddr;

use super::{CacheConfig, Name, NameCache, PublicNames, domain, learn, offer, without_port};
use crate::{
    parse::dns::{
        Message,
        tests::build::{Build, wire},
    },
    record::{NameSource, Text},
};

const SECOND: u64 = 1_000_000_000;
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn address(last: u8) -> IpAddr {
    IpAddr::from([198, 51, 100, last])
}

/// What the cache says of addresses after a response.
fn learnt(message: &Build) -> NameCache {
    let mut cache = NameCache::new(CacheConfig::default());
    let message = Message::new(&message.bytes).unwrap();
    learn(&message, CLIENT, 0, &mut cache, &mut PublicNames::default());
    cache
}

fn name_of(cache: &mut NameCache, last: u8) -> Option<String> {
    cache.lookup(CLIENT, address(last), SECOND).map(ToString::to_string)
}

#[test]
fn an_address_gets_the_name_that_was_asked_for_through_aliases_in_any_order() {
    let cname = |b: Build, from: &str, to: &str| b.answer(from, 5, 60, &wire(to));
    let message = cname(Build::response(1, "WWW.example.org", 1), "b.example.net", "c.example.net");
    let message = cname(cname(message, "a.example.net", "b.example.net"), "www.Example.org", "a.example.net")
        .answer("c.example.net", 1, 60, &[198, 51, 100, 7])
        .answer("c.example.net", 28, 60, &[0; 16])
        .answer("unrelated.example", 1, 60, &[198, 51, 100, 8]);
    let mut cache = learnt(&message);
    assert_eq!(name_of(&mut cache, 7).as_deref(), Some("www.example.org"));
    assert_eq!(name_of(&mut cache, 8), None);
    assert_eq!(cache.len(), 2);
}

#[test]
fn aliases_in_a_circle_end() {
    let mut message = Build::response(1, "a0.example", 1);
    for n in 0..40 {
        message =
            message.answer(&format!("a{n}.example"), 5, 60, &wire(&format!("a{}.example", (n + 1) % 40)));
    }
    assert!(learnt(&message.answer("a39.example", 1, 60, &[198, 51, 100, 7])).is_empty());
}

#[test]
fn one_response_names_a_bounded_number_of_addresses() {
    let mut message = Build::response(1, "a.example", 1);
    for n in 0..200 {
        message = message.answer("a.example", 1, 60, &[198, 51, 100, n]);
    }
    assert_eq!(learnt(&message).len(), 64);
}

#[test]
fn names_belong_to_the_client_that_asked() {
    let mut cache =
        learnt(&Build::response(1, "a.example", 1).answer("a.example", 1, 60, &[198, 51, 100, 7]));
    assert_eq!(cache.lookup(address(9), address(7), 0), None);
    assert!(name_of(&mut cache, 7).is_some());
}

#[test]
fn answers_count_as_long_as_floor_and_ceiling_let_them() {
    let config = CacheConfig { entries: 10, floor: 10, ceiling: 100 };
    for (ttl, seconds) in [(0, 10), (10, 10), (50, 50), (100, 100), (u32::MAX, 100)] {
        let mut cache = NameCache::new(config);
        cache.insert(CLIENT, address(1), Text::from("a"), ttl, 5);
        assert!(cache.lookup(CLIENT, address(1), 5 + seconds * SECOND).is_some(), "{ttl}");
        assert!(cache.lookup(CLIENT, address(1), 6 + seconds * SECOND).is_none(), "{ttl}");
        assert!(cache.is_empty());
    }
}

#[test]
fn a_name_is_known_from_when_it_was_told_and_that_it_is_told_again_does_not_change_that() {
    let mut cache = NameCache::new(CacheConfig::default());
    let known = |cache: &NameCache, time| cache.known_at(CLIENT, address(1), time).map(ToString::to_string);
    cache.insert(CLIENT, address(1), Text::from("a"), 60, 10);
    cache.insert(CLIENT, address(1), Text::from("a"), 60, 20);
    assert_eq!([9, 10, 30].map(|at| known(&cache, at).is_some()), [false, true, true]);
    cache.insert(CLIENT, address(1), Text::from("b"), 60, 30);
    let names = |cache: &NameCache, at: [u64; 4]| at.map(|at| known(cache, at).unwrap_or_default());
    assert_eq!(names(&cache, [9, 10, 29, 30]), ["", "a", "a", "b"]);
    cache.insert(CLIENT, address(1), Text::from("c"), 60, 40);
    assert_eq!(names(&cache, [29, 30, 39, 40]), ["", "b", "b", "c"], "one name before the last is kept");
    assert_eq!(cache.lookup(CLIENT, address(1), 39).map(ToString::to_string).as_deref(), Some("b"));
}

#[test]
fn the_cache_is_bounded_and_keeps_what_is_used() {
    let mut cache = NameCache::new(CacheConfig { entries: 10, ..CacheConfig::default() });
    for n in 0..100 {
        cache.insert(CLIENT, address(n), Text::from("a"), 60, 0);
        assert!(cache.lookup(CLIENT, address(0), 0).is_some());
    }
    assert_eq!((cache.len(), cache.evicted()), (10, 90));
}

#[test]
fn names_are_lower_case_without_port_and_never_addresses() {
    let name = |text, source| Name::new(text, source).map(|name| name.text.to_string());
    assert_eq!(name("WWW.Example.org.", NameSource::Sni).as_deref(), Some("www.example.org"));
    assert_eq!(name("Example.org:8080", NameSource::Http).as_deref(), Some("example.org"));
    for host in ["192.0.2.1:80", "[2001:db8::1]:443", "2001:db8::1", "", ":80", "."] {
        assert_eq!(name(host, NameSource::Http), None, "{host}");
    }
    for (host, bare) in
        [("a:", "a"), ("a:b", "a:b"), ("[::1]", "[::1]"), ("::1", "::1"), ("[::1]:8", "[::1]")]
    {
        assert_eq!(without_port(host), bare);
    }
}

#[test]
fn the_name_that_says_most_stays() {
    use NameSource::{Certificate, Dns, Ech, Http, Quic, Sni};
    let by = |sources: &[NameSource]| {
        let mut known = None;
        for (n, source) in sources.iter().enumerate() {
            offer(&mut known, Name::new(&format!("n{n}.example"), *source).unwrap());
        }
        known.map(|name| (name.text.to_string(), name.source))
    };
    assert_eq!(by(&[Certificate, Dns, Http, Quic, Sni]), Some(("n4.example".into(), Sni)));
    assert_eq!(by(&[Sni, Quic, Http, Dns, Certificate]), Some(("n0.example".into(), Sni)));
    assert_eq!(by(&[Http, Http, Dns]), Some(("n0.example".into(), Http)));
    assert_eq!(by(&[Dns, Ech]), Some(("n1.example".into(), Ech)));
}

#[test]
fn domains_follow_the_public_suffix_list() {
    for (name, expected) in [
        ("www.example.org", Some("example.org")),
        ("a.b.example.co.uk", Some("example.co.uk")),
        ("someone.github.io", Some("someone.github.io")),
        ("www.city.kawasaki.jp", Some("city.kawasaki.jp")),
        ("host.unknown-suffix", Some("host.unknown-suffix")),
        ("co.uk", None),
        ("localhost", None),
        ("192.0.2.1", None),
        ("[::1]", None),
        ("", None),
    ] {
        assert_eq!(domain(name), expected, "{name}");
    }
}

#[test]
fn public_names_are_configured_or_learnt_and_bounded() {
    let mut names = PublicNames::default();
    assert!(names.contains("Cloudflare-ECH.com"));
    assert!(!names.contains("public.example"));
    names.learn(b"Public.example");
    assert!(names.contains("public.EXAMPLE"));
    for n in 0..5_000 {
        names.learn(format!("{n}.example").as_bytes());
    }
    assert!(!names.contains("public.example"));
    assert!(names.contains("4999.example") && names.contains("cloudflare-ech.com"));
}
