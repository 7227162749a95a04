//! The page of a report in a real browser, by way of its `WebDriver` (<https://www.w3.org/TR/webdriver2/>).

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{Place, capture, program, text, weir};

/// Key of an element's reference in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser without a window; it goes with the value.
struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: tempfile::TempDir,
}

impl Browser {
    fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It chooses a port and says which.
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        let mut browser = Self { driver, port, session: String::new(), profile };
        let profile = format!("--user-data-dir={}", browser.profile.path().display());
        let arguments = [
            "--headless",
            // It opens a page of our own and nothing else, also where tests run as root.
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
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
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
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

    fn get(&self, what: &str) -> Value {
        self.ask("GET", &format!("/session/{}{what}", self.session), None)
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}{what}", self.session), Some(body))
    }

    fn open(&self, path: &str) {
        self.post("/url", &json!({ "url": format!("file://{path}") }));
    }

    fn elements(&self, selector: &str) -> Vec<String> {
        let found = self.post("/elements", &json!({ "using": "css selector", "value": selector }));
        found.as_array().unwrap().iter().map(|e| e[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    fn texts(&self, selector: &str) -> Vec<String> {
        let text = |id: &String| self.get(&format!("/element/{id}/text")).as_str().unwrap().to_owned();
        self.elements(selector).iter().map(text).collect()
    }

    fn click(&self, selector: &str) {
        let id = self.elements(selector).first().cloned().unwrap_or_else(|| selector.to_owned());
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// What the page wrote to the console, refused loads and scripts among it.
    fn console(&self) -> Value {
        self.post("/se/log", &json!({ "type": "browser" }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Also when the test failed: the driver does not end its browser when it is killed.
        if !self.session.is_empty() {
            drop(self.try_ask("DELETE", &format!("/session/{}", self.session), None));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

const HOSTILE: [&str; 8] = [
    "<script>document.title='owned'</script>.example",
    "\"><img src=x onerror=console.error(1)>.example",
    "' onclick='console.error(2)",
    "javascript:console.error(3)",
    "</title></style></script><b id=owned>",
    "&lt;b&gt;.example",
    "\u{202e}moc.elpmaxe",
    "www.example.com",
];

fn missing() -> bool {
    let missing = !program("chromedriver") || !program("chromium");
    if missing {
        eprintln!("not run: chromium or chromedriver is not installed; `cargo xtask test` brings both");
    }
    missing
}

#[test]
fn a_page_opens_without_complaint_whatever_names_are_in_it() {
    if missing() {
        return;
    }
    let place = Place::new();
    let (hostile, page) = (place.path("hostile.pcap"), place.path("page.html"));
    fs::write(&hostile, capture::named(&HOSTILE)).unwrap();
    let output = weir(&["pcap", &hostile, "--html", &page]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.console(), json!([]));
    assert_eq!(browser.get("/title"), json!("Network report: hostile.pcap"));
    assert!(browser.elements("#owned, img, svg script, main a").is_empty());
    let domains = browser.texts("#domains tbody td:first-child");
    for name in ["www.example.com", "<script>document.title='owned'</script>.example"] {
        assert!(domains.iter().any(|domain| domain == name), "{name}: {domains:?}");
    }
    assert!(browser.elements("figure svg").len() >= 4);
}

#[test]
fn headings_sort_their_table_and_rows_below_go_with_theirs() {
    if missing() {
        return;
    }
    let place = Place::new();
    let (named, page) = (place.path("named.pcap"), place.path("page.html"));
    fs::write(&named, capture::named(&["a.one.com", "a.two.com", "b.two.com", "a.three.com"])).unwrap();
    assert!(weir(&["pcap", &named, "--html", &page]).status.success());
    let browser = Browser::start();
    browser.open(&page);
    let rows = || browser.texts("#domains tbody td:first-child");
    let by_bytes = rows();
    assert_eq!(
        by_bytes,
        ["two.com", "b.two.com", "a.two.com", "three.com", "a.three.com", "one.com", "a.one.com"]
    );
    browser.click("#domains th:first-child button");
    assert_eq!(
        rows(),
        ["one.com", "a.one.com", "three.com", "a.three.com", "two.com", "b.two.com", "a.two.com"]
    );
    assert_eq!(browser.elements("#domains th[aria-sort=ascending]").len(), 1);
    browser.click("#domains th:nth-child(4) button");
    assert_eq!(rows(), by_bytes);
    assert_eq!(browser.console(), json!([]));
}
