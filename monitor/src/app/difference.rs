//! The hooks' numbers against the device's own.

use monitor_core::totals::HookTotals;

/// What a hook has counted beyond the device, in packets on the wire and in buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    packets: i64,
    skbs: i64,
}

impl Difference {
    pub(super) const fn new(hook: &HookTotals, device: u64) -> Self {
        Self {
            packets: hook.packets.wrapping_sub(device) as i64,
            skbs: hook.skbs.wrapping_sub(device) as i64,
        }
    }

    /// What came since. Hardware counts what is on the wire. A software device counts a super-packet
    /// as one when it hands it on whole, and as its segments when the stack cuts it before (segmentation
    /// off) or joins it after (GRO): it is right anywhere between the two.
    pub(super) const fn since(self, before: Self, software: bool) -> i64 {
        let packets = self.packets.wrapping_sub(before.packets);
        let skbs = self.skbs.wrapping_sub(before.skbs);
        match software {
            true if skbs > 0 => skbs,
            true if packets >= 0 => 0,
            _ => packets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(packets: u64, skbs: u64, device: u64, software: bool) -> i64 {
        let hook = |packets, skbs| HookTotals { packets, skbs, ..HookTotals::default() };
        let before = Difference::new(&hook(1000, 900), 5000);
        Difference::new(&hook(1000 + packets, 900 + skbs), 5000 + device).since(before, software)
    }

    #[test]
    fn a_software_device_counts_super_packets_as_one_or_as_many() {
        for (device, difference) in [(10, 0), (25, 0), (40, 0), (9, 1), (41, -1)] {
            assert_eq!(since(40, 10, device, true), difference, "{device}");
        }
    }

    #[test]
    fn hardware_counts_what_is_on_the_wire() {
        for (device, difference) in [(40, 0), (10, 30), (43, -3)] {
            assert_eq!(since(40, 10, device, false), difference, "{device}");
        }
    }
}
