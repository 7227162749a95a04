//! What another process has used, as the kernel says.
#![expect(unsafe_code, reason = "clocks of another process")]

/// CPU time of a process, ns: all its threads, those that ended too.
pub(crate) fn cpu_time(pid: u32) -> u64 {
    let mut clock = 0;
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointers are to locals.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut t) != 0
    };
    assert!(!failed, "process {pid} is gone");
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
