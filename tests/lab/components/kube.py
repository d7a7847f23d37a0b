"""The lab's own hand on the API server: applying, reading and deleting objects, and kubeconfigs for everybody else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, ServiceUnavailableError, TooManyRequestsError
from urllib3.exceptions import ReadTimeoutError

from tests.lab.components.client_tls import client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MANAGER = "lab"
NOT_YET_KNOWN = "There can be a delay between when CustomResourceDefinitions are created and when they are available"


def write_kubeconfig(path: Path, server: str, authority: Path, token: str, *, namespace: str = "default") -> Path:
    """A kubeconfig for one token; readable by its owner only."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": namespace}}],
    }
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path


def _once_known(send: Callable[..., Any], **arguments: Any) -> None:
    """`send`, again for at most 30 s while the API server's admission has not read a new definition.

    Where a MutatingAdmissionPolicy matches, it answers 503 for some seconds: it looks for new schemas every 5 s.
    """
    end = time.monotonic() + 30
    while True:
        try:
            send(**arguments, _request_timeout=10)
        except ServiceUnavailableError as error:
            if NOT_YET_KNOWN not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


class Kube:
    """A synchronous client for plain dictionaries; safe to use from several threads."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        settings.retries = False
        self._client = client.ApiClient(settings)
        if settings.ssl_ca_cert:
            pools = self._client.rest_client.pool_manager
            pools.connection_pool_kw["ssl_context"] = client_context(Path(settings.ssl_ca_cert))
        self._dynamic = DynamicClient(self._client, cache_file=str(kubeconfig.with_suffix(".discovery")))

    def close(self) -> None:
        self._client.close()

    def resource(self, api_version: str, kind: str) -> Any:
        return self._dynamic.resources.get(api_version=api_version, kind=kind)

    def apply(self, *bodies: dict[str, Any]) -> None:
        """Server-side apply, in order, forced: the lab owns what it writes."""
        for body in bodies:
            kind = self.resource(body["apiVersion"], body["kind"])
            _once_known(kind.server_side_apply, body=body, field_manager=MANAGER, force_conflicts=True)

    def create(self, body: dict[str, Any]) -> None:
        """A plain POST: unlike apply it lets an old API server drop fields that it does not know."""
        kind = self.resource(body["apiVersion"], body["kind"])
        _once_known(kind.create, body=body, namespace=body["metadata"].get("namespace"), field_manager=MANAGER)

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """The object, or None where there is none."""
        try:
            found = self.resource(api_version, kind).get(name=name, namespace=namespace, _request_timeout=10)
        except NotFoundError:
            return None
        return found.to_dict()

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        found = self.resource(api_version, kind).get(namespace=namespace, _request_timeout=10)
        return found.to_dict()["items"]

    def merge(self, api_version: str, kind: str, namespace: str | None, name: str, patch: dict[str, Any]) -> None:
        """A JSON merge patch."""
        self.resource(api_version, kind).patch(
            body=patch,
            name=name,
            namespace=namespace,
            _request_timeout=10,
            content_type="application/merge-patch+json",
            field_manager=MANAGER,
        )

    def delete(self, api_version: str, kind: str, namespace: str | None, name: str) -> None:
        """Ask for deletion; an object that is not there is deleted."""
        try:
            self.resource(api_version, kind).delete(name=name, namespace=namespace, _request_timeout=10)
        except NotFoundError:
            return

    def watch(self, api_version: str, kind: str, namespace: str, seconds: int) -> Iterator[dict[str, Any]]:
        """Raw watch events for at most `seconds` s (then it just ends)."""
        resource = self.resource(api_version, kind)
        for event in resource.watch(namespace=namespace, timeout=seconds):
            yield {"type": event["type"], "object": event["raw_object"]}

    def service_account_token(self, namespace: str, name: str, seconds: int = 86400) -> str:
        """A token of an existing ServiceAccount through the TokenRequest API."""
        body = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=["api"], expiration_seconds=seconds)
        )
        made = client.CoreV1Api(self._client).create_namespaced_service_account_token(name, namespace, body)
        assert made.status is not None
        return str(made.status.token)

    def wait_served(self, paths: Sequence[str], deadline: float = 30.0) -> None:
        """Wait until new custom resources are served: paths such as /apis/GROUP/VERSION/PLURAL.

        TimeoutError naming the first that is not after `deadline` s.
        """
        end = time.monotonic() + deadline
        for path in paths:
            while not self._is_served(path):
                if time.monotonic() > end:
                    raise TimeoutError(f"the API server does not serve {path} after {deadline:.0f} s")
                time.sleep(0.05)
        self._dynamic.resources.invalidate_cache()

    def _is_served(self, path: str) -> bool:
        try:
            self._dynamic.request("get", path, _request_timeout=5)
        except (NotFoundError, ServiceUnavailableError, TooManyRequestsError, ReadTimeoutError):
            return False  # newer ones answer 429 "storage is (re)initializing" at first; a busy one, late
        return True
