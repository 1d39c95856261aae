"""Checks a deployment kit without running it: schemas, references between objects, and times and sizes against the configuration.

scripts/check/deploy calls this. PyYAML, kubernetes-validate and check-jsonschema must be on PYTHONPATH.
"""

import pathlib
import re
import subprocess
import sys

import arguments
import kubernetes_validate
import yaml

# The oldest supported version of Kubernetes, and the newest with a schema here.
VERSIONS = ("1.27", "1.37")
# Objects of operators, for which no schema can be had. The checks below read them.
WITHOUT_SCHEMA = {"ServiceMonitor", "PrometheusRule", "ScaledObject"}
# The daemon ends this long after the deadline of its last phase.
MARGIN = 5
OVERLAYS = ("plain", "monitoring", "keda")

problems = []


def check(condition, message):
    if not condition:
        problems.append(message)
    return bool(condition)


def load(path):
    return yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))


def matches(selector, labels):
    """Whether a non-empty selector chooses an object with these labels."""
    return bool(selector) and selector.items() <= labels.items()


def seconds(text):
    """Returns a duration of compose or systemd in seconds: 60s, 1m, 60."""
    number, unit = re.fullmatch(r"(\d+)(s|m|)", str(text)).groups()
    return int(number) * (60 if unit == "m" else 1)


def mebibytes(text):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()
    return int(number) * (1024 if unit == "Gi" else 1)


class Daemon:
    """The program, asked for its configuration."""

    def __init__(self, program):
        self.program = program

    def configuration(self, work, text, variables):
        """Returns the values for a file and variables. They are checked as at a start."""
        path = pathlib.Path(work, "configuration.yaml")
        path.write_text(text, encoding="utf-8")
        result = subprocess.run(
            [self.program, "check-config", "--config", path], env=variables, cwd="/", capture_output=True, text=True, check=False
        )
        if not check(result.returncode == 0, f"check-config: {result.stderr.strip()}"):
            report()
        return yaml.safe_load(result.stdout)


def stop_seconds(configuration):
    shutdown = configuration["shutdown"]
    return (shutdown["delay-ms"] + shutdown["grace-ms"] + shutdown["cleanup-ms"]) / 1000 + MARGIN


def check_stop(what, allowed, configuration):
    """The time that a supervisor waits: more than the daemon needs, and not so much more that the value is a leftover."""
    needed = stop_seconds(configuration)
    if check(needed < allowed <= needed + 30, f"{what} is {allowed} s, and tandemd needs {needed:.0f} s to stop"):
        print(f"{what}: {allowed} s, tandemd needs {needed:.0f} s")


class Overlay:
    """The objects that kustomize makes of an overlay."""

    def __init__(self, name, path):
        self.name = name
        self.objects = [item for item in yaml.safe_load_all(pathlib.Path(path).read_text(encoding="utf-8")) if item]
        self.deployment = self.one("Deployment")
        self.template = self.deployment["spec"]["template"]
        self.labels = self.template["metadata"]["labels"]
        self.container = self.template["spec"]["containers"][0]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}

    def all(self, kind):
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind):
        found = self.all(kind)
        if not check(len(found) == 1, f"{self.name}: {len(found)} objects of kind {kind} in place of one"):
            report()
        return found[0]

    def has(self, condition, message):
        check(condition, f"{self.name}: {message}")

    def check_schemas(self):
        for item in self.objects:
            if item["kind"] in WITHOUT_SCHEMA:
                continue
            for version in VERSIONS:
                try:
                    kubernetes_validate.validate(item, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    place = ".".join(map(str, error.path))
                    self.has(False, f"{item['kind']} {item['metadata']['name']}, Kubernetes {version}: {place}: {error.message}")

    def configuration_of(self, daemon, work):
        """Checks what the pod gets as its configuration. Returns the values."""
        maps = {item["metadata"]["name"]: item["data"] for item in self.all("ConfigMap")}
        volume = self.template["spec"]["volumes"][0]["configMap"]["name"]
        variables = self.container["envFrom"][0]["configMapRef"]["name"]
        for name in (volume, variables):
            self.has(name in maps and re.search(r"-[a-z0-9]{10}$", name), f"ConfigMap {name} is missing, or has no hash")
        mount = self.container["volumeMounts"][0]["mountPath"]
        file = next(argument for argument in self.container["args"] if argument.endswith(".yaml"))
        self.has(file.rpartition("/")[0] == mount and file.rpartition("/")[2] in maps[volume], f"{file} is not in ConfigMap {volume}")
        return daemon.configuration(work, maps[volume][file.rpartition("/")[2]], maps[variables])

    def check_references(self):
        self.has(matches(self.deployment["spec"]["selector"]["matchLabels"], self.labels), "the Deployment does not select its pods")
        for service in self.all("Service"):
            name = service["metadata"]["name"]
            self.has(matches(service["spec"].get("selector"), self.labels), f"Service {name} does not select the pods")
            for port in service["spec"]["ports"]:
                self.has(port["targetPort"] in self.ports, f"Service {name}: the pods have no port {port['targetPort']}")
        # Without a selector a budget protects nothing, and a policy applies to all pods of the namespace.
        budget = self.one("PodDisruptionBudget")
        self.has(matches(budget["spec"].get("selector", {}).get("matchLabels"), self.labels), "the budget does not select the pods")
        policy = self.one("NetworkPolicy")
        self.has(matches(policy["spec"]["podSelector"].get("matchLabels"), self.labels), "the network policy does not select the pods")
        for rule in policy["spec"]["ingress"]:
            for port in rule["ports"]:
                self.has(port["port"] in self.ports, f"the network policy names port {port['port']}")
                self.has(port["port"] != "admin" or rule.get("from"), "the network policy lets everyone use the admin listener")
        for spread in self.template["spec"]["topologySpreadConstraints"]:
            self.has(matches(spread["labelSelector"]["matchLabels"], self.labels), "a spread constraint does not select the pods")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.has(self.container[probe]["httpGet"]["port"] == "admin", f"{probe} does not ask the admin listener")

    def check_monitoring(self, name):
        monitor = self.one("ServiceMonitor")["spec"]
        chosen = [item for item in self.all("Service") if matches(monitor["selector"]["matchLabels"], item["metadata"]["labels"])]
        if check(len(chosen) == 1, f"{self.name}: the ServiceMonitor selects {len(chosen)} Services in place of one"):
            ports = {port["name"] for port in chosen[0]["spec"]["ports"]}
            self.has({item["port"] for item in monitor["endpoints"]} <= ports, "the ServiceMonitor names a port that the Service lacks")
            self.has(chosen[0]["metadata"]["labels"].get(monitor["jobLabel"]) == name, f"the ServiceMonitor does not make job={name}")

    def check_scaling(self, adapter):
        scalers = self.all("HorizontalPodAutoscaler") + self.all("ScaledObject")
        if not check(len(scalers) == 1, f"{self.name}: {len(scalers)} autoscalers in place of one"):
            return
        spec = scalers[0]["spec"]
        self.has("replicas" not in self.deployment["spec"], "the Deployment sets replicas beside an autoscaler")
        self.has(spec["scaleTargetRef"]["name"] == self.deployment["metadata"]["name"], "the autoscaler has another target")
        lowest, highest = (spec.get("minReplicas", spec.get("minReplicaCount")), spec.get("maxReplicas", spec.get("maxReplicaCount")))
        self.has(2 <= lowest < highest, f"the autoscaler goes from {lowest} to {highest} replicas")
        names = {rule["name"]["as"] for rule in adapter["rules"]}
        for metric in spec.get("metrics", []):
            self.has(metric["pods"]["metric"]["name"] in names, f"prometheus-adapter.yaml has no {metric['pods']['metric']['name']}")

    def check_sizes(self, configuration):
        """Times and sizes of the pod against its configuration."""
        pod, container = self.template["spec"], self.container
        listen = configuration["admin"]["listen"]
        self.has(listen == f"0.0.0.0:{self.ports['admin']}", f"admin.listen is {listen}, and the port is {self.ports['admin']}")
        http = configuration["http"]
        self.has((http["host"], http["port"]) == ("0.0.0.0", self.ports["http"]), "the daemon does not listen on the port http")
        check_stop(f"{self.name}: terminationGracePeriodSeconds", pod["terminationGracePeriodSeconds"], configuration)
        readiness, liveness = container["readinessProbe"], container["livenessProbe"]
        notices = readiness["periodSeconds"] * readiness["failureThreshold"]
        delay = configuration["shutdown"]["delay-ms"] / 1000
        self.has(delay > notices, f"shutdown.delay-ms is {delay} s, and readiness checks notice a stop within {notices} s")
        self.has(
            delay < liveness["terminationGracePeriodSeconds"] < pod["terminationGracePeriodSeconds"],
            "the time after a failed liveness check is not between shutdown.delay-ms and that of a normal stop",
        )
        resources = container["resources"]
        self.has(int(resources["requests"]["cpu"]) == http["hubs"], "the CPUs requested are not http.hubs")
        needed = 64 + http["max-connections"] * 2 / 1024 + http["max-green-threads"] * 8 / 1024
        limit = mebibytes(resources["limits"]["memory"])
        self.has(needed < limit, f"the memory limit is {limit} MiB; connections and green threads may take {needed:.0f} MiB")
        security = container["securityContext"] | pod["securityContext"]
        self.has(
            security["runAsNonRoot"] and security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
            and security["capabilities"] == {"drop": ["ALL"]} and security["seccompProfile"] == {"type": "RuntimeDefault"},
            "the pod is not restricted",
        )


def check_compose(kit, name, image, daemon, work):
    compose = load(kit / "compose/compose.yaml")
    proxy = (kit / "compose/nginx.conf").read_text(encoding="utf-8")
    servers = re.findall(r"^\s*server (\S+):(\d+) ", proxy, re.MULTILINE)
    replicas = {key: service for key, service in compose["services"].items() if service["image"].startswith(f"{name}:")}
    check(len(replicas) >= 2 and {host for host, _ in servers} == replicas.keys(), "compose: nginx does not use all instances, or others")
    check(compose["services"]["nginx"]["depends_on"].keys() == replicas.keys(), "compose: nginx does not wait for all instances")
    for key, service in replicas.items():
        configuration = daemon.configuration(work, "", service["environment"])
        check_stop(f"compose: stop_grace_period of {key}", seconds(service["stop_grace_period"]), configuration)
        check(service["image"] == image, f"compose: {key} has image {service['image']}, and Kubernetes {image}")
        check({port for _, port in servers} == {str(configuration["http"]["port"])}, "compose: nginx uses another port")
        url = service["healthcheck"]["test"][-1]
        check(url == f"http://{configuration['admin']['listen']}/livez", f"compose: the health check asks {url}")
        check(configuration["http"]["idle-timeout-ms"] > 60_000, "compose: http.idle-timeout-ms must exceed nginx's 60 s")


def check_alerts(kit, overlays, runbook):
    """Each alert is tested, has a section of the runbook, and is in the PrometheusRule."""
    rules = load(kit / "alerts.yaml")
    alerts = {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}
    fired = {
        case["alertname"]
        for test in load(kit / "alerts-test.yaml")["tests"]
        for case in test.get("alert_rule_test", [])
        if case.get("exp_alerts")
    }
    check(fired == alerts.keys(), f"alerts-test.yaml: no test in which these fire: {alerts.keys() - fired}")
    sections = re.findall(r"^#+ (Tandem\w+)$", runbook.read_text(encoding="utf-8"), re.MULTILINE)
    check(set(sections) == alerts.keys(), f"{runbook.name} and alerts.yaml differ: {set(sections) ^ alerts.keys()}")
    for name, rule in alerts.items():
        link = rule["annotations"].get("runbook")
        check(link == f"docs/alerts.md#{name.lower()}", f"{name}: the runbook is {link}")
        check(rule["labels"]["severity"] in ("critical", "warning"), f"{name}: no severity")
    for overlay in overlays:
        for item in overlay.all("PrometheusRule"):
            check(item["spec"] == rules, f"{overlay.name}: the PrometheusRule is not alerts.yaml: scripts/check/deploy --fix")


def report():
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


def main():
    parser = arguments.Parser("check/deploy")
    parser.add_argument("--tandemd", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--kit", type=pathlib.Path, required=True)
    parser.add_argument("--runbook", type=pathlib.Path, required=True)
    parser.add_argument("--unit", type=pathlib.Path, required=True)
    # Has the output of kustomize for each overlay: plain.yaml, ...
    parser.add_argument("--work", type=pathlib.Path, required=True)
    options = parser.parse_args()
    daemon = Daemon(options.tandemd)

    overlays = [Overlay(name, options.work / f"{name}.yaml") for name in OVERLAYS]
    adapter = load(options.kit / "kubernetes/overlays/monitoring/prometheus-adapter.yaml")
    for overlay in overlays:
        overlay.check_schemas()
    if problems:
        report()
    for overlay in overlays:
        overlay.check_references()
        overlay.check_sizes(overlay.configuration_of(daemon, options.work))
        if overlay.name == "plain":
            annotations = overlay.template["metadata"]["annotations"]
            overlay.has(annotations["prometheus.io/port"] == str(overlay.ports["admin"]), "the annotation names another port")
        else:
            overlay.check_monitoring(options.name)
            overlay.check_scaling(adapter)
    check_compose(options.kit, options.name, overlays[0].container["image"], daemon, options.work)
    check_alerts(options.kit, overlays, options.runbook)
    unit = dict(line.split("=", 1) for line in options.unit.read_text(encoding="utf-8").splitlines() if re.match(r"\w+=", line))
    check_stop(f"{options.unit.name}: TimeoutStopSec", seconds(unit["TimeoutStopSec"]), daemon.configuration(options.work, "", {}))
    if not problems:
        kinds = sorted({item["kind"] for overlay in overlays for item in overlay.objects} - WITHOUT_SCHEMA)
        print(f"schemas of Kubernetes {' and '.join(VERSIONS)}: {', '.join(kinds)}")
        print(f"no schema, so only references and queries are checked: {', '.join(sorted(WITHOUT_SCHEMA))}")
    report()


if __name__ == "__main__":
    main()
