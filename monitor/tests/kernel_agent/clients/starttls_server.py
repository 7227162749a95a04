"""Servers that begin in clear text and go on with TLS: starttls_server.py ADDRESS CERTIFICATE KEY PROTOCOL:PORT...

Each says just what a client needs to hear before its hello; after it, it answers a line and ends."""

import socket
import ssl
import sys
import threading

# What the server says first, then what it answers to lines that hold these words.
LINES = {
    "smtp": (b"220 mail ESMTP\r\n", [(b"EHLO", b"250-mail\r\n250 STARTTLS\r\n"), (b"STARTTLS", b"220 go\r\n")]),
    "pop3": (b"+OK POP3 ready\r\n", [(b"STLS", b"+OK begin\r\n")]),
    "imap": (
        b"* OK IMAP4rev1 ready\r\n",
        [(b"CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK done\r\n"), (b"STARTTLS", b". OK begin\r\n")],
    ),
    "ftp": (b"220 FTP ready\r\n", [(b"AUTH", b"234 go\r\n")]),
    "xmpp": (
        b"",
        [
            (
                b"<stream:stream",
                b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
                b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features>"
                b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
            ),
            (b"<starttls", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        ],
    ),
    # An extended request of ten tags, and its success.
    "ldap": (b"", [(b"1.3.6.1.4.1.1466.20037", bytes.fromhex("300c02010178070a010004000400"))]),
    # SSLRequest is a length and a number.
    "postgres": (b"", [(bytes.fromhex("04d2162f"), b"S")]),
    # Handshake V10: version, thread, salt, and the capability of TLS; its answer is the client's alone.
    "mysql": (
        bytes.fromhex("4a0000000a") + b"8.0.0\0" + bytes(4) + b"saltsalt\0" + bytes.fromhex("ffff21020000ff15")
        + bytes([21]) + bytes(10) + b"saltsaltsalt\0" + b"mysql_native_password\0",
        [(b"", b"")],
    ),
}


def converse(connection, protocol, context):
    greeting, answers = LINES[protocol]
    connection.sendall(greeting)
    for word, answer in answers:
        # The next message with the word; others are not answered.
        while True:
            # Nothing beyond the message may be taken: what follows is TLS.
            heard = connection.recv(4096 if word else 36)
            if not heard:
                return
            if word in heard:
                break
        connection.sendall(answer)
    with context.wrap_socket(connection, server_side=True) as secure:
        secure.recv(4096)
        secure.sendall(b"p" * 3000)


def serve(listener, protocol, context):
    while True:
        connection, _ = listener.accept()
        try:
            with connection:
                connection.settimeout(25)
                converse(connection, protocol, context)
        except OSError as error:
            print(protocol, error, file=sys.stderr, flush=True)


def main(address, certificate, key, *protocols):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    listeners = [(socket.create_server((address, int(port))), protocol)
                 for protocol, port in (entry.split(":") for entry in protocols)]
    threads = [threading.Thread(target=serve, args=(listener, protocol, context)) for listener, protocol in listeners]
    for thread in threads:
        thread.start()


main(*sys.argv[1:])
