"""Python's asyncio is the event loop, and a Tandem hub its guest: green threads, Swift's async code and Python's coroutines
on one thread.

    swift build --product AsyncioGuest && python3 Examples/AsyncioGuest/guest.py .build/debug/libAsyncioGuest.so
"""

import asyncio
import ctypes
import sys
import threading

Done = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_int)


async def main():
    library = ctypes.CDLL(sys.argv[1])
    loop = asyncio.get_running_loop()
    waiting = {}

    @Done
    def done(context, total, thread):
        waiting.pop(context).set_result((total, thread))

    def add(count):
        """Swift's blocking code as something that Python awaits."""
        future = loop.create_future()
        waiting[len(waiting)] = future
        library.tandem_guest_add(count, len(waiting) - 1, done)
        return future

    number = library.tandem_guest_start()
    loop.add_reader(number, library.tandem_guest_turn)

    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticker = asyncio.create_task(tick())
    answers = await asyncio.gather(add(10), add(10), add(10))
    ticker.cancel()
    same = all(thread == threading.get_native_id() for _, thread in answers)
    print("sums:", *(total for total, _ in answers))
    print("on asyncio's thread:", same)
    print("asyncio ticked meanwhile:", ticks >= 3)

    loop.remove_reader(number)
    library.tandem_guest_stop()


asyncio.run(main())
