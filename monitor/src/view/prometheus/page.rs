//! Writes a page of metrics in either format, a sample at a time, without memory of its own.
//!
//! Text format 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>. OpenMetrics 1.0:
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::io::Write;
use std::net::IpAddr;

/// A format of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of a page.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
    /// A sum and how many it is the sum of.
    Summary,
}

/// A metric family.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// Its name; a counter's without `_total`.
    pub name: &'a str,
    /// What it measures.
    pub kind: Kind,
    /// What it means, in one line.
    pub help: &'a str,
}

impl Family<'_> {
    /// The unit at the end of the name, if it is one.
    fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"]
            .into_iter()
            .find(|u| self.name.strip_suffix(u).is_some_and(|rest| rest.ends_with('_')))
    }
}

/// A label's value.
#[derive(Clone, Copy, Debug)]
pub enum Label<'a> {
    /// Any text: it is escaped.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// An address.
    Address(IpAddr),
}

impl<'a> From<&'a str> for Label<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// Labels of a sample, in the order of the page.
pub type Labels<'a> = [(&'a str, Label<'a>)];

/// A sample's number.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A count.
    Whole(u64),
    /// Anything else.
    Real(f64),
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        Self::Whole(n)
    }
}

impl From<f64> for Number {
    fn from(n: f64) -> Self {
        Self::Real(n)
    }
}

/// A page while it is written.
#[derive(Debug)]
pub struct Page {
    out: Vec<u8>,
    format: Format,
    name: String,
    kind: Kind,
    /// Whether creation times are written.
    says_created: bool,
}

impl Page {
    /// An empty page; `buffer` gives its memory back to use.
    pub fn new(format: Format, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { out: buffer, format, name: String::new(), kind: Kind::Gauge, says_created: false }
    }

    /// Begins a family. All its samples follow.
    pub fn family(&mut self, family: &Family<'_>) {
        self.name.clear();
        self.name.push_str(family.name);
        self.kind = family.kind;
        let counter = family.kind == Kind::Counter && self.format == Format::Text;
        let total: &[u8] = if counter { b"_total" } else { b"" };
        let kind: &[u8] = match family.kind {
            Kind::Counter => b"counter",
            Kind::Gauge => b"gauge",
            Kind::Histogram => b"histogram",
            Kind::Summary => b"summary",
        };
        self.put(b"# HELP ");
        self.put(family.name.as_bytes());
        self.put(total);
        self.put(b" ");
        self.help(family.help);
        self.put(b"\n# TYPE ");
        self.put(family.name.as_bytes());
        self.put(total);
        self.put(b" ");
        self.put(kind);
        self.put(b"\n");
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit()) {
            self.put(b"# UNIT ");
            self.put(family.name.as_bytes());
            self.put(b" ");
            self.put(unit.as_bytes());
            self.put(b"\n");
        }
    }

    /// A sample of a counter or gauge.
    pub fn sample(&mut self, labels: &Labels<'_>, value: impl Into<Number>) {
        let suffix: &[u8] = if self.kind == Kind::Counter { b"_total" } else { b"" };
        self.head(suffix, labels, None);
        self.number(value.into());
        self.put(b"\n");
    }

    /// Whether [`Self::created`] writes anything.
    pub const fn set_created(&mut self, created: bool) {
        self.says_created = created;
    }

    /// When the counter before this was 0, in nanoseconds since the Unix epoch. Only OpenMetrics says it.
    pub fn created(&mut self, labels: &Labels<'_>, nanoseconds: u64) {
        if self.format == Format::Text || !self.says_created {
            return;
        }
        self.head(b"_created", labels, None);
        self.whole(nanoseconds / 1_000_000_000);
        self.put(b".");
        let millis = (nanoseconds / 1_000_000 % 1000) as u32;
        let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|d| b'0' + d as u8);
        self.put(&digits);
        self.put(b"\n");
    }

    /// A histogram: its buckets are cumulative, ascend and end with infinity.
    pub fn histogram(
        &mut self,
        labels: &Labels<'_>,
        buckets: impl Iterator<Item = (f64, u64)>,
        sum: f64,
        count: u64,
    ) {
        for (bound, below) in buckets {
            self.head(b"_bucket", labels, Some(bound));
            self.whole(below);
            self.put(b"\n");
        }
        self.summary(labels, sum, count);
    }

    /// A summary without quantiles.
    pub fn summary(&mut self, labels: &Labels<'_>, sum: f64, count: u64) {
        self.head(b"_sum", labels, None);
        self.real(sum);
        self.put(b"\n");
        self.head(b"_count", labels, None);
        self.whole(count);
        self.put(b"\n");
    }

    /// The whole page.
    pub fn finish(mut self) -> Vec<u8> {
        if self.format == Format::OpenMetrics {
            self.put(b"# EOF\n");
        }
        self.out
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn head(&mut self, suffix: &[u8], labels: &Labels<'_>, bound: Option<f64>) {
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.extend_from_slice(suffix);
        let mut open = b'{';
        for (name, value) in labels {
            self.out.push(open);
            open = b',';
            self.put(name.as_bytes());
            self.put(b"=\"");
            match value {
                Label::Text(text) => self.escape(text),
                Label::Number(n) => self.whole(*n),
                Label::Address(address) => self.display(address),
            }
            self.put(b"\"");
        }
        if let Some(bound) = bound {
            self.out.push(open);
            open = b',';
            self.put(b"le=\"");
            self.real(bound);
            // OpenMetrics wants the bounds of all exposers alike: canonical numbers.
            if self.format == Format::OpenMetrics && bound.is_finite() && bound.fract() == 0.0 {
                self.put(b".0");
            }
            self.put(b"\"");
        }
        self.put(if open == b',' { b"} " } else { b" " });
    }

    /// Both formats escape the same three characters in label values.
    fn escape(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|b| matches!(b, b'\\' | b'"' | b'\n')) {
            self.put(&rest[..at]);
            self.put(match rest[at] {
                b'\n' => b"\\n",
                b'"' => b"\\\"",
                _ => b"\\\\",
            });
            rest = &rest[at + 1..];
        }
        self.put(rest);
    }

    /// In HELP, the text format leaves quotation marks as they are and OpenMetrics escapes them.
    fn help(&mut self, text: &str) {
        match self.format {
            Format::OpenMetrics => self.escape(text),
            Format::Text => {
                for b in text.bytes() {
                    match b {
                        b'\\' => self.put(b"\\\\"),
                        b'\n' => self.put(b"\\n"),
                        b => self.out.push(b),
                    }
                }
            }
        }
    }

    fn number(&mut self, value: Number) {
        match value {
            Number::Whole(n) => self.whole(n),
            Number::Real(n) => self.real(n),
        }
    }

    fn whole(&mut self, n: u64) {
        self.put(itoa::Buffer::new().format(n).as_bytes());
    }

    fn real(&mut self, n: f64) {
        if n.is_nan() {
            self.put(b"NaN");
        } else if n.is_infinite() {
            self.put(if n > 0.0 { b"+Inf" } else { b"-Inf" });
        } else {
            self.display(&n);
        }
    }

    fn display(&mut self, value: &impl std::fmt::Display) {
        // Writing to a vector cannot fail.
        drop(write!(self.out, "{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format) -> String {
        let mut page = Page::new(format, b"left over".to_vec());
        page.set_created(true);
        page.family(&Family { name: "weir_x_bytes", kind: Kind::Counter, help: "Bytes of \"x\" \\ y." });
        let labels = [("name", Label::Text("a\"b\\c\nd")), ("port", Label::Number(443))];
        page.sample(&labels, u64::MAX);
        page.created(&labels, 1_500_000_000_042_000_000);
        page.family(&Family { name: "weir_up", kind: Kind::Gauge, help: "Up." });
        page.sample(&[], 0.5);
        page.family(&Family { name: "weir_d_seconds", kind: Kind::Histogram, help: "D." });
        page.histogram(&[], [(0.5, 1), (1.0, 2), (f64::INFINITY, 3)].into_iter(), 2.25, 3);
        page.histogram(&[("a", "b".into())], [(f64::INFINITY, 0)].into_iter(), 0.0, 0);
        String::from_utf8(page.finish()).unwrap()
    }

    #[test]
    fn text_page_is_exact() {
        assert_eq!(
            page(Format::Text),
            r#"# HELP weir_x_bytes_total Bytes of "x" \\ y.
# TYPE weir_x_bytes_total counter
weir_x_bytes_total{name="a\"b\\c\nd",port="443"} 18446744073709551615
# HELP weir_up Up.
# TYPE weir_up gauge
weir_up 0.5
# HELP weir_d_seconds D.
# TYPE weir_d_seconds histogram
weir_d_seconds_bucket{le="0.5"} 1
weir_d_seconds_bucket{le="1"} 2
weir_d_seconds_bucket{le="+Inf"} 3
weir_d_seconds_sum 2.25
weir_d_seconds_count 3
weir_d_seconds_bucket{a="b",le="+Inf"} 0
weir_d_seconds_sum{a="b"} 0
weir_d_seconds_count{a="b"} 0
"#
        );
    }

    #[test]
    fn open_metrics_page_is_exact() {
        assert_eq!(
            page(Format::OpenMetrics),
            r#"# HELP weir_x_bytes Bytes of \"x\" \\ y.
# TYPE weir_x_bytes counter
# UNIT weir_x_bytes bytes
weir_x_bytes_total{name="a\"b\\c\nd",port="443"} 18446744073709551615
weir_x_bytes_created{name="a\"b\\c\nd",port="443"} 1500000000.042
# HELP weir_up Up.
# TYPE weir_up gauge
weir_up 0.5
# HELP weir_d_seconds D.
# TYPE weir_d_seconds histogram
# UNIT weir_d_seconds seconds
weir_d_seconds_bucket{le="0.5"} 1
weir_d_seconds_bucket{le="1.0"} 2
weir_d_seconds_bucket{le="+Inf"} 3
weir_d_seconds_sum 2.25
weir_d_seconds_count 3
weir_d_seconds_bucket{a="b",le="+Inf"} 0
weir_d_seconds_sum{a="b"} 0
weir_d_seconds_count{a="b"} 0
# EOF
"#
        );
    }
}
