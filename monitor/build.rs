//! Puts the compiled kernel side into the binary: the one that `WEIR_EBPF_OBJECT` names (`cargo xtask build` sets it),
//! else the one that a source package has. A checkout has none, for no binary is checked in.

use std::env;
use std::path::{Path, PathBuf};

/// Where a source package has the kernel side, and the commit that it is of.
const PACKAGED: &str = "kernel/weir-ebpf";
const COMMIT: &str = "kernel/commit";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(weir_ebpf_object)");
    println!("cargo::rerun-if-env-changed=WEIR_EBPF_OBJECT");
    println!("cargo::rerun-if-changed=build.rs");
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let packaged = manifest.join(PACKAGED);
    let object = match env::var_os("WEIR_EBPF_OBJECT").map(PathBuf::from) {
        Some(named) => named,
        None if packaged.exists() => {
            println!("cargo::rustc-env=WEIR_EBPF_OBJECT={}", packaged.display());
            if let Ok(commit) = std::fs::read_to_string(manifest.join(COMMIT)) {
                println!("cargo::rustc-env=WEIR_COMMIT={}", commit.trim());
            }
            packaged
        }
        None => return without(),
    };
    println!("cargo::rerun-if-changed={}", object.display());
    println!("cargo::rustc-cfg=weir_ebpf_object");
}

/// Whoever builds for use, as `cargo install` does, is told what the program will lack; `cargo test` is not.
fn without() {
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!(
            "cargo::warning=without the kernel side this weir reads captures and counts no host: type `cargo xtask \
             build --release`, which needs a compiler with core's sources ({}) and bpf-linker ({}), or take a release's \
             source package",
            if Path::new("/usr/lib/rustlib/src/rust/library/core").exists() || nightly() {
                "here"
            } else {
                "missing: Debian's rustc-web and rust-web-src, or rustup's nightly with rust-src"
            },
            if in_path("bpf-linker") { "here" } else { "missing: `cargo xtask setup --toolchain` builds it" },
        );
    }
}

/// Whether rustup has a nightly with core's sources.
fn nightly() -> bool {
    let home = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".rustup")));
    let toolchains = home.and_then(|home| std::fs::read_dir(home.join("toolchains")).ok());
    toolchains.into_iter().flatten().flatten().any(|toolchain| {
        toolchain.file_name().to_string_lossy().starts_with("nightly-")
            && toolchain.path().join("lib/rustlib/src/rust/library/core").exists()
    })
}

fn in_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .any(|directory| directory.join(program).exists())
}
