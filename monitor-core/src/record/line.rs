//! A detection as people read it.

use std::fmt::Write as _;

use super::DetectionRecord;

impl DetectionRecord {
    /// A detection in a line: what, who, whom, and what was counted.
    pub fn line(&self) -> String {
        let mut text = format!("{} ({})", self.kind.as_str().replace('_', " "), self.detail);
        if let Some(source) = self.source_ip {
            write(&mut text, format_args!(" by {source}"));
        }
        match (self.target_ip, &self.name) {
            (Some(target), Some(name)) => write(&mut text, format_args!(" to {target} ({name})")),
            (Some(target), None) => write(&mut text, format_args!(" to {target}")),
            (None, Some(name)) => write(&mut text, format_args!(" by names below {name}")),
            (None, None) => {}
        }
        if let Some(port) = self.target_port {
            write(&mut text, format_args!(" port {port}"));
        }
        let counts = &self.counts;
        let numbers = [
            (counts.flows, "flows"),
            (counts.hosts, "hosts"),
            (counts.ports, "ports"),
            (counts.failed, "failed"),
            (counts.names, "names"),
            (counts.packets, "packets"),
            (counts.bytes, "bytes"),
        ];
        let mut separator = ": ";
        for (number, what) in numbers {
            if let Some(number) = number {
                write(&mut text, format_args!("{separator}{number} {what}"));
                separator = ", ";
            }
        }
        if let (Some(period), Some(jitter)) = (counts.period_seconds, counts.jitter_seconds) {
            write(&mut text, format_args!("{separator}every {period:.1} s ± {jitter:.1} s"));
            separator = ", ";
        }
        if counts.window_seconds >= 0.05 {
            write(&mut text, format_args!("{separator}within {:.1} s", counts.window_seconds));
        }
        if self.until.is_some() {
            text.push_str("; over");
        }
        text
    }
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    // A String has always room.
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        label::DetectionKind,
        record::{DetectionCounts, Id, Text, Time},
    };

    #[test]
    fn a_line_has_who_whom_and_what_was_counted() {
        let record = DetectionRecord {
            time: Time(0),
            kind: DetectionKind::PasswordGuessing,
            detail: Text::from("ssh"),
            source_ip: Some("192.0.2.1".parse().unwrap()),
            target_ip: Some("192.0.2.2".parse().unwrap()),
            target_port: Some(22),
            name: None,
            since: Time(0),
            until: None,
            score: 1.0,
            counts: DetectionCounts { flows: Some(20), window_seconds: 9.0, ..DetectionCounts::default() },
            first_flow: Id(1),
            last_flow: Id(20),
        };
        assert_eq!(
            record.line(),
            "password guessing (ssh) by 192.0.2.1 to 192.0.2.2 port 22: 20 flows, within 9.0 s"
        );
        let over = DetectionRecord { until: Some(Time(1)), ..record };
        assert!(over.line().ends_with("within 9.0 s; over"));
    }
}
