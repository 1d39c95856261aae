"""A package registry on loopback, for tests, measurements and demonstrations.

    upstream.py              obeys the commands on its standard input, one JSON object per line, and answers each with one
    upstream.py PORT         serves the packages tea and coffee on PORT until it is stopped

Each listener follows a script: for each path a list of steps, one per request. The last step repeats. Other paths are 404.
"""

import asyncio
import hashlib
import json
import sys

PHRASES = {200: "OK", 304: "Not Modified", 404: "Not Found"}


class Listener:
    def __init__(self, script):
        self.script = script
        self.taken = {}
        self.requests = []
        self.active = self.peak = self.held = self.disconnects = 0
        self.connections = set()
        self.gate = asyncio.Event()
        self.server = None

    async def open(self, port=0):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", port, backlog=1024)
        return self.server.sockets[0].getsockname()[1]

    async def close(self):
        self.server.close()
        for writer in list(self.connections):
            writer.close()

    def log(self):
        return {"requests": self.requests, "held": self.held, "peak": self.peak, "disconnects": self.disconnects}

    def step(self, path):
        steps = self.script.get(path)
        if not steps:
            return {"status": 404}
        index = self.taken.get(path, 0)
        self.taken[path] = index + 1
        return steps[min(index, len(steps) - 1)]

    async def serve(self, reader, writer):
        self.connections.add(writer)
        try:
            while await self.answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        step = self.step(path)
        self.active += 1
        self.peak = max(self.peak, self.active)
        self.requests.append({"path": path, "etag": fields.get("if-none-match")})
        try:
            if step.get("hold") and not await self.hold(reader):
                self.disconnects += 1
                return False
            await asyncio.sleep(step.get("delay", 0))
        finally:
            self.active -= 1
        return await self.send(step, fields, writer)

    async def hold(self, reader):
        """Waits for a release. Returns False if the client leaves before."""
        gate = asyncio.ensure_future(self.gate.wait())
        leaving = asyncio.ensure_future(reader.read(1))
        self.held += 1
        await asyncio.wait({gate, leaving}, return_when=asyncio.FIRST_COMPLETED)
        self.held -= 1
        gate.cancel()
        if leaving.done():
            return False
        leaving.cancel()
        await asyncio.wait({leaving})
        return True

    async def send(self, step, fields, writer):
        if step.get("drop"):
            return False
        status, body = step.get("status", 200), step.get("body", "").encode()
        headers = dict(step.get("headers", {}))
        if "ETag" in headers and fields.get("if-none-match") == headers["ETag"].lower():
            status, body = 304, b""
        lines = [f"HTTP/1.1 {status} {PHRASES.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if status != 304:
            lines.append(f"Content-Length: {len(body)}")
        sent = body[: len(body) // 2] if step.get("cut") else body
        writer.write("\r\n".join(lines + ["", ""]).encode() + sent)
        await writer.drain()
        return not step.get("cut")


def package(name, versions):
    """Returns the script of a package whose archives are short texts."""
    script = {f"/{name}": [{"headers": {"ETag": '"v1"'}, "body": json.dumps({"versions": versions})}]}
    for version in versions:
        archive = f"the archive of {name} {version}\n" * 40
        checksum = hashlib.sha256(archive.encode()).hexdigest()
        manifest = {"package": name, "version": version, "checksum": checksum}
        script[f"/{name}/{version}"] = [{"headers": {"ETag": '"m1"'}, "body": json.dumps(manifest)}]
        script[f"/{name}/{version}.tar"] = [{"body": archive}]
    return script


async def obey():
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    listeners = {}
    while line := await commands.readline():
        command = json.loads(line)
        listener = listeners.get(command.get("port"))
        answer = {}
        if command["do"] == "open":
            listener = Listener(command["script"])
            answer["port"] = await listener.open()
            listeners[answer["port"]] = listener
        elif command["do"] == "log":
            answer["log"] = listener.log()
        elif command["do"] == "release":
            listener.gate.set()
        elif command["do"] == "close":
            await listeners.pop(command["port"]).close()
        print(json.dumps(answer), flush=True)


async def demonstrate(port):
    listener = Listener(package("tea", ["1.0.0", "1.1.0"]) | package("coffee", ["0.9.0"]))
    print(f"http://127.0.0.1:{await listener.open(port)}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(demonstrate(int(sys.argv[1])) if len(sys.argv) > 1 else obey())
    except KeyboardInterrupt:
        pass
