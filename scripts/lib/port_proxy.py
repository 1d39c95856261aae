"""nginx before the stages of scripts/port-demo, and helpers that wait. Python's standard library only."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time

NGINX = """
daemon off;
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_max_body_size 32m;
    # nginx sends a body that it has written to a file 40 ms after the head.
    client_body_buffer_size 1m;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    upstream tickets {{
        server 127.0.0.1:{port} max_fails=0;
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{front};
        location / {{
            proxy_pass http://tickets;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


class Failure(Exception):
    pass


def wait_until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"not after {seconds} s: {what}")
        time.sleep(0.01)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def free_port():
    """Returns a port that nothing uses, below those that the kernel gives to the many connections of the clients."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Proxy:
    """nginx before the stages."""

    def __init__(self, work, port):
        self.work, self.front = work, free_port()
        self.configuration = os.path.join(work, "nginx.conf")
        self.write(port)
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not program:
            raise Failure("nginx is not installed: run scripts/setup nginx-light")
        self.process = subprocess.Popen([program, "-p", work, "-c", self.configuration, "-e", f"{work}/error.log"])
        wait_until("nginx listens", lambda: listens(self.front))

    def write(self, port):
        with open(self.configuration, "w", encoding="ascii") as file:
            file.write(NGINX.format(work=self.work, front=self.front, port=port))

    def workers(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return set(file.read().split())

    def switch(self, port):
        """Sends new requests to another port. Returns when the workers for the former one have ended their requests."""
        former = self.workers()
        self.write(port)
        self.process.send_signal(signal.SIGHUP)
        wait_until("nginx has reloaded", lambda: self.workers() and not self.workers() & former)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
