"""The benchmark behind scripts/measure/bench. Python's standard library only.

It measures the server's own CPU time per request: its threads' run time (user and system) as the kernel accounts it in
nanoseconds (/proc/PID/task/TID/schedstat), taken before and after each run of wrk, over the answers that wrk counted. It says
more than requests per second, which also depend on how busy wrk's core is. Other processes only ever add to it, so the lowest
round is the least disturbed one.

The CPU time includes accepting the connections of the run. Among the rows that sleep this is one accept per 10 answers in a
run of one second, and one per 50 in a run of five: use longer runs there.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

import bench_proxy
import bench_tls
import processes
from bench_rows import GROUPS, ROWS, check_answers, check_rate

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / ".build" / "bench"
TICKS = os.sysconf("SC_CLK_TCK")


# Seconds before each run, in which a server finishes what the connections of the run before left behind.
SETTLE = 0.3

# Connections that a server must be able to keep: twice the most that a row uses, because tandemd never takes more than half
# of the descriptors for connections.
DESCRIPTORS = 2 * max(row.connections or 0 for row in ROWS) + 500

# Tables of figures in one process: the program of Benchmarks/ that prints each.
IN_PROCESS = {"in-process": "InProcess", "fairness": "Fairness", "fetches": "Fetches"}


# Tables and groups of rows that need nginx: only on request.
ON_REQUEST = ["tls", "proxy"]


class Failure(Exception):
    """Ends the benchmark with its message."""


@dataclasses.dataclass
class Sample:
    rate: float  # requests per second
    cost: float  # CPU microseconds of the server per request


def note(message):
    print(message, file=sys.stderr, flush=True)


# Building


def compile_limit(name, compilers, *options):
    source = next((ROOT / "Benchmarks/limit").glob(f"{name}.c*"))
    compiler = next(filter(None, map(shutil.which, compilers)), None)
    if not compiler:
        raise Failure(f"no compiler for {source.name}: none of {', '.join(compilers)} is on the PATH")
    run([compiler, "-Wall", "-Wextra", "-O2", str(source), "-o", str(WORK / name), *options])
    return WORK / name


def build_limit():
    return compile_limit("epoll_server", ["cc", "clang"], "-std=c17")


def boost_switch(cpu):
    """Nanoseconds of Boost.Context's switch, in and out, round by round."""
    binary = compile_limit("boost_switch", ["c++", "clang++"], "-std=c++17", "-lboost_context")
    done = subprocess.run(["taskset", "--cpu-list", str(cpu), str(binary)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{binary.name} failed: {done.stderr}")
    return done.stdout.split()


def fetches(program, options, client_cpu, server_cpu):
    """The table of fetches a second: TandemFetch beside libcurl's bare multi interface, to one C server."""
    limit = compile_limit("curl_multi", ["cc", "clang"], "-std=c17", "-lcurl")
    server = start_servers({"limit"}, server_cpu)["limit"]
    url, in_flight, count = f"http://127.0.0.1:{server.port}/plaintext", str(options.connections), str(20000 * options.seconds)
    commands = {
        "limit: bare curl_multi": [str(limit)],
        "async": [str(program), "async"],
        "blocking": [str(program), "blocking"],
    }
    rates = {name: [] for name in commands}
    try:
        for _ in range(options.rounds):
            for name, command in commands.items():
                done = subprocess.run(["taskset", "--cpu-list", str(client_cpu), *command, url, in_flight, count],
                                      capture_output=True, text=True)
                if done.returncode != 0:
                    raise Failure(f"{command[0]} failed: {done.stderr}")
                rates[name].append(float(done.stdout))
    finally:
        stop_servers({"limit": server})
    base = rates["limit: bare curl_multi"]
    lines = [f"| fetches, {in_flight} in flight | per second, median | to the limit, lowest round | median |",
             "| --- | ---: | ---: | ---: |"]
    for name, values in rates.items():
        to_limit = [value / other for value, other in zip(values, base)]
        lines.append(f"| {name} | {statistics.median(values):,.0f} | {min(to_limit):.2f} | {statistics.median(to_limit):.2f} |")
    return "\n".join(lines)


def tls(options, client_cpu, server_cpu):
    """The table of TLS: tandemd beside nginx."""
    client = compile_limit("tls_client", ["cc", "clang"], "-std=gnu17", "-lssl", "-lcrypto", "-lpthread")
    ports = {"nginx": free_port(), "tandemd": free_port()}
    servers = {}
    try:
        for name, (command, environment) in bench_tls.commands(WORK, build_tandemd(), ports).items():
            servers[name] = Server(name, command, ports[name], server_cpu, environment)
        for server in servers.values():
            server.wait_until_ready()
        return bench_tls.table(servers, client, options, client_cpu, cpu_seconds_between, Failure, note)
    finally:
        stop_servers(servers)


def build_in_process(name):
    command = ["swift", "build", "--configuration", "release", "--package-path", "Benchmarks", "--product", name]
    run(command)
    shown = subprocess.run([*command, "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(shown.stdout.strip()) / name


def build_tandemd():
    command = ["swift", "build", "--configuration", "release", "--product", "tandemd"]
    run(command)
    shown = subprocess.run([*command, "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(shown.stdout.strip()) / "tandemd"


def run(command):
    note("$ " + " ".join(command))
    # What builds say is not part of the result.
    if subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode != 0:
        raise Failure(f"{command[0]} failed")


# Servers


class Server:
    """A server process on one core. The CPU time of all its threads is its cost."""

    def __init__(self, name, command, port, cpu, environment):
        self.name, self.port, self.log = name, port, WORK / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "--cpu-list", str(cpu), *command],  # taskset becomes the server: same process id
                cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_until_ready(self, timeout=10):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure(f"{self.name} did not listen on port {self.port} within {timeout} s\n{self.last_words()}")

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended with status {self.process.returncode}\n{self.last_words()}")

    def last_words(self):
        return self.log.read_text(errors="replace")[-2000:]

    def cpu_time(self):
        """Ticks of the whole process in seconds, and each thread's own time in nanoseconds."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        threads = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                threads[task.name] = int((task / "schedstat").read_text().split()[0])
            except (OSError, IndexError):
                pass  # the thread has just ended, or the kernel does not account it
        return (int(stat[11]) + int(stat[12])) / TICKS, threads

    def stop(self):
        if self.process.poll() is None:
            processes.stop(self.process, 5)


def cpu_seconds_between(before, after):
    ticks = after[0] - before[0]
    exact = sum(time - before[1].get(thread, 0) for thread, time in after[1].items()) / 1e9
    # Ticks are coarse but also hold the threads that have ended meanwhile: believe them when they say clearly more.
    return ticks if ticks > exact * 1.05 + 2 / TICKS else exact


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_servers(wanted, cpu, client_cpu=None):
    """Starts each wanted server and leaves the stopping to the caller, also of those started before a failure.

    With nginx among them, its upstream is started on the clients' CPU.
    """
    binaries = {name: build() for name, build in (("limit", build_limit), ("tandemd", build_tandemd)) if name in wanted}
    servers, upstream = {}, {}
    try:
        if "nginx" in wanted:
            ports = {"upstream": free_port(), "nginx": free_port()}
            for name, command in bench_proxy.commands(WORK, ports).items():
                servers[name] = Server(name, command, ports[name], client_cpu if name == "upstream" else cpu, {})
            upstream = {"TANDEM_FETCH_ALLOW": f"http://127.0.0.1:{ports['upstream']}"}
        for name, binary in binaries.items():
            port, environment = free_port(), {}
            if name == "limit":
                command = [str(binary), str(port)]
            else:
                command = [str(binary), "serve", "--host", "127.0.0.1", "--port", str(port), "--hubs", "1"]
                # The same backlog as the C server's: 1,000 clients connect at once.
                environment = {"TANDEM_LOG_ACCESS": "false", "TANDEM_HTTP_BACKLOG": "4096", **upstream}
            servers[name] = Server(name, command, port, cpu, environment)
        for server in servers.values():
            server.wait_until_ready()
    except BaseException:
        stop_servers(servers)
        raise
    return servers


def stop_servers(servers):
    for server in servers.values():
        server.stop()


# Measuring


def raise_descriptor_limit():
    """Lets wrk and the servers open enough connections; both inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        raise Failure(f"the limit of descriptors is {hard}, and {DESCRIPTORS} are needed: raise it with 'ulimit -n'")
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))


def measure(row, server, options, cpu, seconds=None):
    url, seconds = f"http://127.0.0.1:{server.port}{row.path}", seconds or options.seconds
    command = ["taskset", "--cpu-list", str(cpu), "wrk", "-t1", f"-c{row.connections or options.connections}", f"-d{seconds}s"]
    if row.script:
        script = WORK / f"{row.group}.lua"
        script.write_text(row.script)
        command.append(f"-s{script}")
    time.sleep(SETTLE)
    before = server.cpu_time()
    wrk = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 30)
    server.check_alive()
    after = server.cpu_time()
    requests = re.search(r"(\d+) requests in", wrk.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", wrk.stdout)
    refused = re.search(r"Socket errors|Non-2xx", wrk.stdout)
    if wrk.returncode or not requests or not rate or refused or int(requests[1]) == 0:
        raise Failure(f"{row.name}: wrk had errors\n{wrk.stdout}{wrk.stderr}{server.last_words()}")
    check_rate(row, float(rate[1]), Failure)
    return Sample(rate=float(rate[1]), cost=cpu_seconds_between(before, after) / int(requests[1]) * 1e6)


def measure_all(rows, servers, options, cpu):
    for row in rows:
        check_answers(row, servers[row.server].port, Failure)
        measure(row, servers[row.server], options, cpu, seconds=1)  # warm-up
    samples = {row.name: [] for row in rows}
    for number in range(1, options.rounds + 1):
        for row in rows:
            sample = measure(row, servers[row.server], options, cpu)
            samples[row.name].append(sample)
            note(f"round {number}: {row.name}: {sample.rate:,.0f} requests/s, {sample.cost:.2f} µs")
    return samples


# Reporting


def costs(samples, name):
    return [sample.cost for sample in samples[name]]


def ratios(samples, name, base):
    """The ratio of the lowest rounds; then the median of the rounds' ratios, with the lowest and the highest."""
    if base is None or base not in samples:
        return "", ""
    each = [a / b for a, b in zip(costs(samples, name), costs(samples, base))]
    lowest = min(costs(samples, name)) / min(costs(samples, base))
    return f"{lowest:.2f}", f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def table(rows, samples):
    lines = [
        "| row | requests/s | CPU µs per request, lowest | median | CPU to the limit, lowest | target | median (spread) "
        "| CPU to own plaintext, lowest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        rate = statistics.median(sample.rate for sample in samples[row.name])
        own_costs = costs(samples, row.name)
        lowest, median = ratios(samples, row.name, row.base)
        own, _ = ratios(samples, row.name, row.own)
        target = f"{row.target:.2f}" if row.target else ""
        cells = [row.name, f"{rate:,.0f}", f"{min(own_costs):.2f}", f"{statistics.median(own_costs):.2f}", lowest, target,
                 median, own]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def setting(options, server_cpu, wrk_cpu):
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return (
        f"{model[1] if model else os.uname().machine}, Linux {os.uname().release}; "
        f"server on CPU {server_cpu}, wrk on CPU {wrk_cpu}; {options.connections} connections (sleep: 1,000); "
        f"{options.rounds} rounds of {options.seconds} s. \"Lowest\" compares each server's lowest round; the median is of the "
        "ratios within a round.")


def parse_arguments():
    def positive(text):
        number = int(text)
        if number < 1:
            raise ValueError(text)
        return number

    parser = argparse.ArgumentParser(prog="scripts/measure/bench", description=(
        "Measures the CPU that a request costs tandemd, beside a bare C epoll server, on the loopback interface: plaintext, "
        "pipelined 16 deep, an echo of 1 KB, and 1,000 connections that sleep 100 ms; on request a proxied fetch beside nginx."))
    parser.add_argument("--rounds", type=positive, default=5, help="how often to go through all rows (default 5)")
    parser.add_argument("--seconds", type=positive, default=3, help="length of one run of wrk (default 3)")
    parser.add_argument("--connections", type=positive, default=64,
                        help="connections that wrk keeps open, except in the rows of sleep (default 64)")
    names = [*GROUPS, *(row.name for row in ROWS), *IN_PROCESS, *ON_REQUEST]
    parser.add_argument("--only", action="append", choices=names, metavar="ROW",
                        help="measure only this row or group of rows, or print only this table; may be repeated: "
                        + ", ".join(names))
    parser.add_argument("--skip-in-process", action="store_true", help="leave out the tables in process")
    return parser.parse_args()


def wanted(name, options):
    if options.only:
        return name in options.only
    return name.split("/")[0] not in ON_REQUEST and not (options.skip_in_process and name in IN_PROCESS)


def main():
    options = parse_arguments()
    rows = [row for row in ROWS if wanted(row.name, options) or wanted(row.group, options)]
    raise_descriptor_limit()
    WORK.mkdir(parents=True, exist_ok=True)

    cpus = sorted(os.sched_getaffinity(0))
    server_cpu, wrk_cpu = cpus[0], cpus[min(1, len(cpus) - 1)]
    if server_cpu == wrk_cpu:
        note("only one core is allowed: wrk shares it with the server, so requests/s mean little; CPU a request still counts")

    # Built before measuring, so that nothing is built while servers are timed.
    tables = {name: build_in_process(program) for name, program in IN_PROCESS.items() if wanted(name, options)}

    if rows:
        servers = start_servers({row.server for row in rows}, server_cpu, wrk_cpu)
        if "upstream" in servers:
            rows = [dataclasses.replace(row, path=row.path.replace("UPSTREAM", str(servers["upstream"].port))) for row in rows]
        try:
            samples = measure_all(rows, servers, options, wrk_cpu)
        finally:
            stop_servers(servers)
        print(setting(options, server_cpu, wrk_cpu), table(rows, samples), sep="\n\n", flush=True)

    for name, program in tables.items():
        print(flush=True)
        if name == "fetches":
            print(fetches(program, options, server_cpu, wrk_cpu), flush=True)
            continue
        arguments = boost_switch(server_cpu) if name == "in-process" else []
        if subprocess.run([str(program), *arguments], cwd=ROOT).returncode != 0:
            raise Failure(f"{program.name} failed")

    if wanted("tls", options):
        print(tls(options, wrk_cpu, server_cpu), flush=True)


if __name__ == "__main__":
    # So that 'finally' stops the servers on these too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
