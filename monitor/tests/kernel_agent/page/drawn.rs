//! Charts and tables draw what was sent, whatever it is called.

use crate::{
    agent::{ADDRESS, THERE, cable},
    names::tls_server,
    netns::wait_for,
};

use super::rig::{PAGE, Page, Site, agent};

/// Sites and how often each is fetched.
const SITES: [(&str, &str, usize); 3] = [
    ("www.example.org", "example.org", 6),
    ("cdn.example.net", "example.net", 3),
    ("example.com", "example.com", 1),
];

#[test]
fn charts_and_tables_draw_what_was_sent() {
    let (here, there) = cable();
    let site = Site::start(&here, &there);
    let agent = agent(&here);
    let page = Page::open(&here, "");
    for (name, _, times) in SITES {
        site.fetch(name, times);
    }
    page.wait_for("three areas", "document.querySelectorAll('.treemap li.domain').length === 3");
    // The last drain before the page of metrics must have all of it.
    let sent: usize = SITES.iter().map(|(.., times)| times * PAGE).sum();
    agent.wait_for("all bytes", |metrics| {
        metrics.sum("weir_domain_io_bytes_total", &[("direction", "receive")]) > sent as f64
    });
    let of = |domain: &str, direction: &str| {
        agent.page().sum("weir_domain_io_bytes_total", &[("domain", domain), ("direction", direction)])
    };
    wait_for("areas as large as the shares", || {
        let areas = page.value(
            "[...document.querySelectorAll('.treemap li.domain')].map(li => { const box = li.getBoundingClientRect(); \
             return [li.querySelector('.name')?.innerText, box.width * box.height]; })",
        );
        let areas: Vec<(String, f64)> = serde_json::from_value(areas).expect("areas");
        let whole: f64 = areas.iter().map(|(_, area)| area).sum();
        let sum: f64 = SITES.iter().map(|(.., times)| *times as f64).sum();
        let fits = |(_, domain, times): &(&str, &str, usize)| {
            let area = areas.iter().find(|(name, _)| name == domain).map(|(_, area)| area / whole);
            area.is_some_and(|area| (area - *times as f64 / sum).abs() < 0.03)
        };
        SITES.iter().all(fits).then_some(())
    });
    page.show_table("domains");
    let rows = wait_for("rows with the bytes that were sent", || {
        let rows = page.rows("domains");
        let same = |(_, domain, _): &(&str, &str, usize)| {
            let row = rows.iter().find(|(name, _)| name == domain);
            row.is_some_and(|(_, numbers)| numbers[1..3] == [of(domain, "receive"), of(domain, "transmit")])
        };
        SITES.iter().all(same).then_some(rows)
    });
    let shares: f64 = rows.iter().map(|(_, numbers)| numbers[0]).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{rows:?}");
    for (_, domain, times) in SITES {
        let (_, numbers) = rows.iter().find(|(name, _)| name == domain).expect("its row");
        let [_, received, _, connections] = numbers[..] else { panic!("{numbers:?}") };
        assert!(
            received > (times * PAGE) as f64 && received < (times * PAGE) as f64 * 1.1,
            "{domain}: {received}"
        );
        assert_eq!(connections, times as f64, "{domain}");
    }
    // The map: from the client over each domain to the one service, its bands as wide as the bytes.
    let bands = page.value(
        "[...document.querySelectorAll('.sankey .band')].map(band => \
         [band.querySelector('title').textContent, Number(band.getAttribute('stroke-width'))])",
    );
    let bands: Vec<(String, f64)> = serde_json::from_value(bands).expect("bands");
    let width = |domain: &str| {
        let to = format!(" → {domain}: ");
        bands.iter().find(|(title, _)| title.contains(&to)).map_or(0.0, |(_, width)| *width)
    };
    assert!((width("example.org") / width("example.net") - 2.0).abs() < 0.1, "{bands:?}");
    page.show_table("map");
    let paths = page.rows("map");
    let host = page.text(".host bdi");
    for (_, domain, _) in SITES {
        let bytes: f64 = of(domain, "receive") + of(domain, "transmit");
        assert!(
            paths.iter().any(|(client, numbers)| *client == host && numbers == &[bytes]),
            "{domain}: {paths:?}"
        );
    }
    // The curve of what came in is drawn in its colour.
    let blue = page.value(
        "(() => { const canvas = document.querySelector('.throughput canvas'); const { data } = \
         canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); let blue = 0; \
         for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 40 && data[at + 2] > data[at] + 60) blue += 1; \
         return blue; })()",
    );
    assert!(blue.as_u64() > Some(50), "{blue}");
    assert_eq!(page.complaints(), [""; 0]);
    let loaded = page.value("performance.getEntriesByType('resource').map(entry => entry.name)");
    for url in loaded.as_array().expect("addresses") {
        assert!(url.as_str().is_some_and(|url| url.starts_with(&format!("http://{ADDRESS}/"))), "{url}");
    }
    let head = agent.get("/", "").head;
    assert!(
        head.contains("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"),
        "{head}"
    );
    assert!(!head.contains("unsafe"), "{head}");
}

const HOSTILE: [&str; 3] =
    ["<img src=x onerror=hack()>.example", "<script>hack()</script>.example", "\"><b id=owned>.example"];

#[test]
fn hostile_names_stay_text() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _server = tls_server(&there, &directory);
    let agent = agent(&here);
    for name in HOSTILE {
        let name = name.replace('"', "\\\"");
        here.sh(&format!(
            "openssl s_client -connect {THERE}:8443 -servername \"{name}\" </dev/null >/dev/null 2>&1"
        ));
    }
    agent.wait_for("their names", |metrics| {
        metrics.sum("weir_name_io_bytes_total", &[("source", "sni")]) > 0.0
    });
    let page = Page::open(&here, "");
    for panel in ["domains", "map"] {
        page.show_table(panel);
    }
    wait_for("their names on the page", || {
        let text = page.text("main");
        HOSTILE.iter().all(|name| text.contains(name)).then_some(())
    });
    let title = page.value("document.title");
    assert!(title.as_str().is_some_and(|title| title.ends_with("Weir")), "{title}");
    assert_eq!(page.value("document.querySelectorAll('main img, main script, #owned').length"), 0);
    assert_eq!(page.complaints(), [""; 0]);
}
