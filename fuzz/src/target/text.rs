//! Text that a user or a client of the API wrote.

use std::path::Path;

use monitor::{config::Config, web::WebConfig};
use monitor_core::{filter::Filter, names, record::Text};

pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Config::of_file(Path::new("weir.toml"), text) {
        assert!(!error.to_string().is_empty(), "an error says what");
    }
}

pub(crate) fn web_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = WebConfig::check(Path::new("web.yml"), text) {
        let error = error.to_string();
        assert!(!error.is_empty() && !error.contains('\n'), "an error says what in one line: {error}");
    }
}

pub(crate) fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Filter>() {
        Ok(filter) => {
            let _ = filter.expression();
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error says what"),
    }
}

/// Names as they stand in outputs.
pub(crate) fn names(bytes: &[u8]) {
    let text = Text::escaped(bytes);
    let shown: &str = &text;
    assert!(shown.len() <= 255, "{} bytes", shown.len());
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!shown.chars().any(obeyed), "{shown:?}");
    if let Some(domain) = names::domain(shown) {
        assert!(shown.contains(domain), "{domain} in {shown}");
    }
}
