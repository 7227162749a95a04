//! Runs programs without an interface, by the kernel's own means.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::programs::ProgramFd;

/// `BPF_PROG_TEST_RUN`: runs the program `repeat` times on a frame; nanoseconds a run as the kernel says.
pub fn test_run(program: &ProgramFd, frame: &[u8], repeat: u32) -> u32 {
    /// `union bpf_attr` for it (include/uapi/linux/bpf.h).
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        prog_fd: u32,
        retval: u32,
        data_size_in: u32,
        data_size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
        ctx: [u32; 10],
    }
    const BPF_PROG_TEST_RUN: libc::c_int = 10;
    let mut attr = Attr {
        prog_fd: program.as_fd().as_raw_fd() as u32,
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        repeat,
        ..Attr::default()
    };
    // SAFETY: the attribute and the frame are locals that outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw mut attr, size_of::<Attr>()) };
    assert_eq!(done, 0, "BPF_PROG_TEST_RUN: {}", std::io::Error::last_os_error());
    attr.duration
}
