//! What people read is in the terms of the field: phrases that are none are refused, each on the surfaces it is about.
//!
//! Names of fields, metrics and commands are a contract and stand in code or backticks; they are exempt.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::project::Project;

/// Where people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surface {
    /// The live page.
    Page,
    /// `weir top`.
    Top,
    /// The report of a capture, on the terminal and as HTML.
    Report,
    /// `--help` and settings.
    Help,
    /// HELP of metrics.
    Metrics,
    /// Titles, descriptions and legends of the dashboards.
    Boards,
    /// Settings and flags, which become the configuration reference and `--help`.
    Settings,
    /// Errors of the configuration, of commands and of outputs.
    Errors,
    /// The log, and the events on the page.
    Log,
    /// Reference documents.
    Docs,
    /// What to do, and how to read the screens: tasks, runbooks.
    Guides,
}

use Surface::{Boards, Docs, Errors, Guides, Help, Log, Metrics, Page, Report, Settings, Top};

impl Surface {
    const ALL: [Self; 11] = [Page, Top, Report, Help, Metrics, Boards, Settings, Errors, Log, Docs, Guides];

    /// Files and directories, and what of their files is read.
    const fn places(self) -> (&'static [&'static str], Extract) {
        match self {
            Page => (&["monitor/page/src"], Extract::Page),
            Top => (&["monitor/src/view/top"], Extract::Literals),
            Report => (&["monitor/src/view/report"], Extract::Literals),
            Help => (
                &["monitor/src/command/pcap/arguments.rs", "monitor/src/command/flows.rs"],
                Extract::Literals,
            ),
            Metrics => (
                &["monitor/src/view/prometheus/families.rs", "monitor/src/view/prometheus/series.rs"],
                Extract::Comments,
            ),
            Boards => (&["xtask/src/boards"], Extract::Literals),
            Settings => (
                &[
                    "monitor/src/config/settings.rs",
                    "monitor/src/command/flows.rs",
                    "monitor/src/command/pcap/arguments.rs",
                    "monitor/src/command/top/mod.rs",
                    "monitor/src/app/plan.rs",
                ],
                Extract::Comments,
            ),
            Errors => (
                &[
                    "monitor/src/config",
                    "monitor/src/command/mod.rs",
                    "monitor/src/app/error.rs",
                    "monitor/src/sink/error.rs",
                    "monitor/src/cli.rs",
                    "monitor/src/web/server.rs",
                ],
                Extract::Literals,
            ),
            Log => (&["monitor/src/telemetry/event.rs"], Extract::Literals),
            Guides => (
                &["docs/top.md", "docs/page.md", "docs/report.md", "docs/tasks", "docs/runbooks"],
                Extract::Prose,
            ),
            Docs => (&["README.md", "docs/metrics.md"], Extract::Prose),
        }
    }
}

/// What of a file people read.
#[derive(Clone, Copy, Debug)]
enum Extract {
    /// All but comments.
    Page,
    /// String literals above the tests.
    Literals,
    /// Documentation comments, which become HELP.
    Comments,
    /// All but code.
    Prose,
}

/// Everywhere on screens.
const SCREENS: &[Surface] = &[Page, Top, Report, Boards];
/// Everywhere.
const ALL: &[Surface] = &Surface::ALL;

/// A phrase, where it is refused, and what to write.
const PHRASES: &[(&str, &[Surface], &str)] = &[
    (
        "sent again",
        &[Page, Top, Report, Metrics, Boards, Settings, Log, Guides],
        "retransmissions; retrans %",
    ),
    ("windows of zero", ALL, "zero window"),
    ("window of zero", ALL, "zero window"),
    ("round trip", SCREENS, "RTT"),
    ("round trips", &[Guides], "RTTs"),
    ("none of its values", &[Errors], "is not a valid value"),
    ("no family with a budget", &[Errors], "is not a metric family with a limit"),
    ("what there is", &[Errors], "see `weir COMMAND --help`"),
    ("the other way round", &[Settings, Top, Page], "reverse the order"),
    ("what comes first", &[Settings], "sort by"),
    ("it is told", &[Settings, Errors, Log, Metrics, Guides], "reported"),
    ("are told", &[Settings, Errors, Log, Metrics], "reported"),
    ("nobody has", &[Settings, Errors, Log], "unused"),
    ("whom root becomes", ALL, "user to switch to after startup"),
    ("give up rights", ALL, "drop privileges"),
    ("rights given up", ALL, "privileges dropped"),
    ("leave with the process", ALL, "are detached on exit"),
    ("counts itself", ALL, "counts on its own; standalone"),
    ("made room before their time", ALL, "evicted"),
    ("read again", &[Log], "reloaded"),
    ("the old one holds", ALL, "the previous one stays in force"),
    ("goes on", &[Page, Top, Report, Settings, Errors, Log, Guides], "continues"),
    ("anew", &[Page, Top, Report, Settings, Log, Guides], "again"),
    ("half below", ALL, "median (p50)"),
    ("95 % below", ALL, "p95"),
    ("95 % within", ALL, "p95"),
    ("names asked for", SCREENS, "top queried names"),
    ("asked for most", SCREENS, "top queried names"),
    ("without an answer", SCREENS, "unanswered"),
    ("packets not counted", SCREENS, "flow table overflow"),
    ("lost nothing", SCREENS, "no drops"),
    ("without a name", SCREENS, "unresolved"),
    ("(no name)", ALL, "unresolved"),
    ("no name", SCREENS, "unresolved"),
    ("all others", SCREENS, "other"),
    ("in this time", SCREENS, "last 5 min"),
    ("in the time shown", SCREENS, "in the time range"),
    ("what it is", SCREENS, "details"),
    ("what passed", SCREENS, "counters"),
    ("its life", SCREENS, "timeline"),
    ("is counted", &[Top, Page], "monitoring eth0"),
    ("own run", SCREENS, "standalone"),
    ("busiest", &[Page, Top, Report], "top conversation; peak"),
    ("no answer yet", SCREENS, "pending"),
    ("asked again", SCREENS, "HelloRetryRequest"),
    ("without name", SCREENS, "no SNI"),
    ("offered first", SCREENS, "preferred ALPN"),
    ("login in clear text", ALL, "cleartext credentials"),
    ("certificate of another name", ALL, "hostname mismatch"),
    ("looks like", &[Report], "verdict"),
    ("cut short", SCREENS, "truncated (snaplen)"),
    ("without ip", SCREENS, "non-IP"),
    ("come about", ALL, "succeed"),
    ("turned away", &[Page, Top, Report, Metrics, Boards, Help], "dropped, evicted"),
    ("buffers of the kernel", ALL, "socket buffers (skbs)"),
    ("page of metrics", &[Page, Top, Metrics, Boards], "metrics endpoint"),
    ("packets a second", ALL, "packets per second"),
    ("bytes a second", ALL, "bytes per second"),
    ("bits a second", ALL, "bits per second"),
    ("queries a second", ALL, "queries per second"),
    ("nobody asked for", &[Page, Top, Report, Metrics, Boards], "unsolicited"),
    ("how much passes", ALL, "Throughput"),
    ("is the network losing", ALL, "Retransmission rate"),
    ("do receivers complain", ALL, "Duplicate ACKs"),
    ("how long does a server think", ALL, "Server response time (p95)"),
    ("does anybody answer unasked", ALL, "Unsolicited DNS responses"),
];

/// Fails with each phrase that people can read.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let mut findings = Vec::new();
    for surface in Surface::ALL {
        let (places, extract) = surface.places();
        for place in places {
            for path in files(&project.root().join(place))? {
                let source = read(&path)?;
                let shown = path.strip_prefix(project.root()).unwrap_or(&path).display().to_string();
                findings.extend(
                    refused(surface, extract, &source).map(|(line, phrase, instead)| {
                        format!("{shown}:{line}: “{phrase}”; write: {instead}")
                    }),
                );
            }
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Check {
        findings,
        hint: "terms of Wireshark, Prometheus, the RFCs and the kernel; xtask/src/check/words.rs lists them",
    })
}

/// The phrases of a text that a surface does not have, with their lines.
fn refused(
    surface: Surface,
    extract: Extract,
    source: &str,
) -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let lines = extract.lines(source);
    lines.into_iter().flat_map(move |(line, text)| {
        let text = text.to_lowercase();
        let here = PHRASES.iter().filter(move |(_, surfaces, _)| surfaces.contains(&surface));
        here.filter(move |(phrase, ..)| has(&text, phrase))
            .map(move |(phrase, _, instead)| (line, *phrase, *instead))
    })
}

/// Whether a text has a phrase as whole words.
fn has(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + phrase.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

impl Extract {
    /// What is read of a file, by line.
    fn lines(self, source: &str) -> Vec<(usize, String)> {
        let code = source.split("#[cfg(test)]").next().unwrap_or(source);
        match self {
            Self::Page => {
                let lines = (1..).zip(source.lines());
                lines.map(|(n, line)| (n, line.split("// ").next().unwrap_or_default().to_owned())).collect()
            }
            Self::Comments => {
                let lines = (1..).zip(code.lines());
                lines
                    .filter_map(|(n, line)| Some((n, line.trim_start().strip_prefix("///")?.to_owned())))
                    .collect()
            }
            Self::Literals => literals(code),
            Self::Prose => prose(source),
        }
    }
}

/// String literals by the line on which they begin.
fn literals(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(code.lines()) {
        let shown = line.trim_start();
        if open.is_none() && shown.starts_with("//") {
            continue;
        }
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match (&mut open, c) {
                (Some((_, text)), '\\') => text.extend(chars.next().filter(|c| *c != 'n')),
                (Some(_), '"') => found.extend(open.take()),
                (Some((_, text)), c) => text.push(c),
                (None, '"') => open = Some((number, String::new())),
                // A character, which may be a quotation mark.
                (None, '\'') if chars.as_str().starts_with("\"'") => {
                    chars.next();
                }
                _ => {}
            }
        }
        if let Some((_, text)) = &mut open {
            text.push(' ');
        }
    }
    found
}

/// Lines of a document without its code.
fn prose(source: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(source.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.push((number, line.split('`').step_by(2).collect::<Vec<_>>().join("`")));
        }
    }
    found
}

/// A file, or those below a directory that hold no tests alone.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |source| Error::File { operation: "read", path: path.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = [".rs", ".ts", ".tsx", ".html", ".md"].iter().any(|end| name.ends_with(end))
            && name != "tests.rs";
        if path.is_dir() && name != "tests" {
            found.extend(files(&path)?);
        } else if read {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        operation: "read",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(surface: Surface, source: &str) -> Vec<&'static str> {
        let (_, extract) = surface.places();
        refused(surface, extract, source).map(|(_, phrase, _)| phrase).collect()
    }

    #[test]
    fn a_phrase_that_is_planted_is_found_on_its_surface() {
        for (phrase, surfaces, _) in PHRASES {
            for surface in *surfaces {
                let (_, extract) = surface.places();
                let source = match extract {
                    Extract::Page => format!("<p>Some {phrase}, here</p>"),
                    Extract::Literals => format!("const TEXT: &str = \"Some {phrase}, \\\n    here\";"),
                    Extract::Comments => format!("    /// Some {phrase}."),
                    Extract::Prose => format!("Some {phrase}."),
                };
                assert!(found(*surface, &source).contains(phrase), "{phrase} on {surface:?}");
            }
        }
    }

    #[test]
    fn the_project_has_none_of_them() {
        if let Err(error) = run(&Project::open().unwrap()) {
            panic!("{error}");
        }
    }

    #[test]
    fn code_comments_and_parts_of_words_are_not_what_people_read() {
        assert_eq!(found(Top, "// sent again\nlet x = \"sent\"; // \"sent again\"").len(), 1);
        assert_eq!(found(Top, "/// sent again\nconst A: char = '\"'; const B: &str = \"RTT\";"), [""; 0]);
        assert_eq!(found(Docs, "Use `windows of zero`.\n```\nwindows of zero\n```\n"), [""; 0]);
        assert_eq!(found(Boards, "const A: &str = \"ground trips, Busiest\";"), [""; 0]);
    }
}
