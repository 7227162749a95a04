//! Whose a flow is: the sockets at its ends, asked for once a connection and direction.
//!
//! A packet that goes out has its sender's socket, one that comes in leads to its receiver's by its addresses. Only
//! from another network namespace of this host does a packet come in with a socket: its sender's, never that of
//! whoever receives it here.
#![expect(unsafe_code, reason = "sockets that the kernel lends")]

use aya_ebpf::{
    bindings::{BPF_F_CURRENT_NETNS, bpf_sock, bpf_sock_tuple},
    helpers::generated::{
        bpf_get_socket_cookie, bpf_sk_fullsock, bpf_sk_lookup_udp, bpf_sk_release, bpf_skb_cgroup_id,
        bpf_skc_lookup_tcp,
    },
    macros::map,
    maps::PerCpuArray,
};
use monitor_common::{
    abi::{Direction, Flow, OwnerCells, Side, SocketOwner, bits, hook_flags, owner_flags},
    wire::{Fragment, Packet},
};

use crate::{
    bytes::Skb,
    maps::{OWNERS, SLOTS, config, this_cpu},
    sockets,
};

/// `SOCK_RAW` (include/linux/net.h).
const RAW: u32 = 3;
/// `AF_PACKET` (include/linux/socket.h).
const PACKET: u32 = 17;
/// `BPF_TCP_LISTEN` (include/uapi/linux/bpf.h).
const LISTEN: u32 = 10;

/// A question that a packet asks.
#[repr(C)]
pub(crate) struct Question {
    /// Addresses and ports in the form of the kernel's lookups: of IPv4 the first three words.
    tuple: [u32; 9],
    index: u32,
    /// Flags of the hook.
    hook: u32,
    side: u8,
    ip_version: u8,
    protocol: u8,
    fragment: u8,
}

/// By CPU: the question of the packet that is being counted.
#[map]
static QUESTION: PerCpuArray<Question> = PerCpuArray::with_max_entries(1, 0);

/// Whether the sockets of a direction's current connection are still to be asked for.
#[inline(always)]
pub(crate) fn is_open(flow: &Flow, index: u32, side: Side) -> bool {
    match OWNERS.get(index) {
        Some(owners) => owners.asked[side.index() & 1].get() != flow.head.reused.get().wrapping_add(1),
        None => false,
    }
}

/// Notes what is to be asked of a packet, for [`ask`]: that is not called where the packet lies on the stack.
#[inline(always)]
pub(crate) fn note(index: u32, packet: &Packet, side: Side, hook: u32) {
    let Some(question) = this_cpu(&QUESTION) else { return };
    let (from, to) = (packet.source.words(), packet.destination.words());
    question.tuple = [from[0], from[1], from[2], from[3], to[0], to[1], to[2], to[3], 0];
    question.tuple[8] = ports(packet.source_port, packet.destination_port);
    question.index = index;
    question.hook = hook;
    question.side = side as u8;
    question.ip_version = packet.ip_version;
    question.protocol = packet.protocol;
    question.fragment = packet.fragment;
}

/// Ports in network byte order, one behind the other.
#[inline(always)]
const fn ports(from: u16, to: u16) -> u32 {
    let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
    u32::from_ne_bytes([from[0], from[1], to[0], to[1]])
}

/// What a packet says of the sockets at both ends of its flow. It asks again as long as a connection has no socket
/// of its own yet (a SYN that was answered and not acknowledged).
#[inline(never)]
pub(crate) fn ask(ctx: Skb, direction: Direction) -> u32 {
    let Some(question) = this_cpu(&QUESTION) else { return 0 };
    let Some(flow) = SLOTS.get(question.index) else { return 0 };
    let side = if question.side == 0 { Side::Lower } else { Side::Upper };
    let settled = match direction {
        Direction::Transmit => carried(ctx, question.index, side, 0),
        Direction::Receive => arriving(ctx, question, side),
    };
    if settled != 0
        && let Some(owners) = OWNERS.get(question.index)
    {
        owners.asked[side.index() & 1].set(flow.head.reused.get().wrapping_add(1));
        if config::samples() == 0 {
            let bits = &flow.hot[side.index() & 1].bits;
            bits.set(bits.get() | bits::SATED);
        }
    }
    settled
}

#[inline(always)]
fn cells(index: u32, side: Side) -> Option<&'static OwnerCells> {
    Some(&OWNERS.get(index)?.sides[side.index() & 1])
}

/// Takes the socket that a packet has as its sender's.
#[inline(always)]
fn carried(ctx: Skb, index: u32, side: Side, how: u32) -> u32 {
    let Some(cells) = cells(index, side) else { return 1 };
    // SAFETY: a field of the context, read once.
    let socket = unsafe { (&raw const (*ctx.as_ptr()).__bindgen_anon_2.sk).read_volatile() };
    if socket.is_null() {
        if how == 0 {
            // SAFETY: a field of the context, read once.
            let came_in_by = unsafe { (&raw const (*ctx.as_ptr()).ingress_ifindex).read_volatile() };
            let forwarded = if came_in_by == 0 { 0 } else { owner_flags::FORWARDED };
            cells.flags.set(owner_flags::ASKED | forwarded);
        }
        return 1;
    }
    // SAFETY: a socket of some kind, not null.
    let socket = unsafe { bpf_sk_fullsock(socket) };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: the context of the program that is running.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr().cast()) };
    // SAFETY: a full socket, not null.
    if let Some(owner) = unsafe { sockets::owner(socket) } {
        cells.set(owner, cookie, owner.flags | how | owner_flags::ASKED | owner_flags::SOCKET);
    } else {
        // SAFETY: as above; the packet has a socket.
        let (cgroup, kind) = unsafe { (bpf_skb_cgroup_id(ctx.as_ptr()), (*socket).type_) };
        let owner = SocketOwner { cgroup, ..SocketOwner::default() };
        // SAFETY: a full socket, not null.
        let raw = match (unsafe { (*socket).family }, kind) {
            (PACKET, _) => owner_flags::PACKET,
            (_, RAW) => owner_flags::RAW,
            _ => 0,
        };
        cells.set(&owner, cookie, how | raw | owner_flags::ASKED | owner_flags::SOCKET);
    }
    1
}

/// The receiver's socket, by the packet's addresses, and the sender's where it is on this host as well. Returns
/// whether both are settled.
#[inline(always)]
fn arriving(ctx: Skb, question: &mut Question, side: Side) -> u32 {
    let mut settled = carried(ctx, question.index, side, owner_flags::FOREIGN);
    if question.fragment == Fragment::Later as u8 {
        return 0;
    }
    if question.ip_version == 4 {
        let [_, _, _, from, _, _, _, to, ports] = question.tuple;
        question.tuple[0] = from;
        question.tuple[1] = to;
        question.tuple[2] = ports;
    }
    let (index, protocol) = (question.index, question.protocol);
    settled &= look_up(ctx, question, protocol, index, side.other());
    if question.hook & hook_flags::ONE_SIDED != 0 {
        reverse(question);
        settled &= look_up(ctx, question, protocol, index, side);
    }
    settled
}

/// The other way round: for the socket of the sender.
#[inline(always)]
fn reverse(question: &mut Question) {
    let tuple = &mut question.tuple;
    if question.ip_version == 4 {
        tuple.swap(0, 1);
        tuple[2] = tuple[2].rotate_left(16);
        return;
    }
    tuple.swap(0, 4);
    tuple.swap(1, 5);
    tuple.swap(2, 6);
    tuple.swap(3, 7);
    tuple[8] = tuple[8].rotate_left(16);
}

/// Finds a socket of TCP or UDP by its addresses. Returns whether that is settled.
#[inline(never)]
fn look_up(ctx: Skb, question: &mut Question, protocol: u8, index: u32, side: Side) -> u32 {
    let Some(cells) = cells(index, side) else { return 1 };
    let (context, at) = (ctx.as_ptr().cast(), (&raw mut question.tuple).cast::<bpf_sock_tuple>());
    let namespace = BPF_F_CURRENT_NETNS as i64 as u64;
    let found: *mut bpf_sock = match (protocol, question.ip_version) {
        // SAFETY: the context, and as many bytes of addresses as are given.
        (6, 4) => unsafe { bpf_skc_lookup_tcp(context, at, 12, namespace, 0) },
        // SAFETY: as above.
        (6, _) => unsafe { bpf_skc_lookup_tcp(context, at, 36, namespace, 0) },
        // SAFETY: as above.
        (17, 4) => unsafe { bpf_sk_lookup_udp(context, at, 12, namespace, 0) },
        // SAFETY: as above.
        (17, _) => unsafe { bpf_sk_lookup_udp(context, at, 36, namespace, 0) },
        // Of others the packets that go out say it.
        _ => return 1,
    };
    if found.is_null() {
        // What a packet that went out has said holds.
        if cells.flags.get() == 0 {
            cells.flags.set(owner_flags::ASKED | owner_flags::LOOKED_UP);
        }
        return 1;
    }
    // SAFETY: a socket of some kind, not null.
    let socket = unsafe { bpf_sk_fullsock(found) };
    let mut settled = 0;
    if !socket.is_null() {
        settled = 1;
        let how = owner_flags::ASKED | owner_flags::SOCKET | owner_flags::LOOKED_UP;
        // SAFETY: a full socket, not null.
        let listens = if unsafe { (*socket).state } == LISTEN { owner_flags::LISTENER } else { 0 };
        // SAFETY: as above.
        match unsafe { sockets::owner(socket) } {
            Some(owner) => cells.set(owner, 0, owner.flags | how | listens),
            // A packet that went out knows more.
            None if cells.flags.get() & owner_flags::SOCKET == 0 => cells.flags.set(how | listens),
            None => {}
        }
    }
    // SAFETY: what a lookup gave, once.
    unsafe { bpf_sk_release(found.cast()) };
    settled
}
