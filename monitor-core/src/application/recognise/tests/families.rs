//! One message of each protocol, by its specification.

use super::*;
use Application as A;

/// Bytes of hexadecimal digits; spaces may stand between them, and text in quotes.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        for pair in digits.chunks(2) {
            out.push(u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        }
    }
    out
}

/// Begin of a message that is padded with zeros to a length.
fn padded(text: &str, length: usize) -> Vec<u8> {
    let mut out = bytes(text);
    out.resize(length, 0);
    out
}

/// What each is to be recognised as, over what, on which server port.
fn samples() -> Vec<(A, Transport, u16, Vec<u8>)> {
    use Transport::{Tcp, Udp};
    let netbios_name = format!("20 \"{}\" 00", "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let dns_like = "1234 0110 0001 0000 0000 0000";
    let mut kernel: Vec<(A, Transport, u16, Vec<u8>)> = Vec::new();
    let mut add =
        |application, transport, port, bytes: Vec<u8>| kernel.push((application, transport, port, bytes));
    // Encrypted, and tunnels.
    add(A::Tls, Tcp, 443, padded("17 0303 0020", 37));
    add(A::Tls, Tcp, 993, padded("15 0303 0002 0100 17 0303 0018", 36));
    add(A::Dtls, Udp, 4433, padded("17 0100 0001 0000 0000 0001 0010", 29));
    add(A::WireGuard, Udp, 51820, padded("04000000 01020304 0500000000000000", 64));
    add(A::WireGuard, Udp, 51820, padded("03000000 01020304", 64));
    add(A::Ike, Udp, 500, padded("0102030405060708 0000000000000000 21 20 22 08 00000000 0000001c", 28));
    add(
        A::Ike,
        Udp,
        4500,
        padded("00000000 0102030405060708 0102030405060708 2e 20 23 08 00000001 00000020", 36),
    );
    add(A::OpenVpn, Udp, 1194, bytes("38 0102030405060708 00 00000000"));
    add(A::OpenVpn, Tcp, 443, bytes("000e 38 0102030405060708 00 00000000"));
    add(A::OpenVpn, Udp, 1, bytes("40 0102030405060708 01 00000000 1112131415161718 00000000"));
    add(
        A::OpenVpn,
        Udp,
        1,
        bytes("38 0102030405060708 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 00000001 65000000 00 00000000"),
    );
    add(A::Socks, Tcp, 1080, bytes("05 02 00 02"));
    add(A::Socks, Tcp, 9, bytes("04 01 0050 c0000201 \"me\" 00"));
    add(A::Pptp, Tcp, 1723, padded("009c 0001 1a2b3c4d 0001 0000 0100", 156));
    add(A::Tailscale, Udp, 41641, padded("5453f09f92ac", 100));
    add(A::Tinc, Tcp, 655, bytes("\"0 alpha 17.7\" 0a"));
    add(A::Dnscrypt, Udp, 443, padded("\"r6fnvWj8\"", 64));
    add(A::Roughtime, Udp, 2002, padded("\"ROUGHTIM\" f4030000", 1024));
    add(A::Teredo, Udp, 3544, padded("0001 0000 0000000000000000 00 60000000 0008 3a ff", 61));
    add(A::Bitcoin, Tcp, 8333, padded("f9beb4d9 \"version\" 0000000000 64000000", 124));
    let mut ping = padded("", 97);
    ping.extend(bytes("01 c2 8080"));
    add(A::Ethereum, Udp, 30303, ping);
    add(A::Monero, Tcp, 18080, padded("0121010101010101", 40));
    add(A::Stratum, Tcp, 3333, b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n".to_vec());
    add(A::Syncthing, Tcp, 22000, bytes("2ea7d90b 0004 00000000"));
    // Databases.
    add(A::Cassandra, Tcp, 9042, bytes("04 00 0000 01 00000016 0001 000b \"CQL_VERSION\" 0005 \"3.0.0\""));
    add(A::Cassandra, Tcp, 1, bytes("04 00 0000 05 00000000"));
    add(A::Elasticsearch, Tcp, 9300, bytes("\"ES\" 0000000d 0000000000000001 00 007a1200"));
    add(A::Oracle, Tcp, 1521, padded("003a 0000 01 00 0000 0136 012c 0000 0800", 58));
    add(A::Oracle, Tcp, 1521, bytes("0008 0000 0b 00 0000"));
    add(
        A::Mssql,
        Tcp,
        1433,
        bytes("12 01 0014 0000 0000 00 000b 0006 ff 090000000000 0000 00")[..20].to_vec(),
    );
    add(A::Mongodb, Tcp, 27017, padded("20000000 01000000 00000000 dd070000 00000000 00", 32));
    add(A::Memcached, Tcp, 11211, b"set key 0 60 5\r\nhello\r\n".to_vec());
    add(A::Memcached, Tcp, 1, bytes("80 00 0003 00 00 0000 00000003 00000000 0000000000000000 \"key\""));
    add(A::Memcached, Udp, 11211, bytes("0001 0000 0001 0000 \"stats\" 0d0a"));
    add(A::Drda, Tcp, 50000, padded("0026 d0 41 0001 0020 1041", 38));
    add(A::Redis, Tcp, 6379, b"+PONG\r\n".to_vec());
    add(
        A::Z3950,
        Tcp,
        210,
        bytes("b4 0a 8302 0520 8403 00e1a0 8500")[..11].iter().copied().chain([0]).collect(),
    );
    // Messages.
    add(A::Amqp, Tcp, 5672, bytes("01 0000 00000004 000a 000b ce"));
    add(A::Kafka, Tcp, 9092, bytes("00000012 0012 0003 00000001 0008 \"producer\""));
    add(A::Nats, Tcp, 4222, b"INFO {\"server_id\":\"A\",\"version\":\"2\"}\r\n".to_vec());
    add(A::Nats, Tcp, 1, b"CONNECT {\"verbose\":false}\r\n".to_vec());
    add(A::Stomp, Tcp, 61613, b"CONNECT\naccept-version:1.2\nhost:x\n\n\0".to_vec());
    add(A::OpenWire, Tcp, 61616, bytes("00000010 01 \"ActiveMQ\" 00000001"));
    add(A::MqttSn, Udp, 1, bytes("0b 04 04 01 003c \"abcde\""));
    add(A::Coap, Udp, 5683, bytes("40 01 1234 b4 \"test\""));
    add(A::Coap, Udp, 1, bytes("44 01 1234 01020304 bb \".well-known\" 04 \"core\""));
    add(A::Gearman, Tcp, 4730, bytes("00 \"REQ\" 00000009 00000000"));
    add(A::Thrift, Tcp, 9090, bytes("80010001 00000004 \"ping\" 00000000 00"));
    add(A::JsonRpc, Tcp, 1, b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":1}".to_vec());
    add(A::Corba, Tcp, 683, padded("\"GIOP\" 0102 01 00 08000000", 20));
    add(A::Rmi, Tcp, 1099, bytes("\"JRMI\" 0002 4b"));
    add(A::Fix, Tcp, 1, bytes("\"8=FIX.4.2\" 01 \"9=65\" 01"));
    add(A::Hl7, Tcp, 2575, bytes("0b \"MSH|^~\\&|A|B\" 0d"));
    add(A::Ajp, Tcp, 8009, bytes("1234 0001 0a"));
    add(A::FastCgi, Tcp, 9000, bytes("01 01 0001 0008 00 00 0001 00 0000000000"));
    add(A::WebSocket, Tcp, 80, bytes("81 08 \"hi there\""));
    add(A::WebSocket, Tcp, 80, bytes("81 88 01010101 6968697569686975"));
    add(A::Smpp, Tcp, 2775, bytes("00000010 00000015 00000000 00000001"));
    add(A::Xmpp, Tcp, 5222, b"<?xml version='1.0'?><stream:stream to='example.org'>".to_vec());
    add(A::Irc, Tcp, 6667, b"NICK me\r\nUSER me 0 * :Me\r\n".to_vec());
    add(A::Irc, Tcp, 1, b":irc.example.org NOTICE * :hi\r\n".to_vec());
    add(A::Nntp, Tcp, 119, b"200 news.example.org NNTP ready\r\n".to_vec());
    // Directories.
    add(A::Ldap, Tcp, 1, bytes("30 0c 020101 60 07 020103 0400 8000"));
    add(
        A::Ldap,
        Udp,
        389,
        bytes("30 84 00000016 020101 63 84 0000000d 0400 0a0100 0a0100 020100 020100")[..28].to_vec(),
    );
    add(A::Kerberos, Udp, 88, bytes("6a 10 30 0e a1 03 020105 a2 03 02010a a4 02 3000"));
    add(A::Kerberos, Tcp, 88, bytes("00000012 6a 10 30 0e a1 03 020105 a2 03 02010a a4 02 3000"));
    add(
        A::Radius,
        Udp,
        1812,
        padded("01 01 001e 00000000000000000000000000000000 01 04 \"me\" 02 06 00000000", 30),
    );
    add(
        A::Diameter,
        Tcp,
        3868,
        padded("01 00001c 80 000101 00000000 00000001 00000001 00000108 40 000008", 28),
    );
    add(A::Snmp, Udp, 161, bytes("30 14 020101 0406 \"public\" a0 07 020101 020100 00")[..22].to_vec());
    add(A::Dcerpc, Tcp, 135, padded("05 00 0b 03 10000000 4800 0000 01000000", 72));
    add(
        A::Nfs,
        Tcp,
        2049,
        bytes(
            "80000028 00000001 00000000 00000002 000186a3 00000003 00000000 00000000 00000000 00000000 00000000",
        ),
    );
    add(
        A::SunRpc,
        Udp,
        111,
        bytes("00000001 00000000 00000002 000186a0 00000002 00000003 00000000 00000000 00000000 00000000"),
    );
    add(A::Slp, Udp, 427, bytes("02 01 000010 0000 000000 0001 0002 \"en\""));
    add(
        A::WsDiscovery,
        Udp,
        3702,
        b"<?xml version=\"1.0\"?><Envelope xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\">"
            .to_vec(),
    );
    add(A::NetbiosNs, Udp, 137, bytes(&format!("{dns_like} {netbios_name} 0021 0001")));
    add(
        A::NetbiosDgm,
        Udp,
        138,
        padded(&format!("11 02 0001 c0000201 008a 0044 0000 {netbios_name} {netbios_name}"), 82),
    );
    add(A::NetbiosSsn, Tcp, 139, bytes(&format!("81 00 0044 {netbios_name} {netbios_name}")));
    add(A::Dhcpv6, Udp, 547, bytes("01 123456 0001 0002 0003 0006 0002 0017"));
    // Files.
    add(A::Git, Tcp, 9418, bytes("\"0028git-upload-pack /x.git\" 00 \"host=a.test\" 00"));
    add(A::Rsync, Tcp, 873, b"@RSYNCD: 31.0\n".to_vec());
    add(A::Afp, Tcp, 548, bytes("00 03 0001 00000000 00000000 00000000"));
    add(A::Rx, Udp, 7000, padded("00000001 00000004 00000001 00000001 00000001 01 05 00 00 0000 0001", 32));
    add(A::Lustre, Tcp, 988, bytes("ed0dbcee 00000000"));
    add(A::Ceph, Tcp, 6789, b"ceph v027".to_vec());
    add(A::Tftp, Udp, 69, bytes("0001 \"file.txt\" 00 \"octet\" 00"));
    add(A::Ftp, Tcp, 2121, b"AUTH TLS\r\n".to_vec());
    add(A::FtpData, Tcp, 40_000, b"-rw-r--r--    1 0  0   12 Jan 01 00:00 file\r\n".to_vec());
    add(A::Edonkey, Tcp, 4662, padded("e3 29000000 01 10", 46));
    add(A::Gnutella, Tcp, 6346, b"GNUTELLA CONNECT/0.6\r\n".to_vec());
    add(A::Smb, Tcp, 445, bytes("00 000040 fd \"SMB\""));
    add(A::BitTorrent, Udp, 80, bytes("0000041727101980 00000000 12345678"));
    // Remote.
    add(A::Telnet, Tcp, 23, bytes("fffd18 fffd20"));
    add(A::Rsh, Tcp, 514, bytes("\"1023\" 00 \"root\" 00 \"root\" 00 \"ls\" 00"));
    add(A::Xdmcp, Udp, 177, bytes("0001 0002 0001 00"));
    add(A::Citrix, Tcp, 1494, bytes("7f7f \"ICA\" 00"));
    add(A::Radmin, Tcp, 4899, bytes("01000000 01000000 0808"));
    add(A::Teamviewer, Tcp, 5938, bytes("1724 0a 20 00"));
    add(A::NoMachine, Tcp, 4000, b"NXD-6.11.2\n".to_vec());
    // Networks.
    add(A::Bgp, Tcp, 179, bytes("ffffffffffffffffffffffffffffffff 0013 04"));
    add(A::Bfd, Udp, 3784, padded("20 c0 03 18 00000001", 24));
    add(
        A::Ldp,
        Udp,
        646,
        bytes("0001 001e c0000201 0000 0100 0014 00000001 04000004 000f0000 04010004 c0000201"),
    );
    add(A::Hsrp, Udp, 1985, padded("00 00 10 03 0a 64", 20));
    add(A::Lisp, Udp, 4342, padded("30000001", 40));
    add(A::OpenFlow, Tcp, 6653, bytes("04 00 0008 00000001"));
    add(A::Capwap, Udp, 5246, bytes("00 10 0200 00000000 00000001 00 0008 00 0014 0001 00"));
    add(A::Gtp, Udp, 2123, bytes("32 01 0004 00000000 0001 0000"));
    add(A::Pfcp, Udp, 8805, bytes("20 01 000c 000001 00 0060 0004 00000000"));
    add(A::NatPmp, Udp, 5351, bytes("0000"));
    add(A::Ptp, Udp, 319, padded("00 02 002c", 44));
    // Observation.
    add(A::Syslog, Udp, 514, b"<34>1 2003-10-11T22:14:15.003Z host su - - - x".to_vec());
    add(A::Syslog, Udp, 5140, b"<34>Oct 11 22:14:15 host su: x".to_vec());
    add(A::Syslog, Tcp, 601, b"16 <34>1 - - - - - -".to_vec());
    add(A::NetFlow, Udp, 2055, padded("0005 0001 00001000 60000000", 72));
    add(A::NetFlow, Udp, 2055, padded("0009 0001 00001000 60000000 00000001 00000000 0100 0014", 40));
    add(A::Ipfix, Udp, 4739, padded("000a 0020 60000000 00000001 00000000 0100 0010", 32));
    add(
        A::SFlow,
        Udp,
        6343,
        padded("00000005 00000001 c0000201 00000000 00000001 00001000 00000001 00000001 00000004", 40),
    );
    add(A::Collectd, Udp, 25826, bytes("0000 0006 \"h\" 00 0001 000c 0000000000000001 0002 0006 \"p\" 00"));
    add(A::Zabbix, Tcp, 10051, bytes("\"ZBXD\" 01"));
    add(A::Munin, Tcp, 4949, b"# munin node at x\n".to_vec());
    add(A::Checkmk, Tcp, 6556, b"<<<check_mk>>>\n".to_vec());
    add(A::Kismet, Tcp, 2501, b"*KISMET: 0.0.0 \n".to_vec());
    add(A::Rmcp, Udp, 623, bytes("06 00 ff 06 000011be 80 00 00 00"));
    // Industry.
    add(A::Dnp3, Tcp, 20000, bytes("0564 05 c0 0100 0004 e921"));
    add(A::Iec104, Tcp, 2404, bytes("68 04 07 00 00 00"));
    add(A::Iec104, Tcp, 1, bytes("68 0e 0000 0000 64 01 0600 0100 000000 14"));
    add(A::Modbus, Tcp, 502, bytes("0001 0000 0006 01 03 0000 0001"));
    add(A::Bacnet, Udp, 47808, bytes("81 0b 000c 0120 ffff 00 ff 10 08"));
    add(A::Knx, Udp, 3671, padded("06 10 0203 000e", 14));
    add(A::OpcUa, Tcp, 4840, padded("\"HELF\" 20000000", 32));
    add(A::EthernetIp, Tcp, 44818, padded("6500 0400 00000000 00000000", 28));
    add(A::Cip, Udp, 2222, bytes("0200 0280 0800 0102030405060708 b100 0200 0000"));
    add(A::S7, Tcp, 102, bytes("0300 0009 02f080 32 01"));
    add(A::S7Plus, Tcp, 102, bytes("0300 0009 02f080 72 01"));
    add(A::Mms, Tcp, 102, padded("0300 0028 02f080 0d 1e 060728ca220203", 40));
    add(A::Iec62056, Tcp, 4059, bytes("0001 0010 0001 0006 60 04 a1020601")[..14].to_vec());
    add(
        A::Ads,
        Tcp,
        48898,
        padded("0000 20000000 010203040101 5303 010203040101 5303 0100 0400 00000000", 38),
    );
    add(A::Fins, Tcp, 9600, bytes("\"FINS\" 0000000c 00000000 00000000 00000000"));
    add(A::Fins, Udp, 9600, padded("80 00 02", 14));
    add(A::HartIp, Udp, 5094, bytes("01 00 00 00 0001 000d 01 00007530"));
    add(A::Hislip, Tcp, 4880, bytes("\"HS\" 00 00 01005858 0000000000000000"));
    add(A::SomeIp, Udp, 30501, bytes("1234 0421 00000008 00000001 01 01 00 00"));
    add(A::Rtps, Udp, 7400, padded("\"RTPS\" 0201", 24));
    // Media.
    add(A::MpegTs, Udp, 1234, [padded("47 4000", 188), padded("47 0100", 188)].concat());
    add(A::Rtmp, Tcp, 1935, padded("03", 1537));
    add(A::Mgcp, Udp, 2427, b"CRCX 1204 aaln/1@x.test MGCP 1.0\r\n".to_vec());
    add(A::Megaco, Udp, 2944, b"MEGACO/1 [192.0.2.1]:2944\n".to_vec());
    add(A::H323, Tcp, 1720, padded("0300 0014 08 02 0001 05", 20));
    add(A::Skinny, Tcp, 2000, bytes("04000000 00000000 00000000"));
    add(A::Iax, Udp, 4569, bytes("8001 0000 00000000 00 00 06 01 0b 02 0002 01 01 \"1\""));
    add(A::Bfcp, Udp, 1, bytes("20 0b 0000 00000001 0001 0001"));
    add(A::Mumble, Udp, 64738, padded("00000000 01", 12));
    add(A::Rtcp, Udp, 5005, padded("81 c9 0007 00000001", 32));
    kernel
}

#[test]
fn each_is_recognised_by_a_message_of_it() {
    for (application, transport, port, bytes) in samples() {
        assert_eq!(
            detect(transport, &bytes, (40_000, port)),
            Some(application),
            "{application:?} {bytes:02x?}"
        );
    }
}

#[test]
fn most_need_no_port_and_none_is_taken_for_another_elsewhere() {
    let (mut known, mut all) = (0, 0);
    for (application, transport, _, bytes) in samples() {
        let found = detect(transport, &bytes, (40_000, 40_001));
        assert!(found.is_none_or(|found| found == application), "{application:?} is {found:?} elsewhere");
        known += usize::from(found.is_some());
        all += 1;
    }
    assert!(known * 2 > all, "{known} of {all}");
}

#[test]
fn a_length_that_does_not_fit_is_none() {
    for (transport, port, text) in [
        (Transport::Udp, 1812, "01 01 0020 00000000000000000000000000000000 01 04 \"me\" 02 06 00000000"),
        (Transport::Udp, 51820, "04000000 01020304 0500000000000000 00"),
        (Transport::Udp, 161, "30 30 020101 0406 \"public\" a0 07 020101"),
        (Transport::Tcp, 9092, "00000002 0012 0003 00000001 0008 \"producer\""),
        (Transport::Tcp, 1080, "05 03 00 02"),
        (Transport::Tcp, 20000, "0564 05 c0 0100 0004 e922"),
        (Transport::Udp, 500, "0102030405060708 0000000000000000 21 20 22 08 00000000 0000001d"),
    ] {
        assert_eq!(detect(transport, &bytes(text), (40_000, port)), None, "{text}");
    }
}

#[test]
fn media_are_recognised_by_two_packets_of_one_source() {
    let first = padded("80 00 0001 000000a0 12345678", 172);
    let second = padded("80 00 0002 00000140 12345678", 172);
    let seen = |before: &[u8], bytes: &[u8]| {
        let before = before.first_chunk().copied();
        recognise(Transport::Udp, &Sight { before, ..Sight::of(bytes, (10_000, 20_000)) })
    };
    assert_eq!(recognise(Transport::Udp, &Sight::of(&first, (10_000, 20_000))), None);
    assert_eq!(seen(&first, &second), Some(A::Rtp));
    assert_eq!(seen(&second, &first), None);
    assert_eq!(seen(&first, &padded("80 00 0002 00000140 12345679", 172)), None);
}
