//! The effective configuration as `weir config` prints it.

use std::fmt::Write;

use super::layers::Effective;

/// A valid config file, each line with the source of its value.
pub fn table(effective: &[Effective]) -> String {
    let lines: Vec<String> = effective.iter().map(|e| format!("{} = {}", e.setting.key, e.value)).collect();
    let width = lines.iter().map(|l| l.chars().count()).filter(|w| *w <= 60).max().unwrap_or(0);
    lines.iter().zip(effective).fold(String::new(), |mut out, (line, e)| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{line:width$}  # {}", e.source);
        out
    })
}

/// The same as a JSON object: key to value and source.
pub fn json(effective: &[Effective]) -> serde_json::Value {
    effective
        .iter()
        .map(|e| {
            let entry = serde_json::json!({ "value": e.value, "source": e.source.to_string() });
            (e.setting.key.to_owned(), entry)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
