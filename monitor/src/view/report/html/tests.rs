use super::*;
use crate::view::report::{Options, sections};
use monitor_core::services::ServiceTable;

/// A report of one flow whose every text is this.
fn page(text: &str) -> String {
    let mut report = Report::default();
    report.traffic.domains.entry(Some(Text::from(text))).received = 1000;
    report
        .traffic
        .names
        .entry((Some(Text::from(text)), monitor_core::report::Label::Name(Text::from(text))))
        .received = 1000;
    *report.traffic.paths.entry((std::net::IpAddr::from([10, 0, 0, 1]), Some(Text::from(text)))) += 1000;
    *report.tls.versions.entry(Text::from(text)) += 1;
    report.tls.hellos = 1;
    let options = Options {
        sections: Vec::new(),
        top: 10,
        owners: None,
        source: text.to_owned(),
        services: ServiceTable::default(),
    };
    render(&sections(&report, &options), &report, &options)
}

#[test]
fn no_name_becomes_markup() {
    let plain = page("name");
    let marks = |page: &str| page.matches('<').count();
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onclick='alert(1)",
        "javascript:alert(1)",
        "</title></style></script><b>",
        "&lt;script&gt;",
        "\u{202e}moc.elgoog",
        "a\0b\u{1b}[2Jc",
    ] {
        let page = page(hostile);
        assert_eq!(marks(&page), marks(&plain), "{hostile:?}");
        assert!(!page.contains("<script>alert") && !page.contains("<img"));
        assert!(
            !page.contains("href=\"javascript") && !page.contains('\u{202e}') && !page.contains('\u{1b}')
        );
    }
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let page = page("name");
    for outside in ["http://", "https://", "//cdn", "url(", "@import", " src=", "<iframe", "<object"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(
        page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"),
        "{page:.900}"
    );
    assert!(!page.contains(" style=") && !page.contains(" onclick="));
}
