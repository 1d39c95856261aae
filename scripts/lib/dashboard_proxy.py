"""A proxy before the dashboard's server that makes every name hostile. Python's standard library only.

tandemd's routes are fixed. So the proxy appends markup to the strings of each JSON object and each event, as if routes, hubs, green
threads and files had such names.
"""

import contextlib
import http.client
import http.server
import json
import threading
import urllib.parse

MARKUP = "<img src=x onerror=alert(1)>\"'</script>"
# Members whose values the contract lists, and the identity of the process.
FIXED = {"style", "severity", "phase", "direction", "verdict", "oldStyle", "newStyle", "instance", "method"}
DIFFERENCE = {
    "part": "header Location", "verdict": "differs", "candidates": 3, "controls": 0, "samples": ["old: 12 bytes, new: 14 bytes"]}
END_TO_END = {"content-type", "content-security-policy", "cache-control", "x-content-type-options", "referrer-policy", "location"}


def hostile(value):
    """Returns a JSON value with markup behind each of its strings, and with a difference for each migrating route."""
    if isinstance(value, dict):
        if "comparisons" in value:
            # A migrating route. Those of tandemd do not differ.
            value = value | {"parts": [DIFFERENCE]}
        return {name: member if name in FIXED else hostile(member) for name, member in value.items()}
    if isinstance(value, list):
        return [hostile(member) for member in value]
    return value + MARKUP if isinstance(value, str) else value


def rewritten(data):
    """Returns JSON text with markup."""
    return json.dumps(hostile(json.loads(data)), ensure_ascii=False).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Passes on GET requests. The server's `upstream` is a host and a port."""

    def do_GET(self):
        # The page asks for the names that it was told.
        path, _, query = self.path.partition("?")
        query = urllib.parse.urlencode([(name, value.replace(MARKUP, "")) for name, value in urllib.parse.parse_qsl(query)])
        connection = http.client.HTTPConnection(*self.server.upstream, timeout=30)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", f"{path}?{query}" if query else path, headers={"Accept": self.headers.get("Accept", "*/*")})
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() in END_TO_END:
                    self.send_header(name, value)
            self.end_headers()
            kind = answer.headers.get_content_type()
            if kind == "text/event-stream":
                for line in answer:
                    self.wfile.write(b"data: " + rewritten(line[6:]) + b"\n" if line.startswith(b"data: ") else line)
            else:
                body = answer.read()
                self.wfile.write(rewritten(body) if kind == "application/json" else body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def proxy(url):
    """Runs the proxy before a server, and yields the proxy's URL."""
    place = urllib.parse.urlsplit(url)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        server.upstream = place.hostname, place.port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
