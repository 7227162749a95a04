//! Frames to run programs on.

/// An established acknowledgment, 66 bytes: Ethernet, IPv4, TCP with timestamps.
pub(crate) fn acknowledgment() -> Vec<u8> {
    segment(0)
}

/// The same with so many bytes of payload.
pub(crate) fn segment(payload: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((52 + payload).to_be_bytes());
    frame.extend([0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
    frame.extend((0..payload).map(|i| i as u8));
    frame
}
