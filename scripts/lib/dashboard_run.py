"""The frame of scripts/check/dashboard: what each check gets, and how it looks at the page. Python's standard library only."""

import collections
import contextlib
import json
import time

import dashboard_load

# The server sends most data once per second. A hub has 250 ms to answer.
TICK = 1.0
# The tabs in their order, and for each a table that has rows once data have arrived.
TABLES = {
    "overview": "#hubs", "timeline": "#longest", "waiting": "#groups", "routes": "#routes-table", "migration": "#migration-table",
    "bridges": "#bridges-table",
}
TABS = list(TABLES)
STATUS = "$one('#status').textContent"
# Functions for expressions, in each page: the first element of a selector, all of them, and the number of a tile.
HELPERS = """
    window.$one = selector => document.querySelector(selector);
    window.$all = selector => [...document.querySelectorAll(selector)];
    window.$tile = name => Number($one(`[data-tile="${name}"]`).dataset.value);
    """


class Failure(Exception):
    """A check that has found something else than it expected."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


def equal(what, expected, found):
    expect(expected == found, f"{what}: expected {expected!r}, found {found!r}")


def eventually(what, condition, seconds):
    """Waits until a function returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        expect(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.1)


def check(needs_daemon=False):
    """Marks a function as a check. Its name, with "-" in place of "_", is the name of the check."""
    def mark(function):
        function.needs_daemon = needs_daemon
        return function
    return mark


class Run:
    """One run: the server, the browser, and the faults that the pages have had.

    `url` is the origin of the page. `daemon` and `traffic` are None if another program serves it.
    """

    def __init__(self, browser, url, daemon, traffic, options):
        self.browser, self.url, self.daemon, self.traffic, self.options = browser, url, daemon, traffic, options
        self.faults, self.pages, self.requests = [], 0, 0

    def get(self, path, headers=None, method="GET"):
        return dashboard_load.get(self.url, path, headers, method)

    def json(self, path):
        return json.loads(self.get(path)[2])

    @contextlib.contextmanager
    def page(self, allow=(), url=None, status="live", password=None):
        """Opens the dashboard in a new tab, 1280 pixels wide, and waits until it has the status.

        When the block ends, each message, exception, dialog, policy report, failed request and request to another origin is a fault
        of the run, unless its text contains one of `allow`.
        """
        url = url or self.url
        with self.browser.page(script=HELPERS, password=password) as page:
            try:
                page.resize(1280, 900)
                page.emulate()
                page.navigate(f"{url}/debug/ui")
                wait_for_status(page, status, 10)
                yield page
            finally:
                self.note(page.record, url, allow)

    def note(self, record, url, allow):
        """Adds the faults of a page."""
        requests = list(record.requests.values())
        own = (f"{url}/", "data:", "blob:")
        groups = {
            "console": record.console, "exception": record.exceptions, "log": record.log, "dialog": record.dialogs,
            "policy": record.csp,
            "failed request": [f"{each['url']} {each.get('status', '')} {each.get('error', '')}" for each in record.failures],
            "foreign request": [each["url"] for each in requests if not each["url"].startswith(own)],
            "request that is no GET": [f"{each['method']} {each['url']}" for each in requests if each["method"] != "GET"],
        }
        self.pages += 1
        self.requests += len(requests)
        for group, texts in groups.items():
            counts = collections.Counter(text for text in texts if not any(part in text for part in allow))
            self.faults += [f"{group}: {text}" + (f" ({count} times)" if count > 1 else "") for text, count in counts.items()]


def wait_for_status(page, status, seconds):
    page.wait_until(f"{STATUS} == '{status}'", seconds, f"#status is '{status}'")


def select(page, tab):
    """Selects a tab by its link, and waits until only its section is shown."""
    page.evaluate(f"$one('nav a[href=\"#{tab}\"]').click()")
    shown = "$all('main > section').filter(section => section.checkVisibility()).map(section => section.id)"
    page.wait_until(f"{shown} == '{tab}'", 5, f"only section#{tab} is shown")


def fill(page, tab):
    """Selects a tab, and waits until the server's data are in it."""
    select(page, tab)
    page.wait_until(f"$one('{TABLES[tab]} tbody tr')", 10, f"{TABLES[tab]} has rows")


def table(page, selector, key):
    """Returns the rows of a table by their `data-KEY`: for each the cells by field, as numbers where they have `data-value`."""
    return page.evaluate("""
        Object.fromEntries($all('%s tbody tr').map(row => [row.dataset['%s'], Object.fromEntries(
            [...row.querySelectorAll('[data-field]')].map(cell =>
                [cell.dataset.field, 'value' in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim()]))]))
        """ % (selector, key))
