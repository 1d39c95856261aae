"""The daemon that scripts/check/dashboard looks at, its traffic, and its metrics. Python's standard library only."""

import contextlib
import http.client
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse

import processes

HUBS = 2
# The green threads of one request to /blocking/fanout.
FAN_OUT = 64


def get(url, path, headers=None, method="GET", seconds=10):
    """Sends a request to a server, which `url` names. Returns the status, the fields with names in lower case, and the body."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        # A stream of events has no end.
        return answer.status, fields, b"" if fields.get("content-type") == "text/event-stream" else answer.read()
    finally:
        connection.close()


def open_stream(url, path, seconds=10):
    """Opens a stream of events. Returns the connection, the status and the answer, of which nothing has been read."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=seconds)
    connection.request("GET", path, headers={"Accept": "text/event-stream"})
    # A copy, because the answer of a stream takes the socket from the connection. The socket ends with the last of the two.
    copy = connection.sock.dup()
    answer = connection.getresponse()
    return copy, answer.status, answer


def close_stream(stream):
    """Closes a stream that `open_stream` has returned."""
    connection, _, answer = stream
    reset(connection)
    answer.close()


def reset(connection):
    """Closes a socket with a reset, so that the server need not wait whether the client goes on reading."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Metrics:
    """What /metrics of a daemon answers."""

    def __init__(self, url):
        status, _, body = get(url, "/metrics")
        if status != 200:
            raise OSError(f"/metrics answers {status}")
        self.samples = []
        for line in body.decode().splitlines():
            if found := re.match(r"(\w+)(?:\{(.*)\})? (\S+)", line):
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
                self.samples.append((found[1], labels, float(found[3])))

    def sums(self, name, key):
        """Returns the sum of a metric's series for each value of `key`, a function of the labels. None is no key."""
        sums = {}
        for sample, labels, value in self.samples:
            if sample == name and (group := key(labels)) is not None:
                sums[group] = sums.get(group, 0) + int(value)
        return sums

    def by_hub(self, name, **labels):
        """Returns the value of a metric for each hub."""
        return self.sums(name, lambda found: found.get("hub") if labels.items() <= found.items() else None)

    def total(self, name):
        return sum(self.sums(name, lambda _: "").values())

    def requests(self):
        """Returns the number of requests that have been answered, by method and route, and in all."""
        name = "http_server_request_duration_seconds_count"
        routes = self.sums(name, lambda labels: f"{labels['http_request_method']} {labels.get('http_route', '')}")
        return routes, sum(routes.values())


class Daemon:
    """A tandemd process with an admin listener. Calls of libc hold its hubs, and one of its routes runs a shadow.

    `variables` are further variables of its environment.
    """

    def __init__(self, program, **variables):
        self.program, self._variables = program, variables
        self.port, self.admin, self.closed = (processes.free_port() for _ in range(3))
        self.url = f"http://127.0.0.1:{self.admin}"
        self.process = None
        self._log = tempfile.TemporaryFile()
        self._sockets = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.release()
        self.stop()
        self._log.close()

    def start(self):
        """Starts the process, and waits until it is ready. The ports are the same each time."""
        # Without the caller's configuration.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")} | {
            "TANDEM_HTTP_HOST": "127.0.0.1", "TANDEM_HTTP_PORT": str(self.port), "TANDEM_HTTP_HUBS": str(HUBS),
            "TANDEM_HTTP_MAX_CONNECTIONS": "20000", "TANDEM_HTTP_MAX_GREEN_THREADS": "20000", "TANDEM_HTTP_BACKLOG": "4096",
            "TANDEM_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            # usleep holds the hub.
            "TANDEM_LEGACY_PATCH": "false",
            "TANDEM_FETCH_ALLOW": f"http://127.0.0.1:{self.closed}",
            # Fetches of a fan-out wait for a turn, so that each takes a green thread and no connection.
            "TANDEM_FETCH_MAX_PER_ORIGIN": "4", "TANDEM_FETCH_MAX_WAITING": "20000", "TANDEM_FETCH_QUEUE_TIMEOUT_MS": "600000",
            "TANDEM_FETCH_TIMEOUT_MS": "600000", "TANDEM_FETCH_RESPONSE_TIMEOUT_MS": "0", "TANDEM_FETCH_IDLE_TIMEOUT_MS": "0",
            "TANDEM_MIGRATE_ROUTES": "GET /moved/style shadow 100,GET /moved/whoami shadow 100,GET /moved/plaintext percent 50",
            "TANDEM_SHUTDOWN_GRACE_MS": "1000", "TANDEM_LOG_ACCESS": "false", "TANDEM_LOG_LEVEL": "notice",
        } | self._variables
        self.process = subprocess.Popen(
            [self.program, "serve"], cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self._log)
        end = time.monotonic() + 20
        while True:
            if self.process.poll() is not None:
                raise SystemExit(f"tandemd did not start: {self.said()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if get(self.url, "/readyz")[0] == 200:
                    return
            if time.monotonic() > end:
                self.stop()
                raise SystemExit(f"tandemd is not ready after 20 s: {self.said()}")
            time.sleep(0.05)

    def stop(self):
        """Ends the process, at the latest after 15 seconds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            processes.stop(self.process, 15)

    def said(self):
        """Returns the end of the log."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]

    def metrics(self):
        return Metrics(self.url)

    def send(self, path):
        """Opens a connection and sends a request, without reading the answer. `release` closes the connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._sockets.append(connection)

    def release(self):
        """Closes the connections that `send` has opened, which cancels their requests."""
        for connection in self._sockets:
            reset(connection)
        self._sockets.clear()

    def fill(self, count, milliseconds=600_000):
        """Starts at least `count` green threads that wait: sleeps, one per connection, and fan-outs if descriptors are too few."""
        # The daemon accepts connections for half of its descriptors at most. This process needs some for itself.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if most == resource.RLIM_INFINITY:
            most = 1 << 20
        fan_outs = max(4, -(-(count - (most // 2 - 1000)) // FAN_OUT))
        # The traffic fetches from localhost, whose turns these do not take.
        query = "&".join([f"url=http://127.0.0.1:{self.port}/async/sleep%3Fms={milliseconds}"] * FAN_OUT)
        for _ in range(fan_outs):
            self.send(f"/blocking/fanout?{query}")
        for _ in range(count - fan_outs * FAN_OUT):
            self.send(f"/blocking/sleep?ms={milliseconds}")


class Traffic:
    """A thread that sends requests of each kind, some 100 per second."""

    def __init__(self, daemon):
        self._daemon = daemon
        own = f"http://localhost:{daemon.port}"
        self._targets = [
            "/blocking/plaintext", "/async/plaintext", "/blocking/bridge", "/async/bridge?depth=3", "/blocking/sleep?ms=10",
            "/async/sleep?ms=10", f"/blocking/fetch?url={own}/async/plaintext", f"/async/fetch?url={own}/blocking/plaintext",
            "/moved/style", "/moved/whoami", "/moved/plaintext", "/unknown", f"/async/fetch?url=http://127.0.0.1:{daemon.closed}/",
        ]
        self._runs, self._idle, self._ends = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.resume()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._runs.set()
        self._thread.join(30)

    def pause(self):
        """Stops sending, and waits until the last request has been answered."""
        self._runs.clear()
        if not self._idle.wait(30):
            raise OSError("a request of the traffic was not answered within 30 s")

    def resume(self):
        self._runs.set()

    def _run(self):
        connection = None
        number = 0
        while not self._ends.is_set():
            if not self._runs.is_set():
                self._idle.set()
                self._runs.wait()
                self._idle.clear()
                continue
            # A new connection now and then, so that both hubs have some. One that failed, as at a restart, is replaced as well.
            if connection is None or number % 50 == 0:
                connection = http.client.HTTPConnection("127.0.0.1", self._daemon.port, timeout=20)
            try:
                connection.request("GET", self._targets[number % len(self._targets)])
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                time.sleep(0.05)
            number += 1
            time.sleep(0.005)
