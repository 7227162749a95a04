//! ClickHouse: tables, roll-ups and documented queries in the current engine (chdb), behind an endpoint of HTTP that
//! passes on statement, settings and rows.

use super::*;

struct Lake {
    port: u16,
    _peer: Peer,
    directory: tempfile::TempDir,
}

impl Lake {
    /// `None`: chdb is not here.
    fn start() -> Option<Self> {
        let python = std::env::var(super::super::PYTHON_VARIABLE).ok()?;
        let has = Command::new(&python).args(["-c", "import chdb"]).stderr(Stdio::null()).status();
        if !has.is_ok_and(|status| status.success()) {
            testing::skip::skip("chdb", "it is not among Python's packages; `cargo xtask setup` installs it");
            return None;
        }
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let tables = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["records", "schema", "--form", "clickhouse"])
            .output()
            .unwrap();
        assert!(tables.status.success());
        fs::write(directory.path().join("tables.sql"), tables.stdout).unwrap();
        let script = super::super::script("exports/lake.py");
        let mut command = Command::new(&python);
        command.arg(script).arg(port.to_string()).arg(directory.path());
        let peer = Peer::logged(&mut command, &directory.path().join("log"));
        wait_for_port(port);
        Some(Self { port, _peer: peer, directory })
    }

    /// Rows of a query.
    fn ask(&self, query: &str) -> Vec<Value> {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "60", "--data-binary", &format!("{query} FORMAT JSONEachRow")]);
        let output = command.arg(format!("http://127.0.0.1:{}/", self.port)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let row =
            |line: &str| serde_json::from_str(line).map_err(|error| format!("{error}: {text}")).unwrap();
        text.lines().map(row).collect()
    }

    fn number(&self, query: &str) -> u64 {
        let rows = self.ask(&format!("SELECT toUInt64({query}) AS n"));
        rows[0]["n"].as_u64().or_else(|| rows[0]["n"].as_str()?.parse().ok()).unwrap()
    }
}

#[test]
fn clickhouse_has_each_record_once_in_tables_and_roll_ups_also_when_a_batch_is_sent_again() {
    let Some(lake) = Lake::start() else { return };
    let records = records();
    let now = monitor_core::record::Time(monitor::clock::wall() as u64);
    // What is older than the tables keep goes at once.
    let fresh = records.iter().cloned().map(|record| match record {
        AnyRecord::Flow(mut flow) => {
            (flow.start, flow.end) = (now, now);
            AnyRecord::Flow(flow)
        }
        other => other,
    });
    let fresh: Vec<AnyRecord> = fresh.collect();
    let spool = lake.directory.path().join("spool");
    let text = format!("kind=clickhouse,to=127.0.0.1:{},spool={},batch=100", lake.port, spool.display());
    let run = Run::start(&[text]);
    run.send(&fresh);
    run.wait("clickhouse", fresh.len() as u64);
    let flows: Vec<Value> = json(&fresh).into_iter().filter(|record| record["record"] == "flow").collect();
    let sum = |side: &str| flows.iter().map(|flow| flow[side]["bytes"].as_u64().unwrap()).sum::<u64>();
    for table in ["flow", "flow_1m", "flow_5m", "flow_1h"] {
        assert_eq!(
            lake.number(&format!("(SELECT sum(sent_bytes) FROM weir.{table})")),
            sum("sent"),
            "{table}"
        );
        assert_eq!(lake.number(&format!("(SELECT sum(received_bytes) FROM weir.{table})")), sum("received"));
    }
    // Every field is what JSON says, nested ones by their names.
    let row = &lake.ask("SELECT * FROM weir.flow WHERE name != '' ORDER BY seq LIMIT 1")[0];
    let flow =
        flows.iter().find(|flow| flow["name"] == row["name"] && flow["client_port"] == row["client_port"]);
    let flow = flow.unwrap();
    let id = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    assert_eq!((id(&row["id"]), &row["domain"]), (id(&flow["id"]), &flow["domain"]));
    assert_eq!(
        row["client_ip"].as_str().unwrap().trim_start_matches("::ffff:"),
        flow["client_ip"].as_str().unwrap()
    );
    run.end();
    let numbered = lake.number("(SELECT count() FROM weir.flow)");
    let marks = lake.number("(SELECT max(last) FROM weir.mark WHERE stream = 'flow')");
    assert_eq!((numbered, marks), (flows.len() as u64, flows.len() as u64));

    // The same batch once more, as after an answer that was lost: neither table nor roll-up changes.
    let last = fs::read_to_string(lake.directory.path().join("last")).unwrap();
    assert!(last.contains("insert_deduplication_token="), "{last}");
    fs::write(lake.directory.path().join("again"), "").unwrap();
    let before: Vec<u64> = ["flow", "flow_1h"]
        .map(|table| lake.number(&format!("(SELECT sum(sent_packets) FROM weir.{table})")))
        .to_vec();
    let again = lake.ask("SELECT 'again' AS done");
    assert_eq!(again[0]["done"], "again");
    let after: Vec<u64> = ["flow", "flow_1h"]
        .map(|table| lake.number(&format!("(SELECT sum(sent_packets) FROM weir.{table})")))
        .to_vec();
    assert_eq!(before, after);
    // Each documented query runs.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clickhouse.md");
    let page = fs::read_to_string(page).unwrap();
    let queries: Vec<&str> =
        page.split("```sql\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert!(queries.len() >= 10, "{}", queries.len());
    for query in queries {
        lake.ask(query.trim().trim_end_matches(';'));
    }
}
