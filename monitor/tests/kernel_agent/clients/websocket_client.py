"""Sends a message and waits for it: websocket_client.py ADDRESS PORT NAME LENGTH."""

import os
import socket
import sys

from websockets.sync.client import connect


def main(address, port, name, length):
    message = os.urandom(int(length))
    stream = socket.create_connection((address, int(port)), 25)
    with connect(f"ws://{name}:{port}/", sock=stream) as connection:
        connection.send(message)
        assert connection.recv(timeout=25) == message


main(*sys.argv[1:])
