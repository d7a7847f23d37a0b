"""Every way in which a call to the API server fails, and what its adapters then log."""

from __future__ import annotations

from typing import Any

from kubernetes.aio import config

from modelrollout.adapters.kubernetes.client import Api, connect, path_of
from modelrollout.adapters.kubernetes.command_annotation import COMMAND, command_of
from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.kubernetes.server_clock import ServerClock
from modelrollout.core.observation import MalformedCommand
from tests.golden.process.local import (
    Answer,
    Local,
    failing,
    gone,
    hangs,
    kubeconfig,
    logged,
    refusal,
    sends,
    serving,
)
from tests.unit.analysis.recorded import spec_of

ROUTE = path_of("gateway.networking.k8s.io/v1", "httproutes", "vision", "digits")
ANSWERS: dict[str, Answer] = {
    "a request that makes no sense": refusal(400, "the body is no patch"),
    "credentials that are not known": refusal(401, "Unauthorized"),
    "a right that is missing": refusal(403, 'httproutes "digits" is forbidden: User "sa" cannot patch'),
    "a kind that is not served": sends(404, "404 page not found"),
    "an object that does not exist": gone("httproutes", "digits"),
    "an object that has changed": refusal(409, "the object has been modified; please apply your changes again"),
    "an object that is refused": refusal(422, "admission webhook denied the request: no"),
    "too many requests": refusal(429, "too many requests, please try again later", Retry_After="7"),
    "a server that fails": refusal(500, "etcdserver: request timed out"),
    "a proxy in between": sends(502, "<html>Bad Gateway</html>"),
    "an answer that is no JSON": sends(200, "hello"),
    "a server that hangs": hangs,
}
COMMANDS = {
    "no JSON": "approve",
    "no verb that there is": '{"verb": "aprove", "nonce": "1"}',
    "no nonce": '{"verb": "approve"}',
    "a field too many": '{"verb": "approve", "nonce": "1", "force": true}',
    "no step that there can be": '{"verb": "approve", "nonce": "1", "step": 99}',
    "a text that is too long": '{"verb": "approve", "nonce": "1", "why": "' + "x" * 2048 + '"}',
}


async def texts() -> dict[str, str]:
    """The reason and the sentence of every failure, then what is logged of the Gateway's controller and the clock."""
    return await failures() | await logs()


async def failures() -> dict[str, str]:
    found: dict[str, str] = {}
    async with serving() as local:
        with kubeconfig(local.url) as path:
            async with await connect(path) as api:
                for title, answer in ANSWERS.items():
                    local.answer = answer
                    found[title] = await failing(api.request("PATCH", ROUTE, timeout=0.05 if answer is hangs else 30))
                found["credentials that cannot be had"] = await _without_credentials(api)
    with kubeconfig("http://127.0.0.1:1") as path:
        async with await connect(path) as api:
            found["nobody listens"] = await failing(api.request("GET", ROUTE))
    return found


async def _without_credentials(api: Api) -> str:
    async def refuses(*_: object) -> None:
        raise config.ConfigException("exec: process returned 1")

    client: Any = api._client
    client.update_params_for_auth = refuses
    return await failing(api.request("GET", ROUTE))


def commands() -> dict[str, str]:
    """What is answered to an annotation that is no command."""
    return {title: _refused(text) for title, text in COMMANDS.items()}


def _refused(text: str) -> str:
    found = command_of({"metadata": {"annotations": {COMMAND: text}}})
    assert isinstance(found, MalformedCommand)
    return found.message


async def logs() -> dict[str, str]:
    async with serving() as local:
        with logged() as gateway:
            await _ask_for_the_controller(local)
    with logged() as clock:
        ServerClock(wall=lambda: 1_700_000_060.0, monotonic=lambda: 5.0).heard("Tue, 14 Nov 2023 22:13:20 GMT", 5.0)
    return {"a Gateway that cannot be read": "\n".join(gateway), "a node whose clock is off": "\n".join(clock)}


async def _ask_for_the_controller(local: Local) -> None:
    local.answer = refusal(403, "gateways is forbidden")
    with kubeconfig(local.url) as path:
        async with await connect(path) as api:
            assert await KubernetesGatewayFacts(api).controller_of("vision", spec_of()) == ""
