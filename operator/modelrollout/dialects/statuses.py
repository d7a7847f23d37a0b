"""What counts as an error and as a refusal, in HTTP and in gRPC, however the status is spelled.

HTTP has three digits and gRPC one or two, so one pattern reads both. Errors are 5xx and what gRPC calls UNKNOWN (2),
DEADLINE_EXCEEDED (4), UNIMPLEMENTED (12), INTERNAL (13), UNAVAILABLE (14) and DATA_LOSS (15). Refusals are 4xx and the
other codes of gRPC, except a client that went away: 499, and CANCELLED (1).
"""

from __future__ import annotations

import re

HTTP_ERRORS = "5[0-9]{2}|5xx"
HTTP_REFUSALS = "4[0-8][0-9]|49[0-8]|4xx"
ERRORS = HTTP_ERRORS + "|2|4|1[2-5]"
REFUSALS = HTTP_REFUSALS + "|3|[5-9]|10|11|16"

_GRPC = (
    "ok", "cancelled", "unknown", "invalidargument", "deadlineexceeded", "notfound", "alreadyexists",
    "permissiondenied", "resourceexhausted", "failedprecondition", "aborted", "outofrange", "unimplemented", "internal",
    "unavailable", "dataloss", "unauthenticated",
)  # fmt: skip
"""In the order of their codes, letters alone."""
_CODES = {name: str(code) for code, name in enumerate(_GRPC)} | {"canceled": "1"}


_WITH_MORE = re.compile(r"([1-5](?:[0-9]{2}|xx))(?:\.0+|[\s:-].*)", re.DOTALL)
"""`503 Service Unavailable`, and what comes of a status that was handled as a number, `503.0`."""
_GRPC_AS_NUMBER = re.compile(r"([0-9]{1,2})\.0+")
"""The same of gRPC's, `14.0`."""


def canonical(status: str) -> str:
    """As the patterns expect it: `5XX` as `5xx`, gRPC's names in any spelling as their codes, and no further text."""
    text = status.strip().lower()
    if longer := _WITH_MORE.fullmatch(text) or _GRPC_AS_NUMBER.fullmatch(text):
        return longer[1]
    return _CODES.get(re.sub(r"[^a-z]", "", text), text) if text.isascii() and text[:1].isalpha() else text
