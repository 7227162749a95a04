use std::{fs, io::Read as _, path::Path, time::Duration};

use monitor_core::engine::{Engine, EngineConfig};

use super::*;
use crate::{config::outputs::Given, sink::samples::records, telemetry::Own};

struct Case {
    directory: tempfile::TempDir,
    state: Arc<State>,
}

impl Case {
    fn new() -> Self {
        let own = Own::new().unwrap();
        let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), own));
        Self { directory: tempfile::tempdir().unwrap(), state }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn output(&self, name: &str, more: &str) -> Named {
        let text = format!("kind=json,path={}{more}", self.path(name));
        (name.to_owned(), Given::read(&text).unwrap().output)
    }

    fn start(&self, outputs: Vec<Named>) -> Outputs {
        Outputs::start(Arc::clone(&self.state), Prepared::new(outputs, Of::Run).unwrap(), None).unwrap()
    }

    fn written(&self, name: &str) -> u64 {
        self.state.own.output_records.with_label_values(&[name, "json"]).get()
    }

    fn lost(&self, name: &str, reason: Reason) -> u64 {
        self.state.own.output_lost.with_label_values(&[name, "json", reason.as_str()]).get()
    }

    fn queue(&self, name: &str) -> i64 {
        self.state.own.output_queue.with_label_values(&[name, "json"]).get()
    }

    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name)).map_or(0, |text| text.lines().count())
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let since = Stopwatch::start();
    while !done() {
        assert!(since.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn a_sink_that_is_blocked_delays_no_other_and_its_losses_are_its_own() {
    let case = Case::new();
    let pipe = case.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Somebody has it open and reads nothing.
    let mut reader = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let outputs = case.start(vec![case.output("pipe", ",queue=1000"), case.output("file", "")]);
    let feed = outputs.feed();
    let mut sent = 0;
    wait_for("the pipe's queue to be full", || {
        feed.send(records(200));
        sent += 200;
        case.lost("pipe", Reason::QueueFull) != 0
    });
    wait_for("the file to have all", || case.written("file") == sent);
    assert_eq!(case.lines("file") as u64, sent);
    assert!(case.queue("pipe") > 0 && case.queue("file") == 0);
    assert_eq!(case.lost("file", Reason::QueueFull), 0);

    // What the pipe has and had is each record once: read, or counted as lost.
    let lost = case.lost("pipe", Reason::QueueFull);
    let received = std::thread::spawn(move || {
        let (mut lines, mut bytes) = (0_u64, [0; 1 << 12]);
        while lines < sent - lost {
            let read = reader.read(&mut bytes).unwrap();
            lines += String::from_utf8_lossy(&bytes[..read]).matches('\n').count() as u64;
        }
        lines
    });
    drop(feed);
    assert!(outputs.end().is_none());
    assert_eq!(received.join().unwrap(), sent - lost);
    assert_eq!(case.written("pipe"), sent - lost);
}

#[test]
fn outputs_are_exchanged_under_records_and_none_is_lost_or_written_twice() {
    let case = Case::new();
    let (kept, old) = (case.output("kept", ""), case.output("old", ""));
    let outputs = case.start(vec![kept.clone(), old]);
    let feed = outputs.feed();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let batch = records(10);
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                feed.send(batch.clone());
                sent += batch.len();
                // No queue is to be full, however busy the machine is.
                wait_for("room", || case.queue("kept") < 1_000);
            }
            sent
        });
        for round in 0..20 {
            // The same file under another name and with other fields, in turn.
            let field = if round % 2 == 0 { ",fields=client_port" } else { ",fields=server_port" };
            let mut next = case.output("old", field);
            next.0 = format!("round-{round}");
            outputs.change(vec![kept.clone(), next]);
            wait_for("records of this round", || case.written(&format!("round-{round}")) > 0);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        sender.join().unwrap()
    });
    drop(feed);
    assert!(outputs.end().is_none());
    assert_eq!(case.lines("kept"), sent);
    // All of one file's writers together have each record once.
    assert_eq!(case.lines("old"), sent);
}

#[test]
fn an_output_that_cannot_be_made_at_a_reload_leaves_the_one_that_there_is() {
    let case = Case::new();
    let outputs = case.start(vec![case.output("a", "")]);
    let feed = outputs.feed();
    let mut wrong = case.output("a", "");
    wrong.1.fields = vec!["nonsense".to_owned()];
    outputs.change(vec![wrong]);
    wait_for("the refusal", || {
        case.state.events.counts().any(|(name, n)| name == "output_refused" && n == 1)
    });
    feed.send(records(3));
    wait_for("the old one to write", || case.written("a") == 3);
    outputs.change(Vec::new());
    drop(feed);
    assert!(outputs.end().is_none());
    assert_eq!(case.lines("a"), 3);
}

#[test]
fn files_that_were_moved_are_opened_anew_though_no_record_comes() {
    let case = Case::new();
    let outputs = case.start(vec![case.output("a", "")]);
    let feed = outputs.feed();
    feed.send(records(1));
    wait_for("the first", || case.written("a") == 1);
    fs::rename(case.path("a"), case.path("b")).unwrap();
    outputs.reopen();
    wait_for("the new file", || Path::new(&case.path("a")).exists());
    feed.send(records(2));
    drop(feed);
    assert!(outputs.end().is_none());
    assert_eq!((case.lines("a"), case.lines("b")), (2, 1));
}
