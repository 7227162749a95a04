//! Messages in a line.

use std::{fmt::Write as _, net::IpAddr};

use monitor_core::record::{DnsRecord, HttpRecord, Text, TlsRecord};

/// Records of a DNS answer that are told.
const ANSWERS: usize = 8;

fn part(text: Option<&Text>) -> &str {
    text.map_or("", Text::as_str)
}

/// A hello.
pub(super) fn tls(tls: &TlsRecord) -> String {
    let name = tls.server_name.as_ref().map_or("none", Text::as_str);
    let alpn: Vec<&str> = tls.alpn.iter().map(AsRef::as_ref).collect();
    format!("hello: name {name}, ALPN {}, JA4 {}", alpn.join(" "), tls.ja4)
}

/// A request or a response of HTTP.
pub(super) fn http(http: &HttpRecord) -> String {
    match http.status {
        Some(status) => format!("response {status}"),
        None => format!(
            "request {} {} {}",
            part(http.method.as_ref()),
            part(http.host.as_ref()),
            part(http.uri.as_ref())
        ),
    }
}

/// A question of DNS, or an answer with what it says.
pub(super) fn dns(dns: &DnsRecord) -> String {
    let mut text = if dns.response { "DNS answer" } else { "DNS query" }.to_owned();
    // Writing to a string cannot fail.
    for question in &dns.questions {
        let _ = write!(text, " {} {}", question.r#type, question.name);
    }
    if let Some(code) = dns.rcode.filter(|code| *code != 0) {
        let _ = write!(text, ", response code {code}");
    }
    for (at, answer) in dns.answers.iter().take(ANSWERS).enumerate() {
        let before = if at == 0 { ": " } else { ", " };
        let _ = write!(text, "{before}{} {}", answer.r#type, part(answer.data.as_ref()));
    }
    if dns.answers.len() > ANSWERS {
        let _ = write!(text, " and {} more", dns.answers.len() - ANSWERS);
    }
    text
}

/// Whether an answer gives an address for a name.
pub(super) fn gives(dns: &DnsRecord, address: IpAddr, name: Option<&Text>) -> bool {
    let is_it = |text: &Text| text.as_str().parse() == Ok(address);
    let asked =
        dns.questions.iter().any(|q| name.is_some_and(|n| n.as_str().eq_ignore_ascii_case(q.name.as_str())));
    asked && dns.answers.iter().any(|answer| answer.data.as_ref().is_some_and(is_it))
}
