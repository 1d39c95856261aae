"""The measurements behind scripts/measure/connections. Python's standard library only.

Clients are plain blocking sockets: what they cost is not in the server's memory, and their own time is the same in the
figures that are compared.
"""

import argparse
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

REQUEST = b"GET /async/plaintext HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"Hello, World!"


class Daemon:
    """tandemd as a process, with one hub; its port speaks TLS when there is a certificate."""

    def __init__(self, binary, certificate=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")} | {
            "TANDEM_LOG_ACCESS": "false", "TANDEM_HTTP_HEADER_TIMEOUT_MS": "3600000", "TANDEM_HTTP_IDLE_TIMEOUT_MS": "3600000"}
        arguments = ["--port", str(self.port)]
        self.context = None
        if certificate:
            arguments = []
            environment |= {
                "TANDEM_HTTP_LISTEN": f"127.0.0.1:{self.port} tls", "TANDEM_TLS_CERTIFICATES": certificate}
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.process = subprocess.Popen(
            [binary, "serve", *arguments, "--hubs", "1"], cwd="/", env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            if self.process.poll() is not None:
                raise SystemExit(f"connections: tandemd ended with {self.process.returncode}")
            time.sleep(0.02)

    def rss(self):
        """Resident memory in bytes."""
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
            raise SystemExit("connections: the server closed a connection that it should keep")
        heard += piece


def idle(daemon, count):
    """Bytes of each of `count` connections that stay after a request."""
    # What is made once, and what the first hundreds grow, is there.
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
    """A process of its own: `count` connections, on each a byte of a head each second."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    plugs = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    head = b"GET / HTTP/1.1\r\nHost: " + b"a" * 4000
    ready.set()
    for byte in head:
        for plug in plugs:
            plug.send(bytes([byte]))
            # Spread over the second.
            if stop.wait(1 / count):
                return


def latencies(daemon, count):
    """Microseconds that each of `count` requests took, one after the other on one connection."""
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
    """Bytes that the process grows by over `count` connections, after a tenth as many that warm it up."""
    for number in range(count // 10 + count):
        if number == count // 10:
            before = daemon.rss()
        with daemon.connect() as plug:
            ask(plug)
    return daemon.rss() - before


def row(what, measured, must=None):
    print(f"| {what} | {measured:,.1f} | {f'{must:,}' if must else ''} | {f'{measured / must:.2f}' if must else ''} |", flush=True)


def percentiles(times):
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def main():
    parser = argparse.ArgumentParser(prog="scripts/measure/connections")
    parser.add_argument("--idle", type=int, default=5000, help="idle connections (default 5000)")
    parser.add_argument("--slow", type=int, default=500, help="slow senders of heads (default 500)")
    parser.add_argument("--churn", type=int, default=20_000, help="connections one after the other (default 20000)")
    parser.add_argument("--requests", type=int, default=20_000, help="requests of the normal client (default 20000)")
    parser.add_argument("--tandemd", required=True, help=argparse.SUPPRESS)
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
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{directory}/key", "-out", f"{directory}/chain"],
            check=True, capture_output=True)
        pathlib.Path(certificate).write_bytes(
            b"".join(pathlib.Path(f"{directory}/{name}").read_bytes() for name in ("chain", "key")))
        with Daemon(options.tandemd, certificate) as daemon:
            row(f"{options.idle} idle TLS connections, bytes each", idle(daemon, options.idle))
    with Daemon(options.tandemd) as daemon:
        alone, beside = map(percentiles, beside_slow(daemon, options.slow, options.requests))
        row("a normal client alone, microseconds, median", alone[0])
        row("the same, 99th percentile", alone[1])
        row(f"beside {options.slow} slow senders of heads, median", beside[0])
        row("the same, 99th percentile", beside[1])
    with Daemon(options.tandemd) as daemon:
        row(f"{options.churn} connections one after the other, KB per 1,000", churn(daemon, options.churn) / options.churn * 1000 / 1024)


main()
