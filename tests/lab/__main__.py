"""`python -m tests.lab` starts a lab by hand, prints where everything is, and stops it on Ctrl-C."""

from __future__ import annotations

import argparse
import shutil
import signal
import threading
from pathlib import Path

import psutil

from tests.lab.install.envoy_gateway_program import ENVOY_GATEWAY
from tests.lab.session.lab import Lab
from tests.lab.session.on_demand import Answering

EPILOG = """\
example, from the repository's root:
  python -m tests.lab --serve 1 2      a lab with two versions of the digits model behind one hostname
  KUBECONFIG=(as printed) kubectl get httproutes -A
  curl -H 'Host: vision.example.com' http://(gateway, as printed)/v2/models/digits

The first start installs and builds what is missing (the API server: about six minutes); later ones take seconds.
KUBERNETES=1.20 runs the oldest API server that is supported instead of the newest that can be built here.
MODELROLLOUT_LAB_CACHE names the cache folder, KUBEBUILDER_ASSETS a folder with your own etcd and kube-apiserver,
MODELROLLOUT_LAB_KEEP=1 keeps the logs in .lab/ after the end (those of the last three labs).
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--serve",
        type=int,
        nargs="*",
        default=[],
        metavar="VERSION",
        help="serve these versions of the digits model in namespace `vision` (1 to 6)",
    )
    parser.add_argument("--controllers", action="store_true", help="run garbage collection and namespace deletion too")
    parser.add_argument("--envoy-gateway", action="store_true", help="start Envoy Gateway beside Traefik at once")
    parser.add_argument("--scrape", type=float, default=1.0, metavar="S", help="Prometheus's scrape interval (1.0)")
    parser.add_argument("--owner", type=int, metavar="PID", help="end when this process has ended, too")
    parser.add_argument("--site", type=Path, metavar="FILE", help="write where everything is, for others to join")
    given = parser.parse_args()
    owner = psutil.Process(given.owner) if given.owner else None
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with Lab(controllers=given.controllers, scrape=given.scrape) as lab:
        if given.serve:
            scenario = lab.member.scenario("vision")
            scenario.serve(*given.serve)
            scenario.split({version: 100 if version == given.serve[0] else 0 for version in given.serve})
        site, second = lab.site, ""
        if given.envoy_gateway:
            ENVOY_GATEWAY.build()
            second = f"Envoy's      http://{lab.envoy_gateway().address}\n"
        print(
            f"kubeconfig   {site.kubeconfig}\nAPI server   {site.api} (Kubernetes {site.kubernetes})\ngateway      http://{site.gateway}\n"
            f"gateway's    http://{site.gateway_metrics}/metrics\n{second}Prometheus   {site.prometheus}\n"
            f"logs         {site.folder}\nCtrl-C ends it.",
            flush=True,
        )
        if given.site:
            half = given.site.with_suffix(".half")
            shutil.copy(site.folder / "site.json", half)
            half.rename(given.site)
        wishes = Answering(site.folder)
        while not over.wait(0.5) and (owner is None or owner.is_running()):
            wishes.answer(lab.envoy_gateway)
        print("stopping", flush=True)


if __name__ == "__main__":
    main()
