"""The measurement behind scripts/measure/hummingbird. Python's standard library only.

CPU time is measured as in bench.py. Threads are the most that the process had in a run, sampled every 20 ms; memory is the kernel's high
water mark of the resident set (VmHWM).
"""

import dataclasses
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

import arguments
import bench
from processes import free_port

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}  # in milliseconds


@dataclasses.dataclass
class Row:
    name: str
    path: str
    options: list[str]


@dataclasses.dataclass
class Sample:
    rate: float  # requests per second
    median: float  # milliseconds
    p99: float  # milliseconds
    cost: float  # CPU microseconds of the server per request
    threads: int
    memory: float  # MiB


WAITING = [
    Row("NIO's own thread pool: a thread per core", "/pool/rates/CHF", []),
    Row("thread pool, 64 threads", "/pool/rates/CHF", ["--pool", "64"]),
    Row("thread pool, a thread per connection", "/pool/rates/CHF", ["--pool", "CONNECTIONS"]),
    Row("`blocking`, Swift's executor", "/tandem/rates/CHF", ["--pool", "1"]),
    Row("`blocking`, a hub is the executor", "/tandem/rates/CHF", ["--pool", "1", "--hubs", "1"]),
]

CALLS = [
    Row("no blocking code, Swift's executor", "/nothing", []),
    Row("thread pool", "/pool/nothing", []),
    Row("`blocking`, Swift's executor", "/tandem/nothing", []),
    Row("no blocking code, a hub is the executor", "/nothing", ["--hubs", "1"]),
    Row("`blocking`, a hub is the executor", "/tandem/nothing", ["--hubs", "1"]),
]


def status(pid, key):
    """Returns a number of /proc/PID/status."""
    return int(re.search(rf"^{key}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def wrk(url, connections, seconds, cpu):
    # The slowest row answers a connection after many seconds.
    command = ["taskset", "--cpu-list", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout=300s",
               url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(row, binary, partner_port, options, cpus):
    """Measures a row once, in a new process."""
    port = free_port()
    arguments_ = [word.replace("CONNECTIONS", str(options.connections)) for word in row.options]
    command = [binary, "--partner", str(partner_port), "--port", str(port), *arguments_]
    server = bench.Server("hummingbird-server", command, port, cpus[0], {})
    try:
        server.wait_until_ready()
        url = f"http://127.0.0.1:{port}{row.path}"
        # The warm-up. Of the path only two at once: work that is left on a pool would delay the measurement.
        wrk(f"http://127.0.0.1:{port}/nothing", options.connections, 1, cpus[1]).communicate(timeout=400)
        wrk(url, 2, 1, cpus[1]).communicate(timeout=400)
        time.sleep(bench.SETTLE)
        before, threads = server.cpu_time(), 0
        client = wrk(url, options.connections, options.seconds, cpus[1])
        while client.poll() is None:
            threads = max(threads, status(server.process.pid, "Threads"))
            time.sleep(0.02)
        text = client.stdout.read()
        server.check_alive()
        after = server.cpu_time()
        requests = re.search(r"(\d+) requests in", text)
        if client.returncode or not requests or int(requests[1]) == 0 or re.search(r"Socket errors|Non-2xx", text):
            raise bench.Failure(f"{row.name}: wrk had errors\n{text}{server.last_words()}")
        latency = {part: float(value) * UNITS[unit]
                   for part, value, unit in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m) *$", text, re.MULTILINE)}
        return Sample(
            rate=float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), median=latency["50"], p99=latency["99"],
            cost=bench.cpu_seconds_between(before, after) / int(requests[1]) * 1e6, threads=threads,
            memory=status(server.process.pid, "VmHWM") / 1024)
    finally:
        server.stop()


def table(heading, rows, samples):
    lines = [f"| {heading} | requests/s | p50 ms | p99 ms | CPU µs per request | OS threads | peak MiB |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for row in rows:
        each = samples[row.name]
        lines.append(
            f"| {row.name} | {max(s.rate for s in each):,.0f} | {min(s.median for s in each):,.1f} | {min(s.p99 for s in each):,.1f} "
            f"| {min(s.cost for s in each):,.0f} | {max(s.threads for s in each)} | {statistics.median(s.memory for s in each):.0f} |")
    return "\n".join(lines)


def measure(rows, binary, partner_port, options, cpus):
    samples = {row.name: [] for row in rows}
    for number in range(1, options.rounds + 1):
        for row in rows:
            sample = run(row, binary, partner_port, options, cpus)
            samples[row.name].append(sample)
            bench.note(f"round {number}: {row.name}: {sample}")
    return samples


def main():
    parser = arguments.Parser("measure/hummingbird")
    parser.add_argument("server")
    parser.add_argument("partner")
    parser.add_argument("--rounds", type=arguments.positive, default=5)
    parser.add_argument("--seconds", type=arguments.positive, default=3)
    parser.add_argument("--connections", type=arguments.positive, default=200)
    parser.add_argument("--wait", type=arguments.positive, default=100)
    options = parser.parse_args()
    bench.WORK.mkdir(parents=True, exist_ok=True)
    bench.raise_descriptor_limit()
    available = sorted(os.sched_getaffinity(0))
    cpus = (available[0], available[-1])
    port = free_port()
    partner = bench.Server("partner-server", [options.partner, str(port), str(options.wait)], port, cpus[1], {})
    try:
        partner.wait_until_ready()
        waiting = measure(WAITING, options.server, port, options, cpus)
        calls = measure(CALLS, options.server, port, options, cpus)
    finally:
        partner.stop()
    print(bench.setting(options, *cpus).split("; ")[0] + f"; {options.connections} connections, {options.rounds} rounds of "
          f"{options.seconds} s. The best round of each column, except memory: the median.\n")
    print(table(f"blocking code waits {options.wait} ms", WAITING, waiting))
    print()
    print(table("blocking code returns at once", CALLS, calls))


if __name__ == "__main__":
    # On these signals too, 'finally' stops the servers.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        main()
    except bench.Failure as failure:
        sys.exit(f"hummingbird: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
