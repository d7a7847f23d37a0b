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
    needs = found.bearer_token_file is not None
    if args.config is None:
        found = found.model_copy(update={"bearer_token_file": None, "ca_file": None})
    token = args.bearer_token_file or found.bearer_token_file
    address = "--prometheus" if args.prometheus else origin
    return Source(_server(args, found), config, address, needs_token=needs and not token)


def _server(args: argparse.Namespace, server: PrometheusServer) -> PrometheusServer:
    changed = {"bearer_token_file": args.bearer_token_file} if args.bearer_token_file else {}
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
