//! Boards against Grafana's own types, which it publishes for `TypeScript` in `@grafana/schema`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::model::Board;
use super::{failed, text};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// What is installed from npm, in exact versions.
const FILES: [(&str, &str); 2] = [
    ("package.json", include_str!("schema/package.json")),
    ("package-lock.json", include_str!("schema/package-lock.json")),
];

/// What a board must be, in `TypeScript`; the boards themselves come behind it.
const TYPES: &str = include_str!("schema/types.ts");

/// The packages of the oldest and the newest Grafana, by the name of package.json, and their entries.
const VERSIONS: [(&str, &str); 2] =
    [("grafana-10", "dist/index.d.ts"), ("grafana-13", "dist/types/index.d.ts")];

fn directory(project: &Project) -> PathBuf {
    project.tools().join("grafana-schema")
}

/// Installs types and compiler below the target directory, unless they are there in these versions.
pub(super) fn setup(project: &Project) -> Result<(), Error> {
    let directory = directory(project);
    // npm writes this last of all.
    let done = directory.join("node_modules/.package-lock.json").exists();
    let same = |(name, content): &(&str, &str)| {
        fs::read_to_string(directory.join(name)).is_ok_and(|found| found == *content)
    };
    if done && FILES.iter().all(same) {
        return Ok(());
    }
    eprintln!("xtask installs from npm into {}: @grafana/schema, typescript", directory.display());
    fs::create_dir_all(&directory).map_err(failed("create", &directory))?;
    for (name, content) in FILES {
        let path = directory.join(name);
        fs::write(&path, content).map_err(failed("write", &path))?;
    }
    Program::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .directory(&directory)
        .run()
}

/// Fails when a board has what Grafana's types do not, for the oldest and the newest Grafana; and when the types
/// would take what is wrong.
pub(super) fn check(project: &Project, boards: &[Board]) -> Result<(), Error> {
    setup(project)?;
    let directory = directory(project);
    let mut program = TYPES.to_owned();
    for board in boards {
        // JSON is an expression of the language.
        let _ = writeln!(program, "export const {}: Board = {};", board.name, text(board)?.trim_end());
    }
    let path = directory.join("boards.ts");
    fs::write(&path, program).map_err(failed("write", &path))?;
    for (package, entry) in VERSIONS {
        // Packages of types refer to others by the name that all versions have.
        let config = json!({
            "compilerOptions": {
                "module": "esnext", "moduleResolution": "bundler", "noEmit": true, "skipLibCheck": true,
                "strict": true, "target": "esnext", "types": [],
                "paths": {
                    "@grafana/schema": [format!("./node_modules/{package}/{entry}")],
                    "@grafana/schema/*": [format!("./node_modules/{package}/*")],
                },
            },
            "files": ["boards.ts"],
        });
        let path = directory.join(format!("{package}.json"));
        fs::write(&path, config.to_string()).map_err(failed("write", &path))?;
        Program::new("node")
            .arg("node_modules/typescript/bin/tsc")
            .arg("-p")
            .arg(&path)
            .directory(&directory)
            .run()?;
    }
    Ok(())
}
