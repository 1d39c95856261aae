"""The program behind scripts/measure/soak. Python's standard library only.

tandemd runs in a process of its own, the clients (soak_clients.py) and the faulty upstreams (soak_upstream.py) in this one. Each
second the program samples tandemd's resources, which must not grow: `flat` has the rule.
"""

import asyncio
import collections
import dataclasses
import os
import pathlib
import random
import re
import resource
import secrets
import signal
import statistics
import subprocess
import sys
import time

import arguments
import processes
import soak_clients
import soak_upstream

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 30  # seconds until a client counts as hung; all limits of the server below are much shorter
LIMITS = {
    "TANDEM_HTTP_HEADER_TIMEOUT_MS": "2000", "TANDEM_HTTP_IDLE_TIMEOUT_MS": "3000", "TANDEM_HTTP_BODY_TIMEOUT_MS": "2000",
    "TANDEM_HTTP_WRITE_TIMEOUT_MS": "3000", "TANDEM_HTTP_HALF_CLOSE_GRACE_MS": "1000", "TANDEM_HTTP_MAX_BODY_BYTES": "1000000",
    "TANDEM_FETCH_TIMEOUT_MS": "5000", "TANDEM_FETCH_MAX_RESPONSE_BYTES": "1048576", "TANDEM_LOG_LEVEL": "warning",
    "TANDEM_HUB_STALL_THRESHOLD_MS": "0",
    # glibc's defaults. Setting them keeps glibc from raising them when a large block is freed; it would keep the next large
    # blocks in its heap, and RSS would not show the memory in use.
    "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072",
}


@dataclasses.dataclass
class Sample:
    time: float
    rss: float  # MiB
    fds: int
    pooled: int  # how many of them are kept connections to upstreams
    threads: int  # green threads
    tasks: int


class Daemon:
    """A tandemd process."""

    def __init__(self, binary, hubs, origins):
        self.errors = open(ROOT / ".build" / "soak-errors.log", "w+b")
        self.port, self.admin = processes.free_port(), processes.free_port()
        self.hubs = hubs
        self.upstream_ports = {int(origin.rpartition(":")[2]) for origin in origins}
        # Without the caller's configuration.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")} | LIMITS
        environment["TANDEM_ADMIN_LISTEN"] = f"127.0.0.1:{self.admin}"
        command = [binary, "serve", "--port", str(self.port), "--hubs", str(hubs)]
        for origin in origins:
            command += ["--fetch-allow", origin]
        # tandemd writes the access log, to /dev/null.
        self.process = subprocess.Popen(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors)

    async def wait_until_ready(self):
        for _ in range(1000):
            if self.process.poll() is not None:
                raise SystemExit(f"soak: tandemd did not start: {self.said()}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.02)
        raise SystemExit("soak: tandemd does not listen on its port")

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    async def sample(self, start):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        rss = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024
        fds, pooled = self.descriptors()
        metrics = await self.metrics()
        return Sample(
            time.monotonic() - start, rss, fds, pooled, metrics["tandem_hub_green_threads"], metrics["tandem_hub_tasks"])

    def descriptors(self):
        """Returns the number of open descriptors, and how many of them are connections to upstreams."""
        process = pathlib.Path(f"/proc/{self.process.pid}")
        sockets = {}
        for line in (process / "net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            sockets[f"socket:[{fields[9]}]"] = int(fields[2].rpartition(":")[2], 16)
        fds = pooled = 0
        for fd in os.listdir(process / "fd"):
            try:
                target = os.readlink(process / "fd" / fd)
            except FileNotFoundError:
                continue  # closed in between
            fds += 1
            pooled += sockets.get(target) in self.upstream_ports
        return fds, pooled

    async def metrics(self):
        """Returns the metrics, summed over the hubs. Retries while a hub does not respond, as when it inflates a bomb."""
        for _ in range(100):
            sums = await self.scrape()
            if sums["tandem_hub_responding"] == self.hubs:
                return {name: int(value) for name, value in sums.items()}
            await asyncio.sleep(0.1)
        raise SystemExit(f"soak: {self.hubs} hubs did not all respond within 10 s: {dict(sums)}")

    async def scrape(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin)
        try:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            text = (await asyncio.wait_for(reader.read(), PATIENCE)).decode()
        finally:
            writer.close()
        sums = collections.Counter()
        for line in text.splitlines():
            if match := re.match(r"(tandem_hub_\w+)\{.*\} ([0-9.e+-]+)$", line):
                sums[match[1]] += float(match[2])
        return sums

    def stop(self):
        """Stops tandemd, and returns the faults of its end, or None."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(45)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return "did not end 45 s after SIGTERM"
        return None if self.process.returncode == 0 else f"ended with status {self.process.returncode}"


class Load:
    """Clients that run one random scenario after the other, each with its own seed."""

    def __init__(self, seed, count, daemon, good, bad):
        self.done, self.wrong = collections.Counter(), []
        self.clients = [
            soak_clients.Client(random.Random(f"{seed}/{index}"), daemon.port, good, bad) for index in range(count)]

    async def run(self, end):
        await asyncio.gather(*(self.play(client, end) for client in self.clients))

    async def play(self, client, end):
        scenarios, weights = list(soak_clients.SCENARIOS), list(soak_clients.SCENARIOS.values())
        while time.monotonic() < end:
            scenario = client.random.choices(scenarios, weights)[0]
            try:
                async with asyncio.timeout(PATIENCE):
                    await scenario(client)
            except TimeoutError:
                self.fail(scenario, "hung")
            except (soak_clients.Wrong, soak_clients.Cut, OSError, ValueError, KeyError) as error:
                self.fail(scenario, f"{type(error).__name__}: {error}")
            self.done[scenario.__name__] += 1

    def fail(self, scenario, what):
        self.wrong.append(f"{scenario.__name__}: {what}")
        if len(self.wrong) <= 20:
            print(f"soak: WRONG: {self.wrong[-1]}", flush=True)


def flat(name, points, warm_up, window, middle, slack):
    """Prints a row of the table, and returns whether the figure is flat.

    `middle` is the mean of a window, or another value that stands for it. Two increases must be within the slack: from the
    first window after the warm-up to the last one, and the least-squares slope of all windows times the time between them.
    """
    end = points[-1][0]
    windows = collections.defaultdict(list)
    for at, value in points:
        if at >= warm_up:
            # Windows count from the end, so that the last one is whole.
            windows[int((end - at) // window)].append(value)
    middles = [(end - index * window, middle(values)) for index, values in sorted(windows.items(), reverse=True)]
    (start, first), (_, last) = middles[0], middles[-1]
    slope = statistics.linear_regression(*zip(*middles)).slope
    rise, allowed = slope * (end - start), slack(first)
    good = last - first <= allowed and rise <= allowed
    print(
        f"{name:>14} | {first:10.2f} | {last:10.2f} | {slope * 60:+10.3f} | {rise:+8.2f} | {allowed:8.2f} | "
        f"{max(v for _, v in points):10.2f} | {'flat' if good else 'NOT FLAT'}")
    return good


def floor(values):
    """Returns the tenth percentile, which peaks do not affect."""
    return sorted(values)[len(values) // 10]


def left(base, sample):
    """Returns the figures that are higher than before the load, except kept connections to upstreams."""
    counts = {
        "descriptors": (sample.fds - sample.pooled) - (base.fds - base.pooled),
        "green threads": sample.threads - base.threads, "tasks": sample.tasks - base.tasks}
    return [f"{count} {name}" for name, count in counts.items() if count > 0]


async def settle(daemon, start, base):
    """Waits up to 20 s until the process is as before the load, and returns the last sample."""
    for _ in range(40):
        sample = await daemon.sample(start)
        if not left(base, sample):
            break
        await asyncio.sleep(0.5)
    return sample


async def soak(options):
    seconds = options.minutes * 60
    warm_up, window = min(60, seconds / 3), min(60, seconds / 6)
    good, bad = soak_upstream.Upstream(), soak_upstream.Upstream()
    origins = [await good.start(), await bad.start()]
    daemon = Daemon(options.tandemd, options.hubs, origins)
    start, samples = time.monotonic(), []
    try:
        await daemon.wait_until_ready()
        # Warms up every hub: with this many connections the kernel gives each hub some.
        client = soak_clients.Client(random.Random(options.seed), daemon.port, *origins)
        await asyncio.gather(*(soak_clients.fetch(client) for _ in range(16 * options.hubs)))
        await Load(options.seed, 4, daemon, *origins).run(time.monotonic() + 1)
        await asyncio.sleep(7)
        base = await daemon.sample(start)
        start = time.monotonic()
        load = Load(options.seed, options.clients, daemon, *origins)
        running = asyncio.ensure_future(load.run(start + seconds))
        while not running.done():
            samples.append(await daemon.sample(start))
            if len(samples) % 30 == 0:
                print(f"soak: {samples[-1]}, {sum(load.done.values())} scenarios", flush=True)
            await asyncio.wait([running], timeout=1)
        await running
        quiet = await settle(daemon, start, base)
    finally:
        ending = daemon.stop()
        await good.stop()
        await bad.stop()

    print("\nscenarios: " + ", ".join(f"{name} {count}" for name, count in sorted(load.done.items())))
    print(f"\n{'':>14} | {'first':>10} | {'last':>10} | {'per minute':>10} | {'rise':>8} | {'allowed':>8} | {'most':>10} |")
    samples = [sample for sample in samples if sample.time <= seconds]
    mean = statistics.fmean
    verdicts = [
        # Peaks do not count: a gzip bomb inflates to 16 MiB before tandemd stops it.
        flat("RSS, MiB", [(s.time, s.rss) for s in samples], warm_up, window, floor, lambda first: first * 0.05 + 2),
        # These follow the load, which varies with the seed.
        flat("descriptors", [(s.time, s.fds) for s in samples], warm_up, window, mean, lambda first: first * 0.2 + 10),
        flat("green threads", [(s.time, s.threads) for s in samples], warm_up, window, mean, lambda first: first * 0.2 + 10),
        flat("tasks", [(s.time, s.tasks) for s in samples], warm_up, window, mean, lambda first: first * 0.2 + 10),
    ]
    print(f"before the load: {base}\nafter the load:  {quiet}")
    problems = list(load.wrong[:20])
    if len(load.wrong) > 20:
        problems.append(f"and {len(load.wrong) - 20} more")
    problems += ["not flat"] * (not all(verdicts))
    problems += [f"left after the load: {what}" for what in left(base, quiet)]
    if ending:
        problems.append(f"tandemd {ending}")
    for line in daemon.said().splitlines():
        if "handler threw" in line or " critical " in line or "overflow" in line:
            problems.append(f"tandemd said: {line}")
    for problem in problems:
        print(f"soak: {problem}")
    print(f"soak: {'FAILED' if problems else 'passed'} with seed {options.seed}")
    return 1 if problems else 0


def main():
    parser = arguments.Parser("measure/soak")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--clients", type=arguments.positive, default=64)
    parser.add_argument("--hubs", type=arguments.positive, default=2)
    parser.add_argument("--tandemd", required=True)
    options = parser.parse_args()
    # Each client needs a few descriptors, here and in tandemd.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"soak: {options.minutes:g} minutes, {options.clients} clients, {options.hubs} hubs, seed {options.seed}", flush=True)
    sys.exit(asyncio.run(soak(options)))


main()
