"""Sends messages and waits for each: websocket_client.py ADDRESS PORT NAME LENGTH FILE.

They are short until the file is there; then comes one of the length, and the end."""

import os
import socket
import sys
import time

from websockets.sync.client import connect


def main(address, port, name, length, file):
    stream = socket.create_connection((address, int(port)), 25)
    with connect(f"ws://{name}:{port}/", sock=stream) as connection:
        while not os.path.exists(file):
            exchange(connection, b"wait")
            time.sleep(0.01)
        exchange(connection, os.urandom(int(length)))


def exchange(connection, message):
    connection.send(message)
    assert connection.recv(timeout=25) == message


main(*sys.argv[1:])
