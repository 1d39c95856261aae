"""Scales tandemd from one replica to two and back behind nginx, holds a hub, and counts the lost requests.

scripts/check/scale-out calls this in network and mount namespaces of its own, as root there. Each replica has a namespace of its own
with an address on a bridge, as a pod has. nginx has the configuration of deploy/compose with the addresses of the replicas. A stand-in
for the kubelet reads the probes and times of deploy/kubernetes/base/deployment.yaml. PyYAML must be on PYTHONPATH.
"""

import asyncio
import collections
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import arguments
import yaml

GATEWAY = "10.77.0.1"
FRONT = 8080
# hub.dead-after-ms of the replicas: 30,000 by default. Everything else is as in the kit.
DEAD_AFTER = 2000
# How long nginx learns later than the replica that it stops: shutdown.delay-ms must exceed it.
LAG = 2

# Method, target, body, expected answer: quick, slow and streamed answers, and uploads, which nginx does not repeat.
REQUESTS = [
    ("GET", "/blocking/plaintext", b"", b"Hello, World!"),
    ("GET", "/async/sleep?ms=20", b"", b"ok"),
    ("POST", "/blocking/echo", b"a" * 1000, b"a" * 1000),
    ("GET", "/blocking/sleep?ms=20", b"", b"ok"),
    ("GET", "/async/stream?chunks=5&bytes=5&ms=5", b"", b"....\n" * 5),
    ("POST", "/async/echo", b"b" * 1000, b"b" * 1000),
]


def run(*command):
    subprocess.run(command, check=True)


def wait_for(what, condition, limit=30):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {limit} s")
        time.sleep(0.02)


class Manifest:
    """What the kubelet needs of the Deployment."""

    def __init__(self, path):
        pod = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))["spec"]["template"]["spec"]
        self.grace = pod["terminationGracePeriodSeconds"]
        container = pod["containers"][0]
        self.ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.startup, self.liveness, self.readiness = (
            Probe(container[name], self.ports) for name in ("startupProbe", "livenessProbe", "readinessProbe")
        )


class Probe:
    """A probe by HTTP, with Kubernetes' defaults."""

    def __init__(self, fields, ports):
        self.path, self.port = fields["httpGet"]["path"], ports[fields["httpGet"]["port"]]
        self.period, self.timeout = fields.get("periodSeconds", 10), fields.get("timeoutSeconds", 1)
        self.failures = fields.get("failureThreshold", 3)
        self.grace = fields.get("terminationGracePeriodSeconds")

    def passes(self, address):
        connection = http.client.HTTPConnection(address, self.port, timeout=self.timeout)
        try:
            connection.request("GET", self.path)
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Pod:
    """A replica in a network namespace, with the kubelet's thread that probes it, restarts it and says whether it is ready."""

    def __init__(self, number, manifest, tandemd, configuration, work, changed):
        self.name, self.address = f"replica-{number}", f"10.77.0.{10 + number}"
        self.manifest, self.tandemd, self.configuration = manifest, tandemd, configuration
        self.log = open(f"{work}/{self.name}.log", "ab")
        self.changed = changed
        self.is_ready, self.restarts, self.failed_livez = False, 0, 0
        self.ending = threading.Event()
        self.events = []
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", f"to-{self.name}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", f"to-{self.name}", "master", "bridge", "up")
        run("ip", "-netns", self.name, "link", "set", "lo", "up")
        run("ip", "-netns", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-netns", self.name, "link", "set", "eth0", "up")
        self.start()
        self.thread = threading.Thread(target=self.probe, daemon=True)
        self.thread.start()

    def start(self):
        variables = {
            "PATH": os.environ["PATH"],
            "TANDEM_HUB_DEAD_AFTER_MS": str(DEAD_AFTER),
            # So that /blocking/legacy/sleep holds its hub.
            "TANDEM_LEGACY_PATCH": "false",
            "TANDEM_LOG_ACCESS": "false",
        }
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.name}", self.tandemd, "serve", "--config", self.configuration],
            env=variables, cwd="/", stdout=self.log, stderr=self.log,
        )

    def set_ready(self, is_ready):
        if self.is_ready != is_ready:
            self.is_ready = is_ready
            self.changed()

    def await_start(self):
        for _ in range(self.manifest.startup.failures):
            if self.manifest.startup.passes(self.address):
                return
            time.sleep(self.manifest.startup.period)
        raise SystemExit(f"{self.name} does not start")

    def probe(self):
        """The kubelet's loops: startup, then readiness and liveness, each in its period."""
        while not self.ending.is_set():
            self.await_start()
            self.set_ready(True)
            next_readiness = next_liveness = time.monotonic()
            unready = dead = 0
            kill = None
            while not self.ending.is_set():
                now = time.monotonic()
                if now >= next_readiness:
                    next_readiness = now + self.manifest.readiness.period
                    unready = 0 if self.manifest.readiness.passes(self.address) else unready + 1
                    if unready == 0 or unready >= self.manifest.readiness.failures:
                        self.set_ready(unready == 0)
                if now >= next_liveness and kill is None:
                    next_liveness = now + self.manifest.liveness.period
                    dead = 0 if self.manifest.liveness.passes(self.address) else dead + 1
                    if dead:
                        self.events.append((now, f"/livez failed {dead} of {self.manifest.liveness.failures}"))
                    if dead == self.manifest.liveness.failures:
                        kill = now + (self.manifest.liveness.grace or self.manifest.grace)
                        self.process.send_signal(signal.SIGTERM)
                if kill and (self.process.poll() is not None or now > kill):
                    self.process.kill()
                    self.process.wait()
                    self.events.append((now, "ended, and restarted"))
                    self.restarts += 1
                    self.set_ready(False)
                    self.start()
                    break
                time.sleep(0.02)

    def terminate(self):
        """Removes the replica as Kubernetes does when it scales down. Returns the seconds from SIGTERM to its end."""
        begin = time.monotonic()
        self.ending.set()
        self.thread.join()
        self.process.send_signal(signal.SIGTERM)
        time.sleep(LAG)
        self.set_ready(False)
        try:
            code = self.process.wait(self.manifest.grace)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{self.name} did not stop within {self.manifest.grace} s") from None
        if code != 0:
            raise SystemExit(f"{self.name} ended with status {code}")
        run("ip", "netns", "delete", self.name)
        return time.monotonic() - begin

    def metric(self, name):
        connection = http.client.HTTPConnection(self.address, self.manifest.ports["admin"], timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        return float(re.search(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)[1])


class Proxy:
    """nginx with the configuration of deploy/compose, and the ready replicas as its upstream."""

    def __init__(self, work, port):
        self.work, self.port = work, port
        self.pods, self.process, self.lock = [], None, threading.Lock()

    def update(self):
        """Writes the configuration for the ready replicas, and reloads it."""
        with self.lock:
            ready = [pod for pod in self.pods if pod.is_ready]
            if not ready:
                return
            self.write(ready)
            if self.process:
                self.process.send_signal(signal.SIGHUP)

    def write(self, ready):
        text = pathlib.Path("deploy/compose/nginx.conf").read_text(encoding="utf-8")
        servers = "".join(f"    server {pod.address}:{self.port} max_fails=0;\n" for pod in ready)
        text, replaced = re.subn(r"(    server tandemd-\d:8080 max_fails=0 resolve;\n)+", servers, text)
        text, listens = re.subn(r"listen 80;", f"listen {GATEWAY}:{FRONT};", text)
        text = re.sub(r"resolver .*\n", "", text)
        # Tells which replicas were asked.
        text, marked = re.subn(r"(proxy_pass .*)", r"\1 add_header X-Instance $upstream_addr always;", text)
        if (replaced, listens, marked) != (1, 1, 1):
            raise SystemExit("deploy/compose/nginx.conf has another form: extend this script")
        paths = "".join(f"{kind}_temp_path {self.work}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        head = f"user root; daemon off; worker_processes 1; pid {self.work}/nginx.pid; error_log {self.work}/nginx.log warn;\n"
        pathlib.Path(self.work, "nginx.conf").write_text(
            f"{head}events {{ worker_connections 4096; }}\nhttp {{ access_log off;\n{paths}{text}}}\n", encoding="utf-8"
        )

    def start(self):
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen([nginx, "-p", self.work, "-c", f"{self.work}/nginx.conf", "-e", f"{self.work}/nginx.log"])

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex((GATEWAY, FRONT)) == 0

        wait_for("nginx listens", listens)


class Outcome:
    """What became of a request."""

    def __init__(self, target, begin):
        self.target, self.begin = target, begin
        self.end, self.loss, self.instances = None, None, []


class Load:
    """Sends requests at a constant rate, whatever becomes of the earlier ones, each on a new connection."""

    def __init__(self, rate):
        self.rate, self.outcomes, self.stop = rate, [], threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.send()))

    async def send(self):
        begin, pending = time.monotonic(), set()
        while not self.stop.is_set():
            method, target, body, expected = REQUESTS[len(self.outcomes) % len(REQUESTS)]
            outcome = Outcome(f"{method} {target}", time.monotonic())
            self.outcomes.append(outcome)
            task = asyncio.create_task(self.request(outcome, method, target, body, expected))
            pending.add(task)
            task.add_done_callback(pending.discard)
            await asyncio.sleep(max(0, begin + len(self.outcomes) / self.rate - time.monotonic()))
        await asyncio.gather(*pending)

    async def request(self, outcome, method, target, body, expected):
        writer = None
        try:
            async with asyncio.timeout(90):
                reader, writer = await asyncio.open_connection(GATEWAY, FRONT)
                writer.write(
                    f"{method} {target} HTTP/1.0\r\nHost: {GATEWAY}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                )
                head, _, answer = (await reader.read(-1)).partition(b"\r\n\r\n")
            found = re.search(rb"^X-Instance: (.*?)\r?$", head, re.MULTILINE)
            outcome.instances = [part.rpartition(":")[0] for part in re.split(r"[, :]+ ", found[1].decode())] if found else []
            if not head.split(b"\r\n")[0].endswith(b"200 OK"):
                outcome.loss = head.split(b"\r\n")[0].decode(errors="replace") or "no answer"
            elif answer != expected:
                outcome.loss = f"{len(answer)} bytes of {len(expected)}"
        except (OSError, TimeoutError) as error:
            outcome.loss = repr(error)
        finally:
            outcome.end = time.monotonic()
            if writer:
                writer.close()


class Held:
    """A request past nginx that holds a replica's hub until its process ends."""

    def __init__(self, pod):
        self.socket = socket.create_connection((pod.address, pod.manifest.ports["http"]), timeout=600)
        self.socket.sendall(b"GET /blocking/legacy/sleep?ms=600000 HTTP/1.1\r\nHost: held\r\n\r\n")
        self.begin = time.monotonic()


def percentile(outcomes, share):
    times = sorted(outcome.end - outcome.begin for outcome in outcomes)
    return times[min(len(times) - 1, int(len(times) * share))] * 1e3 if times else 0


def main():
    parser = arguments.Parser("check/scale-out")
    parser.add_argument("--tandemd", required=True)
    parser.add_argument("--rate", type=arguments.positive, default=100)
    options = parser.parse_args()

    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for command in (
        ["link", "set", "lo", "up"], ["link", "add", "bridge", "type", "bridge"],
        ["address", "add", f"{GATEWAY}/24", "dev", "bridge"], ["link", "set", "bridge", "up"],
    ):
        run("ip", *command)

    work = tempfile.mkdtemp(prefix="tandem-scale.")
    manifest = Manifest("deploy/kubernetes/base/deployment.yaml")
    configuration = os.path.realpath("deploy/kubernetes/base/tandemd.yaml")
    proxy = Proxy(work, manifest.ports["http"])
    load, start = Load(options.rate), time.monotonic()

    def mark(text):
        print(f"{time.monotonic() - start:5.1f} s  {text}", flush=True)

    def launch(number):
        pod = Pod(number, manifest, options.tandemd, configuration, work, proxy.update)
        proxy.pods.append(pod)
        # The thread of the pod may have found it ready before it was in the list.
        wait_for(f"{pod.name} is ready", lambda: pod.is_ready)
        proxy.update()
        return pod

    try:
        first = launch(1)
        proxy.start()
        load.thread.start()
        mark("one replica")
        time.sleep(2)
        second = launch(2)
        mark("two replicas")
        time.sleep(2)
        mark("the second one gets SIGTERM")
        drain = second.terminate()
        proxy.pods.remove(second)
        mark(f"one replica: the second one ended {drain:.1f} s after SIGTERM")
        time.sleep(0.5)
        third = launch(3)
        time.sleep(2)
        held = Held(first)
        mark("two replicas; the hub of the first one is held")
        wait_for("/livez answers 503", lambda: not manifest.liveness.passes(first.address))
        answers_for = time.monotonic() - held.begin
        responding = first.metric("tandem_hub_responding")
        mark(f"/livez answers 503, tandem_hub_responding is {responding:.0f}")
        wait_for("the kubelet restarts the replica", lambda: first.restarts == 1, 120)
        restarted = time.monotonic()
        mark("the kubelet has killed and restarted the first one")
        wait_for("the replica is ready again", lambda: first.is_ready)
        mark("two replicas")
        time.sleep(2)
        load.stop.set()
        load.thread.join()
        seconds = time.monotonic() - start
        memory = max(pod.metric("process_resident_memory_bytes") for pod in (first, third)) / 2**20
    except BaseException:
        for path in sorted(pathlib.Path(work).glob("*.log")):
            sys.stderr.write(f"--- {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        raise
    finally:
        load.stop.set()
        for process in [proxy.process] + [pod.process for pod in proxy.pods]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(work, ignore_errors=True)

    for moment, event in first.events:
        print(f"{moment - start:5.1f} s  kubelet, first replica: {event}")
    outcomes, problems = load.outcomes, []

    def asked(pod, since, until):
        return sum(pod.address in outcome.instances for outcome in outcomes if since <= outcome.begin < until)

    if not asked(second, start, held.begin) or not asked(third, start, held.begin) or not asked(first, restarted, start + seconds):
        problems.append("a replica that was ready got no request")
    # On the held hub: nginx had asked this replica, and the request was under way or sent between the hold and the restart.
    on_held = [
        outcome for outcome in outcomes
        if first.address in outcome.instances and outcome.end > held.begin and outcome.begin < restarted
    ]
    lost = [outcome for outcome in outcomes if outcome.loss]
    others = [outcome for outcome in lost if outcome not in on_held]
    repeated = [outcome for outcome in on_held if not outcome.loss and len(outcome.instances) > 1]
    during = [outcome for outcome in outcomes if held.begin < outcome.begin < restarted and outcome not in on_held]
    if others:
        problems.append(f"lost {len(others)} requests that were not on the held hub")
    print(
        f"scale-out: {len(outcomes)} requests at {options.rate} per second, {seconds:.0f} s; the probes and times are those of the "
        f"manifest, hub.dead-after-ms is {DEAD_AFTER}"
    )
    print(f"lost, not on the held hub: {len(others)}")
    print(
        f"on the held hub: {len(on_held)} requests; {sum(bool(outcome.loss) for outcome in on_held)} lost, "
        f"{len(repeated)} repeated by nginx on another replica"
    )
    print(
        f"/livez failed {answers_for:.1f} s after the hold began, and the replica was restarted after {restarted - held.begin:.1f} s; "
        f"meanwhile the other {len(during)} requests: p50 {percentile(during, 0.5):.0f} ms, p99 {percentile(during, 0.99):.0f} ms"
    )
    print(f"resident memory of a replica: {memory:.0f} MiB")
    for what, count in collections.Counter(f"{outcome.target}: {outcome.loss}" for outcome in lost).most_common():
        print(f"lost {count}: {what}")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
