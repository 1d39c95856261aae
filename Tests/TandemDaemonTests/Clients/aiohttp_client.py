"""Python's aiohttp against tandemd's endpoints. Usage: aiohttp_client.py ORIGIN"""

import asyncio
import sys

import aiohttp

ORIGIN = sys.argv[1]
BIG = bytes(range(256)) * 8192  # 2 MiB


async def pieces():
    for start in range(0, len(BIG), 100_000):
        yield BIG[start:start + 100_000]


async def both_ways(session):
    for style in ("blocking", "async"):
        async with session.post(f"{ORIGIN}/{style}/echo", data=BIG) as answer:
            assert await answer.read() == BIG
        async with session.post(f"{ORIGIN}/{style}/echo", data=pieces()) as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked", answer.headers
            assert b"".join([chunk async for chunk in answer.content.iter_any()]) == BIG
        async with session.post(f"{ORIGIN}/{style}/echo", data=BIG, expect100=True) as answer:
            assert await answer.read() == BIG
        async with session.get(f"{ORIGIN}/{style}/stream?chunks=50&bytes=100&ms=1") as answer:
            assert len([line async for line in answer.content]) == 50
    print("both ways")


async def impatient(session):
    for style in ("blocking", "async"):
        try:
            async with session.get(f"{ORIGIN}/{style}/sleep?ms=60000", timeout=aiohttp.ClientTimeout(total=0.1)):
                raise AssertionError("was answered")
        except asyncio.TimeoutError:
            pass
        async with session.get(f"{ORIGIN}/{style}/plaintext") as answer:
            assert await answer.text() == "Hello, World!"
    print("time-outs")


async def many(session):
    async def ask(number):
        style = ("blocking", "async")[number % 2]
        async with session.get(f"{ORIGIN}/{style}/sleep?ms={number % 50}") as answer:
            assert answer.status == 200 and await answer.text() == "ok"
        async with session.post(f"{ORIGIN}/observed/id", data=str(number)) as answer:
            assert await answer.text() == str(number)

    await asyncio.gather(*(ask(number) for number in range(1000)))
    print("1000 at once")


async def upgrade(session):
    # The server ignores an offer to change the protocol, and sends a normal response.
    async with session.get(f"{ORIGIN}/async/plaintext", headers={"Connection": "Upgrade", "Upgrade": "websocket"}) as answer:
        assert answer.status == 200 and await answer.text() == "Hello, World!"
    try:
        await session.ws_connect(f"{ORIGIN}/async/plaintext")
        raise AssertionError("was upgraded")
    except aiohttp.WSServerHandshakeError as error:
        assert error.status == 200, error
    print("no upgrade")


async def main():
    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        await both_ways(session)
        await impatient(session)
        await upgrade(session)
        await many(session)


asyncio.run(main())
