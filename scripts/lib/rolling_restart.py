"""Restarts two tandemd behind nginx in turn while clients send requests, and counts the lost requests."""

import collections
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import arguments
import processes

# A configuration as an operator would write it: nginx keeps connections to the instances, and tries the other instance if one
# does not respond. Without max_fails=0 nginx would avoid a restarted instance for ten seconds, and the other may be down by then.
NGINX = """
daemon off;
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    upstream tandemd {{
        server 127.0.0.1:{first} max_fails=0;
        server 127.0.0.1:{second} max_fails=0;
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{front};
        location / {{
            proxy_pass http://tandemd;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_next_upstream error timeout;
            proxy_connect_timeout 2s;
        }}
    }}
}}
"""

# The requests of each client, in turn: quick answers, slow answers and streams, in both styles.
TARGETS = [
    ("/blocking/plaintext", b"Hello, World!"),
    ("/async/sleep?ms=20", b"ok"),
    ("/blocking/sleep?ms=20", b"ok"),
    ("/async/stream?chunks=5&bytes=5&ms=5", b"....\n" * 5),
    ("/blocking/stream?chunks=5&bytes=5&ms=5", b"....\n" * 5),
]


def wait_for_port(port, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"nothing listens on port {port} after {seconds} s")


class Instance:
    """A tandemd process, which has the same port after each restart."""

    def __init__(self, tandemd, port):
        self.tandemd, self.port, self.process = tandemd, port, None

    def start(self):
        environment = {"PATH": "/usr/bin:/bin", "TANDEM_LOG_ACCESS": "false", "TANDEM_LOG_LEVEL": "warning"}
        # A daemon built with a sanitizer needs these.
        environment |= {name: os.environ[name] for name in ("ASAN_OPTIONS", "TSAN_OPTIONS") if name in os.environ}
        command = [self.tandemd, "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=environment, cwd="/")
        wait_for_port(self.port)

    def stop(self):
        """Stops the instance, and returns the seconds that this took."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        if code != 0:
            raise SystemExit(f"tandemd on port {self.port} ended with status {code}")
        return time.monotonic() - start


class Client(threading.Thread):
    """Sends one request after the other on a kept connection to nginx."""

    def __init__(self, port, number, stop):
        super().__init__(daemon=True)
        self.port, self.number, self.stop = port, number, stop
        self.times, self.losses = [], collections.Counter()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        turn = self.number
        while not self.stop.is_set():
            target, expected = TARGETS[turn % len(TARGETS)]
            turn += 1
            start = time.monotonic()
            try:
                connection.request("GET", target)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self.losses[f"{target}: status {answer.status}"] += 1
                elif body != expected:
                    self.losses[f"{target}: {len(body)} bytes of {len(expected)}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.losses[f"{target}: {error!r}"] += 1
                connection.close()
            self.times.append(time.monotonic() - start)
        connection.close()


def main():
    parser = arguments.Parser("measure/rolling-restart")
    parser.add_argument("--tandemd", required=True)
    parser.add_argument("--rounds", type=arguments.positive, default=5)
    parser.add_argument("--clients", type=arguments.positive, default=32)
    options = parser.parse_args()
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not nginx:
        raise SystemExit("nginx is not installed: run scripts/setup nginx-light")

    work = tempfile.mkdtemp(prefix="tandem-rolling.")
    instances = [Instance(options.tandemd, processes.free_port()) for _ in range(2)]
    front, proxy, stop = processes.free_port(), None, threading.Event()
    clients, drains = [], []
    try:
        for instance in instances:
            instance.start()
        configuration = os.path.join(work, "nginx.conf")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(NGINX.format(work=work, front=front, first=instances[0].port, second=instances[1].port))
        proxy = subprocess.Popen([nginx, "-p", work, "-c", configuration, "-e", os.path.join(work, "error.log")])
        wait_for_port(front)
        clients = [Client(front, number, stop) for number in range(options.clients)]
        start = time.monotonic()
        for client in clients:
            client.start()
        for _ in range(options.rounds):
            for instance in instances:
                time.sleep(0.3)
                drains.append(instance.stop())
                instance.start()
        time.sleep(0.3)
        stop.set()
        for client in clients:
            client.join()
        seconds = time.monotonic() - start
    finally:
        stop.set()
        if proxy:
            proxy.terminate()
            proxy.wait()
        for instance in instances:
            if instance.process and instance.process.poll() is None:
                instance.process.kill()
                instance.process.wait()
        shutil.rmtree(work, ignore_errors=True)

    times = sorted(time for client in clients for time in client.times)
    losses = sum((client.losses for client in clients), collections.Counter())
    lost = sum(losses.values())
    print(f"rolling restart: {len(drains)} restarts of 2 instances behind nginx, {options.clients} clients, {seconds:.1f} s")
    print(f"requests {len(times)}, lost {lost}, {len(times) / seconds:.0f} per second")
    print(
        f"latency: p50 {times[len(times) // 2] * 1e3:.1f} ms, p99 {times[len(times) * 99 // 100] * 1e3:.1f} ms, "
        f"slowest {times[-1] * 1e3:.1f} ms"
    )
    print(f"an instance ended {min(drains) * 1e3:.0f} to {max(drains) * 1e3:.0f} ms after SIGTERM")
    for what, count in losses.most_common():
        print(f"lost {count}: {what}")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
