"""No secret leaves: what looks like one, and every value that was read as one, is taken out of a text.

Texts of libraries quote what they were given: a header that cannot be sent, a URL that cannot be read. So this is asked
of every text about a failure and of every line of the log, whoever wrote it.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from urllib.parse import quote, quote_plus

MASK = "***"
"""Stands in the place of a secret."""
SHORTEST = 4
"""Characters of a secret that is looked for: shorter ones are parts of ordinary words."""
_MOST_LINES = 32
MOST_KNOWN = 256
"""Values that are remembered, the newest ones; a rotated token is of no use soon."""
LONGEST_TEXT = 16 * 1024
"""Characters of a text that are looked through and kept."""

_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-auth-token"
_FIELDS = r"access_token|refresh_token|id_token|client_secret|password|passwd|api_?key"
_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # A header in a dict or a tuple: the quoted value. Anywhere else: all that follows, further lines too.
        (rf"(?i)\b({_HEADERS})(['\"]\s*[:,=]\s*)b?'(?:[^'\\]|\\.)*'", rf"\1\2{MASK}"),
        (rf"(?i)\b({_HEADERS})(['\"]\s*[:,=]\s*)b?\"(?:[^\"\\]|\\.)*\"", rf"\1\2{MASK}"),
        (rf"(?i)\b({_HEADERS})(\s*[:=]\s*)(?!\*)\S[\s\S]*", rf"\1\2{MASK}"),
        (r"(['\"])(Bearer|Basic|Negotiate) (?:(?!\1)[^\\]|\\.)*\1", rf"\1\2 {MASK}\1"),
        (r"\b(Bearer|Basic|Negotiate)(?:\s|\\[rnt])+[^\s'\"*][^\s'\"]{5,}", rf"\1 {MASK}"),
        # User and password of a URL; an @ further on only masks more than it must.
        (r"(?i)\b([a-z][a-z0-9+.-]{1,15}://)[^\s/]{0,768}@", rf"\1{MASK}@"),
        (r"(?i)\b([a-z][a-z0-9+.-]{1,15}://)[^\s@/:]{0,256}:[^\s@]{0,512}@", rf"\1{MASK}@"),
        (r"(?i)([?&](?:token|secret|sig|signature|key)=)[^\s&'\"]+", rf"\1{MASK}"),
        (rf"(?i)\b({_FIELDS})=[^\s&'\"]+", rf"\1={MASK}"),
        (rf"(?i)(['\"])({_FIELDS})\1(\s*[:,]\s*)b?(['\"])(?:(?!\4)[^\\]|\\.)*\4", rf"\1\2\1\3{MASK}"),
        (r"\beyJ[\w-]{8,1024}\.[\w-]+(?:\.[\w-]*)?", MASK),
    )
)


class _Known:
    """Values that were read as secrets, in every form in which a library might show them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: OrderedDict[str, None] = OrderedDict()

    def add(self, secret: str) -> None:
        forms = {part for line in (secret, *secret.splitlines()[:_MOST_LINES]) for part in (line, line.strip())}
        forms |= {written for form in forms for written in (quote(form, safe=""), quote_plus(form), repr(form)[1:-1])}
        with self._lock:
            for form in forms:
                if len(form) >= SHORTEST:
                    self._forms[form] = None
                    self._forms.move_to_end(form)
            while len(self._forms) > MOST_KNOWN:
                self._forms.popitem(last=False)

    def out_of(self, text: str) -> str:
        with self._lock:
            found = [form for form in self._forms if form in text]
        for form in sorted(found, key=len, reverse=True):  # the whole before its parts
            text = text.replace(form, MASK)
        return text


_known = _Known()


def remember_secret(secret: str) -> None:
    """The value, and each of its lines, is in no text from now on. Any thread may call it."""
    _known.add(secret)


def without_secrets(text: str) -> str:
    """`text` with MASK for each secret in it, and no more than LONGEST_TEXT characters of it."""
    text = _known.out_of(text[:LONGEST_TEXT])
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
