"""The measurements behind scripts/measure/connections. Python's standard library only.

Clients are plain blocking sockets. Their memory is not the server's, and their own time is the same in all compared figures.
"""

import contextlib
import multiprocessing
import os
import pathlib
import re
import resource
import socket
import ssl
import statistics
import subprocess
import tempfile
import time

import arguments
import processes

REQUEST = b"GET /async/plaintext HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"Hello, World!"


class Daemon:
    """A tandemd process with one hub. With a certificate its port expects TLS."""

    def __init__(self, binary, certificate=None):
        self.port = processes.free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")} | {
            "TANDEM_LOG_ACCESS": "false", "TANDEM_HTTP_HEADER_TIMEOUT_MS": "3600000", "TANDEM_HTTP_IDLE_TIMEOUT_MS": "3600000"}
        listening = ["--port", str(self.port)]
        self.context = None
        if certificate:
            listening = []
            environment |= {
                "TANDEM_HTTP_LISTEN": f"127.0.0.1:{self.port} tls", "TANDEM_TLS_CERTIFICATES": certificate}
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.process = subprocess.Popen(
            [binary, "serve", *listening, "--hubs", "1"], cwd="/", env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            if self.process.poll() is not None:
                raise SystemExit(f"connections: tandemd ended with status {self.process.returncode}")
            time.sleep(0.02)

    def rss(self):
        """Returns the resident memory in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def connect(self):
        plug = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plug) if self.context else plug

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def ask(plug):
    plug.sendall(REQUEST)
    heard = b""
    while not heard.endswith(ANSWER):
        piece = plug.recv(4096)
        if not piece:
            raise SystemExit("connections: the server closed a connection that it should have kept")
        heard += piece


def idle(daemon, count):
    """Returns the bytes per connection, for `count` connections that stay open after a request."""
    # Warms up: memory that is allocated once, or grows with the first connections, does not count.
    warm = [daemon.connect() for _ in range(50)]
    for plug in warm:
        ask(plug)
    before = daemon.rss()
    plugs = []
    for _ in range(count):
        plugs.append(daemon.connect())
        ask(plugs[-1])
    after = daemon.rss()
    for plug in warm + plugs:
        plug.close()
    return (after - before) / count


def send_slowly(port, count, ready, stop):
    """Runs in a separate process: opens `count` connections and sends one byte of a head per second on each."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    plugs = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    head = b"GET / HTTP/1.1\r\nHost: " + b"a" * 4000
    ready.set()
    for byte in head:
        for plug in plugs:
            plug.send(bytes([byte]))
            # Spreads the bytes over the second.
            if stop.wait(1 / count):
                return


def latencies(daemon, count):
    """Returns the microseconds of each of `count` sequential requests on one connection."""
    with daemon.connect() as plug:
        for _ in range(500):
            ask(plug)
        times = []
        for _ in range(count):
            start = time.perf_counter_ns()
            ask(plug)
            times.append((time.perf_counter_ns() - start) / 1000)
    return times


def beside_slow(daemon, count, requests):
    """Returns the latencies of a normal client, alone and while `count` clients send their heads slowly."""
    alone = latencies(daemon, requests)
    ready, stop = multiprocessing.Event(), multiprocessing.Event()
    slow = multiprocessing.Process(target=send_slowly, args=(daemon.port, count, ready, stop))
    slow.start()
    ready.wait()
    time.sleep(1)
    beside = latencies(daemon, requests)
    stop.set()
    slow.join()
    return alone, beside


def churn(daemon, count):
    """Returns the growth of the process in bytes over `count` connections, after a tenth as many as warm-up."""
    for number in range(count // 10 + count):
        if number == count // 10:
            before = daemon.rss()
        with daemon.connect() as plug:
            ask(plug)
    return daemon.rss() - before


def row(what, measured, must=None):
    limit, ratio = (f"{must:,}", f"{measured / must:.2f}") if must else ("", "")
    print(f"| {what} | {measured:,.1f} | {limit} | {ratio} |", flush=True)


def percentiles(times):
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def main():
    parser = arguments.Parser("measure/connections")
    parser.add_argument("--idle", type=arguments.positive, default=5000)
    parser.add_argument("--slow", type=arguments.positive, default=500)
    parser.add_argument("--churn", type=arguments.positive, default=20_000)
    parser.add_argument("--requests", type=arguments.positive, default=20_000)
    parser.add_argument("--tandemd", required=True)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    print("| | measured | must | ratio |\n| --- | ---: | ---: | ---: |")
    with Daemon(options.tandemd) as daemon:
        row(f"{options.idle} idle connections, bytes each", idle(daemon, options.idle), 4000)
    with tempfile.TemporaryDirectory() as directory:
        certificate = f"{directory}/both.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{directory}/key", "-out",
             f"{directory}/chain"],
            check=True, capture_output=True)
        pathlib.Path(certificate).write_bytes(
            b"".join(pathlib.Path(f"{directory}/{name}").read_bytes() for name in ("chain", "key")))
        with Daemon(options.tandemd, certificate) as daemon:
            row(f"{options.idle} idle TLS connections, bytes each", idle(daemon, options.idle))
    with Daemon(options.tandemd) as daemon:
        alone, beside = map(percentiles, beside_slow(daemon, options.slow, options.requests))
        row("latency of a normal client alone, microseconds, median", alone[0])
        row("the same, 99th percentile", alone[1])
        row(f"latency next to {options.slow} clients that send their heads slowly, median", beside[0])
        row("the same, 99th percentile", beside[1])
    with Daemon(options.tandemd) as daemon:
        growth = churn(daemon, options.churn) / options.churn * 1000 / 1024
        row(f"memory growth over {options.churn} sequential connections, KB per 1,000", growth)


main()
