//! Real sockets that talk, end and fail in all the usual ways.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
};

use nix::sys::{
    socket::{
        setsockopt,
        sockopt::{Linger, ReceiveTimeout},
    },
    time::TimeVal,
};

use crate::{
    netns::Namespace,
    wait::{DEADLINE, uninterrupted},
};

/// How a TCP client leaves.
#[derive(Clone, Copy)]
pub enum Ending {
    /// FIN first.
    Client,
    /// Waits for the server's FIN.
    Server,
    /// RST.
    Reset,
}

/// One TCP exchange: the client sends `up` bytes, the server answers with `down`, one of them ends it.
pub fn tcp(client: &Namespace, server: &Namespace, address: &str, up: usize, down: usize, ending: Ending) {
    let (ready, port) = mpsc::channel();
    let host: std::net::IpAddr = address.parse().expect("an address");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server.enter(|| {
                let listener = TcpListener::bind(SocketAddr::new(host, 0)).expect("listen");
                ready.send(listener.local_addr().expect("address").port()).expect("send");
                // A client that fails ends the test: nobody waits for it for ever.
                let patience = TimeVal::new(DEADLINE.as_secs() as i64, 0);
                setsockopt(&listener, ReceiveTimeout, &patience).expect("timeout");
                let (mut stream, _) = uninterrupted(|| listener.accept()).expect("accept");
                stream.set_read_timeout(Some(DEADLINE)).expect("timeout");
                read_exactly(&mut stream, up);
                let _ = stream.write_all(&vec![b'd'; down]);
                if matches!(ending, Ending::Server) {
                    let _ = stream.shutdown(Shutdown::Write);
                }
                // To the end of the connection, in whatever way it comes.
                let _ = stream.read_to_end(&mut Vec::new());
            });
        });
        let port = port.recv_timeout(DEADLINE).expect("the server's port");
        client.enter(|| {
            let mut stream = TcpStream::connect(SocketAddr::new(host, port)).expect("connect");
            stream.set_read_timeout(Some(DEADLINE)).expect("timeout");
            stream.write_all(&vec![b'u'; up]).expect("write");
            read_exactly(&mut stream, down);
            match ending {
                Ending::Client => drop(stream.shutdown(Shutdown::Write)),
                Ending::Server => {
                    let _ = stream.read_to_end(&mut Vec::new());
                }
                Ending::Reset => {
                    setsockopt(&stream, Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).expect("linger");
                }
            }
        });
    });
}

fn read_exactly(stream: &mut TcpStream, count: usize) {
    let mut left = count;
    let mut buffer = vec![0; 65536];
    while left > 0 {
        let n = uninterrupted(|| stream.read(&mut buffer[..left.min(65536)])).expect("read");
        assert!(n > 0, "the peer ended {left} bytes early");
        left -= n;
    }
}

/// A connection attempt to a port where nobody listens.
pub fn refused(client: &Namespace, address: &str) {
    let address = SocketAddr::new(address.parse().expect("an address"), 9);
    client.enter(|| assert!(TcpStream::connect_timeout(&address, DEADLINE).is_err()));
}

/// `count` datagrams of `size` bytes and as many answers of one byte.
pub fn udp(client: &Namespace, server: &Namespace, address: &str, count: usize, size: usize) {
    let host: std::net::IpAddr = address.parse().expect("an address");
    let any = if host.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let (ready, port) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server.enter(|| {
                let socket = UdpSocket::bind(SocketAddr::new(host, 0)).expect("bind");
                socket.set_read_timeout(Some(DEADLINE)).expect("timeout");
                ready.send(socket.local_addr().expect("address").port()).expect("send");
                let mut buffer = vec![0; 65536];
                for _ in 0..count {
                    let (n, from) = uninterrupted(|| socket.recv_from(&mut buffer)).expect("receive");
                    assert_eq!(n, size);
                    socket.send_to(b"a", from).expect("answer");
                }
            });
        });
        let port = port.recv_timeout(DEADLINE).expect("the server's port");
        client.enter(|| {
            let socket = UdpSocket::bind(any).expect("bind");
            socket.set_read_timeout(Some(DEADLINE)).expect("timeout");
            let payload = vec![b'q'; size];
            let mut buffer = [0; 16];
            for _ in 0..count {
                socket.send_to(&payload, SocketAddr::new(host, port)).expect("send");
                uninterrupted(|| socket.recv_from(&mut buffer)).expect("the answer");
            }
        });
    });
}

/// A bit of everything, over both versions of IP.
pub fn mixture(client: &Namespace, server: &Namespace, v4: &str, v6: &str) {
    for address in [v4, v6] {
        tcp(client, server, address, 100, 2_000, Ending::Client);
        tcp(client, server, address, 300_000, 10, Ending::Server);
        tcp(client, server, address, 10, 400_000, Ending::Reset);
        refused(client, address);
        udp(client, server, address, 20, 700);
        client.sh(&format!("ping -c 3 -i 0.01 -s 300 {address}"));
    }
}
