"""Reaching the API server as kubectl does, and saying in one sentence why that failed and what to do."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config

from modelrollout.adapters.kubernetes.client import Api, connect, path_of
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.api.base import GROUP_VERSION, PLURAL
from modelrollout.cli.target import Failure
from modelrollout.core.observation import ObservedRoute
from modelrollout.ports import Conflict, Unreachable


async def open_api(args: argparse.Namespace) -> Api:
    """The API server that the arguments name."""
    if not _kubeconfigs(args) and "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise Failure("there is no kubeconfig: set KUBECONFIG, or pass --kubeconfig FILE")
    try:
        return await connect(_named(args), context=args.context)
    except (config.ConfigException, OSError, yaml.YAMLError) as error:
        raise Failure(f"the kubeconfig cannot be used: {error}; choose another with --kubeconfig") from error


def namespace_of(args: argparse.Namespace) -> str:
    """The namespace asked for, else the context's, else default."""
    if args.namespace or not _kubeconfigs(args):
        return str(args.namespace or "default")
    load: Any = config.list_kube_config_contexts  # the client has no types
    try:
        contexts, current = load(_named(args))
    except (config.ConfigException, OSError, yaml.YAMLError) as error:
        raise Failure(f"the kubeconfig cannot be used: {error}; choose another with --kubeconfig") from error
    chosen = next((c for c in contexts if c["name"] == args.context), None) if args.context else current
    return str((chosen or {}).get("context", {}).get("namespace") or "default")


def _named(args: argparse.Namespace) -> str | None:
    return args.kubeconfig or os.environ.get("KUBECONFIG") or None


def _kubeconfigs(args: argparse.Namespace) -> list[str]:
    """The kubeconfig files that exist, of those that kubectl would read."""
    named = _named(args) or "~/.kube/config"
    return [path for path in named.split(os.pathsep) if Path(path).expanduser().is_file()]


def resource_path(namespace: str, name: str) -> str:
    """Path of one ModelRollout."""
    return path_of(GROUP_VERSION, PLURAL, namespace, name)


async def get_resource(api: Api, namespace: str, name: str) -> dict[str, Any]:
    """The ModelRollout as stored now. Failure where it cannot be had."""
    try:
        found = await api.get(resource_path(namespace, name))
    except (Conflict, Unreachable) as error:
        raise Failure(f"{error}{_hint(error)}") from error
    if found is None:
        where = f"list those there are with `kubectl get {PLURAL} -A`"
        raise Failure(f'there is no ModelRollout "{name}" in namespace "{namespace}"; {where}')
    return found


async def get_route(api: Api, namespace: str, name: str) -> ObservedRoute | None:
    """The resource's route; None where it is missing or may not be read (then its weight is just not shown)."""
    try:
        _, route = await RegisteredRouters(api).find(namespace, name, None)
    except (Conflict, Unreachable):
        return None
    return route


def _hint(error: Exception) -> str:
    hints = {
        "ApiForbidden": "; ask for the role view in this namespace",
        "ApiUnauthorized": "; log in again, or choose another --context",
        "KindMissing": "; install the chart, or choose another --context",
        "ApiUnreachable": "; check the address in your kubeconfig",
    }
    return hints.get(getattr(error, "reason", ""), "")
