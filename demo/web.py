"""Clients of the web: HTTP, TLS of all versions, QUIC."""

import asyncio
import math
import socket
import ssl
import struct
import time

import plan
from quic_client import fetch as fetch_quic
from schedule import COUNTERS, every

PATIENCE = 5


def connect(address, port):
    """A connection; those that came about are counted."""
    stream = socket.create_connection((address, port), PATIENCE)
    COUNTERS.add("demo_connections_total")
    return stream


def tls(oldest=ssl.TLSVersion.TLSv1_2, newest=ssl.TLSVersion.TLSv1_3):
    """A client of these versions that trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = oldest, newest
    return context


def ask(stream, name, path, method="GET", more="", body=""):
    """A request of HTTP and its whole answer; returns its status."""
    if method == "POST":
        more += f"Content-Length: {len(body)}\r\n"
    stream.sendall(f"{method} {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{more}\r\n{body}".encode())
    answer = b""
    while data := stream.recv(65536):
        answer = answer or data
    return int(answer.split(b" ", 2)[1])


def ask_plain(address, port, name, path, **more):
    """The same on a connection of its own, counted by method and status."""
    with connect(address, port) as stream:
        status = ask(stream, name, path, **more)
    COUNTERS.add("demo_http_total", method=more.get("method", "GET"), status=f"{status // 100}xx")


def ask_secure(address, port, name, path, context):
    """The same over TLS, counted by version."""
    with connect(address, port) as stream, context.wrap_socket(stream, server_hostname=name) as secure:
        COUNTERS.add("demo_tls_total", version=secure.version())
        ask(secure, name or "nobody", path)


def visit(site, modern):
    """Visits a site for ever; how much it gives goes up and down."""

    def visit_site(_):
        wave = 1 + site.swing * math.sin(time.time() * 2 * math.pi / 60)
        path = f"/{int(site.size * wave)}"
        if site.port == 443:
            ask_secure(site.address, site.port, site.name, path, modern)
        else:
            ask_plain(site.address, site.port, site.name, path)

    every(site.period, visit_site)


def sites():
    """What works."""
    modern = tls()
    for site in plan.SITES:
        visit(site, modern)

    def over_ipv6(_):
        ask_secure(plan.WEB6, 443, "www.six.example", "/5000", modern)

    def new_name(number):
        name = plan.FRESH.name.format(number)
        ask_plain(plan.FRESH.address, 80, name, f"/{plan.FRESH.size}")

    every(2, over_ipv6)
    every(plan.FRESH.period, new_name)
    every(0.5, lambda _: ask_plain(plan.ROUTER, 80, "printer.home.example", "/2000"))
    every(1, lambda _: ask_plain(plan.SITES[4].address, 80, "www.news.example", "/status/404"))
    every(1, lambda _: ask_plain(plan.SITES[4].address, 80, "www.news.example", "/status/500"))
    every(1, lambda _: ask_plain(plan.SITES[4].address, 80, "www.news.example", "/100", method="POST", body="p" * 500))
    slow = f"/{plan.SLOW.size}/{plan.THINKING}"
    every(plan.SLOW.period, lambda _: ask_plain(plan.SLOW.address, plan.SLOW.port, plan.SLOW.name, slow))
    every(4, lambda _: ask_plain(plan.SITES[4].address, 80, "www.news.example", "/10", more="Authorization: Basic YTpi\r\n"))


def radio():
    """Listens: one connection with a name and a timeline to look at."""

    def listen(_):
        with connect(plan.RADIO.address, plan.RADIO.port) as stream:
            with tls().wrap_socket(stream, server_hostname=plan.RADIO.name) as secure:
                COUNTERS.add("demo_tls_total", version=secure.version())
                ask(secure, plan.RADIO.name, "/radio")

    every(1, listen)


def chat():
    """One connection that goes on: its round trips are seen all the time."""

    def talk(_):
        with connect(plan.SITES[4].address, plan.MUTE) as stream:
            for _ in range(100):
                stream.sendall(b"still here")
                time.sleep(0.1)

    every(1, talk)


def weak():
    """What of TLS is not as it should be."""
    version = ssl.TLSVersion
    old, middle = tls(version.TLSv1, version.TLSv1), tls(version.TLSv1_2, version.TLSv1_2)
    every(1, lambda _: ask_secure(plan.INTRANET.address, plan.OLD_TLS, "old.intranet.example", "/100", old))
    # Nobody says a name: the certificate does.
    every(plan.INTRANET.period, lambda _: ask_secure(plan.INTRANET.address, plan.INTRANET.port, None, "/2000", middle))

    def refused_version(_):
        try:
            ask_secure(plan.INTRANET.address, plan.ONLY_NEW_TLS, "new.intranet.example", "/100", middle)
        except ssl.SSLError:
            COUNTERS.add("demo_tls_alerts_total")

    def hidden_name(_):
        with connect(plan.HIDDEN.address, plan.HIDDEN.port) as stream:
            stream.sendall(with_encrypted_hello(hello(plan.HIDDEN.name)))
            stream.recv(65536)

    def unanswered_hello(_):
        with connect(plan.INTRANET.address, plan.MUTE) as stream:
            stream.sendall(hello("mute.intranet.example"))
            time.sleep(1)

    def half_a_hello(_):
        with connect(plan.INTRANET.address, plan.MUTE) as stream:
            stream.sendall(hello("half.intranet.example")[:150])
            time.sleep(5)

    def broken_hello(_):
        whole = hello("broken.intranet.example")
        with connect(plan.INTRANET.address, plan.MUTE) as stream:
            # A session identifier that is longer than the hello.
            stream.sendall(whole[:43] + b"\xff" + whole[44:])
            time.sleep(0.2)

    every(2, refused_version)
    every(1, hidden_name)
    every(2, unanswered_hello)
    every(2.5, half_a_hello)
    every(2, broken_hello)


def hello(name):
    """A ClientHello as it is on the wire."""
    sent = ssl.MemoryBIO()
    client = tls().wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()


def with_encrypted_hello(record):
    """The same with the extension of an encrypted hello (RFC 9849, 5): random bytes, as for who has no key."""
    inner = struct.pack("!BHHBH", 0, 1, 1, 7, 32) + b"e" * 32 + struct.pack("!H", 144) + b"i" * 144
    extension = struct.pack("!HH", 0xFE0D, len(inner)) + inner
    body = record[9:]
    # Version, random; then session identifier, ciphers and compressions, each behind its length.
    at = 34
    for width in (1, 2, 1):
        at += width + int.from_bytes(body[at : at + width], "big")
    extensions = body[at + 2 :] + extension
    body = body[:at] + struct.pack("!H", len(extensions)) + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return record[:3] + struct.pack("!H", len(handshake)) + handshake


def quic():
    """HTTP/3 over both versions of QUIC."""
    for version, period in (("1", plan.FAST.period), ("2", 2 * plan.FAST.period)):

        def fetch_over_quic(_, version=version):
            fetched = fetch_quic(plan.FAST.address, plan.FAST.port, plan.FAST.name, version, plan.FAST.size)
            asyncio.run(asyncio.wait_for(fetched, PATIENCE))
            COUNTERS.add("demo_quic_total", version=f"v{version}")

        every(period, fetch_over_quic)
