"""Python's requests against tandemd's endpoints. Usage: requests_client.py ORIGIN"""

import concurrent.futures
import sys

import requests

ORIGIN = sys.argv[1]
BIG = bytes(range(256)) * 8192  # 2 MiB

with requests.Session() as session:
    # Keep-alive: one connection for all requests, whatever was done on it.
    peers = {session.get(f"{ORIGIN}/observed/peer", timeout=10).text}
    for style in ("blocking", "async"):
        answer = session.get(f"{ORIGIN}/{style}/json", timeout=10)
        assert answer.status_code == 200 and answer.json(), answer
        assert session.get(f"{ORIGIN}/{style}/sleep?ms=20", timeout=10).text == "ok"
        assert session.get(f"{ORIGIN}/{style}/sleep?ms=x", timeout=10).status_code == 400
        assert session.head(f"{ORIGIN}/{style}/plaintext", timeout=10).headers["Content-Length"] == "13"
        assert session.post(f"{ORIGIN}/{style}/echo", data=BIG, timeout=10).content == BIG
        # requests sends a generator as a chunked body.
        pieces = (BIG[start:start + 50_000] for start in range(0, len(BIG), 50_000))
        assert session.post(f"{ORIGIN}/{style}/echo", data=pieces, timeout=10).content == BIG
        with session.get(f"{ORIGIN}/{style}/stream?chunks=50&bytes=100&ms=1", stream=True, timeout=10) as stream:
            assert sum(1 for line in stream.iter_lines()) == 50
    peers.add(session.get(f"{ORIGIN}/observed/peer", timeout=10).text)
    assert len(peers) == 1, peers
    print("one connection")

    # A client that times out.
    for style in ("blocking", "async"):
        try:
            session.get(f"{ORIGIN}/{style}/sleep?ms=60000", timeout=0.1)
            raise AssertionError("was answered")
        except requests.exceptions.ReadTimeout:
            pass
        assert session.get(f"{ORIGIN}/{style}/plaintext", timeout=10).text == "Hello, World!"
    print("time-outs")


def ask(number):
    style = ("blocking", "async")[number % 2]
    return requests.post(f"{ORIGIN}/{style}/echo", data=str(number), timeout=20).text == str(number)


with concurrent.futures.ThreadPoolExecutor(20) as threads:
    assert all(threads.map(ask, range(200)))
print("200 from 20 threads")
