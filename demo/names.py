"""Clients of DNS."""

import itertools
import random
import socket
import struct

import plan
from schedule import COUNTERS, every
from web import connect

A, TXT, AAAA = 1, 16, 28

# A round of questions, and how each ends.
ROUND = (
    [("www.video.example", A, "NOERROR")] * 10
    + [("www.video.example", AAAA, "NOERROR")] * 3
    + [("www.video.example", TXT, "NOERROR")]
    + [("typo.video.example", A, "NXDOMAIN")] * 3
    + [("broken.video.example", A, "SERVFAIL")] * 2
    + [("unheard.video.example", A, "unanswered")]
)


def question(name, kind):
    """A query with an identifier of its own."""
    message = struct.pack("!HHHHHH", random.randrange(65536), 0x0100, 1, 0, 0, 0)
    for label in name.split("."):
        message += bytes([len(label)]) + label.encode()
    return message + b"\0" + struct.pack("!HH", kind, 1)


def ask(name, kind, end="NOERROR"):
    """Asks, and waits for an answer where one comes."""
    COUNTERS.add("demo_dns_total", outcome=end)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.05 if end == "unanswered" else 2.0)
        client.sendto(question(name, kind), (plan.WEB, 53))
        try:
            client.recv(4096)
            # What comes behind it is not for us, but a closed port would say so.
            client.settimeout(0.02)
            client.recv(4096)
        except TimeoutError:
            pass


def start():
    """Asks for ever."""
    questions = itertools.cycle(ROUND)

    def ask_next(_):
        ask(*next(questions))

    def odd_answers(number):
        # A response that nobody asked for behind the true one, and one that ends before its end.
        label, end = ("twice", "NXDOMAIN") if number % 2 else ("garbled", "garbled")
        ask(f"{label}.video.example", A, end)

    def late(_):
        ask("late.video.example", A)

    def neighbours(_):
        COUNTERS.add("demo_dns_total", outcome="mdns")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(question("printer.local", A), ("224.0.0.251", 5353))

    def half_a_question(_):
        with connect(plan.WEB, 53) as stream:
            message = question("half.video.example", A)
            stream.sendall(struct.pack("!H", 2000) + message)
            stream.settimeout(3)
            try:
                stream.recv(1)
            except TimeoutError:
                pass

    def backup(_):
        # Only the answer says who has this address: what follows has no name in it.
        ask(plan.BACKUP.name, A)
        with connect(plan.BACKUP.address, plan.BACKUP.port) as stream:
            stream.sendall(struct.pack("!I", plan.BACKUP.size))
            while stream.recv(65536):
                pass

    every(0.1, ask_next)
    every(1, odd_answers)
    every(0.7, late)
    every(2, neighbours)
    every(1.5, half_a_question)
    every(plan.BACKUP.period, backup)
