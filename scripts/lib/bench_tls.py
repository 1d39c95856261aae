"""The TLS table of scripts/measure/bench: tandemd next to nginx, one worker each, in interleaved rounds.

Both use the same P-256 certificate, the same groups, TLS 1.3 and session tickets, and write no access log.
"""

import re
import statistics
import subprocess

NGINX = """
daemon off; master_process off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; server_tokens off; keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {work}/tls.crt; ssl_certificate_key {work}/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:P-256:P-384;
    location / {{ default_type text/plain; return 200 "Hello, World!"; }}
  }}
}}
"""


def commands(work, tandemd, ports):
    """Returns the command and the environment of each server."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", work / "tls.key", "-out", work / "tls.crt"],
        check=True, capture_output=True)
    (work / "nginx.conf").write_text(NGINX.format(work=work, port=ports["nginx"]))
    return {
        "nginx": (["nginx", "-c", str(work / "nginx.conf")], {}),
        "tandemd": ([str(tandemd), "serve", "--hubs", "1"], {
            "TANDEM_HTTP_LISTEN": f"127.0.0.1:{ports['tandemd']} tls",
            "TANDEM_TLS_CERTIFICATES": f"{work}/tls.crt {work}/tls.key",
            "TANDEM_LOG_ACCESS": "false"}),
    }


def handshakes(client, port, seconds, connections, cpu):
    """Makes full handshakes with one request each, and returns their number."""
    done = subprocess.run(["taskset", "--cpu-list", str(cpu), str(client), str(port), "/async/plaintext", str(seconds), "4"],
                          capture_output=True, text=True, timeout=seconds + 30)
    return int(done.stdout or 0)


def kept_alive(client, port, seconds, connections, cpu):
    """Sends requests over kept connections, and returns their number."""
    done = subprocess.run(["taskset", "--cpu-list", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
                           f"https://127.0.0.1:{port}/async/plaintext"], capture_output=True, text=True, timeout=seconds + 30)
    found = re.search(r"(\d+) requests in", done.stdout)
    return int(found[1]) if found and "Non-2xx" not in done.stdout else 0


KINDS = {"full handshake, one request": handshakes, "plaintext, kept alive": kept_alive}


def table(servers, client, options, cpu, cpu_seconds_between, failure, note):
    """Measures the servers, nginx first, and returns the table. The lowest of many rounds is the least disturbed one."""
    samples = {(kind, name): [] for kind in KINDS for name in servers}
    for number in range(options.rounds + 1):
        for kind, run in KINDS.items():
            for name, server in servers.items():
                before = server.cpu_time()
                count = run(client, server.port, options.seconds, options.connections, cpu)
                server.check_alive()
                if count == 0:
                    raise failure(f"{kind}: nothing was completed with {name}\n{server.last_words()}")
                cost = cpu_seconds_between(before, server.cpu_time()) / count * 1e6
                if number > 0:  # round 0 is the warm-up
                    samples[kind, name].append((cost, count / options.seconds))
                    note(f"round {number}: {kind}, {name}: {count / options.seconds:,.0f}/s, {cost:.1f} µs")
    lines = ["| TLS 1.3, P-256 | server | per second | CPU µs, lowest round | CPU to nginx, lowest and median |",
             "| --- | --- | ---: | ---: | ---: |"]
    for kind, name in samples:
        costs, base = ([cost for cost, _ in samples[kind, server]] for server in (name, "nginx"))
        rate = statistics.median(rate for _, rate in samples[kind, name])
        ratio = statistics.median(a / b for a, b in zip(costs, base))
        lines.append(f"| {kind} | {name} | {rate:,.0f} | {min(costs):.1f} | {min(costs) / min(base):.2f}, {ratio:.2f} |")
    return "\n".join(lines)
