"""The benchmark behind scripts/measure/bench. Python's standard library only.

It measures the server's CPU time per request. The kernel accounts the run time of each thread (user and system) in nanoseconds
(/proc/PID/task/TID/schedstat). The benchmark reads it before and after each run of wrk, and divides the difference by the
number of answers that wrk counted. Requests per second say less, because they also depend on how busy wrk's core is. Other
processes can only add to the CPU time, so the lowest round is the least disturbed one.

The CPU time includes accepting the connections of the run. In the rows that sleep this is one accept per 10 answers in a run of
one second, and one per 50 in a run of five seconds: use longer runs there.
"""

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

import arguments
import bench_proxy
import bench_tls
from bench_rows import GROUPS, ROWS, check_answers, check_rate
from processes import free_port, stop

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / ".build" / "bench"
TICKS = os.sysconf("SC_CLK_TCK")

# Seconds before each run, in which a server finishes the work that the connections of the last run left.
SETTLE = 0.3

# Descriptors that a server needs: twice the most connections of a row, because tandemd never uses more than half of its
# descriptors for connections.
DESCRIPTORS = 2 * max(row.connections or 0 for row in ROWS) + 500

# The tables of one process, with the program of Benchmarks/ that prints each.
IN_PROCESS = {"in-process": "InProcess", "fairness": "Fairness", "fetches": "Fetches"}

# Tables and groups of rows that need nginx. They run on request only.
ON_REQUEST = ["tls", "proxy"]


class Failure(Exception):
    """Ends the benchmark with a message."""


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
    """Returns the nanoseconds of Boost.Context's switch, in and out, per round."""
    binary = compile_limit("boost_switch", ["c++", "clang++"], "-std=c++17", "-lboost_context")
    done = subprocess.run(["taskset", "--cpu-list", str(cpu), str(binary)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{binary.name} failed: {done.stderr}")
    return done.stdout.split()


def go_rows(cpu):
    """Returns the rows of Go's channel and goroutine, or none without Go."""
    if not shutil.which("go"):
        note("no rows of Go: it is not installed")
        return ""
    binary = WORK / "channel"
    run(["go", "build", "-o", str(binary), str(ROOT / "Benchmarks/limit/channel.go")])
    done = subprocess.run(["taskset", "--cpu-list", str(cpu), str(binary)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{binary.name} failed: {done.stderr}")
    return done.stdout


def fetches(program, options, client_cpu, server_cpu):
    """Returns the table of fetches per second: TandemFetch next to libcurl's bare multi interface, with one C server."""
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
    """Returns the TLS table: tandemd next to nginx."""
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


def build(product, package="."):
    command = ["swift", "build", "--configuration", "release", "--package-path", package, "--product", product]
    run(command)
    shown = subprocess.run([*command, "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(shown.stdout.strip()) / product


def build_tandemd():
    return build("tandemd")


def build_in_process(name):
    return build(name, "Benchmarks")


def run(command):
    note("$ " + " ".join(command))
    # The output of a build is not part of the result.
    if subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode != 0:
        raise Failure(f"{command[0]} failed")


# Servers


class Server:
    """A server process on one core. Its cost is the CPU time of all its threads."""

    def __init__(self, name, command, port, cpu, environment):
        self.name, self.port, self.log = name, port, WORK / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "--cpu-list", str(cpu), *command],  # taskset execs the server, so the process id stays
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
        """Returns the time of the whole process in seconds, from ticks, and the time of each thread in nanoseconds."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        threads = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                threads[task.name] = int((task / "schedstat").read_text().split()[0])
            except (OSError, IndexError):
                pass  # the thread has ended, or the kernel does not account its time
        return (int(stat[11]) + int(stat[12])) / TICKS, threads

    def stop(self):
        if self.process.poll() is None:
            stop(self.process, 5)


def cpu_seconds_between(before, after):
    ticks = after[0] - before[0]
    exact = sum(time - before[1].get(thread, 0) for thread, time in after[1].items()) / 1e9
    # Ticks are coarse, but include the threads that ended in between: use them if they are clearly more.
    return ticks if ticks > exact * 1.05 + 2 / TICKS else exact


def start_servers(wanted, cpu, client_cpu=None):
    """Starts each wanted server; for nginx also its upstream, on the clients' CPU. The caller stops them.

    If one server fails to start, stops the others.
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
                # The backlog of the C server: 1,000 clients connect at once.
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
    """Raises the descriptor limit, which wrk and the servers inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        raise Failure(f"the descriptor limit is {hard}, but {DESCRIPTORS} are needed: raise it with 'ulimit -n'")
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
    """Returns the ratio of the lowest rounds, and the median of the ratios per round with the lowest and the highest."""
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
    parser = arguments.Parser("measure/bench")
    parser.add_argument("--rounds", type=arguments.positive, default=5)
    parser.add_argument("--seconds", type=arguments.positive, default=3)
    parser.add_argument("--connections", type=arguments.positive, default=64)
    parser.add_argument("--only", action="append", choices=[*GROUPS, *(row.name for row in ROWS), *IN_PROCESS, *ON_REQUEST])
    parser.add_argument("--skip-in-process", action="store_true")
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
        note("only one core is allowed: wrk shares it with the server. Ignore requests/s; the CPU per request is still valid")

    # Everything is built before the first measurement.
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
        reference = boost_switch(server_cpu) if name == "in-process" else []
        if subprocess.run([str(program), *reference], cwd=ROOT).returncode != 0:
            raise Failure(f"{program.name} failed")
        if name == "in-process":
            print(go_rows(server_cpu), end="", flush=True)

    if wanted("tls", options):
        print(tls(options, wrk_cpu, server_cpu), flush=True)


if __name__ == "__main__":
    # On these signals too, 'finally' stops the servers.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
