//! The references in docs/ are what the code declares. `WEIR_WRITE_REFERENCE=1` writes them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use monitor::config::{Reload, SETTINGS};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Compares a document with what it should be, or writes it.
fn is_current(name: &str, made: &str) {
    let path = docs(name);
    if std::env::var_os("WEIR_WRITE_REFERENCE").is_some() {
        assert!(std::fs::write(&path, made).is_ok(), "docs/{name} cannot be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == made,
        "docs/{name} is old: WEIR_WRITE_REFERENCE=1 cargo test -p monitor --test reference"
    );
}

/// A text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn every_setting_is_in_the_configuration_reference() {
    let mut made = "\
# Configuration

Settings come from a TOML file (`--config.file`, or `/etc/weir/weir.toml` if it exists), from environment variables and
from flags. Flags take precedence over variables, variables over the file. Each setting has one name in all three:
`--web.listen-address` is `WEIR_WEB_LISTEN_ADDRESS`, and in the file

```toml
interface = [\"eth0\", \"wg*\"]

[web]
listen-address = \":10058\"

[timeout]
tcp = \"10m\"

[services]
8443 = \"intranet\"
\"9000/udp\" = \"telemetry\"

[outputs.archive]
kind = \"parquet\"
path = \"/var/lib/weir/records\"
```

`weir config` prints the effective configuration in this form and where each value comes from. An unknown key is an
error with its line, an unknown variable a warning. SIGHUP reads everything again; settings marked *restart* wait for the
next start. Times have units (`500ms`, `10s`, `5m`, `1h`), sizes too (`64Mi`).

This table is generated from the code.

| setting | value | default | SIGHUP | meaning |
|---|---|---|---|---|
"
    .to_owned();
    for setting in SETTINGS {
        let reload = if setting.reload == Reload::Live { "applied" } else { "restart" };
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        writeln!(
            made,
            "| `{}` | {} | {} | {reload} | {} |",
            setting.key,
            cell(setting.value_name),
            cell(&default),
            cell(setting.help)
        )
        .expect("a line");
    }
    is_current("configuration.md", &made);
}

#[test]
fn every_field_of_every_record_is_in_the_record_reference() {
    let listed =
        Command::new(env!("CARGO_BIN_EXE_weir")).args(["pcap", "--fields", "help"]).output().expect("weir");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let made = format!(
        "\
# Records

One schema for all outputs, live and of captures: JSON lines, CSV, Parquet and the exporters ([outputs.md](outputs.md)).
`--fields` selects fields by these names. Times are RFC 3339 in UTC with nanoseconds, durations seconds, sizes bytes; a
field whose value is not known is left out of JSON and empty in CSV.

This list is generated from the code: it is what `weir pcap --fields help` prints.

```text
{listed}```
"
    );
    is_current("records.md", &made);
}
