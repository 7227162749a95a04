//! A report as sections of facts and tables: what is said, apart from how it looks.

/// Which section.
macro_rules! sections {
    ($($name:ident = $word:literal, $title:literal;)+) => {
        /// A section of the report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SectionId {
            $(
                #[doc = $title]
                $name,
            )+
        }

        impl SectionId {
            /// All, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As `--section` names it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// Its heading.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                }
            }
        }
    };
}

sections! {
    Summary = "summary", "Summary";
    Findings = "findings", "Findings";
    Domains = "domains", "Domains and names";
    Sources = "sources", "Sources of connections";
    Tcp = "tcp", "TCP health";
    Hosts = "hosts", "Hosts";
    Conversations = "conversations", "Conversations";
    Services = "services", "Services and ports";
    Owners = "owners", "Owners of addresses";
    Dns = "dns", "DNS";
    Tls = "tls", "TLS";
    Http = "http", "HTTP in clear text";
    Throughput = "throughput", "Throughput";
    Sizes = "sizes", "Packet sizes";
    Fragments = "fragments", "Fragments";
    Capture = "capture", "Capture";
}

impl std::str::FromStr for SectionId {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Some(section) = Self::ALL.iter().find(|section| section.as_str() == word) {
            return Ok(*section);
        }
        let all: Vec<&str> = Self::ALL.iter().map(|section| section.as_str()).collect();
        let near = all.iter().min_by_key(|known| strsim::damerau_levenshtein(word, known));
        // Two slips of the finger, and less than half of the word: `foo` is like nothing.
        let slips = 2.min(word.chars().count().saturating_sub(1) / 2);
        Err(match near.filter(|known| strsim::damerau_levenshtein(word, known) <= slips) {
            Some(near) => format!("no such section, did you mean `{near}`?"),
            None => format!("no such section; use one of {}", all.join(", ")),
        })
    }
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section {
    /// Which.
    pub id: SectionId,
    /// How to read it, one sentence.
    pub about: &'static str,
    /// What it says; nothing: there was nothing of that.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug)]
pub enum Block {
    /// Labels and what they are.
    Facts(Vec<(&'static str, Cell)>),
    /// Rows.
    Table(Table),
    /// Bytes a second over time in one line.
    Spark,
    /// The same with room for more.
    Timeline,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// What its rows are.
    pub title: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, as many cells as columns each.
    pub rows: Vec<Row>,
    /// What is not shown.
    pub note: Option<String>,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Ends at the right.
    pub number: bool,
    /// Goes before others where there is no room: the highest first; 0 never.
    pub drop: u8,
}

impl Column {
    /// A column of text.
    pub const fn text(title: &'static str) -> Self {
        Self { title, number: false, drop: 0 }
    }

    /// A column of numbers.
    pub const fn number(title: &'static str) -> Self {
        Self { title, number: true, drop: 0 }
    }

    /// The same, which may be left out.
    #[must_use]
    pub const fn drop(self, drop: u8) -> Self {
        Self { drop, ..self }
    }
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its cells.
    pub cells: Vec<Cell>,
    /// It belongs to the row above.
    pub below: bool,
}

impl Row {
    /// A row of its own.
    pub const fn new(cells: Vec<Cell>) -> Self {
        Self { cells, below: false }
    }

    /// A part of the row above.
    pub const fn below(cells: Vec<Cell>) -> Self {
        Self { cells, below: true }
    }
}

/// How a cell is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Of less weight.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Not as it should be.
    Bad,
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// What stands there.
    pub text: String,
    /// What rows are sorted by; the text where it is absent.
    pub key: Option<f64>,
    /// How it is meant.
    pub tone: Tone,
    /// A bar of this share, 0 to 1, instead of text.
    pub bar: Option<f64>,
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number as it is to be shown, and for sorting.
    pub fn number(text: impl Into<String>, key: f64) -> Self {
        Self { text: text.into(), key: Some(key), ..Self::default() }
    }

    /// A whole number.
    pub fn count(count: u64) -> Self {
        Self::number(crate::view::units::count(count), count as f64)
    }

    /// Bytes.
    pub fn bytes(bytes: u64) -> Self {
        Self::number(crate::view::units::bytes(bytes as f64), bytes as f64)
    }

    /// A duration, where there is one.
    pub fn seconds(seconds: Option<f64>) -> Self {
        seconds.map_or_else(Self::default, |s| Self::number(crate::view::units::seconds(s), s))
    }

    /// A part of a whole as percent.
    pub fn percent(part: u64, whole: u64) -> Self {
        let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Self::number(crate::view::units::percent(part, whole), share)
    }

    /// Tenths of a percent.
    pub fn tenths(share: u32) -> Self {
        Self::number(crate::view::units::tenths(share), f64::from(share))
    }

    /// A bar.
    pub fn bar(share: f64) -> Self {
        Self { bar: Some(share.clamp(0.0, 1.0)), key: Some(share), ..Self::default() }
    }

    /// The same with a meaning.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_is_not_known_gives_the_nearest() {
        assert_eq!("dns".parse(), Ok(SectionId::Dns));
        assert!("foo".parse::<SectionId>().is_err_and(|e| !e.contains("did you mean")));
        assert!("".parse::<SectionId>().is_err_and(|e| !e.contains("did you mean")));
        assert!("domain".parse::<SectionId>().is_err_and(|e| e.contains("`domains`")));
        assert!("xyzzyxyzzy".parse::<SectionId>().is_err_and(|e| e.contains("summary, findings")));
    }
}
