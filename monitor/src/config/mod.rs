//! The configuration: read once, validated once, passed on as typed values.

mod error;
mod layers;
pub mod outputs;
mod print;
mod sample;
pub mod secret;
mod settings;
pub mod types;
pub mod value;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use monitor_common::abi::Transport;
use monitor_core::services::{ServicePort, ServiceTable};

use crate::systemd;

pub use error::{ConfigError, ConflictReason};
pub use layers::{Effective, Layers, Source, nearest};
pub use print::{json, table};
pub use sample::sample;
pub use settings::{Config, Reload, SETTINGS, Setting};
use value::Shape;

/// Where the file is looked for when none is named.
pub const DEFAULT_PATH: &str = "/etc/weir/weir.toml";
/// Flag and, as a variable, `WEIR_CONFIG_FILE`.
const FILE_KEY: &str = "config.file";
/// The setting that a credential of systemd stands for when nobody gives it.
const WEB_CONFIG: &str = "web.config.file";
/// Metric families with a series budget.
pub const FAMILIES: &[&str] = monitor_core::totals::Families::NAMES;

/// The flags that set settings, and the one that names the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config.file`.
    pub file: Option<PathBuf>,
    flags: Vec<(&'static Setting, Vec<String>)>,
}

/// A configuration with the story of its values.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Each value with its source, in the order of [`SETTINGS`].
    pub effective: Vec<Effective>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Variables that look like settings and are none.
    pub unknown_variables: Vec<String>,
}

impl Overrides {
    /// Reads file and environment, under these flags.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        self.load_from(std::env::vars_os().collect())
    }

    /// The same for who reads captures, without the privileges of a run: a file that nobody named and that cannot be
    /// read is passed over.
    fn load_for_capture(&self) -> Result<Loaded, ConfigError> {
        match self.load() {
            Err(ConfigError::Read { path, source })
                if source.kind() == io::ErrorKind::PermissionDenied && path == Path::new(DEFAULT_PATH) =>
            {
                Self { file: Some(PathBuf::from("/dev/null")), flags: Vec::new() }.load()
            }
            loaded => loaded,
        }
    }

    fn load_from(&self, environment: Vec<(OsString, OsString)>) -> Result<Loaded, ConfigError> {
        let named = self.file.clone().or_else(|| {
            let name = settings::variable(FILE_KEY);
            environment.iter().find(|(n, _)| *n == *name).map(|(_, v)| PathBuf::from(v))
        });
        let file = named.or_else(|| {
            let path = Path::new(DEFAULT_PATH);
            path.exists().then(|| path.to_owned())
        });
        let credential = systemd::web_config(&environment);
        let mut layers =
            Layers::default().with_flags(&self.flags).with_environment(environment.into_iter())?;
        if let Some(path) = &file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
            layers = layers.with_file(path, &text)?;
        }
        let (mut config, mut effective) = Config::read(&layers)?;
        let unnamed =
            effective.iter_mut().find(|e| e.setting.key == WEB_CONFIG && e.source == Source::Default);
        if let (Some(path), Some(entry)) = (credential, unnamed) {
            entry.value = toml::Value::String(path.to_string_lossy().into_owned());
            entry.source = Source::Credential;
            config.web_config_file = Some(path);
        }
        config.validate()?;
        Ok(Loaded { config, effective, file, unknown_variables: layers.unknown_variables })
    }
}

impl Loaded {
    /// Whether a flag says what this setting is.
    pub fn is_from_flag(&self, key: &str) -> bool {
        let mut all = self.effective.iter();
        all.any(|effective| effective.setting.key == key && matches!(effective.source, Source::Flag(_)))
    }
}

impl Config {
    /// The configuration that a file alone makes; `path` is what errors call it.
    pub fn of_file(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let (config, _) = Self::read(&Layers::default().with_file(path, text)?)?;
        config.validate()?;
        Ok(config)
    }

    /// What a reader of captures is told by a file, the one that it names or the default one, and by the environment.
    pub fn of_capture(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        Ok(Overrides { file, flags: Vec::new() }.load_for_capture()?.config)
    }

    /// The names of ports.
    pub fn service_table(&self) -> Result<ServiceTable, ConfigError> {
        let services = self.services.iter().map(|(port, name)| (port.0, name.as_str()));
        let protocols = self.protocols.iter().flat_map(|(name, protocol)| {
            let port = |port: &u16| ServicePort { port: *port, transport: Some(Transport::Tcp) };
            protocol.ports.iter().map(move |p| (port(p), name.as_str()))
        });
        ServiceTable::new(services.chain(protocols))
            .map_err(|e| ConfigError::Conflict { key: "services", reason: e.into() })
    }

    /// What no single setting can know.
    fn validate(&self) -> Result<(), ConfigError> {
        self.service_table()?;
        if self.tunnel_vxlan.len() > 2 {
            let reason = ConflictReason::TooManyPorts { count: self.tunnel_vxlan.len(), max: 2 };
            return Err(ConfigError::Conflict { key: "tunnel.vxlan", reason });
        }
        let ports = self.tunnel_vxlan.iter().map(|p| ("tunnel.vxlan", p.get())).chain([
            ("tunnel.geneve", self.tunnel_geneve.get()),
            ("tunnel.gtp-u", self.tunnel_gtp_u.get()),
            ("tunnel.teredo", self.tunnel_teredo.get()),
            ("tunnel.gre", self.tunnel_gre.get()),
            ("tunnel.mpls", self.tunnel_mpls.get()),
            ("tunnel.vxlan-gpe", self.tunnel_vxlan_gpe.get()),
            ("tunnel.l2tp", self.tunnel_l2tp.get()),
        ]);
        let mut taken: Vec<(&'static str, u32)> = Vec::new();
        for (key, port) in ports.filter(|(_, port)| *port != 0) {
            if let Some((other, _)) = taken.iter().find(|(_, p)| *p == port) {
                let reason = ConflictReason::SamePort { port, other };
                return Err(ConfigError::Conflict { key, reason });
            }
            taken.push((key, port));
        }
        let mut spoken: Vec<u16> = Vec::new();
        for port in self.protocols.values().flat_map(|protocol| &protocol.ports) {
            if spoken.contains(port) {
                let reason = ConflictReason::SamePort { port: u32::from(*port), other: "protocols" };
                return Err(ConfigError::Conflict { key: "protocols", reason });
            }
            spoken.push(*port);
        }
        if let Some((one, other)) = self.outputs.same_place() {
            let reason = ConflictReason::SamePlace { one: one.to_owned(), other: other.to_owned() };
            return Err(ConfigError::Conflict { key: "outputs", reason });
        }
        for family in self.series_family.keys() {
            if !FAMILIES.contains(&family.as_str()) {
                let family = family.as_str().to_owned();
                let reason = ConflictReason::UnknownFamily { family, known: FAMILIES };
                return Err(ConfigError::Conflict { key: "series.family", reason });
            }
        }
        Ok(())
    }
}

/// What holds of all settings, below their list.
const ABOUT_SETTINGS: &str = "\
Each setting is also a key of the config file, where [outputs.NAME] is another, and an environment variable: --web.telemetry-path is
telemetry-path in the table [web], and WEIR_WEB_TELEMETRY_PATH. WEIR_CONFIG_FILE names the file. Flags win over
variables, variables over the file, each setting as a whole. `weir config` prints all in the form of a file.

TIME is a number with its unit, such as 500ms, 5s, 1m30s or 1h. N and SIZE take k, M, G (1000) and Ki, Mi, Gi
(1024). Lists are separated by commas, or the flag is repeated. SIGHUP reads file and settings again.";

impl Args for Overrides {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE_KEY)
            .long(FILE_KEY)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!("Config file (TOML) [default: {DEFAULT_PATH}, if it exists]"))
            .display_order(0);
        SETTINGS.iter().filter(|setting| setting.shape.is_flag()).enumerate().fold(
            command.arg(file).after_help(ABOUT_SETTINGS),
            |command, (i, setting)| {
                let default = if setting.default.is_empty() {
                    String::new()
                } else {
                    format!(" [default: {}]", setting.default)
                };
                let arg = Arg::new(setting.key)
                    .long(setting.key)
                    .value_name(setting.value_name)
                    .help(format!("{}{default}", setting.help))
                    .display_order(i + 1);
                command.arg(match setting.shape {
                    Shape::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                    Shape::One => arg,
                    Shape::List | Shape::Map | Shape::Tables => arg.action(ArgAction::Append),
                })
            },
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = SETTINGS
            .iter()
            .filter(|setting| setting.shape.is_flag())
            .filter_map(|s| {
                let texts: Vec<String> = matches.get_many(s.key)?.cloned().collect();
                Some((s, texts))
            })
            .collect();
        Ok(Self { file: matches.get_one(FILE_KEY).cloned(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
