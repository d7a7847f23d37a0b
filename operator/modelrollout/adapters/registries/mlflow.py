"""MLflow's model registry by its REST API 2.0: read what it says, compare, write what differs.

Only the configured aliases and the tags with the configured prefix are written, of the versions that a rollout names.
"""

from __future__ import annotations

import asyncio
import base64
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import aiohttp

from modelrollout.adapters.files import Unreadable, line_in
from modelrollout.adapters.http import cause, judge, trust
from modelrollout.adapters.resolving import OwnThread
from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.api.borders.secrecy import remember_secret
from modelrollout.core.registry import Found, Names, Standing, changes
from modelrollout.ports import Undelivered

if TYPE_CHECKING:
    from modelrollout.api.config.registries import ModelRegistry

LONGEST_ANSWER = 1024 * 1024
"""Bytes of an answer that are read; a longer one is none."""
LONGEST_TAG = 1024
"""Characters of a tag's value, as it is read and written."""
LONGEST_VERSION = 18
"""Digits of a version of MLflow."""
_ABSENT = frozenset({HTTPStatus.NOT_FOUND})
_LOG_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_STRANGE = "its answer is not one of MLflow's"
Method = Literal["GET", "POST", "DELETE"]


class Mlflow:
    """A Registry of ports.py."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._session: aiohttp.ClientSession | None = None
        self._names = OwnThread(registry.name)

    async def follow(self, standing: Standing) -> tuple[bool, tuple[str, ...]]:
        """As Registry.follow, within the configured timeout."""
        called = self._registry.called(standing.model, standing.namespace, standing.name)
        async with asyncio.timeout(self._registry.timeout):
            found = await self._read(called, standing)
            if found is None:
                return False, (f"there is no registered model {clean(called, 256)}",)
            names = self._registry.aliases
            wanted = changes(standing, Names(names.candidate, names.champion), found)
            for version, key, value in wanted.tags:
                tag = {"version": version, "key": self._registry.tag_prefix + key, "value": clean(value, LONGEST_TAG)}
                await self._call("POST", "model-versions/set-tag", {"name": called} | tag)
            for alias, to in wanted.aliases:
                where = {"name": called, "alias": alias}
                if to is None:
                    await self._call("DELETE", "registered-models/alias", where)
                else:
                    await self._call("POST", "registered-models/alias", where | {"version": to})
        return bool(wanted.tags or wanted.aliases), wanted.left

    async def close(self) -> None:
        """Let connections go."""
        if self._session is not None:
            await self._session.close()
        await self._names.close()

    async def _read(self, called: str, standing: Standing) -> Found | None:
        """None where there is no such registered model."""
        answer = await self._call("GET", "registered-models/get", {"name": called})
        if answer is None:
            return None
        ours = {self._registry.aliases.candidate, self._registry.aliases.champion}
        said = mappings(_part(answer, "registered_model").get("aliases"))
        aliases = {str(one.get("alias")): clean(one.get("version"), LONGEST_VERSION) for one in said}
        aliases = {alias: version for alias, version in aliases.items() if alias in ours}
        asked = dict.fromkeys([*(mark.version for mark in standing.marks), *aliases.values()])
        return Found(aliases, {version: await self._tags(called, version) for version in asked})

    async def _tags(self, called: str, version: str) -> dict[str, str] | None:
        if not (version.isascii() and version.isdecimal() and len(version) <= LONGEST_VERSION):
            return None  # MLflow counts its versions, and answers anything else with an error
        answer = await self._call("GET", "model-versions/get", {"name": called, "version": version})
        if answer is None:
            return None
        prefix = self._registry.tag_prefix
        tags = mappings(_part(answer, "model_version").get("tags"))
        named = ((str(one.get("key")), one.get("value")) for one in tags)
        return {key.removeprefix(prefix): clean(v, LONGEST_TAG) for key, v in named if key.startswith(prefix)}

    async def _call(self, method: Method, path: str, about: dict[str, str]) -> dict[str, Any] | None:
        """The answer; None where there is nothing of that name. Raises Undelivered."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=self._names),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        try:
            send: dict[str, Any] = {
                "headers": self._headers(),
                "ssl": trust(self._registry.ca_file),
                "timeout": aiohttp.ClientTimeout(total=self._registry.timeout),
                "allow_redirects": False,
            }
        except Unreadable as error:
            raise Undelivered(str(error)) from None
        send |= {"params": about} if method == "GET" else {"json": about}
        url = f"{self._registry.url.rstrip('/')}/api/2.0/mlflow/{path}"
        try:
            async with self._session.request(method, url, **send) as answer:
                if answer.status in _LOG_IN:  # of everything alike, until the token in the file is another
                    raise Undelivered(f"it answered {answer.status}")
                body = b"".join([part async for part in _bounded(answer.content)])
                if answer.status in _ABSENT and _code(body) == "RESOURCE_DOES_NOT_EXIST":
                    return None
                judge(answer.status, answer.headers.get("Retry-After", ""))
        except (aiohttp.ClientError, ValueError) as error:
            raise Undelivered(f"no answer: {cause(error)}") from None
        return _document(body)

    def _headers(self) -> dict[str, str]:
        made = {"User-Agent": "modelrollout", "Accept-Encoding": "identity"}
        if self._registry.bearer_token_file:
            made["Authorization"] = f"Bearer {line_in(self._registry.bearer_token_file, 'bearer token file')}"
        if self._registry.basic_auth:
            password = line_in(self._registry.basic_auth.password_file, "password file")
            both = base64.b64encode(f"{self._registry.basic_auth.username}:{password}".encode()).decode("ascii")
            remember_secret(both)
            made["Authorization"] = f"Basic {both}"
        return made


async def _bounded(content: aiohttp.StreamReader) -> Any:
    size = 0
    async for part in content.iter_chunked(64 * 1024):
        size += len(part)
        if size > LONGEST_ANSWER:
            raise Undelivered(f"it answered with more than {LONGEST_ANSWER // 1024} KiB")
        yield part


def _part(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """What an answer is about; one that has no such part must not read like one in which nothing is said yet."""
    found = mapping(answer.get(name))
    if not found.get("name"):
        raise Undelivered(_STRANGE)
    return found


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Undelivered(_STRANGE)
    return found


def _code(body: bytes) -> str:
    try:
        return str(_document(body).get("error_code"))
    except Undelivered:
        return ""
