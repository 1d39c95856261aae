"""The clients of scripts/measure/soak, and the checks of their answers. Python's standard library only.

Each scenario is a coroutine that takes a Client. It raises Wrong if an answer is not as expected. A scenario that misbehaves on
purpose handles the errors that this causes.
"""

import asyncio
import contextlib
import json
import socket
import urllib.parse

STYLES = ("blocking", "async")


class Wrong(Exception):
    """An answer is not as expected."""


class Cut(Exception):
    """The connection ended before the answer."""


class Wire:
    """A connection, with the part of HTTP that reading an answer needs."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, data):
        self.writer.write(data if isinstance(data, bytes) else data.encode())

    async def flush(self):
        await self.writer.drain()

    async def head(self):
        try:
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Cut(f"no head: {error!r}") from None
        lines = text.split("\r\n")
        version, status, *_ = lines[0].split(" ")
        if version != "HTTP/1.1":
            raise Wrong(f"a status line of {lines[0]!r}")
        fields = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        return int(status), fields

    async def answer(self, to_head=False):
        """Returns status, fields and body of the next final answer. Raises Cut if the answer is incomplete."""
        status, fields = await self.head()
        while 100 <= status < 200:
            status, fields = await self.head()
        if to_head or status in (204, 304):
            return status, fields, b""
        body = bytearray()
        try:
            async for piece in self.pieces(fields):
                body += piece
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Cut(f"{status}, then {len(body)} bytes, then {error!r}") from None
        return status, fields, bytes(body)

    async def pieces(self, fields):
        if fields.get("transfer-encoding") == "chunked":
            while True:
                size = int(await self.reader.readuntil(b"\r\n"), 16)
                piece = await self.reader.readexactly(size + 2)
                if piece[-2:] != b"\r\n":
                    raise Wrong("a chunk without its CRLF")
                if size == 0:
                    return
                yield piece[:-2]
        elif "content-length" in fields:
            left = int(fields["content-length"])
            while left:
                piece = await self.reader.read(min(left, 65536))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                left -= len(piece)
                yield piece
        else:
            while piece := await self.reader.read(65536):
                yield piece

    async def at_end(self):
        """Waits until the server closes, and returns the bytes before that."""
        try:
            return await self.reader.read(-1)
        except ConnectionError:
            return b""

    async def get(self, path, **fields):
        self.send(request("GET", path, **fields))
        return await self.answer()

    def reset(self):
        self.writer.transport.abort()

    def close(self):
        self.writer.close()


def request(method, path, body=None, **fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: soak"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


class Client:
    """The state of a scenario: random numbers from the seed, connections, and the origins of the upstreams."""

    def __init__(self, random, port, good, bad):
        self.random, self.port, self.good, self.bad = random, port, good, bad

    def style(self):
        return self.random.choice(STYLES)

    @contextlib.asynccontextmanager
    async def connection(self, receive_buffer=None):
        plug = socket.socket()
        if receive_buffer:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plug.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", self.port))
        except BaseException:
            plug.close()
            raise
        wire = Wire(*await asyncio.open_connection(sock=plug, limit=receive_buffer or 65536))
        try:
            yield wire
        finally:
            # Not awaited: it does not matter whether the peer has reset the connection.
            wire.reset() if self.random.random() < 0.2 else wire.close()


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def expect_status(answer, *statuses):
    expect(answer[0] in statuses, f"status {answer[0]}, expected {statuses}: {answer[2][:200]!r}")


# Clients that behave


async def small(client):
    """A few small requests on one connection, some with Connection: close."""
    async with client.connection() as wire:
        for _ in range(client.random.randint(1, 20)):
            style = client.style()
            fields = {"Connection": "close"} if client.random.random() < 0.05 else {}
            path, check = client.random.choice([
                ("plaintext", lambda body: body == b"Hello, World!"),
                ("json", lambda body: json.loads(body) == {"message": "Hello, World!"}),
                ("bridge", lambda body: b"called it" in body),
                ("bridge?depth=5", lambda body: len(json.loads(body)["levels"]) == 5),
                ("whoami", lambda body: json.loads(body)["style"] == style),
            ])
            answer = await wire.get(f"/{style}/{path}", **fields)
            expect_status(answer, 200)
            expect(check(answer[2]), f"/{style}/{path} answered {answer[2][:200]!r}")
            if fields:
                expect(await wire.at_end() == b"", "the server sent bytes after Connection: close")
                return


async def pipelined(client):
    async with client.connection() as wire:
        wanted = []
        for _ in range(client.random.randint(2, 12)):
            body = client.random.randbytes(client.random.randint(0, 300))
            wire.send(request("POST", f"/{client.style()}/echo", body))
            wanted.append(body)
        for body in wanted:
            answer = await wire.answer()
            expect_status(answer, 200)
            expect(answer[2] == body, "an answer was wrong or out of order")


async def sleeper(client):
    async with client.connection() as wire:
        answer = await wire.get(f"/{client.style()}/sleep?ms={client.random.randint(0, 300)}")
        expect_status(answer, 200)


async def upload(client):
    """Uploads to the echo, with a length or in chunks, at once or after 100 Continue."""
    body = client.random.randbytes(client.random.choice([0, 1, 1000, 70_000, 400_000]))
    path = f"/{client.style()}/echo"
    expects = {"Expect": "100-continue"} if body and client.random.random() < 0.4 else {}
    async with client.connection() as wire:
        async def send():
            if client.random.random() < 0.5:
                wire.send(request("POST", path, **expects, Content_Length=len(body)))
                if expects:
                    await asyncio.wait_for(asked.wait(), 20)
                wire.send(body)
            else:
                wire.send(request("POST", path, **expects, Transfer_Encoding="chunked"))
                if expects:
                    await asyncio.wait_for(asked.wait(), 20)
                start = 0
                while start < len(body):
                    size = client.random.randint(1, 50_000)
                    piece = body[start:start + size]
                    wire.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
                    await wire.flush()
                    start += size
                wire.send(b"0\r\n\r\n")
            await wire.flush()

        asked = asyncio.Event()
        sending = asyncio.ensure_future(send())
        try:
            if expects:
                status, _ = await wire.head()
                expect(status == 100, f"status {status}, expected 100 Continue")
                asked.set()
            answer = await wire.answer()
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        expect_status(answer, 200)
        expect(answer[2] == body, f"an echo of {len(body)} bytes is wrong; {len(answer[2])} bytes came back")


async def stream(client):
    chunks, size = client.random.randint(1, 30), client.random.randint(1, 5000)
    async with client.connection() as wire:
        answer = await wire.get(f"/{client.style()}/stream?chunks={chunks}&bytes={size}&ms={client.random.randint(0, 20)}")
        expect_status(answer, 200)
        expect(len(answer[2]) == chunks * size, f"a stream of {chunks * size} bytes had {len(answer[2])}")


async def half_closer(client):
    """Sends FIN after its request, and expects an answer."""
    async with client.connection() as wire:
        wire.send(request("GET", f"/{client.style()}/bridge"))
        wire.writer.write_eof()
        expect_status(await wire.answer(), 200)
        expect(await wire.at_end() == b"", "the server sent bytes after the last answer")


async def mistaken(client):
    """Sends well-formed requests that the server must refuse."""
    async with client.connection() as wire:
        expect_status(await wire.get("/nowhere"), 404)
        expect_status(await wire.get(f"/{client.style()}/sleep?ms=x"), 400)
        wire.send(request("DELETE", f"/{client.style()}/plaintext"))
        expect_status(await wire.answer(), 405)
        wire.send(request("BREW", f"/{client.style()}/plaintext"))
        expect_status(await wire.answer(), 501)
        wire.send(request("POST", f"/{client.style()}/echo", Content_Length=10**12, Expect="100-continue"))
        expect_status(await wire.answer(), 413)


async def slow_reader(client):
    """Reads a stream slowly, with a small receive buffer."""
    async with client.connection(receive_buffer=4096) as wire:
        wire.send(request("GET", f"/{client.style()}/stream?chunks=40&bytes=5000&ms=0"))
        status, fields = await wire.head()
        expect(status == 200, f"status {status} for a stream")
        total = 0
        async for piece in wire.pieces(fields):
            total += len(piece)
            await asyncio.sleep(client.random.random() * 0.05)
        expect(total == 200_000, f"a slow reader got {total} of 200000 bytes")


# Clients that misbehave


async def slow_head(client):
    """Sends its head slowly: expects 200 if it is complete in time, otherwise 408."""
    head = request("GET", f"/{client.style()}/plaintext")
    in_time = client.random.random() < 0.5
    async with client.connection() as wire:
        pause = (0.3 if in_time else 30) / len(head)
        try:
            for start in range(0, len(head), 2):
                wire.send(head[start:start + 2])
                await wire.flush()
                await asyncio.sleep(pause * 2)
                if wire.reader.at_eof() or not in_time and wire.reader._buffer:
                    break
        except ConnectionError:
            pass
        answer = await wire.answer()
        expect_status(answer, 200, 408) if in_time else expect_status(answer, 408)


async def stalled_upload(client):
    async with client.connection() as wire:
        wire.send(request("POST", f"/{client.style()}/echo", Content_Length=5000) + b"x" * 1000)
        with contextlib.suppress(Cut):
            # If the head of the echo has been sent already, the server cuts its body.
            answer = await wire.answer()
            expect_status(answer, 408)


async def never_reader(client):
    """Requests a large stream and reads nothing."""
    async with client.connection(receive_buffer=4096) as wire:
        wire.writer.transport.pause_reading()
        wire.send(request("GET", f"/{client.style()}/stream?chunks=400&bytes=50000&ms=0"))
        await wire.flush()
        await asyncio.sleep(client.random.random() * 6)
        wire.reset()


async def garbage(client):
    async with client.connection() as wire:
        data = client.random.choice([
            client.random.randbytes(client.random.randint(1, 2000)),
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + client.random.randbytes(200),
            request("POST", f"/{client.style()}/echo", Transfer_Encoding="chunked") + b"zz\r\n",
        ])
        wire.send(data)
        wire.writer.write_eof()
        heard = await wire.at_end()
        if heard:
            expect(heard.startswith(b"HTTP/1.1 "), f"garbage was answered {heard[:100]!r}")
            status = int(heard[9:12])
            # The answer to the chunked echo has begun before the garbage arrives.
            expect(status in (200, 505) or 400 <= status < 500, f"garbage was answered {status}")


async def disconnecter(client):
    """Disconnects before, during or after its request, or during the answer."""
    style = client.style()
    async with client.connection() as wire:
        whole = client.random.choice([
            request("GET", f"/{style}/sleep?ms={client.random.randint(100, 5000)}"),
            request("GET", f"/{style}/stream?chunks=100&bytes=1000&ms=50"),
            request("POST", f"/{style}/echo", client.random.randbytes(3000)),
            request("GET", f"/{style}/fetch?url={client.bad}/stall"),
            request("GET", f"/{style}/fanout?url={client.good}/drip&url={client.bad}/stall"),
            request("GET", f"/{style}/bridge?depth=20"),
        ])
        wire.send(whole[:client.random.choice([0, 10, len(whole) - 1, len(whole), len(whole)])])
        await wire.flush()
        await asyncio.sleep(client.random.random() * 0.3)
        if client.random.random() < 0.3:
            with contextlib.suppress(ConnectionError, OSError):
                wire.writer.write_eof()
            await asyncio.sleep(client.random.random() * 0.3)
        wire.reset() if client.random.random() < 0.5 else wire.close()


async def idler(client):
    """Stays idle after its request until the server closes the connection."""
    async with client.connection() as wire:
        expect_status(await wire.get(f"/{client.style()}/plaintext"), 200)
        expect(await wire.at_end() == b"", "the server sent bytes on an idle connection")


# Upstreams


async def fetch(client):
    """Fetches from the upstream without faults."""
    path, wanted = client.random.choice([("ok", b"upstream ok"), ("big", b"x" * 500_000), ("drip", b"drip\n" * 10)])
    async with client.connection() as wire:
        answer = await wire.get(f"/{client.style()}/fetch?url={client.good}/{path}")
        expect_status(answer, 200)
        expect(answer[2] == wanted, f"a fetch of /{path} is wrong; it has {len(answer[2])} bytes")


# Per fault: the allowed statuses, and whether the answer may be cut.
FAULTS = {
    "status500": ((500,), False),
    "redirect": ((200,), False),
    "loop": ((502,), False),
    "away": ((403,), False),
    "reset": ((502,), False),
    "stall": ((504,), False),
    "empty": ((502,), False),
    "garbage": ((502,), False),
    "truncate": ((200, 502), True),
    "stall-in-body": ((200,), True),
    "huge": ((200, 502), True),
    "bomb": ((200, 502), True),
}


async def faulty_fetch(client):
    name = client.random.choice(list(FAULTS))
    statuses, may_cut = FAULTS[name]
    async with client.connection() as wire:
        try:
            answer = await wire.get(f"/{client.style()}/fetch?url={client.bad}/{name}")
        except Cut as cut:
            expect(may_cut, f"a fetch of /{name} was cut: {cut}")
            return
        expect_status(answer, *statuses)


async def fanout(client):
    paths = [f"{client.good}/ok", f"{client.good}/drip", f"{client.bad}/status500", f"{client.bad}/reset"]
    paths = [client.random.choice(paths) for _ in range(client.random.randint(1, 6))]
    query = "&".join("url=" + urllib.parse.quote(path, safe="") for path in paths)
    async with client.connection() as wire:
        answer = await wire.get(f"/{client.style()}/fanout?{query}")
        expect_status(answer, 200)
        for path, result in zip(paths, json.loads(answer[2])["results"], strict=True):
            expect(result["url"] == path, f"a fan-out returned {result['url']}, expected {path}")
            if path.endswith(("ok", "drip")):
                expect(result["status"] == 200, f"a fan-out to {path} returned {result}")
            elif path.endswith("500"):
                expect(result["status"] == 500, f"a fan-out to {path} returned {result}")
            else:
                expect("error" in result, f"a fan-out to {path} returned {result}")


# The weight of each scenario.
SCENARIOS = {
    small: 30, pipelined: 8, sleeper: 10, upload: 10, stream: 8, half_closer: 4, mistaken: 3, slow_reader: 2,
    slow_head: 3, stalled_upload: 2, never_reader: 2, garbage: 5, disconnecter: 12, idler: 2,
    fetch: 8, faulty_fetch: 8, fanout: 4,
}
