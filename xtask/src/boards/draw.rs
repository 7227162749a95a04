//! `cargo xtask boards --draw`: each board as Grafana's own components draw it in a real browser, over the demo's
//! Prometheus, for one of its hosts, and over a Prometheus of three hundred.

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::fleet;
use super::model::Board;
use super::vocabulary::Vocabulary;
use super::{failed, read};
use crate::build::{self, Profile};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::python;
use crate::setup::{self, Scope};

/// What is installed from npm, and the sources of the page.
const FILES: [(&str, &str); 4] = [
    ("package.json", include_str!("draw/package.json")),
    ("package-lock.json", include_str!("draw/package-lock.json")),
    ("bundle.mjs", include_str!("draw/bundle.mjs")),
    ("page.tsx", include_str!("draw/page.tsx")),
];

/// Seconds of data that a picture shows.
const RANGE: u64 = 300;
/// Hosts of the large Prometheus.
const HOSTS: usize = 300;
/// Width of a picture.
const WIDTH: u64 = 1552;
/// Height of a row of its grid, and of what is above the first.
const ROW: u64 = 38;
const HEAD: u64 = 60;

/// What may be dark on a network that is well, or of synthetic numbers: panels of what failed lately.
const MAY_BE_EMPTY: [&str; 7] =
    ["Hosts", "New domains", "Down", "Growth", "Failing", "Programs", "Bytes by unit and domain"];

/// Of the demo, which has no containers, this one would be empty; its picture is that of the fleet.
const FLEET_ALONE: &str = "containers";

/// Draws all boards; fails when a panel is empty, shows an error or something that is no value, or another number than
/// its query says.
pub(crate) fn run(project: &Project, boards: &[Board]) -> Result<(), Error> {
    setup::run(project, Scope::Demo)?;
    let place = bundle(project)?;
    let pictures = project.root().join("docs/images/boards");
    fs::create_dir_all(&pictures).map_err(failed("create", &pictures))?;
    let mut problems = Vec::new();
    let draw = |prometheus: &str, instance: &str, suffix: &str, problems: &mut Vec<String>| {
        for board in boards.iter().filter(|board| suffix == "-fleet" || board.name != FLEET_ALONE) {
            let input = Input {
                board,
                prometheus,
                instance,
                range: RANGE,
                rate: if suffix == "-fleet" { "4m" } else { "15s" },
            };
            let path = pictures.join(format!("{}{suffix}.png", board.name));
            let found = picture(&place, &input, &path)?;
            println!("{}", path.display());
            problems.extend(found.into_iter().map(|what| format!("{}{suffix}, {what}", board.name)));
        }
        Ok::<(), Error>(())
    };
    let demo = Demo::start(project)?;
    draw(&demo.prometheus, ".*", "", &mut problems)?;
    // What one host alone has no reason to show may be empty: only what cannot be read is wrong.
    let mut alone = Vec::new();
    draw(&demo.prometheus, "desk", "-host", &mut alone)?;
    problems.extend(
        alone.into_iter().filter(|what| !what.ends_with("is empty") && !what.ends_with("has no plot")),
    );
    drop(demo);
    let fleet = Fleet::start(project, &Vocabulary::of(&read(&project.root().join("docs/metrics.md"))?))?;
    let mut many = Vec::new();
    draw(&fleet.prometheus, ".*", "-fleet", &mut many)?;
    problems.extend(
        many.into_iter().filter(|what| !what.ends_with("is empty") && !what.ends_with("has no plot")),
    );
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::Check { findings: problems, hint: "look at the pictures in docs/images/boards" })
}

/// Installs Grafana's components and bundles the page that draws; where that is.
fn bundle(project: &Project) -> Result<PathBuf, Error> {
    let place = project.tools().join("grafana-draw");
    let same = |(name, content): &(&str, &str)| {
        fs::read_to_string(place.join(name)).is_ok_and(|found| found == *content)
    };
    let done = place.join("node_modules/.package-lock.json").exists() && FILES[..2].iter().all(same);
    let bundled = done && FILES.iter().all(same) && place.join("page.js").exists();
    if bundled {
        return Ok(place);
    }
    fs::create_dir_all(&place).map_err(failed("create", &place))?;
    for (name, content) in FILES {
        let path = place.join(name);
        fs::write(&path, content).map_err(failed("write", &path))?;
    }
    if !done {
        eprintln!("xtask installs from npm into {}: @grafana/ui, 480 MB", place.display());
        Program::new("npm")
            .args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "--legacy-peer-deps",
            ])
            .directory(&place)
            .run()?;
    }
    Program::new("node").arg("bundle.mjs").directory(&place).run()?;
    Ok(place)
}

struct Input<'a> {
    board: &'a Board,
    prometheus: &'a str,
    instance: &'a str,
    range: u64,
    rate: &'a str,
}

/// Draws a board. Returns what is wrong with its panels.
fn picture(place: &Path, input: &Input<'_>, to: &Path) -> Result<Vec<String>, Error> {
    let now = wall();
    let told = json!({
        "board": input.board.json(), "prometheus": format!("http://{}", input.prometheus),
        "from": now - input.range, "to": now, "mayBeEmpty": MAY_BE_EMPTY,
        "values": {
            "job": ".*", "instance": input.instance, "interface": ".*", "domain": ".*", "top": "10", "datasource": "p",
            "__rate_interval": input.rate, "__range": format!("{}s", input.range), "__interval": "5s", "__interval_s": "5",
        },
    });
    // Within a script nothing may end it.
    let told = told.to_string().replace("</", "<\\/");
    let path = place.join("board.html");
    let page = format!(
        "<!doctype html><meta charset=utf-8><link rel=stylesheet href=page.css><script>const INPUT={told}</script>\
         <body><script src=page.js></script></body>"
    );
    fs::write(&path, page).map_err(failed("write", &path))?;
    let url = format!("file://{}", path.display());
    // As many rows of Grafana's grid as the lowest panel reaches.
    let board = input.board.json();
    let panels = board["panels"].as_array().into_iter().flatten();
    let side = |panel: &Value, side: &str| panel["gridPos"][side].as_u64().unwrap_or_default();
    let rows = panels.map(|panel| side(panel, "y") + side(panel, "h")).max().unwrap_or_default();
    let document = Program::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--allow-file-access-from-files",
        ])
        .arg("--virtual-time-budget=20000")
        .arg(format!("--window-size={WIDTH},{}", rows * ROW + HEAD))
        .arg(format!("--screenshot={}", to.display()))
        .arg("--dump-dom")
        .arg(&url)
        .output()?;
    let result = document.split_once("<pre id=\"result\"").and_then(|(_, rest)| rest.split_once('>'));
    let result = result.and_then(|(_, rest)| rest.split_once("</pre>")).map(|(text, _)| unescaped(text));
    let Some(result) = result.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
        return Ok(vec!["nothing was drawn".to_owned()]);
    };
    let problems = result["problems"].as_array().into_iter().flatten();
    Ok(problems.filter_map(|what| Some(what.as_str()?.to_owned())).collect())
}

/// Seconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "a picture ends now")]
fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Text of a document that was written out.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The demo, until it is dropped.
struct Demo {
    child: Child,
    prometheus: String,
}

impl Demo {
    /// Starts it and waits until the range of every picture has data.
    fn start(project: &Project) -> Result<Self, Error> {
        let weir = match std::env::var_os("WEIR_BINARY") {
            Some(binary) => binary.into(),
            None => build::agent(project, Profile::Release)?,
        };
        let state = project.target().join("boards.demo.json");
        drop(fs::remove_file(&state));
        let demo = Program::new(python::interpreter(project))
            .arg(project.root().join("demo/demo.py"))
            .args(["--any-port", "--seconds", "3600", "--weir"])
            .arg(weir)
            .arg("--state")
            .arg(&state);
        let demo = demo.with_root()?;
        let mut words = demo.words().into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        let mut child =
            command.args(words).stdout(Stdio::piped()).spawn().map_err(failed("start", Path::new("demo")))?;
        let lines = child
            .stdout
            .take()
            .map(BufReader::new)
            .into_iter()
            .flat_map(BufRead::lines)
            .map_while(Result::ok);
        // It says when there is enough to see; then a range is to pass.
        for line in lines {
            if line.starts_with("Boards have data") {
                break;
            }
        }
        let text = read(&state).inspect_err(|_| drop(child.kill()))?;
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        sleep(Duration::from_secs(RANGE));
        Ok(Self { child, prometheus: said["prometheus"].as_str().unwrap_or_default().to_owned() })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It takes its network away when it is asked to end.
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
    }
}

/// A Prometheus with numbers of many hosts.
struct Fleet {
    child: Child,
    prometheus: String,
    directory: PathBuf,
}

impl Fleet {
    fn start(project: &Project, vocabulary: &Vocabulary) -> Result<Self, Error> {
        let directory = project.target().join("boards.fleet");
        drop(fs::remove_dir_all(&directory));
        fs::create_dir_all(&directory).map_err(failed("create", &directory))?;
        let text = directory.join("fleet.txt");
        let now = wall();
        fs::write(&text, fleet::open_metrics(vocabulary, HOSTS, now)).map_err(failed("write", &text))?;
        let data = directory.join("data");
        Program::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .arg(&text)
            .arg(&data)
            .output()?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let prometheus = free.map_err(failed("listen on", Path::new("127.0.0.1")))?.to_string();
        let config = directory.join("prometheus.yml");
        fs::write(&config, "global: {}\n").map_err(failed("write", &config))?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={prometheus}"))
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed("start", Path::new("prometheus")))?;
        let this = Self { child, prometheus, directory };
        // Two minutes at most.
        let mut left = 600;
        while left > 0 && !ready(&this.prometheus) {
            left -= 1;
            sleep(Duration::from_millis(200));
        }
        Ok(this)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Whether a Prometheus answers.
fn ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}
