"""Checks of what the server of the dashboard sends, without a browser. scripts/check/dashboard runs them."""

import base64
import contextlib
import hashlib
import json
import re
import time
import urllib.parse

import dashboard_load
from dashboard_run import check, equal, eventually, expect

MOST_VIEWERS = 8
# Bytes. The page as it is sent, without compression; a state; all that a viewer of the timeline gets in a second.
LONGEST_PAGE, LONGEST_STATE, TIMELINE_RATE = 60 << 10, 16 << 10, 64 << 10
HUB = {
    "hub", "thread", "answers", "busyMicroseconds", "turns", "jobs", "ready", "greenThreads", "greenThreadsHighWater", "tasks",
    "waits", "timers", "descriptors", "bridgesToBlocking", "bridgesToAsync", "parks", "stalls", "delays",
}


def events(url, topics, seconds, every=1):
    """Reads a stream for some seconds. Returns the events as (topic, data as text) and the fields of the answer."""
    stream = dashboard_load.open_stream(url, f"/debug/events?topics={topics}&every={every}")
    _, status, answer = stream
    try:
        equal(f"status of a stream of {topics}", 200, status)
        found, topic = [], None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            line = answer.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                topic = line[7:]
            elif line.startswith("data: "):
                found.append((topic, line[6:]))
        return found, dict(answer.getheaders())
    finally:
        dashboard_load.close_stream(stream)


def free_places(url):
    """Returns the number of viewers that the server has room for."""
    streams = []
    try:
        for _ in range(MOST_VIEWERS + 1):
            streams.append(dashboard_load.open_stream(url, "/debug/events?topics=state"))
        return sum(status == 200 for _, status, _ in streams)
    finally:
        for stream in streams:
            dashboard_load.close_stream(stream)


@check()
def document(run):
    """The page is one small document; its policy admits its own script and style by their hashes and nothing else."""
    status, headers, body = run.get("/debug/ui")
    equal("status of /debug/ui", 200, status)
    expect(len(body) <= LONGEST_PAGE, f"the page has {len(body)} bytes, more than {LONGEST_PAGE}")
    text = body.decode()

    def hashes(element):
        found = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        equal(f"number of {element} elements", 1, len(found))
        return f"'sha256-{base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()}'"

    policy = {
        "default-src": "'none'", "script-src": hashes("script"), "style-src": hashes("style"), "connect-src": "'self'",
        "img-src": "data:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
    }
    found = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";") if part.strip())
    equal("Content-Security-Policy", policy, found)
    for name, value in {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}.items():
        equal(name, value, headers.get(name))
    status, headers, _ = run.get("/", {"Accept": "text/html,*/*;q=0.8"})
    equal("status of / for a browser", 302, status)
    equal("Location of / for a browser", "/debug/ui", urllib.parse.urlsplit(headers["location"]).path)


@check()
def hosts(run):
    """A name of another server, as in DNS rebinding, is refused; probes are answered whatever the name."""
    for path in ("/debug/ui", "/debug/state", "/debug/events?topics=state", "/metrics"):
        equal(f"status of {path} with Host: evil.test", 421, run.get(path, {"Host": "evil.test"})[0])
        equal(f"status of {path} from another site", 403, run.get(path, {"Sec-Fetch-Site": "cross-site"})[0])
    equal("status of /livez with Host: evil.test", 200, run.get("/livez", {"Host": "evil.test"})[0])
    equal("status of /debug/state with Host: localhost", 200, run.get("/debug/state", {"Host": "localhost"})[0])
    equal("status of POST /debug/state", 405, run.get("/debug/state", method="POST")[0])
    _, headers, _ = run.get("/debug/state", {"Origin": "http://evil.test"})
    expect("access-control-allow-origin" not in headers, "/debug/state allows other origins to read it")


@check()
def stream(run):
    """Each topic comes at its pace, as the JSON that its endpoint answers, and is small."""
    seconds = 4
    began = time.monotonic()
    found, headers = events(run.url, "state,routes,timeline,waiting,migration,bridges", seconds)
    took = time.monotonic() - began
    expect(headers["Content-Type"].startswith("text/event-stream"), f"Content-Type is {headers['Content-Type']}")
    by_topic = {}
    for topic, data in found:
        by_topic.setdefault(topic, []).append(json.loads(data))
    for topic in ("state", "routes", "waiting", "migration", "bridges"):
        count = len(by_topic.get(topic, []))
        expect(took - 2 <= count <= took + 2, f"{count} events {topic} in {took:.1f} s at one per second")
    count = len(by_topic.get("timeline", []))
    expect(4 * (took - 1.5) <= count <= 4 * (took + 1), f"{count} events timeline in {took:.1f} s at four per second")
    size = max(len(data.encode()) for topic, data in found if topic == "state")
    expect(size <= LONGEST_STATE, f"a state has {size} bytes, more than {LONGEST_STATE}")
    rate = sum(len(data.encode()) for topic, data in found if topic == "timeline") / took
    expect(rate <= TIMELINE_RATE, f"the timeline has {rate:.0f} bytes per second, more than {TIMELINE_RATE}")
    for hub in by_topic["state"][-1]["hubs"]:
        # A hub that code holds has fewer members.
        expect(not hub["answers"] or HUB <= hub.keys(), f"hub without {HUB - hub.keys()}: {hub}")
    check_bins(by_topic["timeline"])
    few, _ = events(run.url, "state", 4.5, every=2)
    expect(2 <= len(few) <= 4, f"{len(few)} events state in 4.5 s at one per 2 s")
    equal("status of an unknown topic", 400, run.get("/debug/events?topics=weather")[0])
    equal("status of an unknown pace", 400, run.get("/debug/events?topics=state&every=3")[0])


def check_bins(timelines):
    """The bins of a hub follow each other without a gap unless records were lost, and none has more than 100 percent."""
    following = {}
    for timeline in timelines:
        for hub in timeline["hubs"]:
            expected = following.get(hub["hub"])
            expect(expected in (None, hub["first"]) or hub["lost"], f"bin {hub['first']} follows {expected} without a loss: {hub}")
            following[hub["hub"]] = hub["first"] + len(hub["bins"])
            for blocking, asynchronous, loop, bridges, stalls in hub["bins"]:
                # Each share is rounded.
                expect(0 <= blocking + asynchronous + loop <= 102, f"{blocking} + {asynchronous} + {loop} percent: {hub}")
                expect(bridges >= 0 and stalls >= 0, f"{bridges} bridges and {stalls} stalls: {hub}")


@check()
def viewers(run):
    """The ninth viewer gets 503, and its page says so; it is live when a place is free."""
    eventually(f"{MOST_VIEWERS} free places", lambda: free_places(run.url) == MOST_VIEWERS, 5)
    streams = []
    try:
        for number in range(MOST_VIEWERS):
            streams.append(dashboard_load.open_stream(run.url, "/debug/events?topics=state"))
            equal(f"status of viewer {number + 1}", 200, streams[-1][1])
        equal(f"status of viewer {MOST_VIEWERS + 1}", 503, run.get("/debug/events?topics=state")[0])
        with run.page(status="too many viewers", allow=["503"]) as page:
            dashboard_load.close_stream(streams.pop())
            # The page tries again by itself.
            page.wait_until("document.querySelector('#status').textContent == 'live'", 40, "#status is 'live' when a place is free")
    finally:
        for opened in streams:
            dashboard_load.close_stream(opened)
    eventually(f"{MOST_VIEWERS} free places", lambda: free_places(run.url) == MOST_VIEWERS, 5)
    time.sleep(1)  # that look at the places takes them for a moment
    check_places(run)


def check_places(run):
    """The place of a viewer that has gone is free within 3 s, also if the next event would only come in half a minute."""
    streams = [dashboard_load.open_stream(run.url, "/debug/events?topics=state&every=30") for _ in range(MOST_VIEWERS)]
    for connection, status, answer in streams:
        equal("status of a stream", 200, status)
        # Like a browser, which has read everything: the server sees the end of the connection, not a reset.
        connection.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while connection.recv(1 << 16):
                pass
        answer.close()
        connection.close()
    eventually("the places of viewers that have gone are free", lambda: free_places(run.url) == MOST_VIEWERS, 3)
