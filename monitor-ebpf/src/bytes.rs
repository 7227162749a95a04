//! How the kernel programs read a frame.
#![expect(unsafe_code, reason = "packet memory, within bounds that the verifier proves")]

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    helpers::generated::{bpf_skb_load_bytes, bpf_xdp_load_bytes},
};
use core::hint::black_box;
use monitor_common::wire::PacketBytes;

/// Offsets beyond this are not headers any more. A power of two: masking proves the bound.
const OFFSET_MASK: usize = 0x3fff;

/// Copies `N` bytes from packet memory, four at a time.
///
/// The words are read as if they were aligned: an unaligned read is compiled to single bytes on this
/// target. The instruction itself asks for no alignment where the CPU does not, and elsewhere the
/// verifier refuses the program.
///
/// # Safety
/// `pointer` to `pointer + N` lies within the packet.
#[inline(always)]
unsafe fn words<const N: usize>(pointer: usize) -> [u8; N] {
    let mut out = [0u8; N];
    let mut i = 0;
    while i + 4 <= N {
        // SAFETY: within the packet, by the caller.
        let w = unsafe { ((pointer + i) as *const u32).read() }.to_ne_bytes();
        out[i] = w[0];
        out[i + 1] = w[1];
        out[i + 2] = w[2];
        out[i + 3] = w[3];
        i += 4;
    }
    if i + 2 <= N {
        // SAFETY: as above.
        let w = unsafe { ((pointer + i) as *const u16).read() }.to_ne_bytes();
        out[i] = w[0];
        out[i + 1] = w[1];
        i += 2;
    }
    if i < N {
        // SAFETY: as above.
        out[i] = unsafe { ((pointer + i) as *const u8).read() };
    }
    out
}

/// The context of a TC program that is running.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Skb(*mut __sk_buff);

impl Skb {
    /// # Safety
    /// `context` is what the kernel gave the program that is running.
    #[inline(always)]
    pub(crate) const unsafe fn new(context: *mut __sk_buff) -> Self {
        Self(context)
    }

    #[inline(always)]
    pub(crate) const fn as_ptr(self) -> *mut __sk_buff {
        self.0
    }

    /// What the kernel says of the packet.
    #[inline(always)]
    pub(crate) const fn fields<'a>(self) -> &'a __sk_buff {
        // SAFETY: valid while the program runs, by `new`.
        unsafe { &*self.0 }
    }

    /// The part of the packet that can be read directly.
    #[inline(always)]
    pub(crate) const fn linear(self) -> Linear {
        let s = self.fields();
        Linear { data: s.data as usize, end: s.data_end as usize }
    }
}

/// The context of an XDP program that is running.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Xdp(*mut xdp_md);

impl Xdp {
    /// # Safety
    /// `context` is what the kernel gave the program that is running.
    #[inline(always)]
    pub(crate) const unsafe fn new(context: *mut xdp_md) -> Self {
        Self(context)
    }

    #[inline(always)]
    pub(crate) const fn as_ptr(self) -> *mut xdp_md {
        self.0
    }

    /// What the kernel says of the frame.
    #[inline(always)]
    pub(crate) const fn fields<'a>(self) -> &'a xdp_md {
        // SAFETY: valid while the program runs, by `new`.
        unsafe { &*self.0 }
    }

    /// The part of the frame that can be read directly.
    #[inline(always)]
    pub(crate) const fn linear(self) -> Linear {
        let x = self.fields();
        Linear { data: x.data as usize, end: x.data_end as usize }
    }
}

/// Packet memory at constant offsets: the fast path.
pub(crate) struct Linear {
    data: usize,
    end: usize,
}

impl PacketBytes for Linear {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let pointer = self.data + offset;
        if pointer + N > self.end {
            return None;
        }
        // SAFETY: just checked.
        Some(unsafe { words(pointer) })
    }
}

/// `N` bytes at a computed offset of packet memory. The detours keep the compiler from rewriting
/// the comparison into one from which the verifier learns nothing.
#[inline(always)]
fn direct<const N: usize>(context: Xdp, offset: usize) -> Option<[u8; N]> {
    let Linear { data, end } = context.linear();
    if offset > OFFSET_MASK {
        return None;
    }
    let pointer = black_box(data + (black_box(offset) & OFFSET_MASK));
    if black_box(pointer + N) > end {
        return None;
    }
    // SAFETY: just checked.
    Some(unsafe { words(pointer) })
}

/// Wherever the bytes of an skb lie.
impl PacketBytes for Skb {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut out = [0u8; N];
        // SAFETY: the helper checks the offset and writes N bytes or fails.
        let failed =
            unsafe { bpf_skb_load_bytes(self.0.cast(), offset as u32, out.as_mut_ptr().cast(), N as u32) }
                != 0;
        (!failed).then_some(out)
    }
}

/// An XDP frame in one buffer.
pub(crate) struct XdpLinear(pub(crate) Xdp);

impl PacketBytes for XdpLinear {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        direct(self.0, offset)
    }
}

/// An XDP frame in one or many buffers, by the helper alone: a second way to each byte would double
/// what the verifier walks at every read.
pub(crate) struct XdpFrags(pub(crate) Xdp);

impl PacketBytes for XdpFrags {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut out = [0u8; N];
        // SAFETY: the helper checks the offset and writes N bytes or fails.
        let failed =
            unsafe { bpf_xdp_load_bytes(self.0.as_ptr(), offset as u32, out.as_mut_ptr().cast(), N as u32) }
                != 0;
        (!failed).then_some(out)
    }
}
