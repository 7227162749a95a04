//! TLS over streams and datagrams.

use monitor_common::abi::Side;
use monitor_core::{
    parse::tls::{
        Certificate, ClientHello, Connection, Dtls, MESSAGE_MAX, ServerHello, begins, begins_whole, is_dtls,
    },
    record::Carrier,
};

use crate::input::Input;

/// What a connection may hold: a message of each direction twice over, and what it keeps of hellos.
const MEMORY_MAX: usize = 8 * MESSAGE_MAX;

pub(crate) fn run(bytes: &[u8]) {
    for carrier in [Carrier::Tcp, Carrier::Dtls, Carrier::Quic] {
        if let Ok(hello) = ClientHello::parse(bytes, carrier) {
            hello_is_bounded(&hello);
        }
    }
    let _ = ServerHello::parse(bytes);
    let _ = Certificate::from_message(bytes);
    let _ = Certificate::from_der(bytes);
    let _ = (begins(bytes), begins_whole(bytes));

    // A stream that is read in any pieces says the same as read at once.
    let mut input = Input(bytes);
    let step = usize::from(input.byte()) + 1;
    let whole = hellos(&[(Side::Lower, input.0)]);
    let pieces: Vec<_> = input.0.chunks(step).map(|piece| (Side::Lower, piece)).collect();
    assert_eq!(whole, hellos(&pieces), "pieces of {step} bytes");

    let mut both = Vec::new();
    while let Some(piece) = input.piece() {
        both.push(piece);
    }
    let _ = hellos(&both);
}

/// Names in the hellos of a connection whose bytes come in pieces.
fn hellos(pieces: &[(Side, &[u8])]) -> Vec<Option<Box<[u8]>>> {
    let mut connection = Connection::default();
    let mut waiting = [Vec::new(), Vec::new()];
    let mut names = Vec::new();
    for (side, piece) in pieces {
        let bytes = &mut waiting[side.index()];
        bytes.extend_from_slice(piece);
        loop {
            let read = connection.read(*side, bytes, 1);
            assert!(read.consumed <= bytes.len(), "more was read than there is");
            let stuck = read.consumed == 0 && read.hello.is_none();
            bytes.drain(..read.consumed);
            if let Some(hello) = read.hello {
                hello_is_bounded(&hello);
                names.push(hello.server_name.clone().map(|name| name.to_vec().into_boxed_slice()));
            }
            assert!(connection.memory() <= MEMORY_MAX, "{} bytes are held", connection.memory());
            if stuck {
                break;
            }
        }
    }
    let _ = connection.close();
    names
}

fn hello_is_bounded(hello: &ClientHello) {
    assert!(hello.memory() <= MEMORY_MAX, "{} bytes of a hello", hello.memory());
}

pub(crate) fn datagrams(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut connection = Dtls::default();
    while let Some((side, datagram)) = input.piece() {
        let _ = is_dtls(datagram);
        if let Some(hello) = connection.read(side, datagram, 1).hello {
            hello_is_bounded(&hello);
        }
        assert!(connection.memory() <= MEMORY_MAX, "{} bytes are held", connection.memory());
    }
    let _ = connection.close();
}
