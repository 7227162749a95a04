//! A connection to a peer, plain or within TLS, with deadlines.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, UdpSocket},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use super::{
    Fault,
    dial::{Dialer, Socket},
};
use crate::{
    clock::Stopwatch,
    config::outputs::{Network, Peer, Tls},
};

/// Certificates that this system trusts, as they were when it was asked first: before files were given up.
static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();

/// Reads the certificates that this system trusts, unless that was done.
pub(crate) fn trust_system() -> &'static RootCertStore {
    SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// How to reach the peers of an output.
#[derive(Clone)]
pub(super) struct Way {
    dialer: Dialer,
    tls: Option<(Arc<ClientConfig>, Option<String>)>,
    pub(super) patience: Duration,
    pub(super) stop: Arc<AtomicBool>,
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Udp(UdpSocket),
}

/// A connection.
pub(super) struct Channel {
    stream: Stream,
    patience: Duration,
    stop: Arc<AtomicBool>,
    /// Bytes that were sent.
    pub(super) sent: u64,
}

impl Way {
    pub(super) fn new(dialer: Dialer, network: &Network, stop: Arc<AtomicBool>) -> Result<Self, Fault> {
        let tls =
            network.tls.as_ref().map(|tls| Ok((Arc::new(config(tls)?), tls.name.clone()))).transpose()?;
        Ok(Self { dialer, tls, patience: network.timeout, stop })
    }

    /// Connects by TCP, and by TLS if that is asked for.
    pub(super) fn connect(&self, peer: &Peer) -> Result<Channel, Fault> {
        let failed = |source| Fault::Connect { peer: peer.to_string(), source };
        let Socket::Tcp(tcp) = self.dialer.connect(peer, false, self.patience).map_err(failed)? else {
            return Err(failed(io::ErrorKind::Unsupported.into()));
        };
        let mut channel = self.channel(Stream::Tcp(tcp));
        if self.tls.is_some() {
            channel = self.begin_tls(channel, &peer.host)?;
        }
        Ok(channel)
    }

    /// Connects by UDP.
    pub(super) fn datagrams(&self, peer: &Peer) -> Result<Channel, Fault> {
        let failed = |source| Fault::Connect { peer: peer.to_string(), source };
        match self.dialer.connect(peer, true, self.patience).map_err(failed)? {
            Socket::Udp(udp) => Ok(self.channel(Stream::Udp(udp))),
            Socket::Tcp(_) => Err(failed(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Connects by TCP without TLS, for protocols that begin with something else.
    pub(super) fn plain(&self, peer: &Peer) -> Result<Channel, Fault> {
        Self { tls: None, ..self.clone() }.connect(peer)
    }

    /// Whether TLS is asked for.
    pub(super) const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Goes on within TLS.
    pub(super) fn begin_tls(&self, channel: Channel, host: &str) -> Result<Channel, Fault> {
        let (Some((config, name)), Stream::Tcp(tcp)) = (&self.tls, channel.stream) else {
            return Err(Fault::Tls("not asked for".to_owned()));
        };
        let name = name.clone().unwrap_or_else(|| host.to_owned());
        let name = ServerName::try_from(name).map_err(|error| Fault::Tls(error.to_string()))?;
        let connection =
            ClientConnection::new(Arc::clone(config), name).map_err(|e| Fault::Tls(e.to_string()))?;
        let mut channel = self.channel(Stream::Tls(Box::new(StreamOwned::new(connection, tcp))));
        // Whom it is learnt at once, not with the first record.
        channel.until(|stream| match stream {
            Stream::Tls(tls) if tls.conn.is_handshaking() => tls.conn.complete_io(&mut tls.sock).map(drop),
            _ => Ok(()),
        })?;
        Ok(channel)
    }

    fn channel(&self, stream: Stream) -> Channel {
        Channel { stream, patience: self.patience, stop: Arc::clone(&self.stop), sent: 0 }
    }
}

impl Channel {
    /// One to somebody who is connected already.
    pub(super) fn to(peer: TcpStream) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Self { stream: Stream::Tcp(peer), patience: Duration::from_secs(1), stop, sent: 0 }
    }

    /// Does something that the kernel may put off, again and again until it is done or the time is over.
    fn until<T>(&mut self, mut work: impl FnMut(&mut Stream) -> io::Result<T>) -> Result<T, Fault> {
        let since = Stopwatch::start();
        loop {
            match work(&mut self.stream) {
                Ok(done) => return Ok(done),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if since.elapsed() >= self.patience || self.stop.load(Relaxed) {
                        return Err(Fault::Timeout);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::of(error)),
            }
        }
    }

    /// Sends all of it.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        self.sent += bytes.len() as u64;
        while !bytes.is_empty() {
            let written = self.until(|stream| match stream {
                Stream::Tcp(tcp) => tcp.write(bytes),
                Stream::Tls(tls) => tls.write(bytes),
                Stream::Udp(udp) => udp.send(bytes),
            })?;
            if written == 0 {
                return Err(Fault::Broken(io::ErrorKind::WriteZero.into()));
            }
            bytes = bytes.get(written..).unwrap_or_default();
        }
        self.until(|stream| match stream {
            Stream::Tls(tls) => tls.flush(),
            Stream::Tcp(_) | Stream::Udp(_) => Ok(()),
        })
    }

    /// Waits for bytes and appends them; at the end of the connection that is an error.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>) -> Result<(), Fault> {
        let mut piece = [0; 8192];
        let read = self.until(|stream| read(stream, &mut piece))?;
        if read == 0 {
            return Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        into.extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(())
    }

    /// The bytes that come within a moment, if any do.
    pub(super) fn poll(&mut self, into: &mut Vec<u8>) -> Result<(), Fault> {
        let mut piece = [0; 8192];
        match read(&mut self.stream, &mut piece) {
            Ok(0) => Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(length) => {
                into.extend_from_slice(piece.get(..length).unwrap_or_default());
                Ok(())
            }
            Err(error) => match Fault::of(error) {
                Fault::Timeout => Ok(()),
                fault => Err(fault),
            },
        }
    }
}

fn read(stream: &mut Stream, piece: &mut [u8]) -> io::Result<usize> {
    match stream {
        Stream::Tcp(tcp) => tcp.read(piece),
        Stream::Tls(tls) => tls.read(piece),
        Stream::Udp(udp) => udp.recv(piece),
    }
}

/// Whom to trust.
fn config(tls: &Tls) -> Result<ClientConfig, Fault> {
    let roots = match (&tls.certificates, &tls.authority) {
        (Some(pem), _) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| Fault::Tls(error.to_string()))?;
                roots.add(certificate).map_err(|error| Fault::Tls(error.to_string()))?;
            }
            roots
        }
        (None, Some(path)) => return Err(Fault::Tls(format!("{} was not read", path.display()))),
        (None, None) => trust_system().clone(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| Fault::Tls(e.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
