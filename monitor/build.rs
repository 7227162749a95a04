//! Puts the compiled kernel side into the binary when `WEIR_EBPF_OBJECT` names it; `cargo xtask build` does.

use std::path::PathBuf;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(weir_ebpf_object)");
    println!("cargo::rerun-if-env-changed=WEIR_EBPF_OBJECT");
    let Some(object) = std::env::var_os("WEIR_EBPF_OBJECT").map(PathBuf::from) else { return };
    println!("cargo::rerun-if-changed={}", object.display());
    println!("cargo::rustc-cfg=weir_ebpf_object");
}
