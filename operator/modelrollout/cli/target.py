"""How a command names a resource and how it fails; imports nothing that takes time: `lint` needs no API client."""

from __future__ import annotations

import argparse
from pathlib import Path


class Failure(Exception):  # noqa: N818 - the end of a command, with its sentence
    """A sentence that says what is wrong and what to do."""


def add_target(parser: argparse.ArgumentParser) -> None:
    """The arguments that name one resource, as kubectl spells them."""
    parser.add_argument("name", metavar="NAME", help="the ModelRollout")
    parser.add_argument("-n", "--namespace", help="default: the kubeconfig context's")
    parser.add_argument("--context", help="the kubeconfig context to use")
    parser.add_argument("--kubeconfig", help="default: $KUBECONFIG, else ~/.kube/config")


def add_subject(parser: argparse.ArgumentParser) -> None:
    """The arguments that name a resource or a manifest, which server is asked about it, and which version serves."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="the ModelRollout")
    parser.add_argument("-f", "--file", metavar="FILE", help="a manifest in place of NAME; - for stdin")
    parser.add_argument("-n", "--namespace", help="default: the kubeconfig context's, or the manifest's")
    parser.add_argument("--context", help="the kubeconfig context to use")
    parser.add_argument("--kubeconfig", help="default: $KUBECONFIG, else ~/.kube/config")
    add_server(parser)
    parser.add_argument("--stable", metavar="VERSION", help="the version that serves (default: status, the manifest's)")


def add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prometheus", metavar="URL", help="the Prometheus server to ask, in place of the configured")
    parser.add_argument(
        "--bearer-token-file", metavar="FILE", help="your token for that server; the operator's own is never read"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the operator's configuration (default: the cluster's)"
    )
    parser.add_argument(
        "--operator-namespace", metavar="NAMESPACE", help="where the operator is (default: found by the chart's label)"
    )
