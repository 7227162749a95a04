//! Where a running instance writes records: flags of `weir run` and `weir record`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use crate::{
    config::value::{Number, Period, Scalar},
    sink::{
        Fields, Form, OutputError,
        live::{self, Lines, PacketFiles, Place, Rotation, Sink, Tables},
    },
};

/// Bytes of a file.
type Size = Number<1, { u32::MAX }>;
/// Bytes of a packet: at least an Ethernet header with a tag of a VLAN.
type Snaplen = Number<18, 262_144>;
/// A second to a week.
type Age = Period<1_000, 604_800_000>;

fn read<T: Scalar>(text: &str) -> Result<T, String> {
    T::read(text).map_err(|error| error.to_string())
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
        Rotation {
            bytes: self.size.map_or(256 << 20, |size| u64::from(size.get())),
            age: self.age.map_or(Duration::from_hours(1), Period::get),
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
    /// How long; without it, until a signal.
    #[arg(long, value_name = "TIME", value_parser = read::<Age>)]
    duration: Option<Age>,
    /// Directory for the files; made if it is not there.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
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
    /// Where a recording goes, if this is one: to be begun when all else stands.
    pub(super) fn place(&self) -> Result<Option<Place>, OutputError> {
        match self {
            Self::Run(_) => Ok(None),
            Self::Record(recording) => Place::prepare(&recording.output, recording.force).map(Some),
        }
    }

    /// Whether all that is asked for is a list of the fields.
    pub fn asks_for_fields(&self) -> bool {
        let (Self::Run(RunOutputs { fields, .. }) | Self::Record(Recording { fields, .. })) = self;
        *fields == ["help"]
    }

    /// Creates what is written to.
    pub(super) fn sinks(&self) -> Result<Vec<Box<dyn Sink>>, OutputError> {
        match self {
            Self::Run(outputs) => outputs.sinks(),
            Self::Record(recording) => recording.sinks(),
        }
    }

    /// Where packets go, if anywhere.
    pub(super) fn packets(&self) -> Option<PacketFiles> {
        match self {
            Self::Run(_) => None,
            Self::Record(recording) => recording.packets(),
        }
    }

    /// Whether metrics are served.
    pub(super) const fn serves(&self) -> bool {
        matches!(self, Self::Run(_))
    }

    /// Directories that are written to.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        match self {
            Self::Run(outputs) => outputs.directories(),
            Self::Record(recording) => vec![recording.output.clone()],
        }
    }

    /// How long it lasts; `None`: until a signal.
    pub(super) fn duration(&self) -> Option<Duration> {
        match self {
            Self::Run(_) => None,
            Self::Record(recording) => recording.duration.map(Period::get),
        }
    }

    /// Whether records go to standard output, which then is not for people.
    pub(super) fn takes_standard_output(&self) -> bool {
        matches!(self, Self::Run(RunOutputs { json: Some(path), .. }) if path == Path::new("-"))
    }
}

impl RunOutputs {
    fn directories(&self) -> Vec<PathBuf> {
        let lines = self.json.as_deref().filter(|path| *path != Path::new("-")).and_then(Path::parent);
        let here = |path: &Path| if path.as_os_str().is_empty() { Path::new(".") } else { path }.to_owned();
        lines.map(here).into_iter().chain(self.csv.clone()).chain(self.parquet.clone()).collect()
    }

    fn sinks(&self) -> Result<Vec<Box<dyn Sink>>, OutputError> {
        let fields = Fields::choose(&self.fields)?;
        let rotation = Some(self.rotate.get());
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if let Some(path) = &self.json {
            sinks.push(Box::new(Lines::create(path, &fields, rotation)?));
        }
        for (form, directory) in [(Form::Csv, &self.csv), (Form::Parquet, &self.parquet)] {
            if let Some(directory) = directory {
                sinks.push(Box::new(Tables::create(directory, form, &fields, rotation)?));
            }
        }
        Ok(sinks)
    }
}

impl Recording {
    fn packets(&self) -> Option<PacketFiles> {
        let snaplen = self.snaplen.map(Number::get);
        self.packets.then(|| PacketFiles::new(&self.output, self.rotate.wanted(), snaplen))
    }

    fn sinks(&self) -> Result<Vec<Box<dyn Sink>>, OutputError> {
        let fields = Fields::choose(&self.fields)?;
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        let rotation = self.rotate.wanted();
        let wants = |form| self.form.contains(&form);
        for (wanted, form) in [(FileForm::Csv, Form::Csv), (FileForm::Parquet, Form::Parquet)] {
            if wants(wanted) {
                sinks.push(Box::new(Tables::create(&self.output, form, &fields, rotation)?));
            }
        }
        if wants(FileForm::Json) {
            let (stem, extension) = live::LINES;
            let path = self.output.join(stem).with_extension(extension);
            sinks.push(Box::new(Lines::later(path, &fields, rotation)));
        }
        Ok(sinks)
    }
}
