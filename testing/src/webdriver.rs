//! A real browser, by way of its `WebDriver` (<https://www.w3.org/TR/webdriver2/>).

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::skip::skip;

/// Key of an element's reference in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How a port of this host is reached.
type Connect<'a> = Box<dyn Fn(u16) -> io::Result<TcpStream> + 'a>;

/// A browser without a window; it goes with the value.
pub struct Browser<'a> {
    driver: Child,
    connect: Connect<'a>,
    port: u16,
    session: String,
    profile: tempfile::TempDir,
}

impl<'a> Browser<'a> {
    /// Starts one on this host.
    pub fn start() -> Self {
        Self::start_by(
            Command::new("chromedriver"),
            Box::new(|port| TcpStream::connect(("127.0.0.1", port))),
            None,
        )
    }

    /// Starts one by a command for its driver, whose ports are reached so; it traces these categories.
    pub fn start_by(mut driver: Command, connect: Connect<'a>, trace: Option<&str>) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It chooses a port and says which.
        let mut driver = driver
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("chromedriver: {e}; `cargo xtask test` brings it"))
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        let mut browser = Self { driver, connect, port, session: String::new(), profile };
        let profile = format!("--user-data-dir={}", browser.profile.path().display());
        let arguments = [
            "--headless",
            // It opens a page of our own and nothing else, also where tests run as root.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile,
        ];
        let mut wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            // Milliseconds. Half a minute, as the driver has it, is not enough where many want the processor.
            "timeouts": { "script": 300_000, "pageLoad": 300_000 },
        } } });
        if let Some(categories) = trace {
            let options = &mut wanted["capabilities"]["alwaysMatch"];
            options["goog:loggingPrefs"]["performance"] = json!("ALL");
            options["goog:chromeOptions"]["perfLoggingPrefs"] =
                json!({ "enableNetwork": false, "enablePage": false, "traceCategories": categories });
        }
        let answer = browser.ask("POST", "/session", Some(&wanted));
        answer["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        browser
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mut answer = self.try_ask(method, path, body).unwrap();
        assert!(answer["value"].get("error").is_none(), "{method} {path}: {answer}");
        answer["value"].take()
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = (self.connect)(self.port)?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close");
        write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}")?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// What a `GET` of the session returns.
    pub fn get(&self, what: &str) -> Value {
        self.ask("GET", &format!("/session/{}{what}", self.session), None)
    }

    /// What a `POST` to the session returns.
    pub fn post(&self, what: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}{what}", self.session), Some(body))
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// What a function's body returns in the page.
    pub fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// What a function's body hands to the function that is its last argument.
    pub fn script_later(&self, body: &str) -> Value {
        self.post("/execute/async", &json!({ "script": body, "args": [] }))
    }

    /// A command of the `DevTools` protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Types into what has the focus, key by key.
    pub fn keys(&self, text: &str) {
        let press = |key: char| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let keys: Vec<Value> = text.chars().flat_map(press).collect();
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] }));
    }

    /// Identifiers of the elements that a CSS selector matches.
    pub fn elements(&self, selector: &str) -> Vec<String> {
        let found = self.post("/elements", &json!({ "using": "css selector", "value": selector }));
        found.as_array().unwrap().iter().map(|e| e[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    /// The visible texts of the elements that a CSS selector matches.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let text = |id: &String| self.get(&format!("/element/{id}/text")).as_str().unwrap().to_owned();
        self.elements(selector).iter().map(text).collect()
    }

    /// Clicks the first element that a CSS selector matches.
    pub fn click(&self, selector: &str) {
        let id = self.elements(selector).first().cloned().unwrap_or_else(|| selector.to_owned());
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// What the page wrote to the console, refused loads and scripts among it.
    pub fn console(&self) -> Value {
        self.log("browser")
    }

    /// What a log has had since it was last asked for.
    pub fn log(&self, kind: &str) -> Value {
        self.post("/se/log", &json!({ "type": kind }))
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        // Also when the test failed: the driver does not end its browser when it is killed.
        if !self.session.is_empty() {
            drop(self.try_ask("DELETE", &format!("/session/{}", self.session), None));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Whether there is no browser here; says so.
pub fn missing() -> bool {
    let here = |program| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|directory| directory.join(program).is_file())
    };
    let missing = !here("chromedriver") || !here("chromium");
    if missing {
        skip("browser", "chromium or chromedriver is not installed; `cargo xtask test` brings both");
    }
    missing
}
