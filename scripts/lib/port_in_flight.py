"""Requests of scripts/port-demo that take a while: a crowd that waits, and those that are in flight at SIGTERM."""

import http.client
import socket
import time
import zlib

import port_clients
from port_clients import Wrong, decode, expect


class SlowPrice:
    """A request for a price that takes a while, because the exchange does."""

    def __init__(self, ledger, port):
        self.ledger, self.phase = ledger, ledger.phase
        with ledger.lock:
            # The first ticket of a client: no client attaches anything to it.
            self.ticket = min(ledger.tickets)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.error = None
        try:
            self.connection.request("GET", f"/tickets/{self.ticket}/price?currency=SLW")
        except OSError as error:
            self.error = error

    def finish(self):
        """Waits for the answer."""
        try:
            if self.error is None:
                body = self.connection.getresponse().read()
                price = self.ledger.tickets[self.ticket]["cents"] * port_clients.RATES["SLW"]
                expect(decode(body).get("hundredths") == price, f"a slow price: {body!r}")
        except (OSError, http.client.HTTPException, Wrong) as error:
            self.error = error
        self.connection.close()
        self.ledger.record(self.phase, self.error)


class Crowd:
    """100 requests at once that wait for the exchange."""

    def __init__(self, ledger, port):
        self.prices = [SlowPrice(ledger, port) for _ in range(100)]
        # Half of the time that the exchange takes.
        time.sleep(0.15)

    def finish(self):
        for price in self.prices:
            price.finish()


class InFlight:
    """Requests that are in flight at a stage while it is stopped: slow prices, and an upload of which half has been sent."""

    def __init__(self, ledger, port):
        self.ledger, self.phase = ledger, ledger.phase
        self.prices = [SlowPrice(ledger, port) for _ in range(4)]
        self.ticket = self.prices[0].ticket
        self.upload = socket.create_connection(("127.0.0.1", port), 60)
        # The server has begun to read the body when it says so.
        self.upload.sendall(f"PUT /tickets/{self.ticket}/attachment HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n"
                            "Expect: 100-continue\r\n\r\n".encode())
        expect(self.upload.recv(100).startswith(b"HTTP/1.1 100 "), "no 100 for an upload")
        self.upload.sendall(b"before")

    def finish(self):
        """Sends the rest of the upload, and waits for all answers."""
        error = None
        try:
            self.upload.sendall(b"behind")
            answer = http.client.HTTPResponse(self.upload, method="PUT")
            answer.begin()
            attachment = {"ticket": self.ticket, "bytes": 12, "checksum": f"{zlib.crc32(b'beforebehind'):08x}"}
            body = answer.read()
            expect(decode(body) == attachment, f"an upload in flight at SIGTERM: {body!r}")
            with self.ledger.lock:
                self.ledger.attachments[self.ticket] = attachment["checksum"]
        except (OSError, http.client.HTTPException, Wrong) as caught:
            error = caught
        self.upload.close()
        self.ledger.record(self.phase, error)
        for price in self.prices:
            price.finish()
