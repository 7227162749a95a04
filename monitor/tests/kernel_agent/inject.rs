//! System calls made in the name of a running thread, as whoever took it over would make them: it is held, its
//! registers are set, and it goes on as if nothing had happened (`ptrace(2)`).

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

use nix::{
    errno::Errno,
    libc::user_regs_struct,
    sys::{
        ptrace,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// Answers of interrupted calls that the kernel makes again (include/linux/errno.h, `ERESTARTSYS` to
/// `ERESTART_RESTARTBLOCK`).
const RESTARTED: [i64; 4] = [-512, -513, -514, -516];

/// An argument of a call.
#[derive(Clone, Debug)]
pub(crate) enum Argument {
    /// A number.
    Number(u64),
    /// The address of these bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Self::Number(number as u64)
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Bytes([text.as_bytes(), &[0]].concat())
    }
}

impl From<&[u8]> for Argument {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

/// A thread that is held, until this is dropped.
pub(crate) struct Held {
    thread: Pid,
    memory: File,
    /// As it was.
    registers: user_regs_struct,
    /// An instruction that calls the system.
    call: u64,
}

impl Held {
    /// Stops a thread of a process.
    pub(crate) fn stop(process: u32, thread: u32) -> Self {
        let thread = Pid::from_raw(thread as i32);
        ptrace::seize(thread, ptrace::Options::PTRACE_O_TRACESYSGOOD).expect("seize");
        ptrace::interrupt(thread).expect("interrupt");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it to stop");
        let memory = File::options().read(true).write(true).open(format!("/proc/{process}/mem"));
        let memory = memory.expect("its memory");
        let registers = ptrace::getregs(thread).expect("registers");
        Self { thread, call: instruction(process, &memory), memory, registers }
    }

    /// Makes a call; what it returned.
    pub(crate) fn call(&self, number: i64, arguments: &[Argument]) -> Result<i64, Errno> {
        let mut words = [0_u64; 6];
        // Below the red zone of its stack nothing is in use.
        let mut free = (self.registers.rsp - 65_536) & !0xfff;
        for (word, argument) in words.iter_mut().zip(arguments) {
            *word = match argument {
                Argument::Number(number) => *number,
                Argument::Bytes(bytes) => {
                    self.memory.write_all_at(bytes, free).expect("its stack");
                    let address = free;
                    free += (bytes.len() as u64).next_multiple_of(16);
                    address
                }
            };
        }
        let [rdi, rsi, rdx, r10, r8, r9] = words;
        // No number of a call that it was in: none is made again.
        let registers = user_regs_struct {
            rip: self.call,
            rax: number as u64,
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..self.registers
        };
        ptrace::setregs(self.thread, registers).expect("registers");
        // Into the call, and out of it.
        for _ in 0..2 {
            self.go_on();
        }
        let returned = ptrace::getregs(self.thread).expect("registers").rax as i64;
        if (-4095..0).contains(&returned) { Err(Errno::from_raw(-returned as i32)) } else { Ok(returned) }
    }

    fn go_on(&self) {
        let mut signal = None;
        loop {
            ptrace::syscall(self.thread, signal).expect("to go on");
            match waitpid(self.thread, Some(WaitPidFlag::__WALL)).expect("it to stop") {
                WaitStatus::PtraceSyscall(_) => return,
                WaitStatus::Stopped(_, other) => signal = Some(other),
                WaitStatus::PtraceEvent(..) => signal = None,
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut registers = self.registers;
        let waits = registers.orig_rax != u64::MAX && RESTARTED.contains(&(registers.rax as i64));
        if waits {
            // The kernel would have made the call again by itself.
            registers.rip -= 2;
            registers.rax = registers.orig_rax;
        }
        registers.orig_rax = u64::MAX;
        // A process that has ended has no registers.
        let _ = ptrace::setregs(self.thread, registers);
        let _ = ptrace::detach(self.thread, None);
    }
}

/// Where the process has `syscall` in its code.
fn instruction(process: u32, memory: &File) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("maps");
    let code = maps.lines().filter(|line| line.contains(" r-xp ") && line.contains("libc.so"));
    for line in code {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (from, to) = (address(from), address(to));
        let mut bytes = vec![0; (to - from) as usize];
        memory.read_exact_at(&mut bytes, from).expect("its code");
        if let Some(at) = bytes.windows(2).position(|pair| pair == [0x0f, 0x05]) {
            return from + at as u64;
        }
    }
    panic!("no system call in the code of {process}");
}
