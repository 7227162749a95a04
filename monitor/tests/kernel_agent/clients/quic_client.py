"""HTTP/3 with aioquic: quic_client.py ADDRESS PORT NAME VERSION LENGTH."""

import asyncio
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion


class Client(QuicConnectionProtocol):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.http = H3Connection(self._quic)
        self.received = 0
        self.done = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        for message in self.http.handle_event(event):
            if isinstance(message, DataReceived):
                self.received += len(message.data)
                if message.stream_ended and not self.done.done():
                    self.done.set_result(None)

    def ask(self, name, path):
        stream = self._quic.get_next_available_stream_id()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", name), (b":path", path)]
        self.http.send_headers(stream, head, end_stream=True)
        self.transmit()


async def fetch(address, port, name, version, length):
    """A page of this length."""
    version = QuicProtocolVersion[f"VERSION_{version}"]
    configuration = QuicConfiguration(
        alpn_protocols=H3_ALPN,
        server_name=name,
        verify_mode=ssl.CERT_NONE,
        original_version=version,
        supported_versions=[version],
    )
    async with connect(address, int(port), configuration=configuration, create_protocol=Client) as client:
        client.ask(name.encode(), f"/{length}".encode())
        await client.done
        assert client.received >= int(length), client.received


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(fetch(*sys.argv[1:]), 25))
