"""The clients of scripts/port-demo: each creates, reads and lists tickets, and checks every answer."""

import http.client
import json
import random
import threading
import time
import zlib

# The rates of Examples/application-port/exchange.py. The prices of the clients are multiples of 1000 cents, so no price is rounded.
RATES = {"CHF": 0.95, "USD": 1.1, "JPY": 162.5, "SLW": 2}
# The errors of a request on a kept connection that nginx has closed, as it may at any time between two requests.
STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Wrong(Exception):
    """An answer with another content than expected."""


class Phase:
    """The figures of the requests that began in one phase."""

    def __init__(self, name):
        self.name = name
        self.times, self.problems = [], []
        self.requests = self.failed = self.wrong = 0

    def percentile(self, share):
        """Returns a latency in milliseconds."""
        times = sorted(self.times)
        return times[min(len(times) - 1, int(len(times) * share))] * 1e3 if times else 0.0


class Ledger:
    """The tickets that were acknowledged, and their attachments. Shared by all clients."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tickets, self.attachments = {}, {}
        self.phase = None

    def add(self, ticket):
        with self.lock:
            if ticket["id"] in self.tickets:
                raise Wrong(f"ticket {ticket['id']} was created twice")
            self.tickets[ticket["id"]] = ticket

    def record(self, phase, error=None, seconds=None):
        """Counts a request. An error is a wrong answer or, if there was none, a failure."""
        with self.lock:
            phase.requests += 1
            if seconds is not None:
                phase.times.append(seconds)
            if error is not None:
                phase.problems.append(str(error) if isinstance(error, Wrong) else repr(error))
                if isinstance(error, Wrong):
                    phase.wrong += 1
                else:
                    phase.failed += 1


class Exchange:
    """One request after the other to one server, over a kept connection."""

    def __init__(self, ledger, port):
        self.ledger, self.port = ledger, port
        self.connection = None

    def send(self, method, target, status, body=None, headers=None):
        """Sends a request and returns the fields and the body of the answer, which must have the status."""
        phase, start = self.ledger.phase, time.monotonic()
        try:
            answer, content = self.attempt(method, target, body, headers or {})
            if answer.status != status:
                raise OSError(f"{method} {target}: status {answer.status}: {content[:80]!r}")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            self.ledger.record(phase, error, time.monotonic() - start)
            return None, None
        self.ledger.record(phase, seconds=time.monotonic() - start)
        return answer.headers, content

    def attempt(self, method, target, body, headers):
        # A POST that meets a connection on its end may not be sent again, so it has a connection of its own. Any other request
        # is sent again once: RFC 9110 section 9.2.2. What goes wrong behind nginx is a status of nginx, and is not repeated.
        if method == "POST":
            self.close()
        reused = self.connection is not None
        while True:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                self.connection.request(method, target, body, headers)
                answer = self.connection.getresponse()
                break
            except STALE:
                self.close()
                if not reused:
                    raise
                reused = False
        return answer, answer.read()

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Client(threading.Thread):
    """A client that works until it is stopped. It pauses between its turns: a machine that is busy all the time has no time for
    shadows, and its latencies are those of a queue."""

    PAUSE_SECONDS = 0.02

    def __init__(self, ledger, port, number, stop):
        super().__init__(daemon=True)
        self.ledger, self.number, self.stop = ledger, number, stop
        self.exchange = Exchange(ledger, port)
        self.random = random.Random(number)

    def run(self):
        turn = 0
        while not self.stop.wait(self.PAUSE_SECONDS):
            turn += 1
            phase = self.ledger.phase
            try:
                self.work(turn)
            except Wrong as error:
                with self.ledger.lock:
                    phase.wrong += 1
                    phase.problems.append(str(error))
        self.exchange.close()

    def work(self, turn):
        new = {"title": f"client {self.number}, ticket {turn} ä", "cents": 1000 * self.random.randint(1, 100)}
        headers, body = self.post(new)
        if body is None:
            return
        ticket = decode(body)
        path = f"/tickets/{ticket['id']}"
        expect(headers["Location"] == path, f"{path}: Location {headers['Location']}")
        expect({**ticket, **new, "priority": "normal"} == ticket, f"POST /tickets: {new} became {ticket}")
        self.ledger.add(ticket)
        if (body := self.get(path)) is not None:
            expect(decode(body) == ticket, f"{path}: {body[:200]!r}")
        self.check_page(ticket)
        self.check_price(ticket, "SLW" if turn % 50 == 7 else self.random.choice(["CHF", "USD", "JPY"]))
        if turn % 4 == 0:
            self.check_attachment(path, ticket["id"])
        if turn % 5 == 0:
            self.check_refusals()

    def check_page(self, ticket):
        # A page below a known ticket never changes.
        body = self.get(f"/tickets?limit=10&before={ticket['id'] + 1}")
        if body is None:
            return
        page = decode(body)["tickets"]
        ids = [entry["id"] for entry in page]
        expect(ids == list(range(ticket["id"], max(0, ticket["id"] - 10), -1)), f"the page below {ticket['id']} has {ids}")
        expect(page[0] == ticket, f"the page has {page[0]} in place of {ticket}")
        with self.ledger.lock:
            known = [self.ledger.tickets.get(number) for number in ids]
        for entry, stored in zip(page, known):
            expect(stored in (None, entry), f"the page has {entry} in place of {stored}")

    def check_price(self, ticket, currency):
        body = self.get(f"/tickets/{ticket['id']}/price?currency={currency}")
        if body is not None:
            price = {"ticket": ticket["id"], "currency": currency, "hundredths": round(ticket["cents"] * RATES[currency])}
            expect(decode(body) == price, f"{body!r} in place of {price}")

    def check_attachment(self, path, ticket):
        content = self.random.randbytes(self.random.choice([1, 1_000, 70_000, 200_000, 600_000]))
        checksum = f"{zlib.crc32(content):08x}"
        _, body = self.exchange.send("PUT", f"{path}/attachment", 200, content)
        if body is None:
            return
        expect(decode(body) == {"ticket": ticket, "bytes": len(content), "checksum": checksum}, f"{path}/attachment: {body!r}")
        with self.ledger.lock:
            self.ledger.attachments[ticket] = checksum
        headers, body = self.exchange.send("GET", f"{path}/attachment", 200)
        if body is not None:
            expect(body == content, f"{path}/attachment: {len(body)} other bytes in place of {len(content)}")
            expect(headers["ETag"] == f'"{checksum}"', f"{path}/attachment: ETag {headers['ETag']}")

    def check_refusals(self):
        _, body = self.post({"title": "", "cents": 1}, status=400)
        expect(body is None or decode(body)["error"].startswith("title"), f"a ticket without a title: {body!r}")
        _, body = self.exchange.send("GET", "/tickets/999999999", 404)
        expect(body is None or decode(body) == {"error": "there is no ticket 999999999"}, f"a ticket that is not there: {body!r}")

    def post(self, value, status=201):
        return self.exchange.send("POST", "/tickets", status, json.dumps(value), {"Content-Type": "application/json"})

    def get(self, target):
        return self.exchange.send("GET", target, 200)[1]


def verify_all(ledger, port):
    """Reads all tickets and all attachments, and compares them with the ledger. Raises Wrong."""
    exchange = Exchange(ledger, port)
    found, end = {}, max(ledger.tickets) + 1_000_000
    while True:
        _, body = exchange.send("GET", f"/tickets?limit=100&before={end}", 200)
        page = decode(body)["tickets"] if body is not None else []
        if not page:
            break
        found.update((ticket["id"], ticket) for ticket in page)
        end = page[-1]["id"]
    lost = ledger.tickets.keys() - found.keys()
    expect(not lost, f"{len(lost)} tickets are lost: {sorted(lost)[:10]}")
    expect(found == ledger.tickets, f"{len(found) - len(ledger.tickets)} tickets are stored and were not acknowledged")
    titles = {ticket["title"] for ticket in found.values()}
    expect(len(titles) == len(found), f"{len(found) - len(titles)} tickets are stored twice")
    for ticket, checksum in ledger.attachments.items():
        headers, body = exchange.send("GET", f"/tickets/{ticket}/attachment", 200)
        expect(body is not None and f"{zlib.crc32(body):08x}" == checksum, f"the attachment of ticket {ticket} has changed")
    exchange.close()
    return len(found), len(ledger.attachments)


def decode(body):
    try:
        return json.loads(body)
    except ValueError:
        raise Wrong(f"no JSON: {body[:200]!r}") from None


def expect(condition, message):
    if not condition:
        raise Wrong(message)
