//! What a client wants: RFC 9110, 12.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AsHeaderName};

use crate::view::prometheus::Format;

/// Elements of a list header with their quality from 0 to 1000, and their other parameters.
fn elements(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = (&str, u32, &str)> {
    headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).map(|element| {
        let (token, parameters) = element.split_once(';').unwrap_or((element, ""));
        let quality = parameters
            .split(';')
            .find_map(|p| p.trim().strip_prefix("q="))
            .map_or(1000, |q| q.trim().parse::<f32>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u32));
        (token.trim(), quality, parameters)
    })
}

/// The best quality of the elements that `meant` names.
fn quality(headers: &HeaderMap, name: impl AsHeaderName, mut meant: impl FnMut(&str, &str) -> bool) -> u32 {
    elements(headers, name)
        .filter(|(token, _, rest)| meant(token, rest))
        .map(|(_, q, _)| q)
        .max()
        .unwrap_or(0)
}

/// The format of the metrics page: OpenMetrics for who asks for it no less than for text.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let open = quality(headers, ACCEPT, |token, parameters| {
        let version = parameters.split(';').find_map(|p| p.trim().strip_prefix("version="));
        token.eq_ignore_ascii_case("application/openmetrics-text")
            && matches!(version, None | Some("1.0.0" | "0.0.1"))
    });
    let text = quality(headers, ACCEPT, |token, parameters| {
        let version = parameters.split(';').find_map(|p| p.trim().strip_prefix("version="));
        token.eq_ignore_ascii_case("text/plain") && matches!(version, None | Some("0.0.4"))
    });
    if open > 0 && open >= text { Format::OpenMetrics } else { Format::Text }
}

/// Whether the answer may be compressed with gzip.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let named = elements(headers, ACCEPT_ENCODING).find(|(token, ..)| token.eq_ignore_ascii_case("gzip"));
    named.map_or_else(|| quality(headers, ACCEPT_ENCODING, |token, _| token == "*"), |(_, q, _)| q) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(name, value.parse().unwrap());
        map
    }

    #[test]
    fn format_follows_accept() {
        use Format::{OpenMetrics, Text};
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus_3, OpenMetrics),
            (prometheus_2, OpenMetrics),
            ("*/*", Text),
            ("text/html", Text),
            ("text/plain, application/openmetrics-text;q=0.5", Text),
            ("application/openmetrics-text; q=0", Text),
            ("application/openmetrics-text; version=2.0.0", Text),
            ("Application/OpenMetrics-Text", OpenMetrics),
            ("application/openmetrics-text;q=x", Text),
        ] {
            assert_eq!(format(&headers("accept", accept)), expected, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), Text);
    }

    #[test]
    fn gzip_follows_accept_encoding() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, GZip;q=0.5", true),
            ("gzip;q=0, *", false),
            ("*", true),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(gzip(&headers("accept-encoding", value)), expected, "{value}");
        }
        assert!(!gzip(&HeaderMap::new()));
    }
}
