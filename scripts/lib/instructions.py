"""The counts behind scripts/measure/instructions. Python's standard library only.

The daemon runs under valgrind's callgrind with one hub, with metrics, and with or without an access log. After a warm-up curl
sends N requests over one connection, then 3N. The difference is the cost of 2N requests without the connection's own. A row above
its bound is measured again, at most twice: when the upstream answers late, the hub has to poll once more for that fetch. Fetches go
to an upstream in this process, which answers with 1 KB and the head that nginx sends. The second table has the sizes of the async
frames that are alive while a request waits.
"""

import collections
import dataclasses
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import arguments
import frames
import processes

N = 100
ATTEMPTS = 3
# The bound of a row that must cost at most 1 % more than another: 1 %, and 0.2 points for the error of the measurement.
LIKE = 1.012
# The flight recorder takes at most 3 % of a request, and 0.4 points for the error of two measurements.
RECORDING = 1.034

# The functions whose calls are counted, by kind.
FUNCTIONS = {
    "hops": {"swift_task_switch"},
    "allocations": {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign"},
    "retains": {
        "swift_retain", "swift_release", "swift_retain_n", "swift_release_n", "swift_bridgeObjectRetain",
        "swift_bridgeObjectRelease", "swift_bridgeObjectRetain_n", "swift_bridgeObjectRelease_n"},
    "sends": {"tandem_send", "tandem_write", "send", "sendto", "sendmsg", "write", "writev"},
}
COUNTS = ["instructions", *FUNCTIONS]


@dataclasses.dataclass(frozen=True)
class Row:
    path: str
    posts: bool = False  # sends 1 KB by POST
    logs: bool = False  # with an access log
    records: bool = False  # with the flight recorder on
    connections: int = 1  # that send requests at the same time
    most: tuple | None = None  # the bounds per request, in the order of COUNTS
    like: str | None = None  # another row; this one has at most 1 % more instructions

    @property
    def name(self):
        many = f", {self.connections} connections" if self.connections > 1 else ""
        return ("POST " if self.posts else "") + self.path + (", access log" if self.logs else "") + (
            ", flight recorder" if self.records else "") + many


# The bounds for x86-64: instructions, retains and releases are 3 % above the count, the others exactly the count.
ROWS = [
    # instructions, hops, allocations, retains and releases, sends
    Row("/async/plaintext", most=(7_500, 3, 0, 38, 1)),
    Row("/blocking/plaintext", most=(7_900, 2, 0, 40, 1)),
    # A request on a migrating route, when it is not sampled.
    Row("/moved/plaintext", most=(7_575, 3, 0, 38, 1), like="/async/plaintext"),
    Row("/async/plaintext", records=True, most=(7_725, 3, 0, 38, 1)),
    Row("/async/plaintext", logs=True, most=(9_680, 3, 0, 75, 1)),
    Row("/async/sleep?ms=1", most=(15_000, 5, 2, 81, 1)),
    Row("/blocking/sleep?ms=1", most=(15_200, 4, 2, 83, 1)),
    Row("/async/echo", posts=True, most=(22_390, 4, 8, 276, 1)),
    Row("/blocking/echo", posts=True, most=(22_410, 2, 8, 281, 1)),
    Row("/async/fetch?url=UPSTREAM", most=(54_600, 7, 17, 701, 2)),
    Row("/blocking/fetch?url=UPSTREAM", most=(53_500, 4, 17, 704, 2)),
    Row("/async/fetch?url=UPSTREAM", connections=64, most=(53_300, 7, 18, 695, 2)),
]


class Failure(Exception):
    """Ends the script with a message."""


class Upstream:
    """Answers each request with 1 KB, with a thread per connection, until the process ends."""

    ANSWER = (
        b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Length: 1024\r\n"
        b"Last-Modified: Sat, 28 Nov 2026 12:00:00 GMT\r\nConnection: keep-alive\r\n"
        b'ETag: "6565d2a0-400"\r\nAccept-Ranges: bytes\r\n\r\n' + b"x" * 1024)

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.origin = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection = self.listener.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as requests:
            try:
                while line := requests.readline():
                    if line == b"\r\n":
                        connection.sendall(self.ANSWER)
            except OSError:
                pass


class Daemon:
    """tandemd under callgrind, which counts only between --instr=on and --instr=off."""

    def __init__(self, binary, work, logs, records, upstream):
        self.work, self.log, self.upstream = work, work / "log", upstream
        self.port = processes.free_port()
        environment = {
            **os.environ, "TANDEM_FETCH_ALLOW": upstream.origin, "TANDEM_LOG_ACCESS": "true" if logs else "false",
            "TANDEM_ADMIN_LISTEN": "127.0.0.1:0", "TANDEM_MIGRATE_ROUTES": "GET /moved/plaintext new verify=0.001",
            "TANDEM_HUB_FLIGHT_RECORDER": "true" if records else "false",
            "TANDEM_HUB_STALL_THRESHOLD_MS": "60000"}  # valgrind is slow
        # The access log goes to a pipe, as under systemd and in a container.
        self.sink = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={work}/profile", binary,
                 "serve", "--host", "127.0.0.1", "--port", str(self.port), "--hubs", "1"],
                env=environment, stdin=subprocess.DEVNULL, stdout=self.sink.stdin, stderr=log)
        self.sink.stdin.close()
        self.dumps = 0

    def fail(self, what):
        raise Failure(f"{what}\n{self.log.read_text(errors='replace')[-2000:]}")

    def wait_until_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.fail(f"tandemd ended with status {self.process.returncode}")
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
        self.fail(f"tandemd does not listen on port {self.port}")

    def request(self, row, count):
        command = ["curl", "--silent", "--fail", "--output", "/dev/null", "--noproxy", "*", "--max-time", "60"]
        if row.posts:
            command += ["--header", "Content-Type: text/plain", "--data-binary", "x" * 1024]
        # curl expands the range at the end of the URL, and so repeats the request.
        separator = "&n=" if "?" in row.path else "?"
        path = row.path.replace("UPSTREAM", f"{self.upstream.origin}/1k")
        url = f"http://127.0.0.1:{self.port}{path}{separator}[1-{count // row.connections}]"
        clients = [subprocess.Popen([*command, url]) for _ in range(row.connections)]
        if statuses := [client.returncode for client in clients if client.wait() != 0]:
            self.fail(f"{row.name}: curl ended with status {statuses[0]}")

    def control(self, *arguments):
        try:
            subprocess.run(["callgrind_control", *arguments, str(self.process.pid)], check=True, timeout=60,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except (subprocess.SubprocessError, OSError) as error:
            self.fail(f"callgrind_control {' '.join(arguments)}: {error}")

    def counted(self, row, count):
        self.request(row, count)
        self.control("--dump")
        self.dumps += 1
        return counts(self.work / f"profile.{self.dumps}")

    def measure(self, row):
        number = N if row.connections == 1 else 20 * row.connections
        self.request(row, number)  # warm-up
        self.control("--instr=on")
        few, many = self.counted(row, number), self.counted(row, 3 * number)
        self.control("--instr=off")
        return [(many[count] - few[count]) / (2 * number) for count in COUNTS]

    def compare(self, row, other):
        """Returns the ratio of the instructions of two rows. The work of each second, and what is done once, is in some counts and not
        in others: so the medians of several."""
        pairs = [(self.measure(row)[0], self.measure(other)[0]) for _ in range(9)]
        return statistics.median(first for first, _ in pairs) / statistics.median(second for _, second in pairs)

    def stop(self):
        processes.stop(self.process, 20)
        self.sink.wait()


def counts(profile):
    """Returns the counts in a profile of callgrind.

    A function is `fn=(12) name` the first time, and `fn=(12)` afterwards; `cfn=` is the one that it calls. `ob=` and `cob=` are the
    files that have them; `cob=` is missing if it is the caller's. Of the functions of tandemd itself only its own calls of the
    kernel are counted: TandemPatch defines some of libc's names, and its functions call libc's.
    """
    names, files, calls, called, found = {}, {}, collections.Counter(), None, collections.Counter()
    file = called_file = None
    with open(profile, errors="replace") as lines:
        for line in lines:
            if named := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?$", line):
                files.setdefault(named[2], named[3])
                called_file = files[named[2]]
                file = file if named[1] else called_file
            elif named := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?$", line):
                name = named[3] or ""
                if name and (name.startswith("tandem_") or not (called_file if named[1] else file).endswith("/tandemd")):
                    names[named[2]] = re.sub(r"'\d+$", "", named[3])  # a recursive call
                called, called_file = named[2] if named[1] else called, file
            elif line.startswith("calls="):
                calls[called] += int(line[6:].split()[0])
            elif line.startswith("totals:"):  # "summary:" is wrong after instrumentation was off
                found["instructions"] = int(line.split()[1])
    for number, count in calls.items():
        for kind, functions in FUNCTIONS.items():
            if names.get(number) in functions:
                found[kind] += count
    return found


def exceeded(row, measured):
    """Returns the names of the counts above their bounds. A timer may add one call per hundred requests."""
    bounds = row.most if row.most and platform.machine() == "x86_64" else ()
    return [name for name, value, most in zip(COUNTS, measured, bounds)
            if value > most + (0 if name == "instructions" else 0.1)]


def line(row, measured):
    cells = [f"{value:,.0f}" if name == "instructions" else f"{value:.1f}" for name, value in zip(COUNTS, measured)]
    if row.most:
        cells = [f"{cell} / {most:,}" for cell, most in zip(cells, row.most)]
    return f"| `{row.name}` | " + " | ".join(cells) + " |"


def measure_frames(binary):
    """Prints the table of frames, and returns the names of the frames above their bounds."""
    print("\n| async frame, and its bound | bytes |\n| --- | ---: |")
    failures = []
    for name, size, most in frames.measure(binary):
        if size is None:
            raise Failure(f"{name} is not in the program: correct FRAMES in scripts/lib/frames.py")
        print(f"| `{name}` | {size} / {most} |", flush=True)
        if size > most and platform.machine() == "x86_64":
            failures.append(f"frame of {name}")
    return failures


def main():
    parser = arguments.Parser("measure/instructions")
    parser.add_argument("binary")
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.paths or row.path in options.paths]
    rows += [Row(path) for path in options.paths if path not in {row.path for row in ROWS}]

    print("| per request, and its bound | instructions | hops | allocations | retains and releases | sends |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    failures = []
    without_recorder = {}
    upstream = Upstream()
    for logs, records in sorted({(row.logs, row.records) for row in rows}):
        with tempfile.TemporaryDirectory() as work:
            daemon = Daemon(options.binary, pathlib.Path(work), logs, records, upstream)
            try:
                daemon.wait_until_ready()
                for row in (row for row in rows if (row.logs, row.records) == (logs, records)):
                    for _ in range(ATTEMPTS):
                        measured = daemon.measure(row)
                        if not exceeded(row, measured):
                            break
                    print(line(row, measured), flush=True)
                    failures += [f"{row.name}: {name}" for name in exceeded(row, measured)]
                    if not logs and not records:
                        without_recorder[row.path] = measured[0]
                    if records and (ratio := measured[0] / without_recorder.get(row.path, measured[0])) > RECORDING:
                        failures.append(f"{row.name}: {ratio:.4f} times the instructions without it")
                    like = next((other for other in rows if other.name == row.like), None)
                    if like and (ratio := daemon.compare(row, like)) > LIKE:
                        failures.append(f"{row.name}: {ratio:.4f} times the instructions of {row.like}")
            finally:
                daemon.stop()
    if not options.paths:
        failures += measure_frames(options.binary)
    if failures:
        raise Failure("above the bound: " + "; ".join(failures))


if __name__ == "__main__":
    # On these signals too, 'finally' stops the daemon.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        main()
    except Failure as failure:
        sys.exit(f"instructions: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
