"""Which Prometheus server holds the samples, and how it is reached from a person's desk.

The address comes from --prometheus, else from the configuration (--config FILE, else the operator's in the cluster).
Files that a cluster's configuration names lie in the operator's Pod: here nothing is read because somebody else's
object names it. A person's token comes from --bearer-token-file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.cli.commands.lint import read_config
from modelrollout.cli.lookup.found import Installation, Source
from modelrollout.cli.target import Failure

NO_SECRETS = frozenset(
    {
        "name",
        "url",
        "matchers",
        "gateway_matchers",
        "preflight_matchers",
        "timeout",
        "scrape_interval",
        "allow_queries",
        "exact_names",
    }
)
SECRETS = frozenset({"headers", "bearer_token_file", "basic_auth", "oauth2", "client_certificate", "ca_file"})
"""Fields of a server that are taken from a cluster's configuration, and those that name files there."""


def source_of(args: argparse.Namespace, spec: Spec, installed: Installation | None = None) -> Source | None:
    """What the arguments name, else what the `installed` operator reads; None where neither names anything.

    Failure where what is named cannot be used.
    """
    if args.config is not None:
        return _configured(args, spec, _read(args.config), str(args.config))
    if installed is not None and installed.config is not None:
        return _configured(args, spec, installed.config, installed.where)
    if args.prometheus is None:
        return None
    return Source(_server(args, PrometheusServer(url="http://unset")))


def _configured(args: argparse.Namespace, spec: Spec, config: OperatorConfig, origin: str) -> Source:
    found = config.server(spec.analysis.prometheus)
    if found is None:
        names = ", ".join(one.name for one in config.prometheus)
        raise Failure(f"{origin}: no server is called {spec.analysis.prometheus!r} (there are: {names})")
    own = found if args.config is not None else without_files(found)
    needs = own != found and not args.bearer_token_file
    return Source(_server(args, own), config, "--prometheus" if args.prometheus else origin, needs_token=needs)


def without_files(server: PrometheusServer) -> PrometheusServer:
    """The same without credentials: what is written in the configuration itself, and nothing that files would say.

    Fields are taken one by one, so that a new kind of credentials is left out until somebody adds it here.
    """
    found = {name: getattr(server, name) for name in NO_SECRETS}
    return PrometheusServer.model_construct(**found, headers=[one for one in server.headers if one.value is not None])


def _server(args: argparse.Namespace, server: PrometheusServer) -> PrometheusServer:
    changed: dict[str, str | None] = {}
    if args.bearer_token_file:
        changed = {"bearer_token_file": args.bearer_token_file, "basic_auth": None, "oauth2": None}
    if args.prometheus:
        try:
            changed["url"] = PrometheusServer(url=args.prometheus).url
        except ValueError as error:
            raise Failure(f"--prometheus is {args.prometheus!r}: write a URL such as http://localhost:9090") from error
    return server.model_copy(update=changed)


def _read(path: Path) -> OperatorConfig:
    config, _ = read_config(path)
    if config is None:
        raise Failure(f"{path}: not a configuration of the operator")
    return config
