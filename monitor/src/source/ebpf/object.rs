//! The compiled kernel side inside the binary, if it was there when the binary was built.

use super::Error;

/// Whether this build can watch a live host.
pub const fn is_embedded() -> bool {
    cfg!(weir_ebpf_object)
}

/// The object file, aligned as an ELF reader wants it.
#[cfg(weir_ebpf_object)]
static EMBEDDED: Option<&[u8]> = Some(aya::include_bytes_aligned!(env!("WEIR_EBPF_OBJECT")));

/// There is none.
#[cfg(not(weir_ebpf_object))]
static EMBEDDED: Option<&[u8]> = None;

/// The object, or how to get one.
pub(super) fn bytes() -> Result<&'static [u8], Error> {
    EMBEDDED.ok_or(Error::NoKernelSide)
}

/// The same for tests that load it themselves; empty: there is none.
#[doc(hidden)]
pub fn object_bytes() -> &'static [u8] {
    EMBEDDED.unwrap_or_default()
}
