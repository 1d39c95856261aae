"""Checks of the dashboard against a daemon with traffic. scripts/check/dashboard runs them."""

import re
import tempfile
import time

import dashboard_load
from dashboard_run import STATUS, TICK, check, equal, eventually, expect, fill, select, table, wait_for_status
from dashboard_server import free_places

# What Chromium logs when a server goes away.
GONE = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE"]
GREEN_THREADS = 10_000
MOST_ROWS, MOST_ROWS_IN_ALL = 200, 600
MEMBERS = "$all('#groups [data-field=count]').reduce((sum, cell) => sum + Number(cell.dataset.value), 0)"


def counters(run):
    """Returns counters of /metrics: those of all requests and of each hub, and those of each route."""
    metrics = run.daemon.metrics()
    routes, total = metrics.requests()
    by_class = metrics.sums("http_server_request_duration_seconds_count", lambda labels: labels["http_response_status_code"][0])
    found = {"requests.total": total, "requests.serverErrors": by_class.get("5", 0)}
    for field in ("stalls", "bridges"):
        found |= {f"{hub} {field}": value for hub, value in metrics.by_hub(f"tandem_hub_{field}_total").items()}
    return found, routes


def overview_counters(page):
    """Returns the counters of all requests and of each hub from the page."""
    found = {name: page.evaluate(f"$tile('{name}')") for name in ("requests.total", "requests.serverErrors")}
    for hub, cells in table(page, "#hubs", "hub").items():
        found |= {f"{hub} {field}": cells[field] for field in ("stalls", "bridges")}
    return found


def compare(what, server, page, rounds=3):
    """Compares counters of the server with those of the page. Both are functions that return counters by name.

    Within a tick, the page must show at least what the server said before. It must not show more than the server says afterwards,
    and its counters must never decrease.
    """
    last = {}
    for _ in range(rounds):
        before = server()
        end = time.monotonic() + TICK + 1
        while True:
            shown = page()
            late = {name: (value, shown.get(name)) for name, value in before.items() if not shown.get(name, -1) >= value}
            if not late:
                break
            expect(time.monotonic() < end, f"{what}: {TICK + 1} s later the page shows less (server, page): {late}")
            time.sleep(0.05)
        after = server()
        early = {name: (after.get(name), value) for name, value in shown.items() if value > after.get(name, 0)}
        expect(not early, f"{what}: the page shows more than the server does later (server, page): {early}")
        lower = {name: (last[name], value) for name, value in shown.items() if value < last.get(name, 0)}
        expect(not lower, f"{what}: counters of the page have decreased (before, now): {lower}")
        last = shown
    expect(any(last.values()), f"{what}: all counters are 0, so the comparison proves nothing")


@check(needs_daemon=True)
def numbers(run):
    """The page shows the counters of /metrics within a tick, and at rest its gauges."""
    with run.page() as page:
        fill(page, "overview")
        compare("overview", lambda: counters(run)[0], lambda: overview_counters(page))
        fill(page, "routes")
        compare("routes", lambda: counters(run)[1], lambda: {
            route: cells["requests"] for route, cells in table(page, "#routes-table", "route").items()})
        check_gauges(run, page)


def check_gauges(run, page):
    """Only 30 requests that sleep are active: the page shows exactly what /metrics does."""
    run.traffic.pause()
    try:
        for _ in range(30):
            run.daemon.send("/blocking/sleep?ms=60000")
        expected = eventually("30 green threads", lambda: [found for found in [green(run)] if sum(found.values()) == 30], 5)[0]
        select(page, "overview")
        page.wait_until("$tile('requests.active') == 30", 2 * TICK + 1, "30 active requests")
        equal("green threads", expected, {hub: cells["greenThreads"] for hub, cells in table(page, "#hubs", "hub").items()})
        equal("all requests", counters(run)[0]["requests.total"], page.evaluate("$tile('requests.total')"))
    finally:
        run.daemon.release()
        run.traffic.resume()


def green(run):
    """Returns the number of green threads of each hub."""
    return run.daemon.metrics().by_hub("tandem_hub_green_threads")


@check(needs_daemon=True)
def held(run):
    """A hub that code holds wants attention within 2 s. Afterwards its stall is counted, and the timeline has the slice."""
    held_hub = "$all('#hubs tbody tr').find(row => /is held by|does not answer/.test(row.textContent))?.dataset.hub"
    with run.page() as page:
        fill(page, "overview")
        stalls = run.daemon.metrics().total("tandem_hub_stalls_total")
        end = time.monotonic() + 2
        run.daemon.send("/blocking/legacy/sleep?ms=4000")
        hub = page.wait_until(held_hub, 2, "#hubs shows that a hub is held")
        words = f"['held', '{hub}', '/blocking/legacy/sleep']"
        page.wait_until(
            f"$all('#attention li[data-key]').some(item => {words}.every(word => item.textContent.includes(word)))",
            end - time.monotonic(), f"#attention names {hub} and the code that holds it")
        equal("#status while a hub is held", "live", page.evaluate(STATUS))
        eventually("the stall is counted", lambda: run.daemon.metrics().total("tandem_hub_stalls_total") > stalls, 8)
        count = run.daemon.metrics().by_hub("tandem_hub_stalls_total")[hub]
        stalls = f"$one('#hubs tr[data-hub=\"{hub}\"] [data-field=stalls]').dataset.value"
        page.wait_until(f"{stalls} == {count}", 2 * TICK + 1, f"{count} stalls of {hub}")
        fill(page, "timeline")
        run.daemon.send("/blocking/legacy/sleep?ms=700")
        page.wait_until(
            "$all('#longest tbody tr').some(row => row.textContent.includes('/blocking/legacy/sleep'))", 4,
            "#longest has the slice that held the hub")


@check(needs_daemon=True)
def waiting(run):
    """10,000 green threads: the tab has at most 200 rows per table; filter, paging and one stack work."""
    with run.page() as page:
        run.daemon.fill(GREEN_THREADS)
        try:
            eventually(f"{GREEN_THREADS} green threads", lambda: sum(green(run).values()) >= GREEN_THREADS, 20)
            fill(page, "waiting")
            page.wait_until(f"{MEMBERS} >= {GREEN_THREADS}", 2 * TICK + 2, f"the groups have {GREEN_THREADS} members")
            check_rows(page)
            check_filter(page)
            # Members that come and go would move others from page to page.
            run.traffic.pause()
            check_members(page)
        finally:
            run.traffic.resume()
            run.daemon.release()
        eventually("the green threads have ended", lambda: sum(green(run).values()) < 100, 20)


def check_rows(page):
    groups, members, every = page.evaluate("[$all('#groups tbody tr').length, $all('#rows tbody tr').length, $all('tr').length]")
    expect(groups <= MOST_ROWS and members <= MOST_ROWS, f"#groups has {groups} rows and #rows {members}, more than {MOST_ROWS}")
    expect(every <= MOST_ROWS_IN_ALL, f"the document has {every} rows, more than {MOST_ROWS_IN_ALL}")


def check_filter(page):
    """The key / selects the filter. It leaves the groups whose reason has the text, whatever its case."""
    page.press("/")
    page.wait_until("document.activeElement.id == 'filter'", 2, "/ selects #filter")
    page.type("SLEEP")
    reasons = "$all('#groups [data-field=what]').map(cell => cell.textContent)"
    page.wait_until(
        f"{reasons}.length > 0 && {reasons}.every(text => text.includes('sleep'))", 2 * TICK + 2, "the filter leaves only sleeps")
    time.sleep(2 * TICK)
    equal("the filter after two ticks", "SLEEP", page.evaluate("$one('#filter').value"))
    expect(page.evaluate(f"{reasons}.every(text => text.includes('sleep'))"), "after two ticks the filter leaves other groups, too")
    page.type("no such reason")
    page.wait_until("$all('#groups tbody tr').length == 0", 2 * TICK + 2, "no group has the reason")
    page.press("Control+a")
    page.press("Backspace")
    page.wait_until(f"{MEMBERS} >= {GREEN_THREADS}", 2 * TICK + 2, "without a filter all groups are back")


def check_members(page):
    """The largest group has pages of 200 members, and one of them has a stack."""
    page.evaluate("""
        $all('#groups tbody tr').reduce((first, row) => {
            const count = row => Number(row.querySelector('[data-field=count]').dataset.value);
            return count(row) > count(first) ? row : first;
        }).querySelector('button').click()
        """)
    threads = "$all('#rows tbody tr').map(row => row.dataset.thread)"
    first = page.wait_until(f"(found => found.length == {MOST_ROWS} && found)({threads})", 4, f"#rows has {MOST_ROWS} members")
    page.evaluate("$all('#rows-pager button').find(button => /next/i.test(button.textContent)).click()")
    second = page.wait_until(f"(found => found[0] != '{first[0]}' && found)({threads})", 4, "#rows has the next page")
    expect(not set(first) & set(second), f"two pages have {len(set(first) & set(second))} members in common")
    check_rows(page)
    page.evaluate("$one('#rows tbody tr button').click()")
    frame = page.wait_until("$one('#stack').open && $one('#stack-frames li')?.textContent", 4, "#stack has frames")
    expect(frame.strip(), "the first frame of the stack has no name")
    page.press("Escape")
    page.wait_until("!$one('#stack').open", 2, "Esc closes #stack")


@check(needs_daemon=True)
def pause(run):
    """Pause freezes the page while requests go on. Afterwards it shows what it has missed."""
    with run.page() as page:
        fill(page, "overview")
        page.evaluate("$one('#pause').click()")
        wait_for_status(page, "paused", 2)
        equal("aria-pressed of #pause", "true", page.evaluate("$one('#pause').ariaPressed"))
        before, total = page.evaluate("[$one('#overview').textContent, $tile('requests.total')]")
        time.sleep(3 * TICK)
        now = run.daemon.metrics().requests()[1]
        expect(now > total, "there was no traffic during the pause")
        equal("the overview, paused for 3 s", before, page.evaluate("$one('#overview').textContent"))
        page.evaluate("$one('#pause').click()")
        wait_for_status(page, "live", 3)
        page.wait_until(f"$tile('requests.total') >= {now}", TICK + 1, "the page catches up")


@check()
def hidden(run):
    """A hidden tab closes its stream, so that its place is free. A shown one opens it again."""
    most = free_places(run.url)
    with run.page() as page:
        eventually("the page takes a place", lambda: free_places(run.url) == most - 1, 3)
        page.hide()
        eventually("a hidden page takes no place", lambda: free_places(run.url) == most, 5)
        page.show()
        wait_for_status(page, "live", 5)
        eventually("a shown page takes a place again", lambda: free_places(run.url) == most - 1, 5)
        streams = [request for request in page.record.requests.values() if "/debug/events" in request["url"]]
        expect(all(request.get("ended") for request in streams[:-1]), f"streams that the page has not closed: {streams[:-1]}")


@check(needs_daemon=True)
def restart(run):
    """The page reconnects to a daemon that was restarted, and shows its counters, which begin at 0."""
    with run.page(allow=GONE) as page:
        fill(page, "overview")
        run.traffic.pause()
        total = page.evaluate("$tile('requests.total')")
        run.daemon.stop()
        wait_for_status(page, "reconnecting", 5)
        run.daemon.start()
        wait_for_status(page, "live", 10)
        page.wait_until(f"$tile('requests.total') < {total}", 3, "counters of the new process")
        equal("requests of the new process", run.daemon.metrics().requests()[1], page.evaluate("$tile('requests.total')"))
        run.traffic.resume()
        page.wait_until("$tile('requests.total') > 50", 5, "requests after the restart")
        text = page.evaluate("$one('#overview').innerText")
        expect(not re.search(r"(^|\s)[-−]\d|NaN|Infinity|undefined", text), f"the overview has a wrong number: {text}")


@check(needs_daemon=True)
def token(run):
    """With a token, everything except probes needs it, and the page works for a browser that has it as password."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("correct-horse-battery-staple\n")
        file.flush()
        with dashboard_load.Daemon(run.daemon.program, TANDEM_ADMIN_TOKEN_FILE=file.name) as daemon:
            for path in ("/debug/ui", "/debug/state", "/debug/events?topics=state", "/metrics"):
                equal(f"status of {path} without the token", 401, dashboard_load.get(daemon.url, path)[0])
                wrong = {"Authorization": "Bearer correct-horse-battery-stapler"}
                equal(f"status of {path} with a wrong token", 401, dashboard_load.get(daemon.url, path, wrong)[0])
            for path in ("/livez", "/readyz"):
                equal(f"status of {path} without the token", 200, dashboard_load.get(daemon.url, path)[0])
            right = {"Authorization": "Bearer correct-horse-battery-staple"}
            equal("status of /metrics with the token", 200, dashboard_load.get(daemon.url, "/metrics", right)[0])
            with run.page(url=daemon.url, password=("", "correct-horse-battery-staple")) as page:
                fill(page, "waiting")


@check(needs_daemon=True)
def migration(run):
    """The tab has the requests and comparisons of /debug/migration."""
    def server():
        found = {}
        for route in run.json("/debug/migration")["routes"]:
            name = f"{route['method']} {route['route']}"
            found |= {f"{name} {handler}": sum(route["requests"].get(handler, {}).values()) for handler in ("old", "new")}
            found[f"{name} comparisons"] = sum(route["comparisons"].get("candidate", {}).values())
        return found

    def shown():
        return {
            f"{route} {field}": cells[field] for route, cells in table(page, "#migration-table", "route").items()
            for field in ("old", "new", "comparisons")}

    with run.page() as page:
        fill(page, "migration")
        compare("migration", server, shown)
        cells = table(page, "#migration-table", "route")["GET /moved/style"]
        expect(cells["mode"].startswith("shadow 100"), f"the mode of GET /moved/style is {cells['mode']}")
        # The two handlers differ only in a part that the code ignores.
        expect(cells["comparisons"] == cells["match"] > 0, f"comparisons of GET /moved/style: {cells}")
        # These differ in the style and in the number of the green thread.
        cells = table(page, "#migration-table", "route")["GET /moved/whoami"]
        expect(cells["comparisons"] > 0 == cells["match"], f"comparisons of GET /moved/whoami: {cells}")
        parts = page.evaluate("[...document.querySelectorAll('#differences tbody tr')].map((row) => row.textContent).join(' ')")
        for part in ("/style", "/greenThread"):
            expect(part in parts, f"the differences have no {part}: {parts}")
        # A verdict needs some comparisons.
        eventually("the difference wants attention",
                   lambda: any(item["key"] == "differs GET /moved/whoami" for item in run.json("/debug/state")["attention"]), 60)


@check(needs_daemon=True)
def bridges(run):
    """The tab has each call site of /debug/bridges, with its calls."""
    def server():
        return {
            f"{site['direction']} {site['file']}:{site['line']} {site['greenThread']}": site["calls"]
            for site in run.json("/debug/bridges?format=json")["sites"]}

    with run.page() as page:
        fill(page, "bridges")
        compare("bridges", server, lambda: {site: cells["calls"] for site, cells in table(page, "#bridges-table", "site").items()})
