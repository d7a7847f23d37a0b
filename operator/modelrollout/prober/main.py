"""The prober's process, `modelrollout-prober`, with its own ServiceAccount: it writes one ConfigMap, nothing else."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path
from typing import NoReturn

import yaml
from pydantic import ValidationError

from modelrollout.adapters.kubernetes.client import connect
from modelrollout.adapters.signals import Stop, leave
from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.preflight import MOST_A_SECOND
from modelrollout.api.problems import problems_of, summary
from modelrollout.prober.exposition import Exposition
from modelrollout.prober.golden.stores import Store, store_of
from modelrollout.prober.reports import Reports
from modelrollout.prober.resources import Resources
from modelrollout.prober.runs import Bench
from modelrollout.prober.service import Prober

log = logging.getLogger("modelrollout.prober")
EPILOG = """\
examples:
  modelrollout-prober --config /etc/modelrollout/config.yaml --metrics-port 8081
  modelrollout-prober --config config.yaml --namespace vision --golden-sets /golden --rate 200
  modelrollout-prober --config config.yaml --golden-sets s3://models/golden
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="modelrollout-prober",
        description="Replays golden sets against two versions of a model before any user meets the new one.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument(
        "--config", type=Path, required=True, help="the operator's configuration: which addresses may be asked"
    )
    found.add_argument(
        "--namespace", action="append", default=[], help="look at this namespace only (repeat); default: all"
    )
    found.add_argument("--kubeconfig", help="default: the cluster around this process, else your kubeconfig")
    found.add_argument("--reports-namespace", default=os.environ.get("POD_NAMESPACE", "default"))
    found.add_argument("--reports", default="modelrollout-preflight", help="the ConfigMap that reports are written to")
    found.add_argument(
        "--golden-sets", help="a folder, or s3://BUCKET/FOLDER, with one folder for each namespace; default: none"
    )
    found.add_argument("--rate", type=int, default=MOST_A_SECOND, help="the most rows a second of one pre-flight")
    found.add_argument("--metrics-port", type=int, default=8081, help="port of /metrics and /healthz; 0 for none")
    found.add_argument("--metrics-host", default="0.0.0.0", help="address of /metrics")  # noqa: S104 - scraped from outside
    found.add_argument("--verbose", action="store_true")
    return found


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM; the exit status is 0 then, 2 for unusable arguments."""
    args = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    config = _config(args.config)
    if config is None:
        return 2
    if not 0 < args.rate <= MOST_A_SECOND:
        log.error("--rate %s: choose from 1 to %s", args.rate, MOST_A_SECOND)
        return 2
    try:
        files = _files(args.golden_sets)
    except ValueError as error:
        log.error("--golden-sets %s", error)  # noqa: TRY400 - a sentence
        return 2
    return asyncio.run(_until_told(args, config, files))


def _files(text: str | None) -> Path | Store | None:
    if text is None:
        return None
    return store_of(text) if "://" in text else Path(text)


def _config(path: Path) -> OperatorConfig | None:
    try:
        return parse_config(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        log.error("--config %s: %s", path, summary(problems_of(error, OperatorConfig, "")))  # noqa: TRY400 - a sentence
    except (OSError, yaml.YAMLError) as error:
        log.error("--config %s: %s", path, error)  # noqa: TRY400 - a sentence
    return None


async def _until_told(args: argparse.Namespace, config: OperatorConfig, files: Path | Store | None) -> NoReturn:
    stop = Stop()
    stop.listen()
    await _run(args, config, files, stop)
    leave(0)  # a thread may still read a file that never comes


async def _run(args: argparse.Namespace, config: OperatorConfig, files: Path | Store | None, stop: Stop) -> None:
    async with await connect(args.kubeconfig) as api:
        bench = Bench(api, config.probes, files, args.rate)
        reports = Reports(api, args.reports_namespace, args.reports)
        prober = Prober(bench, Resources(api, args.namespace), reports)
        exposition = Exposition(prober.series)
        bench.scrapes = lambda: exposition.scrapes
        await exposition.serve(args.metrics_host, args.metrics_port)
        try:
            await prober.work(stop)
        finally:
            await exposition.stop()
