"""Asks through nginx without a pause until SIGTERM. Usage: rolling_client.py SOCKET"""

import asyncio
import os
import signal
import sys

import aiohttp


async def main():
    stopped, parent = asyncio.Event(), os.getppid()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    answered, lost = 0, []

    async def ask(session, style):
        nonlocal answered
        # Not longer than who has started it.
        while not stopped.is_set() and os.getppid() == parent:
            try:
                async with session.get(f"http://service/{style}/sleep?ms=20") as answer:
                    text = await answer.text()
                    if answer.status != 200 or text != "ok":
                        lost.append(f"{answer.status} {text[:80]!r}")
                    answered += 1
                    if answered == 100:
                        print("under load", flush=True)
            except aiohttp.ClientError as error:
                lost.append(repr(error))

    connector = aiohttp.UnixConnector(path=sys.argv[1], limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        await asyncio.gather(*(ask(session, style) for style in ("blocking", "async") * 10))
    print(f"lost {len(lost)}", *lost[:5])


asyncio.run(main())
