"""aiohttp through nginx, which listens on a unix socket. Usage: nginx_client.py SOCKET"""

import asyncio
import sys

import aiohttp

ORIGIN = "http://service"
BIG = bytes(range(256)) * 40_000  # 10 MB


async def many(session):
    async def ask(number):
        async with session.post(f"{ORIGIN}/observed/id", data=f"nginx-{number}") as answer:
            assert answer.status == 200, (answer.status, await answer.text())
            assert await answer.text() == f"nginx-{number}"
        style = ("blocking", "async")[number % 2]
        async with session.get(f"{ORIGIN}/{style}/bridge") as answer:
            assert answer.status == 200 and "called it" in await answer.text()

    await asyncio.gather(*(ask(number) for number in range(500)))
    print("500 answered")


async def streamed(session):
    # The service sends the second half only after the first has arrived here.
    async with session.get(f"{ORIGIN}/observed/halves") as answer:
        assert await answer.content.readline() == b"first\n"
        async with session.post(f"{ORIGIN}/observed/continue") as told:
            assert told.status == 204
        assert await answer.content.read() == b"second\n"
    print("streamed")


async def uploads(session):
    async def pieces():
        for start in range(0, len(BIG), 256_000):
            yield BIG[start:start + 256_000]

    for style in ("blocking", "async"):
        for body in (BIG, pieces()):
            async with session.post(f"{ORIGIN}/observed/{style}/whole", data=body) as answer:
                assert answer.status == 200 and await answer.read() == BIG
    print("uploads")


async def main():
    connector = aiohttp.UnixConnector(path=sys.argv[1], limit=50)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=40)) as session:
        await many(session)
        await streamed(session)
        await uploads(session)


asyncio.run(main())
