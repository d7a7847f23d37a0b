"""The only door to the API server: a call is bounded in time and size, tried once, and fails as a typed outcome."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode
from urllib.request import getproxies

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from modelrollout.adapters.kubernetes.bounds import read_bounded, stay_here
from modelrollout.adapters.kubernetes.server_clock import ServerClock
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping
from modelrollout.api.borders.secrecy import remember_secret
from modelrollout.core.observation import FIELD_MANAGER
from modelrollout.ports import ApiReason, Conflict, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from modelrollout.adapters.kubernetes.calls import Calls
    from modelrollout.adapters.kubernetes.copies.known import Known

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
TIMEOUT = 5.0
LETTING_GO = 0.02
"""Seconds for closed connections, which are let go in later turns of a loop that may end with the last of them."""
LONGEST_WAIT = 300.0
"""Seconds that the server may ask a caller to wait."""

Body = dict[str, Any] | list[dict[str, Any]] | None


class Api:
    """JSON in, JSON out, by path. `timeout` is in seconds for the whole exchange, body included.

    `clock` is the server's time, from its answers. With `calls` each waits for its turn, by namespace. With `known`
    every answer about an object that it follows is kept there, and may stand for a read where known.copies() says so.
    """

    def __init__(
        self, client: ApiClient, *, timeout: float = TIMEOUT, calls: Calls | None = None, known: Known | None = None
    ) -> None:
        self._client = client
        self._calls = calls
        self._known = known
        self._timeout = timeout
        self._credentials = ""
        self.clock = ServerClock()
        self.told: Callable[[str, str], None] = lambda _method, _outcome: None
        """Told of every exchange: its method, and "Answered", "Conflict" or the reason of its failure."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connections; the object is of no use afterwards."""
        await self._client.close()  # type: ignore[no-untyped-call]  # the client is generated without types
        await asyncio.sleep(LETTING_GO)

    async def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - see request
    ) -> dict[str, Any] | None:
        """The object or list at `path`; None only where the server knows the kind and the object is gone."""
        if self._known is not None and not query and (copy := self._known.copy(path)) is not None:
            return copy
        try:
            found = await self.request("GET", path, query=query, timeout=timeout)
            return found if self._known is None or query else self._known.newest(path, found)
        except NotFound:
            if self._known is not None:
                self._known.gone(path)
            return None

    async def post(
        self,
        path: str,
        body: dict[str, Any],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - see request
    ) -> dict[str, Any]:
        """Create; an object of that name that is there already is a Conflict."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self.request("POST", path, query=query, body=body, timeout=timeout)

    async def put(
        self,
        path: str,
        body: dict[str, Any],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - see request
    ) -> dict[str, Any]:
        """Replace, fenced by the body's resourceVersion."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self.request("PUT", path, query=query, body=body, timeout=timeout)

    async def patch(
        self,
        path: str,
        body: dict[str, Any] | Sequence[dict[str, Any]],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - see request
    ) -> dict[str, Any]:
        """A JSON Patch where `body` is a sequence of operations, otherwise a JSON merge patch."""
        query = {"fieldManager": FIELD_MANAGER}
        if isinstance(body, dict):
            return await self.request("PATCH", path, query=query, body=body, content_type=MERGE_PATCH, timeout=timeout)
        return await self.request("PATCH", path, query=query, body=list(body), content_type=JSON_PATCH, timeout=timeout)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,  # noqa: ASYNC109 - the client's own timeout; it also covers reading the body
    ) -> dict[str, Any]:
        """One exchange. Raises Conflict (409), NotFound (the object), Unreachable (everything else)."""
        seconds = timeout or self._timeout
        async with self._turn(method, path):
            sent, asked_at = self.clock.elapsed(), 0.0 if self._known is None else self._known.now()
            with self._counted(method), nullcontext() if self._known is None else self._known.doubting(method, path):
                with _outcomes(method, path, seconds):
                    async with asyncio.timeout(seconds):
                        answer = await self._send(method, path, query, body, content_type, seconds, accept)
                        raw = await read_bounded(answer)
                self.clock.heard(answer.headers.get("Date"), sent)
                found = _judge(method, path, answer.status, raw, answer.headers.get("Retry-After"))
                if self._known is not None and method != "POST" and accept == "application/json":
                    self._known.shown(path, raw, found, asked_at)
                return found

    async def open(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        timeout: float,  # noqa: ASYNC109 - the client's own timeout; it also covers reading the body
    ) -> aiohttp.ClientResponse:
        """A GET whose body is left to the caller, who closes it; `timeout` until its end. Raises as request."""
        async with self._turn("GET", path):
            pass  # it lasts: a place that it kept would be one fewer for good
        with self._counted("GET"):
            with _outcomes("GET", path, self._timeout):
                async with asyncio.timeout(self._timeout):
                    answer = await self._send("GET", path, query, None, "application/json", timeout)
                    if answer.status < HTTPStatus.MULTIPLE_CHOICES:
                        return answer
                    raw = await read_bounded(answer)
            _judge("GET", path, answer.status, raw, answer.headers.get("Retry-After"))
        raise AssertionError  # no success is judged to be one

    def _turn(self, method: str, path: str) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._calls is None else self._calls.turn(method, path)

    @contextmanager
    def _counted(self, method: str) -> Iterator[None]:
        """Tell how an exchange ended; one that was cancelled has no outcome."""
        try:
            yield
        except Conflict:
            self.told(method, "Conflict")
            raise
        except Unreachable as error:
            self.told(method, error.reason)
            raise
        self.told(method, "Answered")

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Body,
        content_type: str,
        seconds: float,
        accept: str = "application/json",
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "Accept-Encoding": "identity", "Content-Type": content_type}
        url = self._client.configuration.host.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        self._remember(headers)
        answer = await self._client.call_api(
            method, url, headers, body, _request_timeout=aiohttp.ClientTimeout(total=seconds)
        )
        found: aiohttp.ClientResponse = answer.response
        return found

    def _remember(self, headers: dict[str, str]) -> None:
        """Whatever the client or a proxy says later, the token of this call is in no text."""
        said = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        if said != self._credentials:
            self._credentials = said
            remember_secret(said.partition(" ")[2])


@contextmanager
def _outcomes(method: str, path: str, seconds: float) -> Iterator[None]:
    """Whatever goes wrong between us and the server as Unreachable."""
    try:
        yield
    except TimeoutError:
        raise Unreachable("ApiTimeout", f"the API server did not answer {method} {path} within {seconds:g} s") from None
    except config.ConfigException as error:
        raise Unreachable("ApiUnauthorized", f"no credentials for the API server: {error}") from None
    except (aiohttp.ClientError, OSError) as error:
        sentence = f"no connection to the API server for {method} {path}: {error}"
        raise Unreachable("ApiUnreachable", sentence) from None
    except Exception as error:  # noqa: BLE001 - whatever an answer brings the client to raise is an outcome, no defect
        sentence = f"no answer of the API server to {method} {path}: {type(error).__name__} {error}"
        raise Unreachable("ApiUnreachable", sentence) from None


def _judge(method: str, path: str, status: int, raw: bytes, retry_after: str | None) -> dict[str, Any]:
    try:
        answer = mapping(json.loads(raw)) if raw else {}
    except (ValueError, RecursionError):
        answer = {}
    if status < HTTPStatus.MULTIPLE_CHOICES:
        if not answer:
            raise Unreachable("ApiError", f"the API server answered {method} {path} with no JSON object")
        return answer
    said = clean(answer.get("message") or raw, LONGEST_SAID).strip()
    sentence = f"the API server answered {method} {path} with {status}: {said}"
    if status == HTTPStatus.CONFLICT:
        raise Conflict(sentence)
    if status == HTTPStatus.NOT_FOUND:
        # An object that is gone is reported by a Status naming it. A kind that is not (or not yet) served gives a
        # bare 404: taking that for "no route" would let a candidate be adopted unanalysed.
        if answer.get("reason") == "NotFound" and mapping(answer.get("details")).get("name"):
            raise NotFound("NotFound", sentence)
        raise Unreachable("KindMissing", f"{sentence} (is the CRD installed?)")
    reason = _REASONS.get(status, "ApiError")
    wait = min(float(retry_after), LONGEST_WAIT) if retry_after and retry_after.isdecimal() else None
    raise Unreachable(reason, sentence, retry_after=wait)


_REASONS: dict[int, ApiReason] = {
    HTTPStatus.BAD_REQUEST: "ApiInvalid",
    HTTPStatus.UNAUTHORIZED: "ApiUnauthorized",
    HTTPStatus.FORBIDDEN: "ApiForbidden",
    HTTPStatus.UNPROCESSABLE_ENTITY: "ApiInvalid",
    HTTPStatus.TOO_MANY_REQUESTS: "ApiThrottled",
}


def path_of(group_version: str, plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """The path of a kind, of its objects in a namespace, or of one object ("v1" is the core group)."""
    parts = ["/api" if "/" not in group_version else "/apis", group_version]
    if namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(plural)
    if name is not None:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


async def connect(
    kubeconfig: str | None = None,
    *,
    context: str | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 - the default for every later call, not a limit on this one
    calls: Calls | None = None,
    known: Known | None = None,
) -> Api:
    """The API server of `kubeconfig` (http:// and https://).

    With None: the cluster around this process, else the user's default kubeconfig. Raises kubernetes'
    ConfigException when there is none of them. Call it inside the running event loop.
    """
    settings = Configuration()
    settings.retries = None
    # Where no proxy is to be found in the environment, each request would look into .netrc, in a thread of its own.
    settings.client_session_kwargs = {"middlewares": (stay_here,), "trust_env": bool(getproxies())}
    load: Any  # the client's loaders have no types
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        load = config.load_incluster_config
        load(client_configuration=settings)
    else:
        load = config.load_kube_config
        await load(config_file=kubeconfig, context=context, client_configuration=settings, persist_config=False)
    return Api(ApiClient(configuration=settings), timeout=timeout, calls=calls, known=known)
