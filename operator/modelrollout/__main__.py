"""The process: wait for the Lease, then run until it is lost; `release` hands traffic to stable before an uninstall."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import yaml
from pydantic import ValidationError

from modelrollout.api.config import OperatorConfig, parse_config, removed_fields
from modelrollout.api.problems import problems_of, summary
from modelrollout.ports import Unreachable
from modelrollout.runtime.outside.notify import send_tests
from modelrollout.runtime.process.allocator import share_one_arena
from modelrollout.runtime.process.logs import start_log
from modelrollout.runtime.release import release_all
from modelrollout.runtime.run import run
from modelrollout.runtime.settings import Settings
from modelrollout.runtime.stop import Stop, leave

log = logging.getLogger("modelrollout")
EPILOG = """\
examples:
  modelrollout-operator --config /etc/modelrollout/config.yaml
  modelrollout-operator --config config.yaml --namespace vision --namespace speech
  modelrollout-operator release        # 100 % on stable everywhere, finalizers off: before an uninstall
  modelrollout-operator notify --test --config config.yaml   # a test notification to each sink, or to one: --sink NAME
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="modelrollout-operator",
        description="Canary rollouts of Triton model versions, gated on activation health.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("action", nargs="?", choices=["run", "release", "notify"], default="run")
    found.add_argument("--config", type=Path, help="the operator's configuration (YAML); needed by run")
    found.add_argument(
        "--namespace", action="append", default=[], help="watch this namespace only (repeat); default: all"
    )
    found.add_argument("--kubeconfig", help="default: the cluster around this process, else your kubeconfig")
    found.add_argument("--lease-namespace", default=os.environ.get("POD_NAMESPACE", "default"))
    found.add_argument("--lease-name", default="modelrollout-operator")
    found.add_argument("--lease-duration", type=float, default=15.0, help="seconds until a silent leader is replaced")
    found.add_argument("--health-port", type=int, default=8080, help="port of /healthz and /readyz; 0 for none")
    found.add_argument("--health-host", default="0.0.0.0", help="address of /healthz")  # noqa: S104 - kubelet probes from outside
    found.add_argument(
        "--metrics-port", type=int, default=0, help="port of /metrics, the operator's own for Prometheus; default: none"
    )
    found.add_argument("--metrics-host", default="0.0.0.0", help="address of /metrics")  # noqa: S104 - scraped from outside
    found.add_argument(
        "--preflight-reports", default="", help="the prober's ConfigMap beside the Lease; default: there is no prober"
    )
    found.add_argument(
        "--stamped", action="store_true", help="the API server stamps who sends commands (the chart's policy is there)"
    )
    found.add_argument(
        "--log-format", choices=["Text", "JSON"], help="also before the configuration is read; default: its logs.format"
    )
    found.add_argument("--test", action="store_true", help="notify: send a test notification")
    found.add_argument("--sink", action="append", default=[], help="notify: to this sink only (repeat); default: all")
    found.add_argument("--verbose", action="store_true")
    return found


def main(argv: list[str] | None = None) -> int:
    """Run the operator; the exit status is 0 after SIGTERM, 1 after a lost Lease, 2 for unusable arguments."""
    args = parser().parse_args(argv)
    share_one_arena()
    start_log(args.log_format or "Text", verbose=args.verbose)
    settings = Settings(
        kubeconfig=args.kubeconfig,
        namespaces=tuple(args.namespace),
        lease_namespace=args.lease_namespace,
        lease_name=args.lease_name,
        lease_duration=args.lease_duration,
        health=(args.health_host, args.health_port),
        metrics=(args.metrics_host, args.metrics_port),
        preflight_reports=args.preflight_reports,
        stamped=args.stamped,
    )
    if args.action == "release":
        return asyncio.run(release_all(settings))
    config = _config(args.config)
    if config is None:
        return 2
    start_log(args.log_format or config.logs.format, verbose=args.verbose)
    if args.action == "notify":
        leave(_notify(config, args.sink, is_test=args.test))
    for text in config.unsafe():
        log.warning("--config %s: %s", args.config, text)
    return asyncio.run(_until_told(settings, config))


def _config(path: Path | None) -> OperatorConfig | None:
    if path is None:
        log.error("--config: missing; name the operator's configuration file")
        return None
    try:
        document = yaml.safe_load(path.read_text())
        for name in removed_fields(document):
            log.warning("--config %s: %s has no effect any more; remove it", path, name)
        return parse_config(document)
    except ValidationError as error:
        log.error("--config %s: %s", path, summary(problems_of(error, OperatorConfig, "")))  # noqa: TRY400 - a sentence
        return None
    except (OSError, yaml.YAMLError) as error:
        log.error("--config %s: %s", path, error)  # noqa: TRY400 - a sentence
        return None


def _notify(config: OperatorConfig, sinks: list[str], *, is_test: bool) -> int:
    """Print how each sink took it; the exit status."""
    if not is_test:
        log.error("notify: write --test; what happens to rollouts is sent by the running operator")
        return 2
    found = asyncio.run(send_tests(config.notifications, tuple(sinks)))
    for line in found.lines:
        sys.stdout.write(f"{line}\n")
    return found.status


async def _until_told(settings: Settings, config: OperatorConfig) -> NoReturn:
    stop = Stop()
    stop.listen()
    try:
        status = await run(settings, config, stop, _end_at_once)
    except Unreachable as error:
        log.error("cannot start: %s", error)  # noqa: TRY400 - a sentence
        status = 1
    leave(status)


def _end_at_once(reason: str) -> None:
    """A lost Lease: another process may act already, so this one must not do one thing more."""
    log.critical("the Lease is lost: %s; ending", reason)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
