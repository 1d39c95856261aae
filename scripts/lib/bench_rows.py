"""The rows of scripts/measure/bench: which request wrk sends to which server, and what the answer must be.

The rows form groups. Each group has one kind of load. Its first row is the C server, or nginx as a proxy; the other rows are
compared with it.
"""

import dataclasses
import socket
import time

import bench_proxy

PIPELINED = 16  # requests per write
BODY = "x" * 1024
SLEEP_MS = 100
SLEEPERS = 1000  # connections

# wrk sends what request() returns in one write, and counts every answer to it.
PIPELINED_SCRIPT = f"""
init = function(args)
    local batch = {{}}
    for i = 1, {PIPELINED} do batch[i] = wrk.format() end
    requests = table.concat(batch)
end
request = function() return requests end
"""

ECHO_SCRIPT = f"""
wrk.method = "POST"
wrk.body = string.rep("x", {len(BODY)})
"""

# Spreads the first requests over the time of one sleep. wrk opens all connections at once; without this they would all sleep and
# wake together during the first seconds of a run.
SLEEP_SCRIPT = f"""
local begun = 0
delay = function()
    begun = begun + 1
    if begun > {SLEEPERS} then return 0 end
    return math.random(0, {SLEEP_MS})
end
"""


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    group: str
    server: str
    path: str
    answer: str | None = None  # the body of each answer, if it is fixed
    body: str | None = None  # of a POST request; None for GET
    pipelined: int = 1
    sleeps: float = 0  # minimum seconds from a request to its answer
    connections: int | None = None  # instead of --connections
    script: str | None = None  # for wrk, in Lua
    base: str | None = None  # the row that this one is compared with
    target: float | None = None  # the highest allowed ratio of CPU to the limit
    own: str | None = None  # the plaintext row that this one is also compared with

    def request(self, port):
        head = f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        if self.body is not None:
            head += f"Content-Length: {len(self.body)}\r\n"
        return f"{head}\r\n{self.body or ''}".encode()


def group(name, limit_path, path, target, **options):
    """Returns the row of the C server, and one row per style of tandemd."""
    limit = f"{name}/limit"
    return [
        Row(limit, name, "limit", limit_path, **options),
        *(Row(f"{name}/{style}", name, "tandemd", f"/{style}{path}", base=limit, target=target, **options)
          for style in ("async", "blocking")),
    ]


HELLO = "Hello, World!"

ROWS = [
    Row("limit", "plaintext", "limit", "/plaintext", answer=HELLO),
    Row("/async/plaintext", "plaintext", "tandemd", "/async/plaintext", answer=HELLO, base="limit", target=1.3),
    Row("/blocking/plaintext", "plaintext", "tandemd", "/blocking/plaintext", answer=HELLO, base="limit", target=1.3),
    Row("/async/bridge", "plaintext", "tandemd", "/async/bridge", base="limit", own="/async/plaintext"),
    Row("/blocking/bridge", "plaintext", "tandemd", "/blocking/bridge", base="limit", own="/blocking/plaintext"),
    *group("pipelined", "/plaintext", "/plaintext", target=4, answer=HELLO, pipelined=PIPELINED, script=PIPELINED_SCRIPT),
    *group("echo", "/echo", "/echo", target=1.6, answer=BODY, body=BODY, script=ECHO_SCRIPT),
    *group("sleep", f"/sleep?ms={SLEEP_MS}", f"/sleep?ms={SLEEP_MS}", target=1.6, answer="ok", sleeps=SLEEP_MS / 1000,
           connections=SLEEPERS, script=SLEEP_SCRIPT),
    # UPSTREAM stands for the port of the upstream.
    Row("proxy/nginx", "proxy", "nginx", "/1k", answer=bench_proxy.FILE),
    *(Row(f"proxy/{style}", "proxy", "tandemd", f"/{style}/fetch?url=http://127.0.0.1:UPSTREAM/1k", answer=bench_proxy.FILE,
          base="proxy/nginx", target=2.0) for style in ("async", "blocking")),
]

GROUPS = list(dict.fromkeys(row.group for row in ROWS))


def check_answers(row, port, failure):
    """Sends the bytes of one write of wrk, and checks each answer."""
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(row.request(port) * row.pipelined)
            with connection.makefile("rb") as stream:
                for _ in range(row.pipelined):
                    check_answer(row, stream, failure)
    except (OSError, ValueError) as error:
        raise failure(f"{row.name}: {row.path}: {error}") from None
    took = time.monotonic() - began
    if took < row.sleeps:
        raise failure(f"{row.name}: {row.path} answered after {took * 1000:.0f} ms, before {row.sleeps * 1000:.0f} ms")


def check_answer(row, stream, failure):
    status, fields = stream.readline().decode(errors="replace").strip(), {}
    while (line := stream.readline()).strip():
        name, _, value = line.decode(errors="replace").partition(":")
        fields[name.lower()] = value.strip()
    if "content-length" not in fields:
        raise failure(f"{row.name}: {row.path} answered {status!r} without Content-Length")
    body = stream.read(int(fields["content-length"])).decode(errors="replace")
    if status != "HTTP/1.1 200 OK":
        raise failure(f"{row.name}: {row.path} answered {status!r}: {body[:200]!r}")
    if row.answer is not None and body != row.answer:
        raise failure(f"{row.name}: {row.path} answered {body[:200]!r} where {row.answer[:200]!r} was expected")


def check_rate(row, rate, failure):
    """Checks that the server answers all sleeping connections on time: none early, and not only some of them."""
    if not row.sleeps:
        return
    most = row.connections / row.sleeps
    if not most / 3 <= rate <= most * 1.02:
        raise failure(f"{row.name}: {rate:,.0f} answers per second, where {row.connections} connections that sleep "
                      f"{row.sleeps * 1000:.0f} ms allow {most / 3:,.0f} to {most:,.0f}")
