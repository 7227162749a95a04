"""Makes traffic of a process whose name is known: maker.py NAME KIND ADDRESS PORT [MORE]."""

import array
import ctypes
import os
import socket
import struct
import subprocess
import sys
import threading

# Of a chroot it cannot be loaded.
import encodings.idna  # noqa: F401

LIBC = ctypes.CDLL(None)


def call(name):
    """Names this thread; of the first thread that is the process's name."""
    LIBC.prctl(15, name.encode(), 0, 0, 0)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def say(word):
    print(word, flush=True)


def tcp(address, port, size=1000):
    with socket.create_connection((address, port)) as s:
        s.sendall(b"x" * size)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass


def serve_tcp(address, port, mapped=False, reuse=False):
    kind = socket.AF_INET6 if mapped else family(address)
    s = socket.socket(kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if kind == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if mapped else 1)
    s.bind(("::" if mapped else address, port))
    s.listen(128)
    return s


def answer(s, count=None):
    while count is None or count > 0:
        c, _ = s.accept()
        with c:
            while data := c.recv(65536):
                c.sendall(data)
        count = None if count is None else count - 1


def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def relay(address, port, to, to_port):
    """Passes what comes at one port on to another, as docker-proxy does."""
    listener = serve_tcp(address, port)
    say("ready")

    def pump(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    while True:
        c, _ = listener.accept()
        s = socket.create_connection((to, to_port))
        threading.Thread(target=pump, args=(c, s)).start()
        pump(s, c)


def uring(address, port):
    """Connects and sends by io_uring (include/uapi/linux/io_uring.h) alone."""
    import mmap
    params = (ctypes.c_uint32 * 30)()
    ring = LIBC.syscall(425, 4, ctypes.byref(params))
    if ring < 0:
        sys.exit("no io_uring")
    sq, cq = list(params[10:20]), list(params[20:30])
    head = mmap.mmap(ring, sq[6] + 4 * params[0], offset=0)
    tail = mmap.mmap(ring, cq[5] + 16 * params[1], offset=0x8000000)
    entries = mmap.mmap(ring, 64 * params[0], offset=0x10000000)

    def do(op, fd, pointer, length, off):
        entries[0:64] = struct.pack("<BBHiQQII", op, 0, 0, fd, off, pointer, length, 0).ljust(64, b"\0")
        struct.pack_into("<I", head, sq[6], 0)
        at = struct.unpack_from("<I", head, sq[1])[0]
        struct.pack_into("<I", head, sq[6] + 4 * (at & (params[0] - 1)), 0)
        struct.pack_into("<I", head, sq[1], at + 1)
        if LIBC.syscall(426, ring, 1, 1, 1, None, 0) < 0:
            sys.exit("io_uring_enter")
        done = struct.unpack_from("<I", tail, cq[0])[0]
        _, result, _ = struct.unpack_from("<QiI", tail, cq[5] + 16 * (done & (params[1] - 1)))
        struct.pack_into("<I", tail, cq[0], done + 1)
        if result < 0:
            sys.exit(f"io_uring: {os.strerror(-result)}")

    s = socket.socket(family(address), socket.SOCK_STREAM)
    to = struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(address) + b"\0" * 8
    to = ctypes.create_string_buffer(to, 16)
    do(16, s.fileno(), ctypes.addressof(to), 0, 16)
    data = ctypes.create_string_buffer(b"i" * 1000, 1000)
    do(26, s.fileno(), ctypes.addressof(data), 1000, 0)
    s.shutdown(socket.SHUT_WR)
    while s.recv(65536):
        pass


def main():
    name, kind, address, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    more = sys.argv[5:]
    call(name)
    if kind == "tcp":
        tcp(address, port)
    elif kind == "tcp_mapped":
        with socket.socket(socket.AF_INET6) as s:
            s.connect(("::ffff:" + address, port))
            s.sendall(b"x" * 1000)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    elif kind in ("tcp_server", "tcp_server_mapped"):
        s = serve_tcp(address, port, mapped=kind.endswith("mapped"))
        say("ready")
        answer(s)
    elif kind == "reuseport":
        for n in range(4):
            def work(n=n):
                call(f"{name}{n}")
                s = serve_tcp(address, port, reuse=True)
                say("ready")
                answer(s)
            in_child(work)
        os.wait()
    elif kind == "prefork":
        s = serve_tcp(address, port)
        for n in range(3):
            def work():
                call("child")
                answer(s)
            in_child(work)
        say("ready")
        os.wait()
    elif kind == "udp_server":
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.bind((address, port))
        say("ready")
        while True:
            data, peer = s.recvfrom(65536)
            s.sendto(data, peer)
    elif kind == "udp_sink":
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.bind((address, port))
        say("ready")
        while True:
            s.recv(65536)
    elif kind in ("udp", "udp_connected"):
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.settimeout(20)
        if kind == "udp_connected":
            s.connect((address, port))
        for _ in range(5):
            s.send(b"u" * 100) if kind == "udp_connected" else s.sendto(b"u" * 100, (address, port))
            if "deaf" not in more:
                s.recv(65536)
    elif kind == "raw":
        s = socket.socket(family(address), socket.SOCK_RAW, port)
        for _ in range(3):
            s.sendto(b"r" * 100, (address, 0))
    elif kind == "packet":
        # A UDP datagram from nobody's port, by hand.
        device, source = more
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind((device, 0))
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 48, 0, 0, 64, 17, 0,
                         socket.inet_aton(source), socket.inet_aton(address))
        udp = struct.pack(">HHHH", port, port, 28, 0) + b"z" * 20
        s.send(b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x08\0" + ip + udp)
    elif kind == "fork_after_connect":
        s = socket.create_connection((address, port))
        def work():
            call("child")
            s.sendall(b"f" * 1000)
            s.recv(65536)
        os.waitpid(in_child(work), 0)
    elif kind == "passed":
        # Connected here, used by another process to which it was passed.
        one, other = socket.socketpair(socket.AF_UNIX)
        def work():
            call("child")
            _, ancillary, _, _ = other.recvmsg(1, socket.CMSG_SPACE(4))
            fd = array.array("i", ancillary[0][2])[0]
            s = socket.socket(fileno=fd)
            s.sendall(b"p" * 1000)
            s.recv(65536)
        child = in_child(work)
        s = socket.create_connection((address, port))
        one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
        os.waitpid(child, 0)
    elif kind == "thread":
        def work():
            call("a thread")
            tcp(address, port)
        t = threading.Thread(target=work)
        t.start()
        t.join()
        # The process is there until it has been looked at.
        sys.stdin.read()
    elif kind == "sendfile":
        with socket.create_connection((address, port)) as s, open(sys.argv[0], "rb") as f:
            s.sendfile(f, 0, 1000)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    elif kind == "splice":
        # From a file by a pipe into the socket, without a copy in this process.
        out, into = os.pipe()
        with socket.create_connection((address, port)) as s, open(sys.argv[0], "rb") as f:
            left = 1000
            while left:
                moved = os.splice(f.fileno(), into, left)
                while moved:
                    sent = os.splice(out, s.fileno(), moved)
                    moved, left = moved - sent, left - sent
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    elif kind == "mptcp":
        with socket.socket(family(address), socket.SOCK_STREAM, 262) as s:
            s.connect((address, port))
            s.sendall(b"m" * 1000)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    elif kind == "fastopen":
        with socket.socket(family(address), socket.SOCK_STREAM) as s:
            s.sendto(b"t" * 1000, 0x20000000, (address, port))
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    elif kind == "io_uring":
        uring(address, port)
    elif kind == "relay":
        relay(address, port, more[0], int(more[1]))
    elif kind == "user":
        os.setuid(int(more[0]))
        tcp(address, port)
    elif kind == "chroot":
        os.chroot(more[0])
        tcp(address, port)
    elif kind == "older":
        # Connected, and then quiet until somebody says so.
        s = socket.create_connection((address, port))
        say("ready")
        sys.stdin.read(1)
        s.sendall(b"o" * 1000)
        say(len(s.recv(65536)))
        sys.stdin.read(1)
    elif kind == "many":
        for n in range(int(more[0])):
            def work(n=n):
                call(f"short{n}")
                tcp(address, port, 10)
            os.waitpid(in_child(work), 0)
    else:
        sys.exit(f"{kind}: no such kind")


main()
