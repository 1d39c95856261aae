"""Checks a deployment kit against a running daemon: probes, the announced time of a stop, and every query on a real Prometheus.

scripts/check/deploy calls this. The daemon runs with the ConfigMap of the kit, on ports of the loopback address. Prometheus scrapes it
every second while a few requests of each kind arrive. Then each query of the dashboard, of the autoscalers and of the alerts must find
what it asks for. PyYAML must be on PYTHONPATH.
"""

import http.client
import json
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import arguments
import processes
import yaml

# The traffic lasts for this many scrapes; a rate needs two of them in its range.
SCRAPES = 6

problems = []


def check(condition, message):
    if not condition:
        problems.append(message)
    return bool(condition)


def get(port, target, timeout=5, method="GET", body=None):
    """Returns status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, target, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_for(what, condition, limit=20):
    end = time.monotonic() + limit
    while True:
        try:
            if condition():
                return
        except (OSError, http.client.HTTPException):
            pass
        if time.monotonic() > end:
            raise SystemExit(f"{what} after {limit} s")
        time.sleep(0.05)


class Daemon:
    """tandemd with the configuration of the kit, and with what makes it show every metric."""

    def __init__(self, program, configuration, work):
        self.port, self.admin, self.closed = (processes.free_port() for _ in range(3))
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notifications.bind(f"{work}/notify")
        self.notifications.settimeout(10)
        variables = {
            "PATH": os.environ["PATH"],
            "NOTIFY_SOCKET": f"{work}/notify",
            "TANDEM_HTTP_HOST": "127.0.0.1",
            "TANDEM_HTTP_PORT": str(self.port),
            "TANDEM_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            "TANDEM_FETCH_ALLOW": f"http://127.0.0.1:{self.closed}",
            # Fetches wait for a turn.
            "TANDEM_FETCH_MAX_PER_ORIGIN": "1",
            "TANDEM_MIGRATE_ROUTES": "GET /moved/plaintext percent 50,GET /moved/style shadow 100",
            # Samples with a longer body are skipped.
            "TANDEM_MIGRATE_SHADOW_MAX_BODY_BYTES": "10",
        }
        with open(f"{work}/log", "wb") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--config", configuration], env=variables, cwd="/", stdout=subprocess.DEVNULL, stderr=log
            )
        wait_for("tandemd is not ready", lambda: get(self.admin, "/readyz")[0] == 200)

    def announced_stop(self):
        """Begins a stop. Returns the seconds that the daemon announces for it."""
        self.process.send_signal(signal.SIGTERM)
        while True:
            message = self.notifications.recv(4096).decode()
            found = re.search(r"^EXTEND_TIMEOUT_USEC=(\d+)$", message, re.MULTILINE)
            if found:
                return int(found[1]) / 1e6

    def request_everything(self, until):
        """Sends requests of each kind from eight threads, until a condition holds."""
        targets = [
            "/blocking/plaintext", "/async/json", "/blocking/bridge?depth=3", "/async/bridge", "/blocking/sleep?ms=5", "/moved/plaintext",
            "/moved/style", "/blocking/legacy/sleep?ms=2", f"/async/fetch?url=http://localhost:{self.port}/async/sleep?ms=5",
            f"/blocking/fetch?url=http://127.0.0.1:{self.closed}/", "/unknown",
        ]
        stop = threading.Event()

        def run(number):
            while not stop.is_set():
                for index in range(len(targets)):
                    get(self.port, targets[(index + number) % len(targets)], timeout=30)
                get(self.port, "/moved/style", body=b"a body that is too long for a sample")
                get(self.port, "/async/echo", method="POST", body=b"x" * 1000)
                with socket.create_connection(("127.0.0.1", self.port)) as broken:
                    broken.sendall(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
                    broken.recv(100)
                time.sleep(0.05)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        try:
            until()
        finally:
            stop.set()
            for thread in threads:
                thread.join()


class Prometheus:
    """Prometheus, which scrapes the daemon and has the alerts of the kit."""

    def __init__(self, program, name, target, rules, work):
        self.port = processes.free_port()
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules.resolve())],
            "scrape_configs": [
                {
                    "job_name": name,
                    # In a cluster the operator adds these two labels.
                    "static_configs": [{"targets": [f"127.0.0.1:{target}"], "labels": {"namespace": "default", "pod": f"{name}-0"}}],
                }
            ],
        }
        pathlib.Path(work, "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        with open(f"{work}/prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                [
                    program, f"--config.file={work}/prometheus.yml", f"--storage.tsdb.path={work}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log, stderr=log, cwd=work,
            )
        wait_for("Prometheus is not ready", lambda: get(self.port, "/-/ready")[0] == 200)

    def api(self, path, **parameters):
        status, body = get(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=20)
        answer = json.loads(body)
        if status != 200 or answer["status"] != "success":
            raise ValueError(answer.get("error", f"status {status}"))
        return answer["data"]

    def wait_for_scrapes(self, number):
        """Waits for scrapes. The first one may take several seconds."""
        wait_for("Prometheus has not scraped the daemon", lambda: self.query(f"count_over_time(up[1m]) >= {number}"), 30)

    def query(self, expression):
        """Returns the series of a query whose value is a number."""
        return [
            item["metric"] for item in self.api("query", query=expression)["result"] if not math.isnan(float(item["value"][1]))
        ]


def expect(prometheus, what, expression, labels=(), number=None):
    """A query must find something: `number` series, each with these labels."""
    try:
        found = prometheus.query(expression)
    except ValueError as error:
        check(False, f"{what}: {error}: {expression}")
        return
    if number is not None:
        check(len(found) == number, f"{what}: {len(found)} series in place of {number}: {expression}")
    if check(found, f"{what}: finds nothing: {expression}"):
        for label in labels:
            check(any(label in series for series in found), f"{what}: no series has the label {label}: {expression}")


def check_dashboard(prometheus, path, name):
    """Each query of the dashboard, and each label that a legend shows. Returns the number of queries."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    values = {"$job": name, "$instance": ".*", "$__rate_interval": "10s", "$__range": "1m"}

    def expanded(expression):
        for variable, value in values.items():
            expression = expression.replace(variable, value)
        check("$" not in expression.replace("${1}", ""), f"dashboard: a variable without a value: {expression}")
        return expression

    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            expect(prometheus, f"variable {variable['name']}", expanded(series), [label])
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    check(len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]), "dashboard: two panels have one id")
    number = 0
    for panel in panels:
        check(panel.get("description") and panel["fieldConfig"]["defaults"].get("unit"), f"panel {panel['title']}: no text, or no unit")
        for target in panel["targets"]:
            labels = re.findall(r"{{(\w+)}}", target["legendFormat"])
            expect(prometheus, f"panel {panel['title']}", expanded(target["expr"]), labels)
            number += 1
    return number


def check_alerts(prometheus, rules):
    """Prometheus evaluates each rule, and each series that a rule names exists. Returns the number of rules."""
    wait_for(
        "Prometheus has not evaluated the rules",
        lambda: all(rule["health"] != "unknown" for group in prometheus.api("rules")["groups"] for rule in group["rules"]),
    )
    for group in prometheus.api("rules")["groups"]:
        for rule in group["rules"]:
            check(rule["health"] == "ok", f"{rule['name']}: {rule.get('lastError')}")
    number = 0
    for group in yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            for selector in re.findall(r"\w+{[^}]*}", rule["expr"]):
                expect(prometheus, rule["alert"], selector)
            number += 1
    return number


def check_scaling(prometheus, kit, rendered):
    """The queries of prometheus-adapter and of KEDA. Returns their number."""
    adapter = yaml.safe_load((kit / "kubernetes/overlays/monitoring/prometheus-adapter.yaml").read_text(encoding="utf-8"))
    number = 0
    for rule in adapter["rules"]:
        series = re.match(r"\w+", rule["seriesQuery"])[0]
        expect(prometheus, "adapter", rule["seriesQuery"], rule["resources"]["overrides"])
        values = {"<<.Series>>": series, "<<.LabelMatchers>>": 'namespace="default"', "<<.GroupBy>>": "pod"}
        expression = rule["metricsQuery"]
        for variable, value in values.items():
            expression = expression.replace(variable, value)
        expect(prometheus, "adapter", expression, ["pod"], number=1)
        number += 1
    for item in yaml.safe_load_all((rendered / "keda.yaml").read_text(encoding="utf-8")):
        for trigger in item["spec"]["triggers"] if item["kind"] == "ScaledObject" else []:
            expect(prometheus, "KEDA", trigger["metadata"]["query"], number=1)
            number += 1
    return number


def main():
    parser = arguments.Parser("check/deploy")
    parser.add_argument("--tandemd", required=True)
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--kit", type=pathlib.Path, required=True)
    parser.add_argument("--rendered", type=pathlib.Path, required=True)
    options = parser.parse_args()

    objects = [item for item in yaml.safe_load_all((options.rendered / "plain.yaml").read_text(encoding="utf-8")) if item]
    deployment = next(item for item in objects if item["kind"] == "Deployment")
    file = next(item["data"] for item in objects if item["kind"] == "ConfigMap" and f"{options.name}.yaml" in item["data"])
    pod = deployment["spec"]["template"]
    container = pod["spec"]["containers"][0]

    daemon = prometheus = None
    with tempfile.TemporaryDirectory(prefix="tandem-deploy.") as work:
        try:
            configuration = pathlib.Path(work, "configuration.yaml")
            configuration.write_text(file[f"{options.name}.yaml"], encoding="utf-8")
            daemon = Daemon(options.tandemd, configuration, work)
            paths = {probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
            paths["scrape"] = pod["metadata"]["annotations"]["prometheus.io/path"]
            for what, path in paths.items():
                status, _ = get(daemon.admin, path)
                check(status == 200, f"{what}: {path} is answered {status}")
            print(f"the daemon answers {', '.join(sorted(set(paths.values())))}")

            rules = options.kit / "alerts.yaml"
            prometheus = Prometheus(options.prometheus, options.name, daemon.admin, rules, work)
            daemon.request_everything(until=lambda: prometheus.wait_for_scrapes(SCRAPES))
            queries = check_dashboard(prometheus, options.kit / "grafana/tandem.json", options.name)
            alerts = check_alerts(prometheus, rules)
            scaling = check_scaling(prometheus, options.kit, options.rendered)
            print(f"on Prometheus: {queries} queries of the dashboard, {alerts} alerts and {scaling} queries for scaling find their series")

            announced, allowed = daemon.announced_stop(), pod["spec"]["terminationGracePeriodSeconds"]
            check(announced < allowed, f"terminationGracePeriodSeconds is {allowed}, and the daemon announces {announced:.0f} s")
            status = {what: get(daemon.admin, paths[what])[0] for what in ("livenessProbe", "readinessProbe")}
            check(status == {"livenessProbe": 200, "readinessProbe": 503}, f"while it stops the daemon answers {status}")
            check(get(daemon.port, "/async/plaintext")[0] == 200, "the daemon does not serve during shutdown.delay-ms")
            print(f"on SIGTERM the daemon announces at most {announced:.0f} s, is not ready, and still serves")
        finally:
            for process in [item.process for item in (daemon, prometheus) if item]:
                process.kill()
                process.wait()
        if problems:
            sys.stderr.write(pathlib.Path(work, "log").read_text(encoding="utf-8")[-2000:])
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
