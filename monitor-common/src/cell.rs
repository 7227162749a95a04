//! Words of memory that the kernel programs write while user space reads them through a mapping.
//!
//! In the kernel [`Cell64::add`] and [`Cell32::add`] are atomic additions (`lock xadd`), because
//! packets of one flow may be on several CPUs at once; `get` and `set` are single loads and stores.
//! In user space a slot has one writer, so an addition is a relaxed load and store there.
#![cfg_attr(
    target_arch = "bpf",
    expect(unsafe_code, reason = "shared memory; every access to it in this crate goes through here")
)]

#[cfg(target_arch = "bpf")]
mod imp {
    use core::{cell::UnsafeCell, intrinsics};

    macro_rules! cell {
        ($(#[$doc:meta])* $name:ident, $word:ty) => {
            $(#[$doc])*
            #[repr(transparent)]
            pub struct $name(UnsafeCell<$word>);

            // SAFETY: every access is a single volatile or atomic access of an aligned word.
            unsafe impl Sync for $name {}

            impl $name {
                /// A word with this value.
                #[inline(always)]
                pub const fn new(value: $word) -> Self {
                    Self(UnsafeCell::new(value))
                }

                /// The word as it is now.
                #[inline(always)]
                pub fn get(&self) -> $word {
                    // SAFETY: the pointer comes from a reference; the read is one aligned load.
                    unsafe { self.0.get().read_volatile() }
                }

                /// Stores the word. Whoever else stores at the same time may win.
                #[inline(always)]
                pub fn set(&self, value: $word) {
                    // SAFETY: the pointer comes from a reference; the write is one aligned store.
                    unsafe { self.0.get().write_volatile(value) }
                }
            }
        };
    }

    macro_rules! counter {
        ($name:ident, $word:ty) => {
            impl $name {
                /// Adds atomically, wrapping.
                #[inline(always)]
                pub fn add(&self, n: $word) {
                    // SAFETY: the pointer comes from a reference to an aligned word. The result is
                    // unused, which is what makes it `lock xadd`, known to every kernel.
                    unsafe {
                        intrinsics::atomic_xadd::<$word, $word, { intrinsics::AtomicOrdering::Relaxed }>(
                            self.0.get(),
                            n,
                        );
                    }
                }
            }
        };
    }

    cell!(/// 8 bits shared between kernel and user space.
        Cell8, u8);
    cell!(/// 16 bits shared between kernel and user space.
        Cell16, u16);
    cell!(/// 32 bits shared between kernel and user space.
        Cell32, u32);
    cell!(/// 64 bits shared between kernel and user space.
        Cell64, u64);
    counter!(Cell32, u32);
    counter!(Cell64, u64);
}

#[cfg(not(target_arch = "bpf"))]
mod imp {
    use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

    macro_rules! cell {
        ($(#[$doc:meta])* $name:ident, $atomic:ty, $word:ty) => {
            $(#[$doc])*
            #[derive(Debug, Default)]
            #[repr(transparent)]
            pub struct $name($atomic);

            impl $name {
                /// A word with this value.
                #[inline(always)]
                pub const fn new(value: $word) -> Self {
                    Self(<$atomic>::new(value))
                }

                /// The word as it is now.
                #[inline(always)]
                pub fn get(&self) -> $word {
                    self.0.load(Relaxed)
                }

                /// Stores the word. Whoever else stores at the same time may win.
                #[inline(always)]
                pub fn set(&self, value: $word) {
                    self.0.store(value, Relaxed);
                }
            }
        };
    }

    macro_rules! counter {
        ($name:ident, $word:ty) => {
            impl $name {
                /// Adds, wrapping. In user space a slot has one writer: this is no read-modify-write.
                #[inline(always)]
                pub fn add(&self, n: $word) {
                    self.set(self.get().wrapping_add(n));
                }
            }
        };
    }

    cell!(/// 8 bits shared between kernel and user space.
        Cell8, AtomicU8, u8);
    cell!(/// 16 bits shared between kernel and user space.
        Cell16, AtomicU16, u16);
    cell!(/// 32 bits shared between kernel and user space.
        Cell32, AtomicU32, u32);
    cell!(/// 64 bits shared between kernel and user space.
        Cell64, AtomicU64, u64);
    counter!(Cell32, u32);
    counter!(Cell64, u64);
}

pub use imp::{Cell8, Cell16, Cell32, Cell64};
