//! Names of users and hosts in a static build.
//!
//! The C library finds names as /etc/nsswitch.conf says, and loads a shared library for each way that is not built in:
//! into a static program that means a second C library, of whatever version this host has. So a static build keeps to
//! the ways that are built in: files and DNS. Users of a directory service are then given by number.

#![cfg_attr(
    all(target_env = "gnu", target_feature = "crt-static"),
    expect(unsafe_code, reason = "glibc's nss.h has no safe form")
)]

/// Before the first name is looked up.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub fn keep_to_files_and_dns() {
    unsafe extern "C" {
        /// glibc's nss.h: how a database is looked up, in the place of /etc/nsswitch.conf. 0: done.
        fn __nss_configure_lookup(database: *const libc::c_char, ways: *const libc::c_char) -> libc::c_int;
    }
    for (database, ways) in [(c"passwd", c"files"), (c"group", c"files"), (c"hosts", c"files dns")] {
        // SAFETY: both are strings that end with a zero and live on; glibc copies them. No other thread runs yet. It
        // fails for a database that there is not, and then nothing is looked up another way than before.
        let _ = unsafe { __nss_configure_lookup(database.as_ptr(), ways.as_ptr()) };
    }
}

/// Elsewhere the C library is the host's own.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub const fn keep_to_files_and_dns() {}
