"""Python's asyncio is the event loop, and a Tandem hub its guest: green threads, Swift's async code and Python's coroutines
on one thread.

    swift build --package-path Examples/embed --product AsyncioGuest
    python3 Examples/embed/guest.py Examples/embed/.build/debug/libAsyncioGuest.so
"""

import asyncio
import contextlib
import ctypes
import os
import sys
import threading

Done = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_int)

# The cases of GuestWork.
WORK = ["timers", "descriptors", "green threads", "async tasks", "other threads"]


class Guest:
    """Calls Swift's code so that Python can await it."""

    def __init__(self, library):
        self.library = library
        self.waiting = {}
        self.done = Done(lambda context, result, thread: self.waiting.pop(context).set_result((result, thread)))

    def call(self, function, argument):
        """Returns a future of the result and the OS thread of the code."""
        future = asyncio.get_running_loop().create_future()
        context = max(self.waiting, default=0) + 1
        self.waiting[context] = future
        function(argument, context, self.done)
        return future

    def add(self, count):
        return self.call(self.library.tandem_guest_add, count)

    def work(self, number):
        return self.call(self.library.tandem_guest_work, number)


@contextlib.contextmanager
def guest(library):
    """A guest on the running loop, which calls `turn` when the guest's descriptor is readable."""
    loop = asyncio.get_running_loop()
    number = library.tandem_guest_start()
    loop.add_reader(number, library.tandem_guest_turn)
    try:
        yield Guest(library)
    finally:
        loop.remove_reader(number)
        library.tandem_guest_stop()


async def main():
    library = ctypes.CDLL(sys.argv[1])
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticker = asyncio.create_task(tick())
    with guest(library) as swift:
        answers = await asyncio.gather(*(swift.add(10) for _ in range(3)))
        print("sums:", *(total for total, _ in answers))
        for number, name in enumerate(WORK):
            answers.append(await swift.work(number))
            print(f"{name}:", "done" if answers[-1][0] else "failed")
    ticker.cancel()
    print("on asyncio's thread:", all(thread == threading.get_native_id() for _, thread in answers))
    print("asyncio ticked meanwhile:", ticks >= 3)

    # The first guest has opened what the process keeps, such as the descriptors of libdispatch.
    before = len(os.listdir("/proc/self/fd"))
    with guest(library) as swift:
        await swift.add(10)
        await swift.work(1)
    print("descriptors that another guest left open:", len(os.listdir("/proc/self/fd")) - before)


asyncio.run(main())
