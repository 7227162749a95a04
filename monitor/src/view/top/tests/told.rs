//! What comes in, over time and while the picture stands still.

use super::*;

/// The same, with so many steps of a history, each of this rate.
fn live_with_steps(steps: usize, rate: f64) -> Box<Live> {
    let history = History { received_bytes_per_second: vec![rate; steps], ..History::default() };
    Box::new(Live { history, ..*live(1) })
}

#[test]
fn charts_have_the_steps_of_the_history_and_no_others() {
    let mut top = top(1);
    top.news(News::History(Box::new(History {
        received_bytes_per_second: vec![1.0; 60],
        ..History::default()
    })));
    // Drains are shorter than steps, and a drain that is told twice brings no step twice.
    for steps in [0, 0, 1, 0, 2, 0] {
        top.news(News::Live(live_with_steps(steps, 2.0)));
    }
    assert_eq!(top.trends().received, [vec![1.0; 60], vec![2.0; 3]].concat());
}

#[test]
fn the_picture_stands_still_while_it_is_paused() {
    let mut top = top(1);
    press(&mut top, " ");
    top.news(News::Live(live(2)));
    let lines = screen(&mut top, 100, 24);
    assert!(lines[0].contains("PAUSED") && !lines.concat().contains("n2.example.com"), "{lines:?}");
    press(&mut top, " ");
    row(&screen(&mut top, 100, 24), "n2.example.com");
}

#[test]
fn charts_and_details_stand_still_while_the_picture_is_paused() {
    let mut top = top(1);
    top.news(News::Live(live_with_steps(3, 1.0)));
    screen(&mut top, 120, 40);
    press(&mut top, "j ");
    top.news(News::Live(live_with_steps(2, 5.0)));
    assert_eq!(top.trends().received, [1.0; 3]);
    let told = |kind: &str| {
        let event = FlowEvent { kind: kind.to_owned(), ..FlowEvent::default() };
        let details = Details { flow: live(1).flows.remove(0), timeline: None, events: vec![event] };
        News::Details("1-1".to_owned(), Some(Box::new(details)))
    };
    press(&mut top, "\n");
    top.news(told("handshake"));
    row(&screen(&mut top, 120, 40), "00:00:00");
    top.news(told("risk"));
    let lines = screen(&mut top, 120, 40).concat();
    assert!(!lines.contains("Risk"), "what was seen once stands still: {lines}");
    top.news(News::Details("1-1".to_owned(), None));
    assert!(!screen(&mut top, 120, 40).concat().contains("ended;"));
    press(&mut top, " ");
    assert_eq!(top.trends().received, [1.0, 1.0, 1.0, 5.0, 5.0]);
    row(&screen(&mut top, 120, 40), "ended;");
}

#[test]
fn the_end_of_another_flow_is_not_that_of_the_one_that_is_looked_at() {
    let mut top = top(2);
    screen(&mut top, 120, 40);
    press(&mut top, "j\n");
    assert_eq!(top.question().flow.as_deref(), Some("2-2"));
    top.news(News::Details("1-1".to_owned(), None));
    assert_eq!(top.question().flow.as_deref(), Some("2-2"));
}
