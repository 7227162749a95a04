//! A skip reaches the suite, though the harness hides what a test prints that passes.

use std::{fs, process::Command};

use testing::skip;

#[test]
#[ignore = "skips on purpose; started by the test below"]
fn planted() {
    skip::skip("planted", "on purpose");
}

#[test]
fn a_test_that_skips_passes_and_its_name_and_reason_are_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("skips");
    for _ in 0..2 {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let output =
            again.args(["--ignored", "--exact", "planted"]).env(skip::VARIABLE, &file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(
            !String::from_utf8_lossy(&output.stdout).contains("SKIPPED"),
            "the harness shows it after all"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "planted\ton purpose\n".repeat(2));
}
