"""The servers of the `proxy` rows of scripts/measure/bench: an upstream that serves 1 KB from a file, and nginx as its proxy.

The proxy does what a fetch of tandemd does: HTTP/1.1, kept connections to the upstream, no access log, one process.
"""

FILE = "x" * 1024

UPSTREAM = """
daemon off; master_process off; worker_processes 1; pid {work}/upstream.pid; error_log {work}/upstream-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; open_file_cache max=10; sendfile on; tcp_nopush on;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {work}/www; default_type application/octet-stream; }}
}}
"""

PROXY = """
daemon off; master_process off; worker_processes 1; pid {work}/proxy.pid; error_log {work}/proxy-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; server_tokens off;
  upstream origin {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def commands(work, ports):
    """Returns the commands of the upstream and of the proxy."""
    (work / "www").mkdir(parents=True, exist_ok=True)
    (work / "www" / "1k").write_text(FILE)
    (work / "upstream.conf").write_text(UPSTREAM.format(work=work, port=ports["upstream"]))
    (work / "proxy.conf").write_text(PROXY.format(work=work, port=ports["nginx"], upstream=ports["upstream"]))
    return {name: ["nginx", "-c", str(work / f"{config}.conf")] for name, config in
            (("upstream", "upstream"), ("nginx", "proxy"))}
