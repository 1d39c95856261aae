"""The driver behind scripts/port-demo: stages, nginx, modes, and the table. Python's standard library only."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import arguments
import port_clients
import port_in_flight
from port_proxy import Failure, Proxy, free_port, listens, wait_until

SAFE = ["GET /tickets", "GET /tickets/{id}", "GET /tickets/{id}/price", "GET /tickets/{id}/attachment"]
UNSAFE = ["POST /tickets", "PUT /tickets/{id}/attachment"]
# The phases: what the table calls them, the stage, and in stage 2 the mode of the safe and of the other routes.
PHASES = [
    ("0", 0, None), ("1", 1, None), ("2, old", 2, ("old", "old")), ("2, shadow", 2, ("shadow 100 control=10", "old")),
    ("2, 5 %", 2, ("percent 5 by=request", "percent 5 by=request")),
    ("2, 50 %", 2, ("percent 50 by=request", "percent 50 by=request")), ("2, new", 2, ("new", "new")),
    ("3", 3, None), ("2 again, old", 2, ("old", "old")), ("1 again", 1, None),
]


class Stage:
    """A process of one stage."""

    def __init__(self, programs, number, work, exchange):
        self.number = number
        self.port, self.admin = free_port(), free_port()
        self.configuration = os.path.join(work, "tickets.yaml")
        environment = {name: value for name, value in os.environ.items() if name.startswith("TICKETS_")}
        environment |= {
            "PATH": "/usr/bin:/bin", "TICKETS_HTTP_PORT": str(self.port), "TICKETS_DATABASE_FILE": f"{work}/tickets.sqlite",
            "TICKETS_RATES_URL": f"http://127.0.0.1:{exchange}/rates", "TICKETS_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            "TICKETS_LOG_ACCESS": "false", "TICKETS_RATES_TIMEOUT_MS": "30000",
        }
        if number == 2:
            self.write_modes(("old", "old"))
            environment["TICKETS_CONFIG"] = self.configuration
        self.log = os.path.join(work, f"log-{number}-{self.port}")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([f"{programs}/stage{number}"], env=environment, cwd=work, stdout=log, stderr=log)
        wait_until(f"stage {number} listens", lambda: self.process.poll() is not None or listens(self.port))
        if self.process.poll() is not None:
            raise Failure(f"stage {number} does not start: {self.read_log()}")

    def read_log(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()[-2000:]

    def write_modes(self, modes):
        items = [f"{route} {modes[0]}" for route in SAFE] + [f"{route} {modes[1]}" for route in UNSAFE]
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write("migrate:\n  routes:\n" + "".join(f'    - "{item}"\n' for item in items))

    def set_modes(self, modes):
        """Changes the modes by SIGHUP, and returns when they are in force."""
        self.write_modes(modes)
        self.process.send_signal(signal.SIGHUP)
        expected = {route: modes[0] for route in SAFE} | {route: modes[1] for route in UNSAFE}
        wait_until(f"the modes are {modes}", lambda: {name: route["mode"] for name, route in self.migration().items()} == expected)

    def admin_get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30)
        connection.request("GET", path)
        body = connection.getresponse().read().decode()
        connection.close()
        return body

    def migration(self):
        """Returns the report of each migrating route."""
        while True:
            report = json.loads(self.admin_get("/debug/migration"))
            # A hub that the disk holds answers late.
            if not report["hubsWithoutAnswer"]:
                return {f"{route['method']} {route['route']}": route for route in report["routes"]}

    def comparisons(self, name):
        """Returns the number of comparisons of a route."""
        return sum(self.migration()[name]["comparisons"].get("candidate", {}).values())

    def check_migration(self):
        """Fails if a shadow differed or a route was rolled back. Returns the number of comparisons."""
        compared = 0
        for name, route in self.migration().items():
            outcomes = route["comparisons"]
            bad = {run: {kind: count for kind, count in counts.items() if kind not in ("match", "ignored") and count}
                   for run, counts in outcomes.items()}
            if route["verdict"] == "differs" or any(bad.values()):
                raise Failure(f"{name} has shadows that differ: {bad}: {json.dumps(route['parts'])}")
            if route["rolledBack"] or route["rollbacks"]:
                raise Failure(f"{name} was rolled back")
            compared += sum(sum(counts.values()) for counts in outcomes.values())
        return compared

    def green_threads(self):
        """Returns the most green threads at once, over all hubs."""
        prefix, values = "tandem_hub_green_threads_high_water", []

        def read():
            # A hub that the disk holds is not in this answer.
            values[:] = [int(float(line.split()[-1])) for line in self.admin_get("/metrics").splitlines() if line.startswith(prefix)]
            return values

        wait_until("/metrics has the high water of green threads", read)
        return sum(values)

    def figures(self):
        """Returns the resident memory in MiB, the OS threads, and the most green threads, which stage 0 does not have."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file)
        green = self.green_threads() if self.number else None
        return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), green

    def stop(self, ledger):
        """Ends the stage by SIGTERM while it has requests in flight, which it must answer."""
        in_flight = port_in_flight.InFlight(ledger, self.port)
        self.process.send_signal(signal.SIGTERM)
        wait_until(f"stage {self.number} accepts no more", lambda: not listens(self.port))
        in_flight.finish()
        code = self.process.wait(60)
        if code != 0:
            raise Failure(f"stage {self.number} ended with status {code}: {self.read_log()}")


def run(options, work):
    """Runs all phases. Returns them with their figures, and a line about the tickets."""
    ledger, stop, started = port_clients.Ledger(), threading.Event(), []
    exchange_port = free_port()
    program = os.path.join(os.path.dirname(__file__), "../../Examples/application-port/exchange.py")
    exchange = subprocess.Popen([sys.executable, program, str(exchange_port)], stdout=subprocess.DEVNULL)
    proxy, clients, rows, stage = None, [], [], None
    try:
        wait_until("the exchange listens", lambda: listens(exchange_port))
        for name, number, modes in PHASES:
            former, phase = stage, port_clients.Phase(name)
            if stage is None or stage.number != number:
                stage = Stage(options.programs, number, work, exchange_port)
                started.append(stage)
            ledger.phase = phase
            if proxy is None:
                proxy = Proxy(work, stage.port)
                clients = [port_clients.Client(ledger, proxy.front, client, stop) for client in range(options.clients)]
                for client in clients:
                    client.start()
            elif stage is not former:
                proxy.switch(stage.port)
                former.stop(ledger)
            elif modes:
                stage.set_modes(modes)
            time.sleep(options.seconds)
            if name == "2, shadow":
                # A hub that is busy runs no shadows.
                wait_until("each safe route was compared 20 times", lambda: all(stage.comparisons(name) >= 20 for name in SAFE))
            crowd = port_in_flight.Crowd(ledger, proxy.front)
            figures = stage.figures()
            crowd.finish()
            compared = stage.check_migration() if number == 2 else None
            rows.append((phase, *figures, compared))
            show(rows[-1])
        stop.set()
        for client in clients:
            client.join(60)
            if client.is_alive():
                raise Failure("a client has not ended")
        tickets, attachments = port_clients.verify_all(ledger, proxy.front)
        stage.stop(ledger)
        return rows, f"{tickets} tickets and {attachments} attachments are stored, each of them once and as it was sent"
    finally:
        stop.set()
        if proxy:
            proxy.stop()
        exchange.terminate()
        exchange.wait()
        for stage in started:
            if stage.process.poll() is None:
                stage.process.kill()
                stage.process.wait()


COLUMNS = [("stage", 13), ("requests", 9), ("failed", 7), ("wrong", 6), ("p50 ms", 7), ("p99 ms", 7), ("RSS MiB", 8),
           ("OS threads", 11), ("green threads", 14), ("compared", 9)]


def show(row):
    phase, memory, threads, green, compared = row
    cells = [phase.name, phase.requests, phase.failed, phase.wrong, f"{phase.percentile(0.5):.1f}", f"{phase.percentile(0.99):.1f}",
             f"{memory:.0f}", threads, "" if green is None else green, "" if compared is None else compared]
    print(f"{cells[0]:<13}" + "".join(f"{cell!s:>{width}}" for cell, (_, width) in zip(cells[1:], COLUMNS[1:])), flush=True)


def main():
    parser = arguments.Parser("port-demo")
    parser.add_argument("--programs", required=True)
    parser.add_argument("--seconds", type=arguments.positive, default=3)
    parser.add_argument("--clients", type=arguments.positive, default=8)
    options = parser.parse_args()
    print(f"{COLUMNS[0][0]:<13}" + "".join(f"{name:>{width}}" for name, width in COLUMNS[1:]))
    with tempfile.TemporaryDirectory(prefix="tandem-port.") as work:
        # The workers of nginx run as another user, if the script runs as root.
        os.chmod(work, 0o711)
        rows, summary = run(options, work)
    problems = [f"stage {row[0].name}: {problem}" for row in rows for problem in row[0].problems]
    for problem in problems[:10]:
        print(problem)
    if any(green for phase, _, _, green, _ in rows if phase.name == "3"):
        problems.append("stage 3 has made green threads")
    if problems:
        raise Failure(f"{len(problems)} problems")
    print(f"port-demo: {sum(row[0].requests for row in rows)} requests, none failed, none wrong; {summary}")


if __name__ == "__main__":
    try:
        main()
    except (Failure, port_clients.Wrong) as failure:
        sys.exit(f"port-demo: {failure}")
