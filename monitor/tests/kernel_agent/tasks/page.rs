//! A page of `docs/tasks`, done as it says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::sys::signal::Signal;

use crate::{
    agent::{Running, without_settings},
    capture,
    netns::Namespace,
};

/// A command of the page, and the output that the page shows below it.
struct Step {
    command: String,
    shown: Option<String>,
}

/// The commands of a page, and a directory to run them in.
pub(super) struct Page {
    directory: tempfile::TempDir,
    steps: Vec<Step>,
}

/// The blocks between fences: what they are, and what is in them.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                blocks.push((kind, String::new()));
            }
        } else if inside && let Some((_, block)) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

impl Page {
    /// Reads `docs/tasks/NAME.md`.
    pub(super) fn open(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tasks").join(name).with_extension("md");
        let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut steps: Vec<Step> = Vec::new();
        for (kind, block) in blocks(&page) {
            match kind {
                "sh" => steps.push(Step { command: block, shown: None }),
                "text" => steps.last_mut().expect("a command before its output").shown = Some(block),
                _ => panic!("{}: a block that is neither sh nor text: {kind:?}", path.display()),
            }
        }
        Self { directory: tempfile::tempdir().expect("a directory"), steps }
    }

    fn command(&self, ns: &Namespace, command: &str) -> Command {
        let weir = Path::new(env!("CARGO_BIN_EXE_weir")).parent().expect("a directory");
        let path = std::env::var("PATH").expect("PATH");
        let mut command = without_settings(ns.command("sh", &["-e", "-c", command]));
        command.current_dir(self.directory.path()).env("PATH", format!("{}:{path}", weir.display()));
        command
    }

    /// The first command, which captures, while there is traffic. Returns the file of the capture.
    pub(super) fn capture(&mut self, here: &Namespace, there: &str, traffic: impl FnOnce()) -> PathBuf {
        let step = self.steps.remove(0);
        assert!(step.command.starts_with("tcpdump "), "{}", step.command);
        let file = step.command.split_whitespace().last().expect("a file");
        let file = self.directory.path().join(file);
        // In place of the shell, which would not hand it a signal.
        let mut tcpdump = Running::start(self.command(here, &format!("exec {}", step.command)));
        tcpdump.wait_for_log(&["listening on"]);
        traffic();
        capture::mark(here, there);
        capture::wait_for_mark(&file);
        // As Ctrl-C does.
        tcpdump.signal(Signal::SIGINT);
        tcpdump.end();
        assert!(tcpdump.stderr().contains("0 packets dropped by kernel"), "{}", tcpdump.stderr());
        file
    }

    /// The other commands, one after the other. Returns what they printed, in their order.
    pub(super) fn follow(&self, ns: &Namespace) -> Vec<String> {
        let outputs = self.steps.iter().map(|step| {
            let output = self.command(ns, &step.command).output().expect("a shell");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}{said}", step.command);
            let printed = String::from_utf8(output.stdout).expect("UTF-8");
            println!("$ {}{printed}", step.command);
            if let Some(shown) = &step.shown {
                for part in landmarks(shown) {
                    assert!(
                        landmarks(&printed).contains(&part),
                        "the page shows {part:?}, but this is not in\n{printed}"
                    );
                }
            }
            printed
        });
        outputs.collect()
    }
}

/// What a reader orients by, without what differs from capture to capture: the beginning of each line up to
/// the first gap, and whole lines that are heads of columns.
fn landmarks(output: &str) -> Vec<String> {
    let lines = output.lines().map(|line| {
        let heads = line.chars().any(char::is_uppercase) && !line.chars().any(char::is_lowercase);
        let cells: Vec<&str> =
            line.trim().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let kept =
            if heads { cells.join(" ") } else { cells.first().copied().unwrap_or_default().to_owned() };
        // What has digits is of the moment; bars and sparklines are numbers too.
        let words = kept.split_whitespace().filter(|word| {
            word.chars().any(char::is_alphabetic) && !word.chars().any(|c| c.is_ascii_digit())
        });
        // Later words may be, too: of two sides that close at the same time, either is the first.
        words.take(if heads { usize::MAX } else { 3 }).collect::<Vec<_>>().join(" ")
    });
    lines.filter(|kept| !kept.is_empty()).collect()
}
