//! Other programs: started, shown, waited for.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// Directories of programs for administrators, which are not in every user's PATH.
const ADMIN_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A command line to be run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    executable: OsString,
    shown: Option<String>,
    line: Option<String>,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    set: Vec<(OsString, OsString)>,
    removed: Vec<&'static str>,
}

impl Program {
    /// A program without arguments, in the current directory.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            executable: program.as_ref().to_owned(),
            shown: None,
            line: None,
            arguments: Vec::new(),
            directory: None,
            set: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// A program that runs as root: as it is when we are root, else through sudo.
    ///
    /// The variables set before are handed over as arguments of `env`: sudo drops the environment.
    pub(crate) fn with_root(self) -> Result<Self, Error> {
        if is_root()? {
            return Ok(self);
        }
        if find("sudo").is_none() {
            return Err(Error::NoRights { command: self.line() });
        }
        let mut sudo = Self::new("sudo");
        sudo.directory = self.directory;
        sudo.line = self.line.as_ref().map(|line| format!("sudo {line}"));
        if !self.set.is_empty() {
            sudo = sudo.arg("env");
            for (name, value) in self.set {
                let mut pair = name;
                pair.push("=");
                pair.push(value);
                sudo = sudo.arg(pair);
            }
        }
        Ok(sudo.arg(self.executable).args(self.arguments))
    }

    /// A shorter name of the program in what is shown.
    pub(crate) fn shown_as(mut self, name: &str) -> Self {
        self.shown = Some(name.to_owned());
        self
    }

    /// A line to show in place of the real one, which would not be read.
    pub(crate) fn shown_as_line(mut self, line: String) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    pub(crate) fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.set.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn without(mut self, names: &[&'static str]) -> Self {
        self.removed.extend(names);
        self
    }

    /// The command line, for a person to read.
    pub(crate) fn line(&self) -> String {
        if let Some(line) = &self.line {
            return line.clone();
        }
        let mut line = self.shown.clone().unwrap_or_else(|| self.executable.to_string_lossy().into_owned());
        for argument in &self.arguments {
            line.push(' ');
            let argument = argument.to_string_lossy();
            if argument.contains(char::is_whitespace) || argument.is_empty() {
                line.push('\'');
                line.push_str(&argument.replace('\'', r"'\''"));
                line.push('\'');
            } else {
                line.push_str(&argument);
            }
        }
        line
    }

    /// The program and its arguments.
    pub(crate) fn words(&self) -> Vec<String> {
        let words = [&self.executable].into_iter().chain(&self.arguments);
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        for name in &self.removed {
            command.env_remove(name);
        }
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it with our own input and output, and waits for it to succeed.
    pub(crate) fn run(&self) -> Result<(), Error> {
        eprintln!("$ {}", self.line());
        let status = self.command().status().map_err(|source| self.start_error(source))?;
        if status.success() { Ok(()) } else { Err(Error::Failed { command: self.line(), status }) }
    }

    /// Runs it silently and returns what it printed on standard output; standard error is ours.
    pub(crate) fn output(&self) -> Result<String, Error> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| self.start_error(source))?;
        if !output.status.success() {
            return Err(Error::Failed { command: self.line(), status: output.status });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What it printed on standard output, if it could be started and succeeded. For looking around.
    pub(crate) fn probe(&self) -> Option<String> {
        let output = self.command().stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Becomes the program: signals and its exit code are then its own.
    pub(crate) fn replace_self(&self) -> Error {
        eprintln!("$ {}", self.line());
        let source = self.command().exec();
        self.start_error(source)
    }

    fn start_error(&self, source: io::Error) -> Error {
        Error::Start { program: self.executable.to_string_lossy().into_owned(), source }
    }
}

/// Whether this process runs with the rights of root.
pub(crate) fn is_root() -> Result<bool, Error> {
    let path = Path::new("/proc/self");
    let owner = fs::metadata(path).map_err(|source| Error::File {
        operation: "look at",
        path: path.into(),
        source,
    })?;
    Ok(owner.uid() == 0)
}

/// Where a program is, in PATH or in the directories for administrators.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(ADMIN_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

/// Whether a path is a file that somebody may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_in_path_only_when_they_are_there() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }

    #[test]
    fn shows_a_line_that_can_be_typed() {
        let program = Program::new("env").arg("A=b c").arg("it's here").arg("");
        assert_eq!(program.line(), r"env 'A=b c' 'it'\''s here' ''");
    }

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let error = Program::new("sh").args(["-c", "exit 3"]).run().unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed (exit status: 3)");
        let error = Program::new("no-such-program-anywhere").run().unwrap_err();
        assert!(matches!(error, Error::Start { .. }), "{error}");
    }

    #[test]
    fn removed_variables_do_not_reach_the_program() {
        let print = Program::new("sh").args(["-c", "echo ${WEIR_A-unset} ${HOME-unset}"]);
        assert_eq!(print.env("WEIR_A", "1").without(&["HOME"]).output().unwrap(), "1 unset\n");
    }
}
