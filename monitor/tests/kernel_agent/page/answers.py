"""A DNS server that answers as names say: answers.py ADDRESS. After 0.2 s, or for `mute` never."""

import socket
import struct
import sys
import threading

CODES = {b"ok": 0, b"broken": 2, b"missing": 3}


def answer(server, query, client):
    code = CODES[query[13 : 13 + query[12]]]
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 0, 0, 0)
    end = query.index(b"\0", 12) + 5
    server.sendto(head + query[12:end], client)


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
while True:
    query, client = server.recvfrom(512)
    if query[13 : 13 + query[12]] != b"mute":
        threading.Timer(0.2, answer, (server, query, client)).start()
