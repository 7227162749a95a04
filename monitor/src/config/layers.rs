//! Where values come from, and which wins: flags, then the environment, then the file, then defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::outputs::escaped;
use super::settings::{SETTINGS, Setting, variable};
use super::value::{Shape, Value};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody gave one.
    Default,
    /// A credential of systemd.
    Credential,
    /// A line of the config file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Credential => f.write_str("credential"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A setting's value and where it comes from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The setting.
    pub setting: &'static Setting,
    /// The value as it stands in a config file.
    pub value: toml::Value,
    /// Where it comes from.
    pub source: Source,
}

/// The texts of a setting and where they stand.
type Texts = (Source, Vec<String>);

/// All that was given, by key, highest layer first.
#[derive(Debug, Default)]
pub struct Layers {
    flags: BTreeMap<&'static str, Texts>,
    environment: BTreeMap<&'static str, Texts>,
    file: BTreeMap<&'static str, Texts>,
    /// Lines of the single texts in the file, of settings with several.
    lines: BTreeMap<&'static str, Vec<usize>>,
    /// Variables that begin as ours do and are none: container runtimes make such for a service
    /// called weir, so they are worth a warning, not an error.
    pub unknown_variables: Vec<String>,
}

/// Cuts a text as [`Shape::List`] and [`Shape::Map`] are written outside the file.
pub(super) fn split(shape: Shape, text: &str) -> Vec<String> {
    match shape {
        Shape::One | Shape::Switch => vec![text.to_owned()],
        Shape::List | Shape::Map | Shape::Tables => {
            text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
        }
    }
}

impl Layers {
    /// Adds what was given as flags.
    #[must_use]
    pub fn with_flags(mut self, flags: &[(&'static Setting, Vec<String>)]) -> Self {
        for (setting, texts) in flags {
            let texts = texts.iter().flat_map(|t| split(setting.shape, t)).collect();
            self.flags.insert(setting.key, (Source::Flag(format!("--{}", setting.key)), texts));
        }
        self
    }

    /// Adds what the environment says.
    pub fn with_environment(
        mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|n| n.starts_with("WEIR_")) else { continue };
            let of_name = |s: &&Setting| s.shape.is_flag() && s.variable() == name;
            let Some(setting) = SETTINGS.iter().find(of_name) else {
                if ![&*variable("config.file"), "WEIR_URL", "WEIR_EBPF_OBJECT"].contains(&name) {
                    self.unknown_variables.push(name.to_owned());
                }
                continue;
            };
            let Some(value) = value.to_str() else {
                return Err(ConfigError::NotUnicode { variable: name.to_owned() });
            };
            let texts = split(setting.shape, value);
            self.environment.insert(setting.key, (Source::Environment(name.to_owned()), texts));
        }
        Ok(self)
    }

    /// Adds what a file says.
    pub fn with_file(mut self, path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file = File { path, text };
        let table = DeTable::parse(text).map_err(|e| ConfigError::Syntax {
            path: path.to_owned(),
            line: file.line(e.span().map_or(0, |s| s.start)),
            reason: e.message().to_owned(),
        })?;
        file.walk("", table.get_ref(), &mut self)?;
        Ok(self)
    }

    /// The value of a setting from the highest layer that has it.
    pub(super) fn resolve<T: Value>(
        &self,
        setting: &'static Setting,
        effective: &mut Vec<Effective>,
    ) -> Result<T, ConfigError> {
        let given = [&self.flags, &self.environment, &self.file].into_iter().find_map(|l| l.get(setting.key));
        let (source, texts) = match given {
            Some((source, texts)) => (source.clone(), texts.clone()),
            None => (Source::Default, split(setting.shape, setting.default)),
        };
        let value = T::read(&texts).map_err(|reason| ConfigError::Value {
            origin: self.origin::<T>(setting, &source, &texts),
            key: setting.key,
            reason,
        })?;
        effective.push(Effective { setting, value: value.toml(), source });
        Ok(value)
    }
}

impl Layers {
    /// Where the first text stands that cannot be read: of several in a file, each has its own line.
    fn origin<T: Value>(&self, setting: &Setting, source: &Source, texts: &[String]) -> Source {
        let (Source::File(path, _), Some(lines)) = (source, self.lines.get(setting.key)) else {
            return source.clone();
        };
        let wrong = texts.iter().zip(lines).find(|(text, _)| T::read(std::slice::from_ref(text)).is_err());
        wrong.map_or_else(|| source.clone(), |(_, line)| Source::File(path.clone(), *line))
    }
}

/// A config file while it is read.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
    }

    fn walk(&self, prefix: &str, table: &DeTable<'_>, out: &mut Layers) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let line = self.line(name.span().start);
            if let Some(setting) = Setting::named(&key) {
                let texts = self.texts(setting, value, line)?;
                out.lines.insert(setting.key, self.lines(value));
                out.file.insert(setting.key, (Source::File(self.path.to_owned(), line), texts));
                continue;
            }
            let below = format!("{key}.");
            match value.get_ref() {
                DeValue::Table(inner) if SETTINGS.iter().any(|s| s.key.starts_with(&below)) => {
                    self.walk(&key, inner, out)?;
                }
                _ => {
                    let nearest = nearest(&key, SETTINGS.iter().map(|s| s.key));
                    return Err(ConfigError::UnknownKey {
                        path: self.path.to_owned(),
                        line,
                        key,
                        nearest: nearest.map(str::to_owned),
                    });
                }
            }
        }
        Ok(())
    }

    /// Lines of what a value consists of.
    fn lines(&self, value: &Spanned<DeValue<'_>>) -> Vec<usize> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| self.line(item.span().start)).collect(),
            DeValue::Table(table) => table.keys().map(|name| self.line(name.span().start)).collect(),
            _ => Vec::new(),
        }
    }

    fn texts(
        &self,
        setting: &Setting,
        value: &Spanned<DeValue<'_>>,
        line: usize,
    ) -> Result<Vec<String>, ConfigError> {
        let at = |line, expected, found: &DeValue<'_>| ConfigError::Type {
            path: self.path.to_owned(),
            line,
            key: setting.key.to_owned(),
            expected,
            found: kind(found),
        };
        let error = |expected, found: &DeValue<'_>| at(line, expected, found);
        match (setting.shape, value.get_ref()) {
            (Shape::List, DeValue::Array(items)) => items
                .iter()
                .map(|i| scalar(i.get_ref()).ok_or_else(|| error("a list of single values", i.get_ref())))
                .collect(),
            (Shape::List, other) => scalar(other).map(|t| vec![t]).ok_or_else(|| error("a list", other)),
            (Shape::Map | Shape::Tables, DeValue::Table(table)) => table
                .iter()
                .map(|(k, v)| {
                    let v = scalar(v.get_ref()).or_else(|| fields(v.get_ref())).ok_or_else(|| {
                        at(self.line(k.span().start), "a table of single values", v.get_ref())
                    })?;
                    Ok(format!("{}={v}", k.get_ref()))
                })
                .collect(),
            (Shape::Map | Shape::Tables, other) => Err(error("a table", other)),
            (Shape::One | Shape::Switch, other) => {
                scalar(other).map(|t| vec![t]).ok_or_else(|| error("a single value", other))
            }
        }
    }
}

/// A value as a text, if it is one value.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(s) => Some(s.to_string()),
        DeValue::Integer(i) if i.radix() == 10 => Some(i.as_str().to_owned()),
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().map(|n| n.to_string()),
        DeValue::Boolean(b) => Some(b.to_string()),
        DeValue::Float(f) => Some(f.as_str().to_owned()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// A table of values and lists as one text: `field=value;field=value+value`.
fn fields(value: &DeValue<'_>) -> Option<String> {
    let DeValue::Table(table) = value else { return None };
    let mut out = Vec::with_capacity(table.len());
    for (name, value) in table {
        let text = match value.get_ref() {
            DeValue::Array(items) => {
                let items: Option<Vec<String>> =
                    items.iter().map(|item| scalar(item.get_ref()).map(|text| escaped(&text))).collect();
                items?.join("+")
            }
            other => escaped(&scalar(other)?),
        };
        out.push(format!("{}={text}", name.get_ref()));
    }
    Some(out.join(";"))
}

const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The name most like `given`, if any is like it: a third of the letters that are compared may be wrong.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = given.replace('_', "-");
    let near = |given: &str, name: &str| {
        let distance = strsim::damerau_levenshtein(given, name);
        (distance <= (given.len().max(name.len()) / 3).max(1)).then_some(distance)
    };
    let last = |name: &'_ str| name.rfind('.').map_or(0, |dot| dot + 1);
    names
        .filter_map(|name| {
            let whole = near(&folded, name);
            // A key in the wrong table, or without one, is as near as its last part.
            let part =
                near(folded.get(last(&folded)..)?, name.get(last(name)..)?).map(|distance| distance + 1);
            Some((whole.into_iter().chain(part).min()?, name))
        })
        .min()
        .map(|(_, name)| name)
}
