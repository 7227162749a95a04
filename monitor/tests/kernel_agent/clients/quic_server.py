"""HTTP/3 with aioquic: quic_server.py ADDRESS PORT CERTIFICATE KEY [retry]. /N gives a page of N bytes."""

import asyncio
import sys

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated


class Server(QuicConnectionProtocol):
    http = None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        if self.http is None:
            return
        for message in self.http.handle_event(event):
            if isinstance(message, HeadersReceived):
                self.answer(message)

    def answer(self, request):
        path = dict(request.headers)[b":path"].decode().strip("/")
        length = int(path) if path.isdigit() else 0
        head = [(b":status", b"200"), (b"content-type", b"text/html")]
        self.http.send_headers(request.stream_id, head)
        self.http.send_data(request.stream_id, b"<!doctype html><title>served</title>" + b"p" * length, True)
        self.transmit()


async def start(address, port, certificate, key, *options):
    """Listens; serves as long as the loop runs."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.load_cert_chain(certificate, key)
    await serve(
        address, int(port), configuration=configuration, create_protocol=Server, retry="retry" in options
    )


async def main():
    await start(*sys.argv[1:])
    await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
