"""The lab starts and stops every real component on loopback: API server, gateway, Prometheus, model servers.

Its one rule: nothing here stands in for a component; what is measured against the lab is measured on the real thing.
This is its public API, and the README beside it says how to use it: tests import from here and, for the trained
networks, from tests.lab.models. A name is imported when it is first used, because the whole takes two seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import lazy

if TYPE_CHECKING:
    from tests.lab.components.alertmanager import Alertmanager
    from tests.lab.components.browser import Browser, Window
    from tests.lab.components.certificates import Certificates
    from tests.lab.components.control_plane import ControlPlane
    from tests.lab.components.custom_resources import gateway_api
    from tests.lab.components.gateway import gateway_object
    from tests.lab.components.kube import Kube, write_kubeconfig
    from tests.lab.components.model_registry import ModelRegistry
    from tests.lab.components.model_service import ModelService
    from tests.lab.components.prometheus import Prometheus, query, remove_target, write_target
    from tests.lab.components.scraped_pod import Line, ScrapedPod
    from tests.lab.components.triton import HTTP, METRICS, Triton
    from tests.lab.install.alertmanager_program import ALERTMANAGER
    from tests.lab.install.cache import cache_folder
    from tests.lab.install.envoy_gateway_program import ENVOY_GATEWAY, envoy, envoy_gateway_refusal
    from tests.lab.install.gitops_program import gitops_refusal, read_by_tools
    from tests.lab.install.go_program import CannotBuildError, Program
    from tests.lab.install.kubernetes_release import Version, release
    from tests.lab.install.provision import provision
    from tests.lab.install.tool_definitions import tool_definition
    from tests.lab.install.triton_install import model_python, triton_installation
    from tests.lab.processes.forked import spawn
    from tests.lab.processes.guardian import Guardian
    from tests.lab.processes.operator_process import SKEW, OperatorProcess
    from tests.lab.processes.process import Process, free_port
    from tests.lab.processes.spawning import Child, Spawn, execute
    from tests.lab.progress import run, say
    from tests.lab.proxies.faults import WRITES, Fault, FaultProxy, Observation, Rule
    from tests.lab.proxies.proxy import Exchange
    from tests.lab.session.door import Door
    from tests.lab.session.lab import Lab
    from tests.lab.session.member import Member
    from tests.lab.session.scenario import Scenario
    from tests.lab.session.shared import shared_site
    from tests.lab.session.site import Site
    from tests.lab.traffic.calls import Call, CallClient
    from tests.lab.traffic.client import LoadClient, bodies
    from tests.lab.traffic.noted import Answer, Weights
    from tests.lab.traffic.route_recorder import RouteRecorder
else:
    __getattr__ = lazy.imports(__name__, __file__)
