//! The screens, drawn as on a terminal and read as a person would.

use monitor_core::flow::FlowId;
use monitor_core::live::Window;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind},
};
use serde_json::json;

use super::{Details, Live, News, Outcome, Tab, Theme, Top, Viewed, draw, grid::Sort, plain};
use crate::view::{
    flows::Flow,
    live::{DnsName, FlowEvent, History, Service, Snapshot},
    order,
};

mod keys;
mod owners;
mod told;

const HOSTILE: &str = "\x1b[2J\u{9b}31m\u{202e}evil\r\n";

fn flow(n: u64, name: &str) -> serde_json::Value {
    let side = |bytes: u64| {
        json!({ "direction": "transmit", "packets": 1, "bytes": bytes, "payload_bytes": bytes,
            "retransmissions": 0, "out_of_order": 0, "duplicate_acks": 0, "zero_windows": 0,
            "bytes_per_second": bytes as f64, "packets_per_second": 1.0 })
    };
    json!({ "id": format!("{n:x}-{n:x}"), "interface": "eth0", "transport": "tcp", "client_ip": "10.0.0.1",
        "client_port": 40_000 + n % 1_000, "server_ip": "2001:db8::1", "server_port": 443, "client_rule": "syn",
        "service": "https", "name": name, "domain": "example.com", "application": "tls", "role": "client",
        "scope": "remote", "state": "established", "duplicate": false, "start": "2026-11-21T02:49:27Z",
        "last": "2026-11-21T02:49:28Z", "sent": side(1_000 * n), "received": side(10), "rtt_seconds": {} })
}

/// A picture with so many flows, of which the first has least.
fn live(flows: u64) -> Box<Live> {
    let snapshot = json!({ "time": "2026-11-21T02:49:30Z", "host": "here", "uptime_seconds": 90.0,
        "domains": [
            { "domain": "example.com", "kind": "domain", "received_bytes": 700, "transmitted_bytes": 0,
              "bytes_per_second": 0.0, "connections": 1, "share": 0.7, "names": [HOSTILE] },
            { "domain": "", "kind": "unresolved", "received_bytes": 300, "transmitted_bytes": 0,
              "bytes_per_second": 0.0, "connections": 1, "share": 0.3, "names": [] }],
        "events": [{ "id": 1, "time": "2026-11-21T02:49:30Z", "kind": "test", "severity": "warning", "text": HOSTILE }],
    });
    let mut whole = serde_json::to_value(Snapshot::default()).unwrap();
    for (key, value) in snapshot.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let rows: Vec<_> = (1..=flows).map(|n| flow(n, &format!("n{n}.example.com"))).collect();
    let live = json!({ "snapshot": whole, "matched": flows, "flows": rows });
    Box::new(serde_json::from_value(live).unwrap())
}

fn top(flows: u64) -> Top {
    let viewed = Viewed::Instance("http://127.0.0.1:10058".to_owned());
    let mut top = Top::new(viewed, Tab::Flows, String::new(), Window::default());
    top.news(News::Live(live(flows)));
    top
}

/// The screen as lines.
fn screen(top: &mut Top, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            let _ = draw(top, frame.buffer_mut(), Theme::Colours);
        })
        .unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect();
    (0..height).map(line).collect()
}

fn press(top: &mut Top, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            c => KeyCode::Char(c),
        };
        assert_eq!(top.key(code.into()), Outcome::Stay, "{c:?}");
    }
}

/// Which line has the text.
fn row(lines: &[String], text: &str) -> usize {
    lines
        .iter()
        .position(|line| line.contains(text))
        .unwrap_or_else(|| panic!("{text} in\n{}", lines.join("\n")))
}

fn click(top: &mut Top, column: usize, row: usize) {
    let kind = MouseEventKind::Down(MouseButton::Left);
    top.mouse(MouseEvent { kind, column: column as u16, row: row as u16, modifiers: KeyModifiers::NONE });
}

#[test]
fn every_size_is_drawn_or_said_to_be_too_small() {
    let mut top = top(50);
    for tab in "12345678".chars() {
        press(&mut top, &tab.to_string());
        for width in [1, 20, 43, 44, 60, 80, 121, 200] {
            for height in [1, 2, 7, 8, 9, 12, 24, 27, 28, 60] {
                let lines = screen(&mut top, width, height);
                let small = width < 44 || height < 8;
                let said = "too small: 44 × 8 at least";
                let shown: String = said.chars().take(usize::from(width)).collect();
                let starts = lines[0].starts_with(&shown) || lines[0].trim_end().ends_with('…');
                assert!(
                    if small { starts } else { lines[0].contains("weir") },
                    "{width} × {height}: {lines:?}"
                );
            }
        }
        press(&mut top, "?");
        screen(&mut top, 44, 8);
        press(&mut top, "?");
    }
}

#[test]
fn rows_can_be_told_apart_at_60_columns_and_in_and_out_come_together() {
    let mut top = top(3);
    for width in 44..=220 {
        let lines = screen(&mut top, width, 24);
        let titles = &lines[row(&lines, "SERVER")];
        let has = |title: &str| titles.split_whitespace().any(|word| word.trim_matches(['▼', '▲']) == title);
        assert_eq!(has("CLIENT"), width >= 59, "{width}: {titles}");
        assert_eq!(has("IN"), has("OUT"), "{width}: {titles}");
        assert!(has("RATE") && has("NAME"), "{width}: {titles}");
        assert!(has("PROCESS") || width < 200, "{width}: {titles}");
    }
}

#[test]
fn rows_are_sorted_and_what_is_chosen_is_followed() {
    let mut top = top(3);
    let lines = screen(&mut top, 120, 24);
    assert!(row(&lines, "n3.example.com") < row(&lines, "n1.example.com"), "most first");
    press(&mut top, "j");
    press(&mut top, "r");
    let lines = screen(&mut top, 120, 24);
    assert!(row(&lines, "n1.example.com") < row(&lines, "n3.example.com"));
    press(&mut top, "\n");
    let lines = screen(&mut top, 120, 40);
    row(&lines, "n3.example.com");
    row(&lines, "[2001:db8::1]:443");
    assert!(lines.iter().any(|line| line.contains("First packet")), "{lines:?}");
    assert_eq!(top.question().flow.as_deref(), Some("3-3"));
    press(&mut top, "\x1b");
    assert_eq!(top.question().flow, None);
}

#[test]
fn every_column_asks_for_the_flows_in_the_order_in_which_it_shows_them() {
    let engine = order::tests::engine(300);
    let mut top = top(0);
    for column in 0..Tab::Flows.columns().len() {
        if !Tab::Flows.columns()[column].is_of(false) {
            continue;
        }
        for down in [true, false] {
            let sort = Sort { column, down };
            let (ids, matched) = order::tests::first(&engine, Tab::order(sort), 100);
            let flow = |id: &FlowId| Flow::from(&engine.flow(*id).unwrap()).into_owned();
            let flows: Vec<Flow<'static>> = ids.iter().map(flow).collect();
            let told: Vec<String> = flows.iter().map(|flow| flow.id.to_string()).collect();
            top.news(News::Live(Box::new(Live { matched, flows, ..*live(0) })));
            top.cursor_mut().sort = sort;
            let shown: Vec<String> = top.rows(Tab::Flows).iter().map(|row| row.id.to_string()).collect();
            assert_eq!(shown, told, "{}", Tab::Flows.columns()[column].title);
        }
    }
}

#[test]
fn what_is_shown_of_how_many_and_which_stands_beside_the_tabs() {
    let mut top = top(3);
    let mut many = live(200);
    many.matched = 10_025;
    top.news(News::Live(many));
    let lines = screen(&mut top, 80, 24);
    assert!(lines[row(&lines, "6 Events")].contains("200/10,025"), "{lines:?}");
    let lines = screen(&mut top, 120, 24);
    assert!(lines[row(&lines, "6 Events")].contains("200 of 10,025 flows"), "{lines:?}");
    press(&mut top, "/port 443 and bytes > 1M\n");
    let lines = screen(&mut top, 80, 24);
    assert!(lines[row(&lines, "1 Flows")].contains("port 443 and bytes > 1M"), "{lines:?}");
}

#[test]
fn what_happened_to_a_flow_stands_with_it() {
    let mut top = top(1);
    screen(&mut top, 120, 40);
    press(&mut top, "j\n");
    let events = [("start", "first packet"), ("risk", HOSTILE)].map(|(kind, text)| FlowEvent {
        kind: kind.to_owned(),
        text: text.to_owned(),
        ..FlowEvent::default()
    });
    let flow = live(1).flows.remove(0);
    let details = Details { flow, timeline: None, events: events.to_vec() };
    top.news(News::Details("1-1".to_owned(), Some(Box::new(details))));
    let lines = screen(&mut top, 120, 40);
    assert!(lines[row(&lines, "Start")].contains("00:00:00  first packet"), "{lines:?}");
    assert!(lines[row(&lines, "Finding")].contains("\\x1b[2J"), "{lines:?}");
}

#[test]
fn a_service_and_a_name_open_as_their_flows() {
    let mut top = top(3);
    let mut more = live(3);
    more.snapshot.services =
        vec![Service { service: "https".into(), transport: "tcp".into(), ..Service::default() }];
    more.snapshot.dns.names = vec![DnsName { name: "www.example.com".into(), queries: 3, errors: 0 }];
    top.news(News::Live(more));
    press(&mut top, "3j\n");
    assert_eq!(top.question().filter, "transport tcp and service https");
    row(&screen(&mut top, 100, 24), "n3.example.com");
    press(&mut top, "5");
    screen(&mut top, 100, 40);
    press(&mut top, "j\n");
    assert_eq!(top.question().filter, "name www.example.com");
}

#[test]
fn a_filter_is_written_in_place_and_its_error_named_by_column() {
    let mut top = top(3);
    press(&mut top, "2/prot 443");
    let lines = screen(&mut top, 80, 24);
    let at = row(&lines, "filter: prot 443");
    assert!(lines[at + 1].contains("         ^^^^"), "{lines:?}");
    assert!(
        lines[at + 2].contains("column 1") && lines[at + 3].contains("did you mean `port`?"),
        "{lines:?}"
    );
    press(&mut top, "\x1b/port 443 and bytes > 1M\n");
    assert_eq!(top.question().filter, "port 443 and bytes > 1M");
    row(&screen(&mut top, 100, 24), "port 443 and bytes > 1M");
}

#[test]
fn a_domain_opens_as_its_flows() {
    let mut top = top(3);
    press(&mut top, "2j\n");
    assert_eq!(top.question().filter, "domain example.com");
    row(&screen(&mut top, 100, 24), "n3.example.com");
    press(&mut top, "2jj\n");
    assert_eq!(top.question().filter, "not name *");
    press(&mut top, "\x1b");
    assert_eq!(top.question().filter, "");
}

#[test]
fn no_instance_makes_a_picture_as_long_as_it_likes_nor_breaks_it_with_numbers() {
    let mut top = top(1);
    let mut hostile = live(5_000);
    hostile.snapshot.losses.overflow_packets = u64::MAX;
    hostile.snapshot.losses.violations = u64::MAX;
    hostile.snapshot.domains = vec![hostile.snapshot.domains[0].clone(); 5_000];
    hostile.snapshot.tcp.attempts = (0..5_000).map(|n| (n.to_string(), 1)).collect();
    top.news(News::Live(hostile));
    for tab in Tab::ALL {
        assert!(top.rows(tab).len() <= 1_000, "{tab:?}");
    }
    assert_eq!(top.snapshot().unwrap().tcp.attempts.len(), 1_000);
    assert!(screen(&mut top, 200, 24).concat().contains("18,446,744"));
}

#[test]
fn a_capture_of_many_flows_is_printed_as_far_as_rows_go() {
    let viewed = Viewed::Capture("many.pcap".to_owned());
    let mut top = Top::new(viewed, Tab::Flows, String::new(), Window::default());
    // As a number of 16 bits, one.
    let mut many = live(1);
    many.flows = vec![many.flows.remove(0); 65_537];
    top.news(News::Live(many));
    let text = plain(&mut top, &[Tab::Flows], 120);
    assert_eq!(text.lines().filter(|line| line.contains(".example.com")).count(), 1_000);
}

#[test]
fn rates_are_in_bytes_or_bits_and_sums_go_back_as_asked() {
    let mut top = top(1);
    row(&screen(&mut top, 100, 24), "8.1 kbit/s");
    press(&mut top, "b");
    row(&screen(&mut top, 100, 24), "1.0 kB/s");
    assert_eq!(top.question().window, Window::FiveMinutes);
    press(&mut top, "w");
    assert_eq!(top.question().window, Window::Hour);
}

#[test]
fn no_name_reaches_the_terminal_as_a_command() {
    let mut top = top(1);
    let mut hostile = live(0);
    hostile.flows = vec![serde_json::from_value(flow(1, HOSTILE)).unwrap()];
    hostile.snapshot.host = HOSTILE.to_owned();
    top.news(News::Live(hostile));
    top.news(News::Lost(HOSTILE.to_owned()));
    for keys in ["1", "j\n", "2", "6"] {
        press(&mut top, keys);
        let all = screen(&mut top, 200, 40).concat();
        assert!(!all.chars().any(|c| c.is_control() || c == '\u{202e}'), "{all:?}");
    }
    let text = plain(&mut top, &Tab::ALL, 200);
    assert!(!text.replace('\n', "").chars().any(char::is_control), "{text:?}");
    assert!(text.contains("\\x1b[2J"), "{text}");
}

#[test]
fn without_colours_there_are_none() {
    let mut top = top(2);
    let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    terminal
        .draw(|frame| {
            let _ = draw(&mut top, frame.buffer_mut(), Theme::Plain);
        })
        .unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == ratatui::style::Color::Reset && cell.bg == cell.fg));
}

#[test]
fn a_restart_is_said() {
    let mut top = top(1);
    top.news(News::Lost("nobody answers".to_owned()));
    row(&screen(&mut top, 100, 24), "nobody answers");
    top.news(News::Connected);
    let mut anew = live(1);
    anew.snapshot.uptime_seconds = 1.0;
    top.news(News::Live(anew));
    row(&screen(&mut top, 100, 24), "restarted");
    for _ in 0..20 {
        top.news(News::Live(live(1)));
    }
    assert!(!screen(&mut top, 100, 24).concat().contains("anew"));
    let quit = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(top.key(quit), Outcome::Quit);
}

#[test]
fn the_first_enter_opens_the_first_row() {
    let mut top = top(3);
    screen(&mut top, 100, 24);
    press(&mut top, "\n");
    assert!(top.question().flow.is_some(), "details of a flow");
}

#[test]
fn no_cell_is_cut_while_there_is_room() {
    let mut more = live(3);
    let name = "a-rather-long-name-of-a-server-in-a-data-centre.region.example.com";
    for flow in &mut more.flows {
        flow.name = Some(name.into());
        flow.application = Some("a-protocol-of-our-own".into());
        flow.interface = "interface-fifteen".into();
    }
    let mut top = top(0);
    top.news(News::Live(more));
    let lines = screen(&mut top, 260, 24);
    for text in [name, "a-protocol-of-our-own", "interface-fifteen", "APPLICATION", "DURATION"] {
        assert!(lines.iter().any(|line| line.contains(text)), "{text}: {lines:?}");
    }
}
