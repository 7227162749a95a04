use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use super::*;
use crate::files::Refusal;

fn name(name: &str) -> &OsStr {
    OsStr::new(name)
}

fn refusal<T>(done: io::Result<T>) -> Option<Refusal> {
    done.err().as_ref().and_then(Refusal::of)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_file_is_new_and_its_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let victim = place.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let (directory, _) = Directory::make(&place.path().join("out")).unwrap();
    let out = place.path().join("out");
    symlink(&victim, out.join("link")).unwrap();
    symlink(place.path().join("nothing"), out.join("dangling")).unwrap();
    for taken in ["link", "dangling"] {
        assert_eq!(directory.create(name(taken)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(refusal(directory.append(name(taken))), Some(Refusal::Link).filter(|_| taken == "link"));
        assert!(directory.claim(name(taken)).is_err());
    }
    assert!(!place.path().join("nothing").exists());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    drop(directory.create(name("file")).unwrap());
    assert_eq!(out.join("file").metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(out.metadata().unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_file_with_another_name_is_not_added_to() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("victim"), "precious").unwrap();
    fs::hard_link(place.path().join("victim"), place.path().join("records.json")).unwrap();
    let directory = Directory::open(place.path()).unwrap();
    assert_eq!(refusal(directory.append(name("records.json"))), Some(Refusal::Names));
    assert_eq!(refusal(directory.claim(name("records.json"))), Some(Refusal::Names));
}

#[test]
fn a_directory_that_others_may_write_is_refused_unless_it_is_sticky() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    fs::create_dir(&out).unwrap();
    for (bits, refused) in [(0o755, false), (0o777, true), (0o757, true), (0o1777, false), (0o775, false)] {
        mode(&out, bits);
        let refusal = refusal(Directory::open(&out));
        assert_eq!(refusal, refused.then_some(Refusal::DirectoryMode(bits)), "{bits:o}");
    }
}

#[test]
fn links_of_a_directory_that_others_may_write_are_not_followed_on_the_way() {
    let place = tempfile::tempdir().unwrap();
    let (open, safe) = (place.path().join("open"), place.path().join("safe"));
    for path in [&open, &safe, &safe.join("inner")] {
        fs::create_dir(path).unwrap();
    }
    symlink("../safe", open.join("link")).unwrap();
    symlink("safe/inner", place.path().join("ours")).unwrap();
    // A link of ours, relative and within the path.
    assert!(Directory::open(&place.path().join("ours/../inner")).is_ok());
    assert!(Directory::open(&open.join("link/inner")).is_ok());
    mode(&open, 0o777);
    assert_eq!(refusal(Directory::open(&open.join("link/inner"))), Some(Refusal::Way));
    symlink("round", place.path().join("round")).unwrap();
    assert_eq!(refusal(Directory::open(&place.path().join("round"))), Some(Refusal::Links));
}

#[test]
fn what_somebody_writes_cannot_be_claimed() {
    let place = tempfile::tempdir().unwrap();
    let directory = Directory::open(place.path()).unwrap();
    let writing = directory.create(name("a.part")).unwrap();
    assert_eq!(refusal(directory.claim(name("a.part"))), Some(Refusal::Busy));
    drop(writing);
    assert!(directory.claim(name("a.part")).is_ok());
}

#[test]
fn a_file_is_found_gone_when_another_has_its_name() {
    let place = tempfile::tempdir().unwrap();
    let directory = Directory::open(place.path()).unwrap();
    let file = directory.create(name("a")).unwrap();
    assert!(directory.still_has(name("a"), &file).unwrap());
    directory.rename(name("a"), name("b")).unwrap();
    assert!(!directory.still_has(name("a"), &file).unwrap());
    drop(directory.create(name("a")).unwrap());
    assert!(!directory.still_has(name("a"), &file).unwrap());
    directory.remove(name("b")).unwrap();
    assert!(Status::of(&file).unwrap().nameless);
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hold_up_who_opens_it_and_devices_are_written() {
    let place = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(place.path().join("pipe")).status();
    assert!(made.unwrap().success());
    let directory = Directory::open(place.path()).unwrap();
    assert_eq!(directory.append(name("pipe")).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    assert!(Directory::around(Path::new("/dev/null")).unwrap().0.append(name("null")).is_ok());
}

#[test]
fn directories_that_were_made_go_again_if_they_are_empty() {
    let place = tempfile::tempdir().unwrap();
    let (_, made) = Directory::make(&place.path().join("a/b/c")).unwrap();
    fs::write(place.path().join("a/mine"), "").unwrap();
    made.undo();
    assert!(place.path().join("a/mine").exists() && !place.path().join("a/b").exists());
}
