//! Listening sockets from `/proc/thread-self/net` (`proc_pid_net(5)`): that of this thread's namespace.

use std::io::{BufRead, BufReader};

use monitor_common::abi::Transport;
use monitor_core::host::Listener;
use monitor_core::services::is_ephemeral;

/// `TCP_LISTEN` of `include/net/tcp_states.h`, as the file writes it.
const LISTEN: &str = "0A";
/// `TCP_CLOSE`: what an unconnected UDP socket is in.
const UNCONNECTED: &str = "07";

/// Ports that somebody listens on. What cannot be read is left out: it only decides who the client is
/// where nothing else does.
pub(super) fn read() -> Vec<Listener> {
    let mut listeners = Vec::new();
    for (file, transport) in
        [("tcp", Transport::Tcp), ("tcp6", Transport::Tcp), ("udp", Transport::Udp), ("udp6", Transport::Udp)]
    {
        let Ok(file) = std::fs::File::open(format!("/proc/thread-self/net/{file}")) else { continue };
        for line in BufReader::new(file).lines().skip(1).map_while(Result::ok) {
            match port(&line, transport) {
                Some(port) => {
                    let listener = Listener { transport, port };
                    if !listeners.contains(&listener) {
                        listeners.push(listener);
                    }
                }
                // Listening sockets come first (net/ipv4/tcp_ipv4.c, tcp_seq_start); the rest may be long.
                None if transport == Transport::Tcp => break,
                None => {}
            }
        }
    }
    listeners
}

/// The local port of a line, if the socket waits for strangers.
fn port(line: &str, transport: Transport) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    let waits = match transport {
        Transport::Udp => state == UNCONNECTED && !is_ephemeral(port),
        _ => state == LISTEN,
    };
    waits.then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(read().contains(&Listener { transport: Transport::Tcp, port }));
    }

    #[test]
    fn lines_tell_listening_from_talking() {
        let listening = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1";
        let talking = "   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000 0 0 2";
        assert_eq!(port(listening, Transport::Tcp), Some(8080));
        assert_eq!(port(talking, Transport::Tcp), None);
        assert_eq!(port("  2: 00000000:0035 00000000:0000 07 x", Transport::Udp), Some(53));
        assert_eq!(port("  2: 00000000:C001 00000000:0000 07 x", Transport::Udp), None);
        assert_eq!(port("nonsense", Transport::Tcp), None);
    }
}
