"""The servers: servers.py DIRECTORY (of certificate and key) [router]. Says `ready` when all listen."""

import asyncio
import http.server
import math
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import warnings

import plan
from quic_server import start as start_quic

# Old versions are spoken on purpose.
warnings.simplefilter("ignore", DeprecationWarning)


class Dual(http.server.ThreadingHTTPServer):
    """On all addresses of both families."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super(http.server.HTTPServer, self).server_bind()

    def handle_error(self, *_):
        # A client that leaves early is what some are here for.
        pass


class Pages(http.server.BaseHTTPRequestHandler):
    """GET /BYTES/MILLISECONDS, /status/CODE, or /radio."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        first, second = (self.path.strip("/").split("/") + ["0"])[:2]
        if first == "radio":
            self.play()
        code, size = (int(second), 0) if first == "status" else (200, int(first))
        if first != "status":
            time.sleep(int(second) / 1000)
        self.send_response(code)
        self.send_header("Content-Length", str(size))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"w" * size)
        self.close_connection = True

    def play(self):
        """Sound without end, until nobody listens; now there is more in it and now less."""
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"r" * int(4000 + 2000 * math.sin(time.time() * 2 * math.pi / 30)))
            time.sleep(0.1)

    do_HEAD = do_GET

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        pass


class Secure(Dual):
    """The same over TLS."""

    def __init__(self, port, context):
        super().__init__(("::", port), Pages)
        # The handshake is the handler's, so that nobody waits for somebody else's.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class Stream(socketserver.BaseRequestHandler):
    """Of the ports that speak no HTTP."""

    def handle(self):
        port = self.server.server_address[1]
        if port == plan.BACKUP.port:
            # A length, then as many bytes.
            (size,) = struct.unpack("!I", self.request.recv(4, socket.MSG_WAITALL))
            self.request.sendall(b"b" * size)
        elif port == plan.RESETS:
            self.request.recv(100)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif port == plan.STALLS:
            # More than a client takes that does not read.
            self.request.settimeout(6)
            self.request.sendall(b"s" * 2_000_000)
        else:
            # Listens and says nothing, until the client has had enough.
            while self.request.recv(65536):
                pass


class Plain(Dual):
    """Of those too."""

    def __init__(self, port):
        super().__init__(("::", port), Stream)


def answer(query):
    """What the name server says to a query: none, one or two messages."""
    name, at = [], 12
    while query[at]:
        name.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    question, kind = query[12 : at + 5], struct.unpack("!H", query[at + 1 : at + 3])[0]
    label = name[0]

    def message(code, answers=(), identifier=query[:2]):
        head = identifier + struct.pack("!HHHHH", 0x8180 | code, 1, len(answers), 0, 0)
        return head + question + b"".join(answers)

    def record(data):
        return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data

    if label == "unheard":
        return []
    if label == "broken":
        return [message(2)]
    if label == "garbled":
        # Says that there is an answer, and ends.
        return [message(0, [b"\xc0"])]
    if label == "twice":
        # The second answers another question, which nobody asked.
        return [message(3), message(3, identifier=bytes([query[0] ^ 255, query[1]]))]
    if label not in plan.NAMES:
        return [message(3)]
    data = {1: socket.inet_aton(plan.NAMES[label]), 28: socket.inet_pton(socket.AF_INET6, plan.WEB6)}
    return [message(0, [record(data[kind])])] if kind in data else [message(0)]


def serve_names():
    """DNS over UDP."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((plan.WEB, 53))
    while True:
        query, client = server.recvfrom(4096)
        late = query[13 : 13 + query[12]] == b"late"
        for message in answer(query):
            if late:
                threading.Timer(plan.LATE, server.sendto, (message, client)).start()
            else:
                server.sendto(message, client)


def context(directory, oldest, newest):
    """TLS of these versions."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version, made.maximum_version = oldest, newest
    made.load_cert_chain(f"{directory}/certificate.pem", f"{directory}/key.pem")
    return made


async def quic(directory):
    """HTTP/3, for as long as the program runs."""
    await start_quic(plan.FAST.address, plan.FAST.port, f"{directory}/certificate.pem", f"{directory}/key.pem")
    print("ready", flush=True)
    await asyncio.Future()


def main():
    directory = sys.argv[1]
    version = ssl.TLSVersion
    if "router" in sys.argv:
        print("ready", flush=True)
        Dual(("::", 80), Pages).serve_forever()
    servers = [
        Dual(("::", 80), Pages),
        Secure(443, context(directory, version.TLSv1_2, version.TLSv1_3)),
        Secure(plan.INTRANET.port, context(directory, version.TLSv1_2, version.TLSv1_2)),
        Secure(plan.OLD_TLS, context(directory, version.TLSv1, version.TLSv1)),
        Secure(plan.ONLY_NEW_TLS, context(directory, version.TLSv1_3, version.TLSv1_3)),
        *(Plain(port) for port in (53, plan.BACKUP.port, plan.RESETS, plan.STALLS, plan.MUTE)),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=serve_names, daemon=True).start()
    asyncio.run(quic(directory))


main()
