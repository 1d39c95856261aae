#!/usr/bin/env python3
"""A server for the tests of TandemFetch: it misbehaves on request.

Prints the port it listens on, then serves until its standard input ends, so that it never outlives the tests. With an
argument it speaks TLS, with the certificate and the key of that file, and with a second one it demands clients with that
certificate ("clients") or speaks no more than TLS 1.2 ("1.2").
"""

import gzip
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

lock = threading.Lock()
counts = {"accepted": 0, "disconnects": 0, "requests": 0, "uploaded": 0}
gate = threading.Event()
failures = {}


def count(what):
    with lock:
        counts[what] += 1


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def process_request(self, request, client_address):
        count("accepted")
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, fields=()):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def start_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def coded(self, query, number):
        """A coded body, possibly with a fault. Each byte differs from its neighbours."""
        how = query["how"]
        content = (SQUARES * (number // 251 + 1))[:number]
        if how == "members":
            body = gzip.compress(content[: number // 2]) + gzip.compress(b"") + gzip.compress(content[number // 2 :])
        else:
            coder = zlib.compressobj(wbits=WINDOWS.get(how, 31))
            body = coder.compress(content) + coder.flush()
        if how == "cut":
            body = body[:-9]
        elif how == "junk":
            body += b"junk"
        elif how == "damaged":
            body = body[:-8] + bytes(4) + body[-4:]
        elif how == "nothing":
            body = b""
        self.answer(body, fields=[("Content-Encoding", query.get("coding", "gzip")), ("Accept-Ranges", "none")])

    def transfer_coded(self, query, number):
        """A transfer coding that the client did not request."""
        body = zlib.compress(bytes(number))
        for _ in query["coding"].split(",")[1:]:
            body = zlib.compress(body)
        self.send_response(200)
        self.send_header("Transfer-Encoding", query["coding"])
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def start_coded(self, coding):
        self.send_response(200)
        self.send_header("Content-Encoding", coding)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def sever(self):
        """Ends the connection with a reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def await_disconnect(self):
        """Waits until the client has disconnected."""
        try:
            while self.connection.recv(4096):
                pass
        except OSError:
            pass
        count("disconnects")
        self.close_connection = True

    def pieces(self):
        """Yields the body of the request as it arrives."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", "0"))
        while left and (piece := self.rfile.read1(min(left, 65536))):
            left -= len(piece)
            yield piece

    def body(self):
        return b"".join(self.pieces())

    def handle_expect_100(self):
        # "/final?n=417" responds without sending 100 Continue.
        if self.path.startswith(("/final", "/literal")):
            return True
        return super().handle_expect_100()

    def final(self, query, number):
        """Responds without reading the body."""
        self.answer(b"final", number, [("Location", query["to"])] if "to" in query else [])
        self.close_connection = "keep" not in query

    def literal(self, query, number):
        """Refuses every `Expect`."""
        if "Expect" in self.headers:
            return self.answer(b"what?", 417)
        self.answer(self.command.encode() + b" " + self.body())

    def slow_reader(self, query, number):
        """Reads nothing of the body until /open. Responds with the number of its bytes."""
        with lock:
            gate.clear()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        gate.wait()
        total = 0
        for piece in self.pieces():
            total += len(piece)
            with lock:
                counts["uploaded"] += len(piece)
        self.answer(b"%d" % total)

    def mirror(self, query, number):
        """Sends the body back while it arrives."""
        self.start_chunks()
        for piece in self.pieces():
            self.chunk(piece)
        self.chunk(b"")

    def do_GET(self):
        count("requests")
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        number = int(query.get("n", "0"))
        path = url.path
        if path in STREAMED:
            return STREAMED[path](self, query, number)
        body = self.body()
        if path == "/fixed":
            self.answer(b"hello, tandem", fields=[("X-Answer", "fixed"), ("X-Many", "1"), ("X-Many", "2"), ("X-Empty", "")])
        elif path == "/chunked":
            self.start_chunks()
            for index in range(number):
                self.chunk(b"chunk %d;" % index)
            self.wfile.write(b"0\r\nX-Trailer: late\r\n\r\n")
        elif path == "/gzip":
            self.answer(gzip.compress(b"z" * number), fields=[("Content-Encoding", "gzip")])
        elif path == "/early":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            self.answer(b"late")
        elif path == "/silent":
            self.await_disconnect()
        elif path == "/slow":
            time.sleep(number / 1000)
            self.answer(b"slow")
        elif path == "/drip":
            self.start_chunks()
            for _ in range(number):
                self.chunk(b"drip")
                time.sleep(0.002)
            self.chunk(b"")
        elif path == "/reset":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 100)
            self.wfile.flush()
            time.sleep(0.05)
            self.sever()
        elif path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 100)
            self.close_connection = True
        elif path == "/hangup":
            self.close_connection = True
        elif path == "/garbage":
            self.wfile.write(b"\x00\x01 no HTTP at all\r\n\r\n")
            self.close_connection = True
        elif path == "/endless":
            self.start_chunks()
            try:
                while True:
                    self.chunk(b"e" * 16384)
            except OSError:
                count("disconnects")
                self.close_connection = True
        elif path == "/stall":
            # Sends a piece, then nothing.
            self.start_chunks()
            self.chunk(b"stall")
            self.await_disconnect()
        elif path == "/big":
            self.answer(bytes(index % 251 for index in range(251)) * (number // 251) + b"!" * (number % 251))
        elif path == "/fields":
            self.answer(b"", fields=[(f"X-Field-{index}", "v" * 1000) for index in range(number)])
        elif path == "/redirect":
            self.answer(b"go away", number, [("Location", query["to"])])
        elif path == "/loop":
            self.answer(b"", 302, [("Location", f"/loop?n={number + 1}")])
        elif path == "/counts":
            with lock:
                self.answer(json.dumps(counts).encode(), fields=[(name, str(value)) for name, value in counts.items()])
        elif path == "/open":
            gate.set()
            self.answer(b"open")
        elif path == "/flaky":
            # Fails the first n requests for this name in the given way. Later responses have the number of requests.
            with lock:
                failures[query["name"]] = failures.get(query["name"], 0) + 1
                asked = failures[query["name"]]
            if asked > number:
                self.answer(b"%d" % asked)
            elif query["how"] == "hangup":
                self.close_connection = True
            elif query["how"] == "sever":
                self.sever()
            else:
                self.answer(b"busy", int(query["how"]), [("Retry-After", query["after"])] if "after" in query else [])
        elif path == "/bomb":
            # One megabyte of zeros compresses to one kilobyte, repeatedly.
            coder, zeros = zlib.compressobj(9, wbits=WINDOWS[query.get("how", "gzip")]), bytes(1 << 20)
            self.start_coded(query.get("coding", "gzip"))
            try:
                for _ in range(number):
                    if piece := coder.compress(zeros):
                        self.chunk(piece)
                self.chunk(coder.flush())
                self.chunk(b"")
            except OSError:
                count("disconnects")
                self.close_connection = True
        elif path == "/coded":
            self.coded(query, number)
        elif path == "/flushed":
            # Flushes blocks one by one, each in its own chunk, then the rest.
            coder, block = zlib.compressobj(wbits=WINDOWS["gzip"]), b"f" * int(query["size"])
            self.start_coded("gzip")
            for _ in range(number):
                self.chunk(coder.compress(block) + coder.flush(zlib.Z_SYNC_FLUSH))
            self.chunk(coder.compress(b"r" * 3900) + coder.flush())
            self.chunk(b"")
        elif path == "/transfercoded":
            self.transfer_coded(query, number)
        elif path == "/echo":
            self.echo(body)
        else:
            self.answer(b"no such thing", 404)

    def echo(self, body):
        lines = [f"{self.command} {self.path}"] + [f"{name}: {value}" for name, value in self.headers.items()]
        self.answer("\n".join(lines).encode() + b"\n\n" + body)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_GET


SQUARES = bytes(index * index % 251 for index in range(251))
# zlib's numbers of the formats: RFC 1952, 1950 and 1951.
WINDOWS = {"gzip": 31, "deflate": 15, "bare": -15}
STREAMED = {"/final": Handler.final, "/literal": Handler.literal, "/slowreader": Handler.slow_reader, "/mirror": Handler.mirror}

server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    if sys.argv[2:] == ["clients"]:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[1])
    elif sys.argv[2:] == ["1.2"]:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    # The handler's thread makes the handshake, at its first read.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
os._exit(0)
