"""Says back what it hears: websocket_server.py ADDRESS PORT."""

import asyncio
import sys

from websockets.asyncio.server import serve


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def main(address, port):
    async with serve(echo, address, int(port)):
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))
