"""What goes wrong on networks: refusals, silence, resets, programs that do not read, a scan."""

import socket
import struct
import time

import plan
from schedule import COUNTERS, every
from web import ask_plain, connect


def refused(address, port, source=""):
    """Knocks at a port where nobody listens."""
    try:
        socket.create_connection((address, port), 2, (source, 0)).close()
    except ConnectionRefusedError:
        COUNTERS.add("demo_refused_total")


def start():
    """Of a desk."""

    def knock(number):
        refused(plan.MANY[number % len(plan.MANY)], 81, plan.OFFICE[number % len(plan.OFFICE)])

    def nobody(_):
        try:
            socket.create_connection((plan.NOBODY, 80), 0.5).close()
        except TimeoutError:
            COUNTERS.add("demo_silent_total")

    def reset_by_server(_):
        with connect(plan.WEB, plan.RESETS) as stream:
            stream.sendall(b"go on")
            try:
                stream.recv(1)
            except ConnectionResetError:
                COUNTERS.add("demo_resets_total")

    def reads_nothing(number):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.settimeout(5)
            stream.connect((plan.WEB, plan.STALLS))
            COUNTERS.add("demo_connections_total")
            if number % 2:
                # Has said all, and has not heard all.
                stream.shutdown(socket.SHUT_WR)
            time.sleep(4)

    every(0.25, knock)
    every(2, nobody)
    every(1, reset_by_server)
    every(1, reads_nothing)


def laptop():
    """Behind a bad radio, and with something on it that looks for open ports."""

    def download(_):
        ask_plain(plan.MIRROR.address, plan.MIRROR.port, plan.MIRROR.name, f"/{plan.MIRROR.size}")

    def scan(number):
        refused(plan.WEB, 10_000 + number % 2_000)

    def burst(_):
        # More flows in a moment than the router's table makes room for.
        streams = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(300)]
        for number, stream in enumerate(streams):
            stream.setblocking(False)
            stream.connect_ex((plan.WEB, 12_000 + number))
        time.sleep(1)
        for stream in streams:
            stream.close()

    every(plan.MIRROR.period, download)
    every(1 / 30, scan)
    every(10, burst)
