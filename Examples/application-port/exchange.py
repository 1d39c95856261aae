#!/usr/bin/env python3
"""A stand-in for the exchange of the example: answers GET /rates/CHF with a number. SLW is a currency whose rate takes a while.

Usage: exchange.py [PORT]     by default 8090, on the loopback address
"""

import asyncio
import sys

RATES = {"CHF": "0.95", "USD": "1.10", "JPY": "162.5", "SLW": "2"}
SLOW_SECONDS = 0.3


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            rate = RATES.get(head.split(b" ")[1].decode().rpartition("/")[2])
            if rate == RATES["SLW"]:
                await asyncio.sleep(SLOW_SECONDS)
            status, body = ("200 OK", rate) if rate else ("404 Not Found", "no such currency")
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    print(f"exchange: serving on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
