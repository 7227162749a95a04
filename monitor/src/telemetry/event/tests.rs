use super::*;

#[test]
fn an_event_counts_under_its_own_name() {
    let events = Events::default();
    events.emit(&Event::Stopping { signal: "SIGTERM" });
    events.emit(&Event::Unprotected { address: SocketAddr::from(([0, 0, 0, 0], 1)) });
    let counts: Vec<_> = events.counts().filter(|(_, n)| *n > 0).collect();
    assert_eq!(counts, [("unprotected", 1), ("stopping", 1)]);
}

#[test]
fn what_strangers_make_happen_is_counted_whole_and_logged_in_part() {
    let events = Events::default();
    let peer = Peer::Internet(SocketAddr::from(([192, 0, 2, 1], 1)));
    for _ in 0..1000 {
        events.emit(&Event::LoginFailed { peer });
        events.emit(&Event::Unconfined);
    }
    let of = |name: &str, mut all: Box<dyn Iterator<Item = (&'static str, u64)> + '_>| {
        all.find(|(known, _)| *known == name).map(|(_, n)| n)
    };
    assert_eq!(of("login_failed", Box::new(events.counts())), Some(1000));
    // As many as the seconds that this took could have, at most.
    assert!(of("login_failed", Box::new(events.left_out())).is_some_and(|n| n > 0));
    assert_eq!(of("unconfined", Box::new(events.left_out())), Some(0));
}
