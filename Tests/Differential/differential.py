"""Compares how HTTPWire and h11 read the same bytes, request by request.

Each difference must be listed in STRICTER or LAXER with its reason. An input that HTTPWire accepts and h11 refuses needs a
clause of RFC 9110 or 9112. Started by scripts/check/differential.
"""

import argparse
import random
import subprocess
import sys

import h11

# HTTPWire is stricter: inputs that it refuses and h11 accepts, by HTTPWire's error, with the reason.
STRICTER = {
    "unsupportedVersion": "h11 accepts HTTP/1.2 to 1.9; only 1.0 and 1.1 exist",
    "invalidTarget": "h11 accepts any visible bytes as target; RFC 9112 section 3.2 has four forms",
    "invalidPercentEncoding": "h11 does not check; RFC 3986 section 2.1",
    "invalidHost": "h11 does not check the value; RFC 9112 section 3.2 requires 400",
    "duplicateContentLength": "h11 folds equal ones; RFC 9112 section 6.3 allows refusing, and folding is guessing",
    "invalidContentLength": "h11 folds a list of equal numbers, and accepts 20 digits; RFC 9112 section 6.3 allows refusing",
    "conflictingFraming": "h11 prefers Transfer-Encoding; RFC 9112 section 6.1 allows refusing: request smuggling uses it",
    "invalidTransferEncoding": "h11 unfolds an empty value; HTTPWire refuses folding and the empty value",
    "transferEncodingInHTTP10": "h11 decodes it; RFC 9112 section 6.1 calls the framing faulty",
    "unsupportedExpectation": "h11 leaves expectations to its caller; RFC 9110 section 10.1.1 has 417",
    "bareLineFeed": "h11 ends lines with LF too; RFC 9112 section 2.2 allows but does not require it, and proxies differ",
    "bareCarriageReturn": "like bareLineFeed",
    "foldedField": "h11 unfolds; RFC 9112 section 5.2 requires a server to refuse or unfold",
    "invalidFieldValue": "h11 accepts control bytes except NUL, CR and LF; RFC 9110 section 5.5 allows refusing them",
    "invalidChunkExtension": "h11 skips everything after the size; RFC 9112 section 7.1.1 has a grammar",
    "invalidChunkSize": "h11 accepts blanks after the size; RFC 9112 section 7.1 does not",
    "forbiddenTrailer": "h11 passes on trailers that frame or route the message; RFC 9110 section 6.5.1",
}

# Inputs that HTTPWire accepts and h11 refuses, by h11's message.
LAXER = {
    "no request line received": "RFC 9112 section 2.2: a server should ignore an empty line before a request line",
}

HOST = b"Host: a\r\n"


def get(fields=HOST, line=b"GET / HTTP/1.1", body=b""):
    return line + b"\r\n" + fields + b"\r\n" + body


def post(fields, body=b"", version=b"1.1"):
    return get(HOST + fields, b"POST /x HTTP/" + version, body)


def chunked(body):
    return post(b"Transfer-Encoding: chunked\r\n", body)


HAND_WRITTEN = [
    get(), get() + get(), b"\r\n" + get(), get(b"", b"GET / HTTP/1.0"), get(b""), get(HOST + HOST), get(b"Host: a b\r\n"),
    get(b"Host: [::1]:80\r\n"), get(b"Host: [v1.a]\r\n"), get(b"Host:\r\n"), get(b"Host : a\r\n"), get(b"hOST:a\r\n"),
    get(HOST + b"X: a\r\n b\r\n"), get(HOST + b" X: a\r\n"), get(HOST + b": a\r\n"), get(HOST + b"X Y: a\r\n"),
    get(HOST + b"X\r\n"), get(HOST + b"X: a\0b\r\n"), get(HOST + b"X: a\x01b\r\n"), get(HOST + b"X: a\rb\r\n"),
    get(HOST + b"X: a\nY: b\r\n"), get(HOST + b"X: \x80\xff\r\n"), get(HOST + b"X:\t a \t\r\n"), get(HOST + b"X(: a\r\n"),
    get(line=b"GET  / HTTP/1.1"), get(line=b"GET / HTTP/1.1 "), get(line=b"GET /"), get(line=b"GET / HTTP/1.2"),
    get(line=b"GET / HTTP/2.0"), get(line=b"GET / HTTP/0.9"), get(line=b"GET / http/1.1"), get(line=b"G@T / HTTP/1.1"),
    get(line=b"get / HTTP/1.1"), get(line=b"GET /a#b HTTP/1.1"), get(line=b"GET /a\x7f HTTP/1.1"), get(line=b"GET /\xc3\xa9 HTTP/1.1"),
    get(line=b"GET http://b/c HTTP/1.1"), get(line=b"GET a HTTP/1.1"), get(line=b"GET * HTTP/1.1"), get(line=b"OPTIONS * HTTP/1.1"),
    get(line=b"CONNECT a:80 HTTP/1.1"), get(line=b"CONNECT / HTTP/1.1"), get(line=b"\tGET / HTTP/1.1"), b"GET / HTTP/1.1\nHost: a\n\n",
    post(b"Content-Length: 3\r\n", b"abc"), post(b"Content-Length: 3\r\n", b"abc" + get()), post(b"Content-Length: 3\r\n", b"ab"),
    post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"), post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
    post(b"Content-Length: 3, 3\r\n", b"abc"), post(b"Content-Length: 3, 4\r\n", b"abcd"), post(b"Content-Length: +3\r\n", b"abc"),
    post(b"Content-Length: -3\r\n"), post(b"Content-Length: 0x3\r\n", b"abc"), post(b"Content-Length:\r\n"),
    post(b"Content-Length: 3_0\r\n"), post(b"Content-Length: 99999999999999999999\r\n"), post(b"Content-Length : 3\r\n", b"abc"),
    post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), post(b"Transfer-Encoding: identity\r\n"), post(b"Transfer-Encoding:\r\n"),
    post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"1.0"),
    post(b"transfer-ENCODING: CHUNKED\r\n", b"0\r\n\r\n"), chunked(b"3\r\nabc\r\n0\r\n\r\n" + get()), chunked(b"3;a=b\r\nabc\r\n0\r\n\r\n"),
    chunked(b"3 \r\nabc\r\n0\r\n\r\n"), chunked(b" 3\r\nabc\r\n0\r\n\r\n"), chunked(b"0x3\r\nabc\r\n0\r\n\r\n"), chunked(b"+3\r\nabc\r\n0\r\n\r\n"),
    chunked(b"-3\r\nabc\r\n0\r\n\r\n"), chunked(b"\r\nabc\r\n0\r\n\r\n"), chunked(b"3\nabc\n0\n\n"), chunked(b"3\r\nabcX0\r\n\r\n"),
    chunked(b"3\r\nabcd\r\n0\r\n\r\n"), chunked(b"FFFFFFFFFFFFFFFFF\r\nabc"), chunked(b"8000000000000000\r\nabc"), chunked(b"000000003\r\nabc\r\n0\r\n\r\n"),
    chunked(b"3;\rx\r\nabc\r\n0\r\n\r\n"), chunked(b"3;\nabc\r\n0\r\n\r\n"), chunked(b"0\r\nX: y\r\n\r\n"), chunked(b"0\r\nX : y\r\n\r\n"),
    chunked(b"0\r\nContent-Length: 3\r\n\r\n"), chunked(b"0\r\nX: y\n\r\n"), chunked(b"0\r\n y\r\n\r\n"), chunked(b"3\r\nabc\r\n0\r\n"),
    post(b"Expect: 100-continue\r\nContent-Length: 1\r\n", b"1"), post(b"Expect: more\r\n"), get(HOST + b"Connection: close\r\n"),
]


def ours(program, inputs):
    """Returns the verdicts of HTTPWire."""
    lines = "".join(data.hex() + "\n" for data in inputs)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def theirs(data):
    """Returns the verdict of h11, in the same words."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=32_768)
    words = []
    connection.receive_data(data)
    request, body = None, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return words + [f"refused {error.error_status_hint} {error}"]
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return words + ["more"]
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            version = request.http_version.decode()
            words.append(f"request {request.method.decode()} {request.target.decode('latin-1')} HTTP/{version} {body.hex()}")
            # Continues with the next request, as if every connection were kept: keep-alive is not compared here.
            rest = connection.trailing_data[0]
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=32_768)
            if not rest:
                return words + ["more"]
            connection.receive_data(rest)


def difference(data, our, their):
    """Returns None if both agree, otherwise the rule that is needed: 'stricter CODE', 'laxer …' or 'other …'."""
    our = our.split(" | ")
    for mine, yours in zip(our, their):
        if mine == yours or (mine.startswith("refused") and yours.startswith("refused")):
            if mine.startswith("refused"):
                return None
            continue
        if mine.startswith("refused"):
            # h11 checks a head only once it is complete. Waiting for more bytes is not a difference.
            return None if yours == "more" else "stricter " + mine.split(" ")[2]
        if mine == "more" and data.endswith(b"\r"):
            # The CR may start an empty line, which HTTPWire ignores and h11 does not.
            return None
        if yours.startswith("refused"):
            return "laxer " + yours
        return f"other: {mine} / {yours}"
    return None


def mutated(seeds, generator):
    interesting = [bytes([b]) for b in b"\r\n\t\0 :,;=\"\\%?#*/0aF[].+-_\x0b\x7f\x80"] + [
        b"\r\n", b"\r\n\r\n", b"chunked", b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b" HTTP/1.0"]
    data = bytearray(generator.choice(seeds))
    for _ in range(generator.randint(1, 3)):
        at = generator.randrange(len(data) + 1)
        match generator.randrange(4):
            case 0: data[at:at] = generator.choice(interesting)
            case 1: del data[at:at + generator.randint(1, 3)]
            case 2: data[at:at + 1] = generator.choice(interesting)
            case 3: data[at:at] = data[at:at + generator.randint(1, 30)]
    return bytes(data)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--inputs", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    generator = random.Random(arguments.seed)
    inputs = HAND_WRITTEN + [mutated(HAND_WRITTEN, generator) for _ in range(arguments.inputs)]
    counts, unknown = {}, []
    for data, our in zip(inputs, ours(arguments.program, inputs), strict=True):
        found = difference(data, our, theirs(data))
        if found is None:
            continue
        kind, _, code = found.partition(" ")
        if kind == "stricter" and code in STRICTER:
            counts[code] = counts.get(code, 0) + 1
        elif kind == "laxer" and any(code.endswith(reason) for reason in LAXER):
            counts[code] = counts.get(code, 0) + 1
        else:
            unknown.append((found, data, our))
    print(f"{len(inputs)} inputs, {sum(counts.values())} known differences")
    for code in sorted(counts, key=counts.get, reverse=True):
        if code in STRICTER:
            print(f"{counts[code]:6} stricter: {code}: {STRICTER[code]}")
        else:
            print(f"{counts[code]:6} laxer: {code}: {[LAXER[words] for words in LAXER if code.endswith(words)][0]}")
    for code in STRICTER.keys() - counts.keys():
        print(f"     0 stricter: {code}: not seen in this run")
    for found, data, our in unknown[:20]:
        print(f"UNKNOWN {found}\n    {data!r}\n    {our}", file=sys.stderr)
    if unknown:
        sys.exit(f"{len(unknown)} differences that Tests/Differential/differential.py does not list")


if __name__ == "__main__":
    main()
