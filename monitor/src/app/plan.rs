//! What was asked for: where a running instance writes records and when it ends, from flags of `weir run` and
//! `weir record`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::RunError;

use crate::{
    config::{
        Config, Loaded,
        outputs::{Age, Destination, Files, Given, Output, Rotation, STANDARD, Size, same_place},
        value::{Number, Period, Scalar},
    },
    sink::{
        LINES, OutputError, PacketFiles, Place,
        build::Of,
        run::{Named, Prepared},
    },
};

/// Bytes of a packet: at least an Ethernet header with a tag of a VLAN.
type Snaplen = Number<18, 262_144>;

fn read<T: Scalar>(text: &str) -> Result<T, String> {
    T::read(text).map_err(|error| error.to_string())
}

/// An output of the command line.
pub(crate) fn given(text: &str) -> Result<Given, String> {
    Given::read(text).map_err(|error| error.to_string())
}

/// What `weir run` writes beside its metrics.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Records (flags alone, no settings)")]
pub struct RunOutputs {
    /// Write records as JSON lines: to a file, which is added to, or to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Write records as CSV into a directory.
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// Write records as Parquet into a directory.
    #[arg(long, value_name = "DIR")]
    parquet: Option<PathBuf>,
    /// Write records to an output of this kind, such as `kind=json,path=FILE`; may be given several times. `--json`,
    /// `--csv` and `--parquet` are short for it. Keys: those of [outputs.NAME] of the config file, and `name`.
    #[arg(long, value_name = "kind=KIND,…", value_parser = given)]
    output: Vec<Given>,
    /// Fields to write, such as `start,name,sent.bytes`; `help` lists them.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    fields: Vec<String>,
    #[command(flatten)]
    rotate: Rotate,
}

/// When a new file begins, and how many stay.
#[derive(Clone, Debug, Default, Args)]
struct Rotate {
    /// Begin a new file after this many bytes, less than 4Gi [default: 256Mi; `weir record`: one file].
    #[arg(long = "rotate-size", value_name = "SIZE", value_parser = read::<Size>)]
    size: Option<Size>,
    /// Begin a new file after this time, a second to a week [default: 1h; `weir record`: one file].
    #[arg(long = "rotate-time", value_name = "TIME", value_parser = read::<Age>)]
    age: Option<Age>,
    /// Keep this many finished files of each kind and remove older ones [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
}

impl Rotate {
    /// What was given, with defaults for the rest.
    fn get(&self) -> Rotation {
        let default = Rotation::default();
        Rotation {
            bytes: self.size.map_or(default.bytes, |size| u64::from(size.get())),
            age: self.age.map_or(default.age, Period::get),
            keep: self.keep.map(|keep| keep as usize),
        }
    }

    /// The same, if anything was given.
    fn wanted(&self) -> Option<Rotation> {
        let given = self.size.is_some() || self.age.is_some() || self.keep.is_some();
        given.then(|| self.get())
    }
}

/// What `weir record` takes away.
#[derive(Clone, Debug, Args)]
pub struct Recording {
    /// How long; without it, until Ctrl-C (SIGINT or SIGTERM).
    #[arg(long, value_name = "TIME", value_parser = read::<Age>)]
    duration: Option<Age>,
    /// The same in seconds.
    #[arg(long, value_name = "N", value_parser = seconds, conflicts_with = "duration")]
    seconds: Option<Age>,
    /// Directory for the files; created if missing.
    #[arg(short, long, value_name = "DIR", required_unless_present = "csv")]
    output: Option<PathBuf>,
    /// Write a table of packets instead, one row per packet, to this file: CSV, or Parquet if it is called so. Packets
    /// are kept in the directory FILE.recording until the end, when their names are known.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "packets", "form", "size", "age", "keep"])]
    csv: Option<PathBuf>,
    /// Where the packets of such a table wait.
    #[arg(long, value_name = "DIR", requires = "csv", hide = true)]
    inner: Option<PathBuf>,
    /// Write the packets too: packets.pcapng, for Wireshark, tcpdump and `weir pcap`.
    #[arg(long)]
    packets: bool,
    /// Keep this many bytes of each packet; without it, all.
    #[arg(long, value_name = "SIZE", requires = "packets", value_parser = read::<Snaplen>)]
    snaplen: Option<Snaplen>,
    /// Forms of the records: `json` is records.json, `csv` flow.csv, dns.csv and so on, `parquet` the same
    /// as Apache Parquet.
    #[arg(long, value_name = "FORM,…", value_delimiter = ',', default_value = "json,csv")]
    form: Vec<FileForm>,
    /// Fields to write, such as `start,name,sent.bytes`; `help` lists them.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    fields: Vec<String>,
    #[command(flatten)]
    rotate: Rotate,
    /// Replace an earlier recording in that directory: all of its files go, also those of other forms.
    #[arg(long)]
    force: bool,
}

/// A table of packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    /// Its file.
    pub(crate) file: &'a Path,
    /// Its columns; none: all.
    pub(crate) fields: &'a [String],
    /// A file that is there already is replaced.
    pub(crate) replace: bool,
}

/// A form of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FileForm {
    /// JSON lines: records.json.
    Json,
    /// Comma-separated values: flow.csv, dns.csv and so on.
    Csv,
    /// Apache Parquet: flow.parquet and so on.
    Parquet,
}

/// What becomes of the records of a run, and when it ends.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Count until a signal and serve the numbers.
    Run(RunOutputs),
    /// Write for a while and serve nothing.
    Record(Recording),
}

impl Plan {
    /// What follows from the plan for settings that nobody gave.
    pub(super) fn adapt(&self, loaded: &mut Loaded) {
        if self.serves() {
            return;
        }
        if !loaded.is_from_flag("samples.enabled") {
            // Names are what a recording is for.
            loaded.config.samples_enabled = true;
        }
        // What is taken away ends with the recording.
        loaded.config.pin = None;
    }

    /// Where a recording goes, if this is one: to be begun when all else stands.
    pub(super) fn place(&self) -> Result<Option<Place>, OutputError> {
        match self {
            Self::Run(_) => Ok(None),
            Self::Record(recording) => Place::prepare(recording.directory(), recording.force).map(Some),
        }
    }

    /// Whether all that is asked for is a list of the fields.
    pub fn asks_for_fields(&self) -> bool {
        let (Self::Run(RunOutputs { fields, .. }) | Self::Record(Recording { fields, .. })) = self;
        *fields == ["help"]
    }

    /// The outputs for records: those of the file and of the flags.
    ///
    /// # Errors
    /// When two have one name.
    pub(super) fn outputs(&self, config: &Config) -> Result<Vec<Named>, OutputError> {
        match self {
            Self::Run(outputs) => {
                let of_file = config.outputs.0.iter();
                let of_file = of_file.map(|(name, output)| (name.as_str().to_owned(), output.clone()));
                named(of_file.collect(), outputs.given())
            }
            // What is taken away is what was asked for here.
            Self::Record(recording) => Ok(recording.outputs()),
        }
    }

    /// The same, with what they need of files, such as passwords.
    ///
    /// # Errors
    /// Also when a file cannot be read.
    pub(super) fn read_outputs(&self, config: &Config) -> Result<Vec<Named>, RunError> {
        let mut outputs = self.outputs(config)?;
        outputs.iter_mut().try_for_each(|(_, output)| output.read_files())?;
        Ok(outputs)
    }

    /// Makes their sinks.
    ///
    /// # Errors
    /// When one cannot be made.
    pub(super) fn prepare(&self, config: &Config) -> Result<Prepared, RunError> {
        let of = if self.serves() { Of::Run } else { Of::Recording };
        Ok(Prepared::new(self.read_outputs(config)?, of)?)
    }

    /// Where packets go, if anywhere.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub(super) fn packets(&self) -> Result<Option<PacketFiles>, OutputError> {
        match self {
            Self::Run(_) => Ok(None),
            Self::Record(recording) => recording.packets(),
        }
    }

    /// The directory of a recording, if this is one that a person takes away as it is.
    pub(super) fn recorded(&self) -> Option<&Path> {
        match self {
            Self::Record(recording) if recording.inner.is_none() => Some(recording.directory()),
            _ => None,
        }
    }

    /// Whether metrics are served.
    pub(super) const fn serves(&self) -> bool {
        matches!(self, Self::Run(_))
    }

    /// Directories that are written to.
    pub(super) fn directories(&self, config: &Config) -> Vec<PathBuf> {
        let outputs = self.outputs(config).unwrap_or_default();
        let mut directories: Vec<PathBuf> =
            outputs.iter().filter_map(|(_, output)| output.to.directory().map(Path::to_owned)).collect();
        if let Self::Record(recording) = self {
            directories.push(recording.directory().to_owned());
        }
        directories
    }

    /// How long it lasts; `None`: until a signal.
    pub(super) fn duration(&self) -> Option<Duration> {
        match self {
            Self::Run(_) => None,
            Self::Record(recording) => recording.seconds.or(recording.duration).map(Period::get),
        }
    }

    /// Whether records go to standard output, which then is not for people.
    pub(super) fn takes_standard_output(&self, config: &Config) -> bool {
        let standard = |output: &Output| matches!(&output.to, Destination::Json(files) if files.path == Path::new(STANDARD));
        self.outputs(config).is_ok_and(|outputs| outputs.iter().any(|(_, output)| standard(output)))
    }
}

/// Gives outputs of the command line their names: that of their kind, if they have none of their own.
pub(crate) fn named(mut outputs: Vec<Named>, given: Vec<Given>) -> Result<Vec<Named>, OutputError> {
    for Given { name, output } in given {
        let kind = output.to.kind();
        let free = |name: &str| outputs.iter().all(|(other, _)| other != name);
        let name = match name {
            Some(name) if free(name.as_str()) => name.as_str().to_owned(),
            Some(name) => return Err(OutputError::Name { name: name.as_str().to_owned() }),
            None if free(kind) => kind.to_owned(),
            None => {
                // Among one more names than there are outputs, one is free.
                let names = (2..outputs.len() + 3).map(|n| format!("{kind}-{n}"));
                names.into_iter().find(|name| free(name)).unwrap_or_default()
            }
        };
        outputs.push((name, output));
    }
    let all = outputs.iter().map(|(name, output)| (name.as_str(), output));
    match same_place(all) {
        Some((one, other)) => Err(OutputError::SamePlace { one: one.to_owned(), other: other.to_owned() }),
        None => Ok(outputs),
    }
}

/// What `--json`, `--csv` and `--parquet` are short for.
pub(crate) fn short_forms(
    json: Option<&Path>,
    csv: Option<&Path>,
    parquet: Option<&Path>,
    fields: &[String],
    rotation: Option<Rotation>,
) -> Vec<Given> {
    type Kind = fn(Files) -> Destination;
    let forms: [(Option<&Path>, Kind); 3] =
        [(json, Destination::Json), (csv, Destination::Csv), (parquet, Destination::Parquet)];
    let given = |(path, kind): (Option<&Path>, Kind)| {
        let files = Files { path: path?.to_owned(), rotation };
        Some(Given { name: None, output: Output::new(kind(files), fields.to_vec()) })
    };
    forms.into_iter().filter_map(given).collect()
}

impl RunOutputs {
    fn given(&self) -> Vec<Given> {
        let (json, csv, parquet) = (self.json.as_deref(), self.csv.as_deref(), self.parquet.as_deref());
        let mut given = short_forms(json, csv, parquet, &self.fields, Some(self.rotate.get()));
        given.extend(self.output.iter().cloned());
        given
    }
}

/// A whole number of seconds.
fn seconds(text: &str) -> Result<Age, String> {
    read(&format!("{text}s"))
}

impl Recording {
    /// The table that is wanted instead of a directory, a row per packet, with its fields.
    pub(crate) fn table(&self) -> Option<Table<'_>> {
        let file = self.csv.as_deref().filter(|_| self.inner.is_none())?;
        Some(Table { file, fields: &self.fields, replace: self.force })
    }

    /// Where it goes.
    fn directory(&self) -> &Path {
        // The command line has one of them.
        self.inner.as_deref().or(self.output.as_deref()).unwrap_or(Path::new("."))
    }

    fn packets(&self) -> Result<Option<PacketFiles>, OutputError> {
        let snaplen = self.snaplen.map(Number::get);
        let files = || PacketFiles::new(self.directory(), self.rotate.wanted(), snaplen);
        (self.packets || self.inner.is_some()).then(files).transpose()
    }

    fn outputs(&self) -> Vec<Named> {
        if self.inner.is_some() {
            return Vec::new();
        }
        let directory = self.directory();
        let lines = directory.join(LINES.0).with_extension(LINES.1);
        let wants = |form, path: &Path| self.form.contains(&form).then(|| path.to_owned());
        let [csv, parquet] = [FileForm::Csv, FileForm::Parquet].map(|form| wants(form, directory));
        let json = wants(FileForm::Json, &lines);
        let rotation = self.rotate.wanted();
        let given = short_forms(json.as_deref(), csv.as_deref(), parquet.as_deref(), &self.fields, rotation);
        named(Vec::new(), given).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(given: &[&str]) -> Result<Vec<String>, String> {
        let given = given.iter().map(|text| Given::read(text).expect("an output")).collect();
        let named = named(Vec::new(), given).map_err(|error| error.to_string())?;
        Ok(named.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn outputs_of_the_command_line_have_names_and_places_of_their_own() {
        let two = ["kind=json,path=/a/b", "kind=json,path=/a/c"];
        assert_eq!(outputs(&two), Ok(vec!["json".to_owned(), "json-2".to_owned()]));
        let same = outputs(&["kind=json,path=/a/b,name=q", "kind=json,path=/a/b"]).unwrap_err();
        assert!(same.starts_with("q and json would write the same files"), "{same}");
        let spools = outputs(&["kind=ipfix,to=127.0.0.1:1", "kind=ipfix,to=127.0.0.1:2"]).unwrap_err();
        assert!(spools.contains("a spool"), "{spools}");
        let apart = ["kind=ipfix,to=127.0.0.1:1", "kind=ipfix,to=127.0.0.1:2,spool=/s/2"];
        assert_eq!(outputs(&apart), Ok(vec!["ipfix".to_owned(), "ipfix-2".to_owned()]));
    }
}
