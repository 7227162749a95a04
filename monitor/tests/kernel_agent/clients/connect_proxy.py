"""A proxy whose tunnels all end at one host: connect_proxy.py ADDRESS PORT HOST."""

import asyncio
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def tunnel(reader, writer, host):
    request = (await reader.readuntil(b"\r\n\r\n")).split(b" ")
    assert request[0] == b"CONNECT", request
    port = int(request[1].rsplit(b":", 1)[1])
    inner_reader, inner_writer = await asyncio.open_connection(host, port)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


async def main(address, port, host):
    server = await asyncio.start_server(lambda r, w: tunnel(r, w, host), address, int(port))
    async with server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
