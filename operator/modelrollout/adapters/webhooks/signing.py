"""Signatures of webhooks, as Standard Webhooks has them: any of its libraries verifies them.

HMAC-SHA256 over `ID.TIMESTAMP.BODY`, so that neither the body nor the time of a message can be changed or used again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from modelrollout.adapters.files import Unreadable, line_in
from modelrollout.api.borders.secrecy import remember_secret

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a key, as the standard has it."""


def key_in(path: str) -> bytes:
    """The key in a file. Raises Unreadable."""
    line = line_in(path, "key file").removeprefix(PREFIX)
    remember_secret(line)
    try:
        key = base64.b64decode(line + "=" * (-len(line) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(f"key file {path} holds no base64; make one with: openssl rand -base64 32") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise Unreadable(f"key file {path} holds {len(key)} bytes in base64; a key has {SHORTEST} to {LONGEST}")
    return key


def signature_headers(keys: list[bytes], ident: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers of one request; `at` in whole epoch seconds, the time of this try."""
    signed = f"{ident}.{at}.".encode() + body
    made = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": ident,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{one}" for one in made),
    }
