//! The kernel's clocks.
#![expect(unsafe_code, reason = "helpers of the kernel")]

use aya_ebpf::helpers::generated::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns};
use monitor_common::account::Clock;

use crate::maps::{TEST_CLOCK, config};

/// `CLOCK_MONOTONIC`: the coarse one is a third of the price, and a scheduler tick behind.
pub(crate) struct KernelClock;

impl KernelClock {
    #[inline(always)]
    fn set_by_test() -> Option<u64> {
        (config::test_clock() != 0).then(|| TEST_CLOCK.get(0).copied().unwrap_or(0))
    }
}

impl Clock for KernelClock {
    #[inline(always)]
    fn coarse(&self) -> u64 {
        if let Some(now) = Self::set_by_test() {
            return now;
        }
        if config::coarse_clock() != 0 {
            // SAFETY: no arguments; kernel 5.11 and later, which is what the flag says.
            unsafe { bpf_ktime_get_coarse_ns() }
        } else {
            // SAFETY: no arguments.
            unsafe { bpf_ktime_get_ns() }
        }
    }

    #[inline(always)]
    fn precise(&self) -> u64 {
        if let Some(now) = Self::set_by_test() {
            return now;
        }
        // SAFETY: no arguments.
        unsafe { bpf_ktime_get_ns() }
    }
}
