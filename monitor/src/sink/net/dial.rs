//! Connections: made by a thread that may, for threads that may not.
//!
//! Whoever parses what peers send has no right to connect. It asks here, by host and port; what is not configured is
//! refused, and from Linux 6.7 on so does the kernel with other ports of TCP.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs as _, UdpSocket},
    sync::{
        Arc, Mutex,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use crate::{
    config::outputs::{Kind, Network, Peer},
    confine::{Confinement, Report, Role},
    sync::lock,
};

/// How long a connection waits in the kernel for bytes; who waits longer asks again, and looks for the end meanwhile.
pub(super) const SLICE: Duration = Duration::from_millis(250);

/// Where may be connected to.
#[derive(Clone, Debug, Default)]
struct Allowed {
    peers: Vec<Peer>,
    /// Hosts that clusters may name, each on these ports.
    named: Vec<(Vec<String>, Vec<u16>)>,
}

/// The way to the thread that connects.
#[derive(Clone, Debug)]
pub struct Dialer {
    to: Sender<Request>,
    allowed: Arc<Mutex<Allowed>>,
}

struct Request {
    peer: Peer,
    udp: bool,
    patience: Duration,
    answer: Sender<io::Result<Socket>>,
}

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Allowed {
    fn of(outputs: &[&Network]) -> Self {
        let mut allowed = Self::default();
        for output in outputs {
            allowed.peers.extend(output.to.iter().cloned());
            if let Kind::Kafka(kafka) = &output.kind {
                let hosts =
                    output.to.iter().map(|peer| peer.host.clone()).chain(kafka.advertised.iter().cloned());
                allowed.named.push((hosts.collect(), output.to.iter().map(|peer| peer.port).collect()));
            }
        }
        allowed
    }

    fn has(&self, peer: &Peer) -> bool {
        let named = |(hosts, ports): &(Vec<String>, Vec<u16>)| {
            ports.contains(&peer.port) && hosts.iter().any(|host| covers(host, &peer.host))
        };
        self.peers.contains(peer) || self.named.iter().any(named)
    }
}

/// Whether a configured name is a host's, or `*.` with a domain that it is in.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(domain) => domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain),
        None => pattern == host,
    }
}

impl Dialer {
    /// Starts the thread, which may connect to the peers of these outputs and nowhere else.
    ///
    /// # Errors
    /// When there is no such thread.
    pub fn start(confinement: &Confinement, outputs: &[&Network]) -> io::Result<(Self, Option<Report>)> {
        let (to, from) = channel::<Request>();
        let allowed = Arc::new(Mutex::new(Allowed::of(outputs)));
        let start = || {
            std::thread::Builder::new().name(Role::Connector.as_str().to_owned()).spawn(move || {
                for request in from {
                    // One that waits holds up no other. Outputs wait for their answers, so there are no more of these.
                    let work = move || {
                        let Request { peer, udp, patience, answer } = request;
                        // Nobody waits any more: it closes.
                        drop(answer.send(connect(&peer, udp, patience)));
                    };
                    let name = Role::Connector.as_str().to_owned();
                    drop(std::thread::Builder::new().name(name).spawn(work));
                }
            })
        };
        let (thread, report) = confinement.within(Role::Connector, start)?;
        // It ends by itself: nobody waits.
        drop(thread?);
        Ok((Self { to, allowed }, report))
    }

    /// What may be connected to from now on.
    pub fn allow(&self, outputs: &[&Network]) {
        *lock(&self.allowed) = Allowed::of(outputs);
    }

    /// Connects.
    pub(super) fn connect(&self, peer: &Peer, udp: bool, patience: Duration) -> io::Result<Socket> {
        if !lock(&self.allowed).has(peer) {
            let text = "not a peer of the configuration (of Kafka: nor one of `advertised`)";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let (answer, answered) = channel();
        let request = Request { peer: peer.clone(), udp, patience, answer };
        self.to.send(request).map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
        answered.recv_timeout(patience + SLICE).unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => io::ErrorKind::TimedOut,
                RecvTimeoutError::Disconnected => io::ErrorKind::NotConnected,
            }
            .into())
        })
    }
}

fn connect(peer: &Peer, udp: bool, patience: Duration) -> io::Result<Socket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
    for address in (peer.host.as_str(), peer.port).to_socket_addrs()? {
        let connected = if udp {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            UdpSocket::bind(any).and_then(|socket| {
                socket.connect(address)?;
                socket.set_write_timeout(Some(SLICE))?;
                socket.set_read_timeout(Some(SLICE))?;
                Ok(Socket::Udp(socket))
            })
        } else {
            TcpStream::connect_timeout(&address, patience).and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SLICE))?;
                stream.set_write_timeout(Some(SLICE))?;
                Ok(Socket::Tcp(stream))
            })
        };
        match connected {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::outputs::Given;

    #[test]
    fn what_is_not_configured_is_not_connected_to() {
        let text = "kind=kafka,to=127.0.0.1:1,advertised=*.cluster.example,spool=/x";
        let output = Given::read(text).unwrap().output;
        let network = output.to.network().unwrap();
        let allowed = Allowed::of(&[network]);
        let has = |text| allowed.has(&Peer::read(text).unwrap());
        assert!(has("127.0.0.1:1") && has("b1.cluster.example:1"));
        assert!(!has("127.0.0.1:2") && !has("b1.cluster.example:2"));
        assert!(!has("cluster.example:1") && !has("xcluster.example:1"));
        let off = Confinement { off: true, ..Confinement::default() };
        let (dialer, _) = Dialer::start(&off, &[network]).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Peer { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        let refused = dialer.connect(&peer, false, SLICE).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let known = Given::read(&format!("kind=nats,to={peer},spool=/x")).unwrap().output;
        dialer.allow(&[known.to.network().unwrap()]);
        assert!(matches!(dialer.connect(&peer, false, SLICE), Ok(Socket::Tcp(_))));
    }
}
