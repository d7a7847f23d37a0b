"""A system that a Webhook gate asks, with Python's own library alone: `python judge.py 8080 KEY-FILE`.

Each step has a subject of its own. The first question about it begins a load test, and the answer is CONTINUE until
that is done. Put your own test where `LoadTest` is; answer in seconds, and never wait for the test's end.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MOST_AGE = 300


def verify(key: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the operator signed it, less than five minutes ago; names of `headers` in lower case."""
    ident, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    if not at.isdecimal() or abs(time.time() - int(at)) > MOST_AGE:
        return False
    signed = f"{ident}.{at}.".encode() + body
    right = base64.b64encode(hmac.digest(base64.b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256))
    sent = [one.removeprefix("v1,") for one in headers.get("webhook-signature", "").split()]
    return any(hmac.compare_digest(right, one.encode()) for one in sent)


class LoadTest:
    """Yours: begin it here, without waiting for it."""

    SECONDS = 60.0

    def __init__(self, candidate: str, weight: int) -> None:
        self.candidate, self.weight, self.began = candidate, weight, time.monotonic()

    def answer(self) -> dict[str, str]:
        """PASS, FAIL or CONTINUE, and a sentence for people."""
        left = self.SECONDS - (time.monotonic() - self.began)
        if left > 0:
            return {"verdict": "CONTINUE", "message": f"version {self.candidate}: {left:.0f} s of load left"}
        return {"verdict": "PASS", "message": f"version {self.candidate} carried the load at {self.weight} %"}


TESTS: dict[str, LoadTest] = {}


class Judge(BaseHTTPRequestHandler):
    """One POST, one answer."""

    key = ""
    timeout = 10

    def do_POST(self) -> None:
        """Questions that nobody signed are refused."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 1 << 20))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not verify(self.key, headers, body):
            self.send_error(401)
            return
        asked = json.loads(body)["data"]
        test = TESTS.setdefault(asked["subject"], LoadTest(asked["candidate"], asked["weights"]["candidate"]))
        said = json.dumps(test.answer()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


if __name__ == "__main__":
    Judge.key = Path(sys.argv[2]).read_text().strip()
    ThreadingHTTPServer(("", int(sys.argv[1])), Judge).serve_forever()
