//! Rooms are the top-level modules of a crate. They have floors: a room uses only those below it, so there is no
//! circle among them, and docs/architecture.md shows the floors as they are.
//!
//! Read as text: paths that begin with `crate::`, or with as many `super::` as lead to the root. Tests may use
//! everything.

mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::project::Project;

/// Crates whose rooms have floors.
const CRATES: [&str; 2] = ["monitor", "monitor-core"];

/// Where the floors are drawn: a heading for each crate, and a table from the top floor down.
const MAP: &str = "docs/architecture.md";

/// Which room uses which, and the first place where it does.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// Fails with each circle, and with each room that the map has wrong.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let map = read(&project.root().join(MAP))?;
    let mut findings = Vec::new();
    for name in CRATES {
        let uses = uses(&project.root().join(name))?;
        findings.extend(circles(&uses).into_iter().map(|circle| format!("{name}: {circle}")));
        if let Some(floors) = floors(&map, name) {
            findings.extend(against(&floors, &uses).into_iter().map(|wrong| format!("{name}: {wrong}")));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Check { findings, hint: "move what is used down to where it belongs, or the map with it" })
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        operation: "read",
        path: path.to_owned(),
        source,
    })
}

/// What the rooms of a crate use of each other.
fn uses(root: &Path) -> Result<Uses, Error> {
    let source = root.join("src");
    let mut files = Vec::new();
    collect(&source, &mut files)?;
    let mut texts = Vec::new();
    for path in files {
        let text = read(&path)?;
        let within = path.strip_prefix(&source).unwrap_or(&path).to_owned();
        texts.push((within, text));
    }
    Ok(of_files(&texts))
}

/// All Rust files under `folder`, those of tests left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source| Error::File { operation: "read", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The module of a file, from the root of its crate; of `lib.rs` and `main.rs` that is the root, which is no room.
fn module(path: &Path) -> Vec<String> {
    let names = path.with_extension("");
    let mut names: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| matches!(name.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// The same for files with their paths under `src`.
fn of_files(files: &[(PathBuf, String)]) -> Uses {
    let rooms: BTreeSet<String> =
        files.iter().filter_map(|(path, _)| module(path).into_iter().next()).collect();
    let mut uses: Uses = rooms.iter().map(|room| (room.clone(), BTreeMap::new())).collect();
    for (path, text) in files {
        let module = module(path);
        let Some(own) = module.first().and_then(|room| uses.get_mut(room)) else { continue };
        for (other, line) in paths::from_root(text, module.len()) {
            if rooms.contains(&other) && module.first() != Some(&other) {
                own.entry(other).or_insert_with(|| format!("{}:{line}", path.display()));
            }
        }
    }
    uses
}

/// Each set of rooms that use each other, with the places where they do.
fn circles(uses: &Uses) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for room in uses.keys() {
        let below = reached(uses, room);
        if !below.contains(room.as_str()) || !seen.insert(room.as_str()) {
            continue;
        }
        let circle: Vec<&str> =
            below.into_iter().filter(|other| reached(uses, other).contains(room.as_str())).collect();
        seen.extend(&circle);
        let mut places = Vec::new();
        for from in &circle {
            for (to, place) in uses.get(*from).into_iter().flatten() {
                if circle.contains(&to.as_str()) {
                    places.push(format!("{from} uses {to} at {place}"));
                }
            }
        }
        found.push(format!("a circle of {}: {}", circle.join(", "), places.join("; ")));
    }
    found
}

/// All rooms that a room uses, directly or not.
fn reached<'a>(uses: &'a Uses, room: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&str> = vec![room];
    while let Some(room) = left.pop() {
        for other in uses.get(room).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(other.as_str()) {
                left.push(other);
            }
        }
    }
    reached
}

/// The rooms of each floor as the map has them, the top floor first; none: it does not draw this crate.
fn floors(map: &str, name: &str) -> Option<Vec<Vec<String>>> {
    let (_, section) = map.split_once(&format!("\n### Rooms of {name}\n"))?;
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let named = rows.map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    Some(named.filter(|rooms| !rooms.is_empty()).collect())
}

/// What the map has wrong.
fn against(floors: &[Vec<String>], uses: &Uses) -> Vec<String> {
    let mut wrong = Vec::new();
    let floor = |room: &str| floors.iter().position(|rooms| rooms.iter().any(|other| other == room));
    for (room, used) in uses {
        let Some(own) = floor(room) else {
            wrong.push(format!("{MAP} lacks the room {room}"));
            continue;
        };
        for (other, place) in used {
            if floor(other).is_some_and(|floor| floor <= own) {
                wrong.push(format!("{MAP} has {other} not below {room}, which uses it at {place}"));
            }
        }
    }
    for room in floors.iter().flatten().filter(|room| !uses.contains_key(*room)) {
        wrong.push(format!("{MAP} has the room {room}, which is not there"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses_of(files: &[(&str, &str)]) -> Uses {
        let files: Vec<_> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        of_files(&files)
    }

    #[test]
    fn a_planted_circle_is_found_with_its_places() {
        let uses = uses_of(&[
            ("lib.rs", "pub mod engine; pub mod flow; pub mod label;"),
            ("engine/mod.rs", "use crate::{flow::Entry,\n    label::Role};"),
            ("flow/expiry.rs", "//! When flows end.\nuse crate::engine::Timeouts;"),
            ("label.rs", ""),
        ]);
        assert_eq!(
            circles(&uses),
            [
                "a circle of engine, flow: engine uses flow at engine/mod.rs:1; flow uses engine at flow/expiry.rs:2"
            ]
        );
    }

    #[test]
    fn a_circle_over_three_rooms_is_one() {
        let uses = uses_of(&[
            ("a.rs", "fn f() -> crate::b::B { super::b::f() }"),
            ("b.rs", "use super::c;"),
            ("c/mod.rs", "mod d;"),
            ("c/d.rs", "use super::super::a::f;"),
            ("e.rs", "use crate::a;"),
        ]);
        let circles = circles(&uses);
        assert_eq!(circles.len(), 1, "{circles:?}");
        assert!(circles[0].starts_with("a circle of a, b, c: "), "{circles:?}");
    }

    #[test]
    fn what_only_tests_and_comments_use_is_none() {
        let uses = uses_of(&[
            ("a.rs", "use crate::b;\n#[cfg(test)]\nmod tests { use crate::c; }"),
            ("b.rs", "//! See [`crate::a`].\n#[cfg(test)]\nuse crate::{a};\nconst A: &str = \"crate::a\";"),
            ("c.rs", "use crate::a;"),
        ]);
        assert_eq!(circles(&uses), [""; 0]);
        assert_eq!(uses["a"].keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_map_that_is_not_so_is_found() {
        let uses = uses_of(&[("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "")]);
        let map = "# Map\n\n### Rooms of core\n\nText `c`.\n\n| rooms | what |\n|---|---|\n| `a` | top |\n| `b` | `d` |\n\
                   | `c` | lowest |\n\n### Rooms of other\n\n| `b` |\n";
        let right = floors(map, "core").unwrap();
        assert_eq!(right, [["a"], ["b"], ["c"]]);
        assert_eq!(against(&right, &uses), [""; 0]);
        assert_eq!(floors(map, "none"), None);
        let wrong = [["b"], ["a"], ["d"]].map(|floor| floor.map(str::to_owned).to_vec());
        assert_eq!(
            against(&wrong, &uses),
            [
                "docs/architecture.md has b not below a, which uses it at a.rs:1",
                "docs/architecture.md lacks the room c",
                "docs/architecture.md has the room d, which is not there",
            ]
        );
    }
}
