//! Keys and the mouse.

use super::*;

#[test]
fn a_page_is_what_is_seen_of_what_covers_the_table() {
    let mut top = top(1);
    press(&mut top, "?");
    let lines = screen(&mut top, 44, 16);
    let first = lines[row(&lines, "select a row, scroll")].clone();
    top.key(KeyCode::PageDown.into());
    let lines = screen(&mut top, 44, 16);
    assert!(top.scrolled > 5 && !lines.contains(&first), "{} {lines:?}", top.scrolled);
    top.key(KeyCode::PageUp.into());
    assert!(screen(&mut top, 44, 16).contains(&first));
    press(&mut top, "4");
    screen(&mut top, 44, 12);
    top.key(KeyCode::PageDown.into());
    screen(&mut top, 44, 12);
    assert!(top.scrolled > 5, "{}", top.scrolled);
}

#[test]
fn what_covered_a_panel_leaves_it_at_its_begin() {
    let mut top = top(1);
    press(&mut top, "5");
    let before = screen(&mut top, 44, 12);
    press(&mut top, "?");
    screen(&mut top, 44, 12);
    top.key(KeyCode::End.into());
    screen(&mut top, 44, 12);
    press(&mut top, "\x1b");
    assert_eq!(screen(&mut top, 44, 12), before);
}

#[test]
fn after_the_wheel_home_chooses_the_first_row_and_a_page_goes_on_from_what_is_seen() {
    let wheeled = || {
        let mut top = top(200);
        screen(&mut top, 120, 24);
        let wheel = MouseEventKind::ScrollDown;
        for _ in 0..20 {
            top.mouse(MouseEvent { kind: wheel, column: 5, row: 10, modifiers: KeyModifiers::NONE });
        }
        row(&screen(&mut top, 120, 24), "n140.example.com");
        top
    };
    let mut home = wheeled();
    press(&mut home, "g");
    row(&screen(&mut home, 120, 24), "n200.example.com");
    assert_eq!(home.cursor(Tab::Flows).at, 0);
    let mut page = wheeled();
    page.key(KeyCode::PageDown.into());
    assert!(page.cursor(Tab::Flows).at > 60, "{}", page.cursor(Tab::Flows).at);
}

#[test]
fn what_covers_the_table_asks_for_no_other_flows() {
    let mut top = top(400);
    for _ in 0..60 {
        let wheel = MouseEventKind::ScrollDown;
        screen(&mut top, 120, 24);
        let asked = top.question().limit;
        press(&mut top, "?");
        screen(&mut top, 120, 24);
        assert_eq!(top.question().limit, asked);
        press(&mut top, "\x1b4");
        screen(&mut top, 120, 24);
        assert_eq!(top.question().limit, asked);
        press(&mut top, "/prot");
        screen(&mut top, 120, 24);
        assert_eq!(top.question().limit, asked);
        press(&mut top, "\x1b");
        top.mouse(MouseEvent { kind: wheel, column: 5, row: 10, modifiers: KeyModifiers::NONE });
    }
}

#[test]
fn who_scrolls_down_is_shown_more() {
    let mut top = top(200);
    screen(&mut top, 120, 40);
    assert_eq!(top.question().limit, 200);
    top.key(KeyCode::End.into());
    screen(&mut top, 120, 40);
    assert_eq!(top.question().limit, 400);
    top.news(News::Live(live(5_000)));
    top.key(KeyCode::End.into());
    screen(&mut top, 120, 40);
    assert_eq!(top.question().limit, 1_000, "and no more than an instance tells");
}

#[test]
fn the_mouse_presses_tabs_and_titles_and_chooses_rows() {
    let mut top = top(60);
    let lines = screen(&mut top, 120, 24);
    let tabs = row(&lines, "2 Domains");
    let titles = row(&lines, "CLIENT");
    let column = |line: &str, text: &str| line[..line.find(text).unwrap()].chars().count();
    click(&mut top, column(&lines[titles], "CLIENT") + 1, titles);
    let sorted = screen(&mut top, 120, 24);
    assert!(
        sorted[titles].contains("CLIENT▲") && sorted[titles + 1].contains("10.0.0.1:40001"),
        "{sorted:?}"
    );
    let wheel = MouseEventKind::ScrollDown;
    top.mouse(MouseEvent { kind: wheel, column: 5, row: 10, modifiers: KeyModifiers::NONE });
    assert!(screen(&mut top, 120, 24)[titles + 1].contains("10.0.0.1:40004"));
    click(&mut top, 5, titles + 2);
    click(&mut top, 5, titles + 2);
    assert!(top.question().flow.is_some(), "a second click opens it");
    click(&mut top, column(&lines[tabs], "2 Domains") + 1, tabs);
    row(&screen(&mut top, 120, 24), "example.com");
}
