//! A server with sites, an agent beside their client, and a browser on the agent's host.

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::{
    agent::{ADDRESS, Agent, Running, THERE},
    names::{http_server, wait_for_listener},
    netns::{Namespace, wait_for},
    webdriver::Browser,
};

/// The key, as `WebDriver` has it.
pub(super) const ENTER: &str = "\u{e007}";

/// Bytes of the server's one page.
pub(super) const PAGE: usize = 400_000;

/// A web server with many names: on port 8080 its page, on port 8090 an answer without end.
pub(super) struct Site<'n> {
    here: &'n Namespace,
    _directory: tempfile::TempDir,
    _servers: [Running; 2],
}

impl<'n> Site<'n> {
    pub(super) fn start(here: &'n Namespace, there: &Namespace) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = http_server(there, &directory, PAGE);
        let drip = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel_agent/page/drip.py");
        let endless = Running::start(there.command("python3", &[drip, THERE, "8090"]));
        wait_for_listener(there, "t", 8090);
        Self { here, _directory: directory, _servers: [server, endless] }
    }

    /// Fetches the page from a name so many times, each over a connection of its own.
    pub(super) fn fetch(&self, name: &str, times: usize) {
        for _ in 0..times {
            self.fetch_from(8080, name);
        }
    }

    /// Fetches the page once from a port.
    pub(super) fn fetch_from(&self, port: u16, name: &str) {
        self.here.sh(&format!("curl -sf -o /dev/null -H 'Host: {name}' http://{THERE}:{port}/page"));
    }

    /// Receives 40 kB a second from a name as long as the value lasts.
    pub(super) fn receive(&self, name: &str) -> Running {
        let url = format!("http://{THERE}:8090/");
        let host = format!("Host: {name}");
        Running::start(self.here.command("curl", &["-s", "-N", "-o", "/dev/null", "-H", &host, &url]))
    }
}

/// An agent that drains once a second, as it does for users.
pub(super) fn agent(ns: &Namespace) -> Agent<'_> {
    Agent::start(ns, &["--interface=eth0", "--drain-interval=1s"])
}

/// The live page in a browser on the agent's host.
pub(super) struct Page<'n> {
    pub(super) browser: Browser<'n>,
}

impl<'n> Page<'n> {
    pub(super) fn open(ns: &'n Namespace, hash: &str) -> Self {
        Self::open_at(ns, &format!("http://{ADDRESS}/{hash}"))
    }

    /// The page at another address.
    pub(super) fn open_at(ns: &'n Namespace, url: &str) -> Self {
        let connect = move |port| ns.enter(|| TcpStream::connect(("127.0.0.1", port)));
        let browser = Browser::start_by(ns.command("chromedriver", &[]), Box::new(connect), None);
        browser.open(url);
        let this = Self { browser };
        this.wait_for_status("Live");
        this
    }

    /// What an expression is in the page.
    pub(super) fn value(&self, expression: &str) -> Value {
        self.browser.script(&format!("return {expression};"))
    }

    pub(super) fn text(&self, selector: &str) -> String {
        let selector = json!(selector);
        self.value(&format!("document.querySelector({selector})?.innerText ?? ''"))
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Polls until an expression is true in the page.
    pub(super) fn wait_for(&self, what: &str, expression: &str) {
        wait_for(what, || (self.value(expression) == true).then_some(()));
    }

    pub(super) fn wait_for_status(&self, text: &str) {
        wait_for(&format!("the status {text:?}"), || self.text(".status").contains(text).then_some(()));
    }

    /// Gives an element the focus. A pointer may miss what moves: rows come while it is under way.
    pub(super) fn focus(&self, selector: &str) {
        let selector = json!(selector);
        self.wait_for(
            "the focus",
            &format!(
                "(element => {{ element?.focus(); return !!element && document.activeElement === element; }})\
                 (document.querySelector({selector}))"
            ),
        );
    }

    /// Presses a button by keyboard.
    pub(super) fn press(&self, selector: &str) {
        self.focus(selector);
        self.browser.keys(ENTER);
    }

    /// Shows the table of a panel instead of its chart.
    pub(super) fn show_table(&self, panel: &str) {
        self.press(&format!(".{panel} header .quiet"));
        self.wait_for("a table", &format!("!!document.querySelector('.{panel} table')"));
    }

    /// Rows of a panel's table: what the row is called, and the exact numbers in it; also of what is off the screen.
    pub(super) fn rows(&self, panel: &str) -> Vec<(String, Vec<f64>)> {
        let rows = self.value(&format!(
            "[...document.querySelectorAll('.{panel} table tbody tr')].map(row => [\
             (row.querySelector('th a') ?? row.querySelector('th')).textContent, \
             [...row.querySelectorAll('data')].map(data => Number(data.value))])"
        ));
        serde_json::from_value(rows).expect("rows")
    }

    /// What the page complained of.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.browser.console();
        log.as_array().expect("a log").iter().map(|entry| entry["message"].to_string()).collect()
    }
}
