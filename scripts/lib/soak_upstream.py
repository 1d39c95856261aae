"""The upstreams of scripts/measure/soak: one serves without faults, the other with every fault. Standard library only."""

import asyncio
import gzip
import socket

BOMB = gzip.compress(bytes(50_000_000))


def answer(status, body, *fields):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def drip(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(10):
        writer.write(b"5\r\ndrip\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
    writer.write(b"0\r\n\r\n")


class Upstream:
    """A server that answers by path; each fault has its own path."""

    def __init__(self):
        self.server = None
        self.clients = set()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=512)
        return "http://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        self.clients.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not await self.respond(head.split(b" ")[1].decode().lstrip("/"), reader, writer):
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.clients.discard(asyncio.current_task())
            writer.close()

    async def respond(self, path, reader, writer):
        """Answers a request, and returns whether the connection stays open."""
        match path:
            case "ok":
                writer.write(answer("200 OK", b"upstream ok"))
            case "big":
                writer.write(answer("200 OK", b"x" * 500_000))
            case "drip":
                await drip(writer)
            case "status500":
                writer.write(answer("500 Internal Server Error", b"broken"))
            case "redirect":
                writer.write(answer("302 Found", b"", "Location: /ok"))
            case "loop":
                writer.write(answer("302 Found", b"", "Location: /loop"))
            case "away":
                writer.write(answer("302 Found", b"", "Location: http://10.0.0.1/"))
            case "stall":
                await reader.read()
                return False
            case "stall-in-body":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
                await writer.drain()
                await reader.read()
                return False
            case "truncate":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
                return False
            case "huge":
                writer.write(answer("200 OK", b"x" * 5_000_000))
            case "bomb":
                writer.write(answer("200 OK", BOMB, "Content-Encoding: gzip"))
            case "garbage":
                writer.write(b"\x00\x01 what is this\r\n\r\n")
                return False
            case "empty":
                return False
            case "reset":
                plug = writer.get_extra_info("socket")
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                writer.transport.abort()
                return False
            case _:
                writer.write(answer("404 Not Found", b""))
        return True

    async def stop(self):
        self.server.close()
        for task in list(self.clients):
            task.cancel()
        await asyncio.gather(*self.clients, return_exceptions=True)
