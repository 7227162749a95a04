//! libFuzzer's entry: the variable `WEIR_FUZZ_TARGET` names the function.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_fuzz::Target;

static TARGET: LazyLock<Option<Target>> =
    LazyLock::new(|| std::env::var("WEIR_FUZZ_TARGET").ok().and_then(|name| Target::named(&name)));

fuzz_target!(|bytes: &[u8]| {
    let Some(target) = *TARGET else {
        eprintln!("WEIR_FUZZ_TARGET names no target");
        std::process::exit(2)
    };
    (target.run)(bytes);
});
