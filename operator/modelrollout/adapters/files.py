"""Secrets are in files, mounted from Secrets, and read whenever they are used: they change under a running operator.

What was read is remembered, so that it is in no log and in no sentence from then on.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from modelrollout.api.borders.secrecy import remember_secret

LONGEST_SECRET = 64 * 1024
"""Bytes of a file; what is longer is no token, password or key."""

LEAST_TOKEN = 16
"""Characters of a part of a URL that is taken for a secret; a shorter one may be any word."""


class Unreadable(Exception):  # noqa: N818 - named for what it says
    """The text is a sentence that names the file and quotes nothing of it."""


def text_in(path: str, what: str) -> str:
    """The file's text. Raises Unreadable."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(LONGEST_SECRET + 1)
        if len(content) > LONGEST_SECRET:
            raise Unreadable(f"{what} {path} is larger than {LONGEST_SECRET // 1024} KiB")
        return content.decode("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Unreadable(f"{what} {path} cannot be read: {why}") from None


def line_in(path: str, what: str) -> str:
    """The one line of a file, without spaces around it; a secret. Raises Unreadable."""
    line = text_in(path, what).strip()
    remember_secret(line)
    if not line or not line.isprintable():
        raise Unreadable(f"{what} {path} does not hold one line of printable characters")
    return line


def url_in(path: str) -> str:
    """A URL that may hold secrets: the whole of it is one, its password, its query, and its long parts. As line_in."""
    url = line_in(path, "URL file")
    try:
        parts = urlsplit(url)
        secrets = [parts.password or "", *parts.netloc.split("@")[:-1], parts.query, *url.split("/")[3:]]
    except ValueError:
        raise Unreadable(f"URL file {path} holds no URL") from None
    for secret in secrets:
        if len(secret) >= LEAST_TOKEN or secret == parts.password:
            remember_secret(secret)
    return url
