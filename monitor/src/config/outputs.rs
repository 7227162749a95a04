//! Where records go: tables `[outputs.NAME]` of the file, and `--output kind=…` for the simple case.

mod network;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::network::{ClickHouse, Ipfix, Kafka, Kind, Login, Network, Peer, Sasl, Tls};
use super::secret::SecretError;
use super::types::Name;
use super::value::{Key as _, Number, Period, Scalar, Shape, Value, ValueError};

/// Bytes of a file.
pub type Size = Number<1, { u32::MAX }>;
/// A second to a week.
pub type Age = Period<1_000, 604_800_000>;
/// Records that wait for a slow output.
type QueueLength = Number<1_000, 10_000_000>;

/// Records that wait when nobody says how many: one drain's at most, and a few of the usual ones.
const QUEUE: u32 = 262_144;
/// The path that is standard output.
pub const STANDARD: &str = "-";

/// When an output begins a new file, and how many old ones stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes after which a file is done.
    pub bytes: u64,
    /// Age after which it is.
    pub age: Duration,
    /// Files that are done and stay, of each kind; `None`: all.
    pub keep: Option<usize>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes: 256 << 20, age: Duration::from_hours(1), keep: None }
    }
}

/// An output: what it writes, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where to.
    pub to: Destination,
    /// Fields that are written; empty: all.
    pub fields: Vec<String>,
    /// Records that may wait for it.
    pub queue: u32,
}

/// A place for records, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// JSON lines in a file, or on standard output ([`STANDARD`]).
    Json(Files),
    /// A directory with tables in CSV.
    Csv(Files),
    /// A directory with tables in Apache Parquet.
    Parquet(Files),
    /// Another host.
    Network(Box<Network>),
}

/// Files on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The file, or the directory.
    pub path: PathBuf,
    /// `None`: whoever else rotates them says so by SIGHUP, or nobody does.
    pub rotation: Option<Rotation>,
}

impl Destination {
    /// The kinds.
    pub const KINDS: &'static [&'static str] =
        &["json", "csv", "parquet", "ipfix", "otlp", "clickhouse", "kafka", "nats"];

    /// The kind, as in the configuration and in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::Csv(_) => "csv",
            Self::Parquet(_) => "parquet",
            Self::Network(network) => network.kind(),
        }
    }

    fn read(kind: &str, options: &mut Options<'_>) -> Result<Self, ValueError> {
        let to = match kind {
            "json" => Self::Json,
            "csv" => Self::Csv,
            "parquet" => Self::Parquet,
            network if Network::KINDS.contains(&network) => {
                return Ok(Self::Network(Box::new(Network::read(network, options)?)));
            }
            _ => {
                let error = ValueError::NotOneOf { text: kind.to_owned(), allowed: Self::KINDS };
                return Err(error.of("kind"));
            }
        };
        Ok(to(Files::read(kind, options)?))
    }

    /// Adds what it is made of, as in a file.
    fn toml(&self, table: &mut toml::Table) {
        match self {
            Self::Json(files) | Self::Csv(files) | Self::Parquet(files) => files.toml(table),
            Self::Network(network) => network.toml(table),
        }
    }

    /// The output to another host, if it is one.
    pub fn network(&self) -> Option<&Network> {
        if let Self::Network(network) = self { Some(network) } else { None }
    }

    /// The directory that is written to, if one is.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Json(files) if files.path == Path::new(STANDARD) => None,
            Self::Json(files) => files
                .path
                .parent()
                .map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent }),
            Self::Csv(files) | Self::Parquet(files) => Some(&files.path),
            Self::Network(network) => Some(&network.spool),
        }
    }
}

impl Files {
    fn read(kind: &str, options: &mut Options<'_>) -> Result<Self, ValueError> {
        let path = options.one("path")?.ok_or_else(|| ValueError::Missing {
            what: format!("kind={kind}"),
            key: "path",
            example: if kind == "json" { "FILE" } else { "DIR" },
        })?;
        let rotates = options.one("rotate")?.unwrap_or(true);
        if !rotates && kind != "json" {
            return Err(ValueError::Form {
                text: "rotate = false".to_owned(),
                expected: "possible for tables, which are whole when they are done",
                example: "rotate-size and rotate-time",
            });
        }
        let default = Rotation::default();
        let rotation = Rotation {
            bytes: options.one::<Size>("rotate-size")?.map_or(default.bytes, |size| size.get().into()),
            age: options.one::<Age>("rotate-time")?.map_or(default.age, Period::get),
            keep: options.one::<Number<1, { u32::MAX }>>("keep")?.map(|keep| keep.get() as usize),
        };
        Ok(Self { path, rotation: rotates.then_some(rotation) })
    }

    fn toml(&self, table: &mut toml::Table) {
        table.insert("path".to_owned(), Scalar::toml(&self.path));
        let Some(rotation) = self.rotation else {
            table.insert("rotate".to_owned(), toml::Value::Boolean(false));
            return;
        };
        let integer = |n: u64| toml::Value::Integer(n as i64);
        table.insert("rotate-size".to_owned(), integer(rotation.bytes));
        let age = toml::Value::String(super::value::duration_text(rotation.age));
        table.insert("rotate-time".to_owned(), age);
        if let Some(keep) = rotation.keep {
            table.insert("keep".to_owned(), integer(keep as u64));
        }
    }
}

/// What was given for an output, key by key; each is taken once.
struct Options<'a> {
    given: Vec<(&'a str, &'a str)>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    /// `key=value` after `key=value`.
    fn new(text: &'a str, separator: char) -> Result<Self, ValueError> {
        let mut given: Vec<(&str, &str)> = Vec::new();
        for part in pieces(text, separator).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| ValueError::Form {
                text: part.to_owned(),
                expected: "a key with its value",
                example: "kind=json,path=/var/log/weir/records.json",
            })?;
            if given.iter().any(|(other, _)| *other == key.trim()) {
                return Err(ValueError::Twice { key: key.trim().to_owned() });
            }
            given.push((key.trim(), value));
        }
        Ok(Self { given, known: Vec::new() })
    }

    fn text(&mut self, key: &'static str) -> Option<&'a str> {
        self.known.push(key);
        let at = self.given.iter().position(|(given, _)| *given == key)?;
        Some(self.given.swap_remove(at).1)
    }

    fn one<T: Scalar>(&mut self, key: &'static str) -> Result<Option<T>, ValueError> {
        self.text(key).map(|text| T::read(&plain(text)).map_err(|error| error.of(key))).transpose()
    }

    fn list(&mut self, key: &'static str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        pieces(text, '+').filter(|piece| !piece.is_empty()).map(plain).collect()
    }

    /// Nothing is left that nobody asked for.
    fn end(self) -> Result<(), ValueError> {
        let Some((key, _)) = self.given.first() else { return Ok(()) };
        let instead = super::nearest(key, self.known.iter().copied()).map_or_else(
            || format!("give some of {}", self.known.join(", ")),
            |nearest| format!("did you mean {nearest:?}?"),
        );
        Err(ValueError::UnknownKey { key: (*key).to_owned(), instead })
    }
}

impl Output {
    /// Of a kind at a place, with everything else as it is when nobody says otherwise.
    pub const fn new(to: Destination, fields: Vec<String>) -> Self {
        Self { to, fields, queue: QUEUE }
    }

    fn of(mut options: Options<'_>) -> Result<Self, ValueError> {
        let kind: String = options.one("kind")?.ok_or_else(|| ValueError::Missing {
            what: "an output".to_owned(),
            key: "kind",
            example: "json",
        })?;
        let to = Destination::read(&kind, &mut options)?;
        let queue = options.one::<QueueLength>("queue")?.map_or(QUEUE, Number::get);
        let fields = options.list("fields");
        options.end()?;
        Ok(Self { to, fields, queue })
    }

    /// Reads what it needs of files: a password, certificates.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read_files(&mut self) -> Result<(), SecretError> {
        if let Destination::Network(network) = &mut self.to { network.read_files() } else { Ok(()) }
    }

    fn toml(&self) -> toml::Value {
        let mut table = toml::Table::new();
        table.insert("kind".to_owned(), toml::Value::String(self.to.kind().to_owned()));
        self.to.toml(&mut table);
        table.insert("queue".to_owned(), toml::Value::Integer(self.queue.into()));
        if !self.fields.is_empty() {
            table.insert("fields".to_owned(), Value::toml(&self.fields));
        }
        toml::Value::Table(table)
    }
}

/// An output of the command line, which may have a name: `kind=json,path=/var/log/weir/records.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// `name=`; `None`: that of its kind.
    pub name: Option<Name>,
    /// The output.
    pub output: Output,
}

impl Given {
    /// From the text of a flag.
    ///
    /// # Errors
    /// When it is no output.
    pub fn read(text: &str) -> Result<Self, ValueError> {
        let mut options = Options::new(text, ',')?;
        let name = options.one("name")?;
        Ok(Self { name, output: Output::of(options)? })
    }
}

/// Outputs by name: `[outputs.NAME]` of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs(pub BTreeMap<Name, Output>);

impl Outputs {
    /// Two that would write the same files, if there are such.
    pub fn same_place(&self) -> Option<(&str, &str)> {
        same_place(self.0.iter().map(|(name, output)| (name.as_str(), output)))
    }
}

/// Two that would write the same files, or keep the same spool, if there are such.
pub fn same_place<'a>(
    outputs: impl IntoIterator<Item = (&'a str, &'a Output)>,
) -> Option<(&'a str, &'a str)> {
    let mut seen: Vec<(&str, &Destination)> = Vec::new();
    for (name, output) in outputs {
        let place = |to: &Destination| to.directory().map(Path::to_owned);
        let path = |to: &Destination| match to {
            Destination::Json(files) | Destination::Csv(files) | Destination::Parquet(files) => {
                files.path.clone()
            }
            Destination::Network(network) => network.spool.clone(),
        };
        let same = |other: &Destination| {
            other.kind() == output.to.kind()
                && path(other) == path(&output.to)
                && place(other) == place(&output.to)
        };
        if let Some((other, _)) = seen.iter().find(|(_, to)| same(to)) {
            return Some((other, name));
        }
        seen.push((name, &output.to));
    }
    None
}

impl Value for Outputs {
    const SHAPE: Shape = Shape::Tables;

    fn read(texts: &[String]) -> Result<Self, ValueError> {
        let mut outputs = BTreeMap::new();
        for text in texts {
            let (name, output) = text.split_once('=').unwrap_or((text, ""));
            let key = <Name as Scalar>::read(name)?;
            let output = Options::new(output, ';').and_then(Output::of).map_err(|error| error.of(name))?;
            outputs.insert(key, output);
        }
        Ok(Self(outputs))
    }

    fn toml(&self) -> toml::Value {
        toml::Value::Table(self.0.iter().map(|(name, output)| (name.text(), output.toml())).collect())
    }
}

/// Cuts a text at a separator; a backslash takes the meaning of what follows.
fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c: char| {
        let ends = c == separator && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
}

/// A text without the backslashes that [`pieces`] heeds.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

/// A text whose separators have no meaning for [`pieces`].
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | ';' | '+' | ',') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of_file(text: &str) -> Result<Outputs, String> {
        Config::of_file(Path::new("weir.toml"), text).map(|config| config.outputs).map_err(|e| e.to_string())
    }

    #[test]
    fn a_table_and_a_flag_say_the_same() {
        let file = "[outputs.json]\nkind = \"json\"\npath = \"/var/log/a+b;c,d\\\\e.json\"\nkeep = 3\n\
                    rotate-size = \"1Mi\"\nrotate-time = \"1h\"\nfields = [\"name\", \"sent.bytes\"]\n";
        let outputs = of_file(file).unwrap();
        let (name, output) = outputs.0.first_key_value().unwrap();
        assert_eq!(name.as_str(), "json");
        let Destination::Json(files) = &output.to else { panic!("{output:?}") };
        assert_eq!(files.path, Path::new("/var/log/a+b;c,d\\e.json"));
        let flag = r"kind=json,path=/var/log/a+b;c\,d\\e.json,keep=3,rotate-size=1Mi,rotate-time=1h,fields=name+sent.bytes";
        let given = Given::read(flag).unwrap();
        assert_eq!((given.name, &given.output), (None, output));
        // What `weir config` prints is a file that says the same.
        let printed = format!("outputs = {}", Value::toml(&outputs));
        assert_eq!(of_file(&printed).unwrap(), outputs);
    }

    #[test]
    fn what_is_wrong_is_one_line_with_its_place() {
        for (text, expected) in [
            (
                "[outputs.a]\nkind = \"xml\"\n",
                "weir.toml:1: outputs: a: kind: \"xml\" is not a valid value; use one of json,",
            ),
            ("[outputs.a]\npath = \"/x\"\n", "outputs: a: an output needs kind=json"),
            ("[outputs.a]\nkind = \"csv\"\n", "outputs: a: kind=csv needs path=DIR"),
            (
                "[outputs.a]\nkind = \"json\"\npath = \"/x\"\nqueue = 10\n",
                "outputs: a: queue: \"10\" is out of range",
            ),
            ("x = 1\n", "unknown key"),
            (
                "[outputs.a]\nkind = \"csv\"\npath = \"/x\"\nrotate-sise = 1\n",
                "did you mean \"rotate-size\"?",
            ),
            ("[outputs.a]\nkind = \"csv\"\npath = \"/x\"\nrotate = false\n", "rotate = false"),
            ("[outputs.A]\nkind = \"csv\"\npath = \"/x\"\n", "not a name"),
            ("outputs = 1\n", "takes a table"),
            (
                "[outputs.a]\nkind = \"csv\"\npath = \"/x\"\n[outputs.b]\nkind = \"csv\"\npath = \"/x\"\n",
                "a and b would write the same files",
            ),
        ] {
            let error = of_file(text).unwrap_err();
            assert!(error.contains(expected) && error.lines().count() == 1, "{text}: {error}");
        }
        for (text, expected) in [
            ("json", "kind=json"),
            ("kind=json,kind=csv", "kind is given twice"),
            ("kind=json,path=-,queue=1", "out of range"),
        ] {
            let error = Given::read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn several_of_a_kind_have_names_of_their_own() {
        let text = "[outputs.all]\nkind = \"json\"\npath = \"/a\"\n[outputs.names]\nkind = \"json\"\npath = \"-\"\n\
                    rotate = false\n";
        let outputs = of_file(text).unwrap();
        let kinds: Vec<_> =
            outputs.0.iter().map(|(name, output)| (name.as_str(), output.to.kind())).collect();
        assert_eq!(kinds, [("all", "json"), ("names", "json")]);
        let directories: Vec<_> = outputs.0.values().map(|output| output.to.directory()).collect();
        assert_eq!(directories, [Some(Path::new("/")), None]);
    }
}
